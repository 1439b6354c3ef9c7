// What SoftEther says, and what tries to break parsers: tests/vectors/golden/README.md, tests/vectors/pcap-*.
#include <filesystem>
#include <fstream>
#include <iterator>

#include "tests/support/pcap_file.h"
#include "tests/tunnel/control_samples.h"
#include "tests/tunnel/packets.h"

using namespace isthmus;
using namespace isthmus::tunnel;
using namespace isthmus::tunnel::test;

namespace {

std::vector<Octets> control_datagrams(const std::string& path) {
    const auto capture = isthmus::test::read_pcap(path);
    if (!capture) FAIL(capture.error());
    std::vector<Octets> out;
    for (const auto& packet : capture->packets) {
        const auto ip_packet = isthmus::test::ip_packet_in(packet.bytes, capture->link_type);
        if (!ip_packet) continue;
        const auto udp = isthmus::test::udp_in(*ip_packet);
        if (!udp || udp->destination_port != 1701 || udp->payload.empty()) continue;
        if ((udp->payload[0] & 0x80) != 0) out.push_back(copy(udp->payload));
    }
    return out;
}

/// Whatever comes is refused in words, or understood.
void survive(Bytes bytes, const ControlAuth& auth, const AvpHider& hider) {
    for (const Encapsulation encapsulation : {Encapsulation::udp, Encapsulation::ip}) {
        const auto packet = ControlPacket::parse(encapsulation, bytes);
        if (!packet) {
            CHECK_FALSE(packet.error().empty());
            continue;
        }
        CHECK_FALSE(auth.verify(*packet));
    }
    const auto parsed = parse_body(bytes, &hider);
    if (!parsed) CHECK_FALSE(parsed.error().text.empty());
}

}  // namespace

TEST_CASE("a whole life with SoftEther is understood, and its quirks are named") {
    const auto datagrams = control_datagrams(ISTHMUS_TEST_VECTORS "/golden/softether/softether-ctl.pcap");
    std::vector<std::string> names;
    QuirkSet quirks;
    for (const Octets& datagram : datagrams) {
        const auto packet = ControlPacket::parse(Encapsulation::udp, datagram);
        REQUIRE(packet);
        const auto parsed = parse_body(packet->body);
        if (!parsed) FAIL(parsed.error().text);
        CHECK(parsed->ignored.empty());
        names.push_back(name_of(parsed->message));
        quirks |= parsed->quirks;
    }
    CHECK(names == std::vector<std::string>{"SCCRQ", "SCCRP", "SCCCN", "ZLB", "ICRQ", "ICRP", "ICCN", "ZLB",
                                            "CDN", "CDN", "ZLB", "StopCCN", "StopCCN", "ZLB"});
    CHECK(names_of(quirks) == std::vector<std::string_view>{"router-id-zero", "result-code-shifted"});
}

TEST_CASE("what SoftEther says has the values that it means") {
    const auto datagrams = control_datagrams(ISTHMUS_TEST_VECTORS "/golden/softether/softether-ctl.pcap");
    REQUIRE(datagrams.size() == 14);
    const auto message = [&](std::size_t i) {
        return parse_body(ControlPacket::parse(Encapsulation::udp, datagrams[i])->body)->message;
    };
    const auto sccrp = std::get<Sccrp>(message(1));
    CHECK(sccrp.host_name == "vm");
    CHECK(sccrp.vendor_name == "YAMAHA Corporation");
    CHECK(sccrp.assigned_id == ControlConnectionId{1});
    CHECK(sccrp.pseudowires == std::vector{PseudowireType::ethernet, PseudowireType::ethernet_vlan});
    CHECK(sccrp.window() == 4);
    const auto icrp = std::get<Icrp>(message(5));
    CHECK(icrp.ids == SessionPair{SessionId{0x3fa74d16}, SessionId{0x55667788}});
    CHECK(icrp.offer.status == CircuitStatus::parse(3));
    const auto cdn = std::get<Cdn>(message(9));
    CHECK(cdn.ids == SessionPair{SessionId{0x4d160000}, SessionId{0x55667788}});
    CHECK(cdn.why.result == CdnResult::administrative);
    CHECK(session_id_quirk(icrp.ids.local, cdn.ids.local) == Quirk::cdn_session_id_mangled);
    const auto stop = std::get<StopCcn>(message(12));
    CHECK(stop.assigned_id == ControlConnectionId{1});
    CHECK(stop.why.result == StopResult::reserved);
}

TEST_CASE(
    "hostile captures, whole, cut and as AVPs, are refused in words or understood, and never believed") {
    const auto keys = keys_of({"s"});
    const ControlAuth auth(keys, DigestType::hmac_md5);
    const AvpHider hider = keys->hider(0);
    std::size_t packets = 0;
    for (const char* folder : {"pcap-tcpdump", "pcap-suricata-verify"}) {
        const std::string path = std::string(ISTHMUS_TEST_VECTORS "/") + folder + "/hostile";
        for (const auto& entry : std::filesystem::directory_iterator(path)) {
            const auto capture = isthmus::test::read_pcap(entry.path().string(), true);
            if (!capture) continue;
            for (const auto& packet : capture->packets) {
                ++packets;
                const Bytes bytes(packet.bytes);
                for (std::size_t skip = 0; skip <= std::min<std::size_t>(bytes.size(), 60); ++skip)
                    survive(bytes.subspan(skip), auth, hider);
            }
        }
    }
    CHECK(packets > 60);
}

TEST_CASE("the hostile L2TP capture is cut at every byte and survived") {
    const auto keys = keys_of({"s"});
    const ControlAuth auth(keys, DigestType::hmac_md5);
    const AvpHider hider = keys->hider(0);
    const auto capture =
        isthmus::test::read_pcap(ISTHMUS_TEST_VECTORS "/pcap-tcpdump/hostile/l2tp-avp-overflow.pcap", true);
    REQUIRE(capture);
    REQUIRE(capture->packets.size() == 20);
    for (const auto& packet : capture->packets) {
        const Bytes bytes(packet.bytes);
        for (std::size_t skip = 0; skip < bytes.size(); ++skip)
            for (std::size_t size = skip; size <= bytes.size(); ++size)
                survive(bytes.subspan(skip, size - skip), auth, hider);
    }
}
