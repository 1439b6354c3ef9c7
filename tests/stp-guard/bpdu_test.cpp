#include "stp-guard/bpdu.h"

#include <doctest/doctest.h>

#include <filesystem>

#include "tests/stp-guard/frames.h"
#include "tests/support/pcap_file.h"

using namespace isthmus;
using namespace isthmus::stp_guard;
using namespace isthmus::test;
using namespace std::chrono_literals;

namespace {

std::vector<CapturedPacket> frames_of(const std::string& name) {
    const std::filesystem::path vectors = ISTHMUS_TEST_VECTORS;
    auto capture = read_pcap((vectors / "pcap-tcpdump" / name).string(), true);
    REQUIRE_MESSAGE(capture, name);
    return capture->packets;
}

BridgeId bridge(std::uint16_t priority_and_extension, std::string_view mac) {
    return {priority_and_extension, MacAddress::parse(mac).value()};
}

/// From the protocol identifier on.
Octets bpdu_in(const Octets& from_type) {
    return {from_type.begin() + 5, from_type.end()};
}

Octets mst_bpdu(std::size_t instances) {
    ByteWriter out;
    out.bytes(hex("0000 03 02 7c 8000001906eab880 00000000 8000001906eab880 8005 0000 1400 0200 0f00 00"));
    out.u16(static_cast<std::uint16_t>(64 + 16 * instances));
    out.u8(0).text("region").zeros(26).u16(3).zeros(16).u32(7).bytes(hex("8000001906eab881")).u8(20);
    for (std::size_t i = 0; i < instances; ++i)
        out.u8(0x3c)
            .u16(static_cast<std::uint16_t>(0x8000 + i + 1))
            .bytes(hex("001906eab882"))
            .u32(9)
            .u8(0x80)
            .u8(0x10)
            .u8(19);
    return std::move(out).take();
}

}  // namespace

// The values of these three are those that tcpdump 5 prints for its own captures.

TEST_CASE("a switch's configuration BPDU is read in full") {
    const auto frames = frames_of("valid/802.1D_spanning_tree.pcap");
    REQUIRE(frames.size() == 14);
    for (const CapturedPacket& packet : frames) {
        const auto frame = parse_bpdu_frame(packet.bytes);
        REQUIRE(frame);
        const Bpdu& bpdu = frame->bpdu;
        CHECK(frame->source.text() == "00:19:06:ea:b8:85");
        CHECK(frame->vid == 0);
        CHECK_FALSE(frame->pvst);
        CHECK(bpdu.kind == BpduKind::config);
        CHECK(bpdu.version == 0);
        CHECK(bpdu.root == bridge(0x8001, "00:19:06:ea:b8:80"));
        CHECK(bpdu.root_path_cost == 0);
        CHECK(bpdu.bridge == bpdu.root);
        CHECK(bpdu.port == 0x8005);
        CHECK(bpdu.message_age == 0s);
        CHECK(bpdu.max_age == 20s);
        CHECK(bpdu.hello_time == 2s);
        CHECK(bpdu.forward_delay == 15s);
        CHECK_FALSE(bpdu.mst);
        CHECK(bpdu.sender().text() == "32768/1/00:19:06:ea:b8:80");
    }
    CHECK_FALSE(parse_bpdu_frame(frames[0].bytes)->bpdu.tells_of_topology_change());
}

TEST_CASE("a switch's RST BPDU has its role and state") {
    const auto frames = frames_of("valid/802.1w_rapid_STP.pcap");
    const auto first = parse_bpdu_frame(frames.at(0).bytes);
    REQUIRE(first);
    CHECK(first->bpdu.kind == BpduKind::rapid);
    CHECK(first->bpdu.version == 2);
    CHECK(first->bpdu.root == bridge(0x8001, "00:19:06:ea:b8:80"));
    CHECK(first->bpdu.port == 0x800c);
    CHECK(first->bpdu.flags.role() == PortRole::designated);
    CHECK(first->bpdu.flags.proposal());
    CHECK_FALSE(first->bpdu.flags.learning());
    CHECK_FALSE(first->bpdu.flags.forwarding());
    CHECK_FALSE(first->bpdu.flags.agreement());
    std::size_t forwarding = 0;
    for (const CapturedPacket& packet : frames) {
        const auto frame = parse_bpdu_frame(packet.bytes);
        REQUIRE(frame);
        if (frame->bpdu.flags.forwarding()) ++forwarding;
    }
    CHECK(forwarding > 0);
    CHECK(forwarding < frames.size());
}

TEST_CASE("a switch's MST BPDU has its region, its sender and its instances") {
    const auto frames = frames_of("valid/MSTP_Intra-Region_BPDUs.pcap");
    REQUIRE(frames.size() == 10);
    const auto frame = parse_bpdu_frame(frames[0].bytes);
    REQUIRE(frame);
    const Bpdu& bpdu = frame->bpdu;
    CHECK(bpdu.kind == BpduKind::multiple);
    CHECK(bpdu.flags.role() == PortRole::root);
    CHECK(bpdu.flags.learning());
    CHECK(bpdu.flags.forwarding());
    CHECK(bpdu.root == bridge(0, "00:1f:27:b4:7d:80"));
    CHECK(bpdu.root_path_cost == 200'000);
    CHECK(bpdu.bridge == bridge(0x8000, "00:16:46:b5:8c:80"));
    CHECK(bpdu.port == 0x8012);
    CHECK(bpdu.message_age == 1s);
    REQUIRE(bpdu.mst);
    CHECK(bpdu.mst->configuration.format == 0);
    CHECK(bpdu.mst->configuration.name() == "Brewery");
    CHECK(bpdu.mst->configuration.revision == 0);
    CHECK(to_hex(bpdu.mst->configuration.digest) == "9357ebb7a8d74dd5fef4f2bab50531aa");
    CHECK(bpdu.mst->internal_root_path_cost == 200'000);
    CHECK(bpdu.mst->bridge == bridge(0x8000, "00:1e:f7:05:a8:80"));
    CHECK(bpdu.sender() == bpdu.mst->bridge);
    CHECK(bpdu.mst->remaining_hops == 20);
    REQUIRE(bpdu.mst->instances.size() == 2);
    const MstInstance& one = bpdu.mst->instances[0];
    CHECK(one.number() == 1);
    CHECK(one.flags.role() == PortRole::designated);
    CHECK(one.flags.forwarding());
    CHECK(one.flags.agreement());
    CHECK(one.regional_root == bridge(0x6001, "00:1e:f7:05:a8:80"));
    CHECK(one.internal_root_path_cost == 0);
    CHECK(one.bridge_priority == 0x60);
    CHECK(one.port_priority == 0x80);
    CHECK(one.remaining_hops == 20);
    const MstInstance& two = bpdu.mst->instances[1];
    CHECK(two.number() == 2);
    CHECK(two.flags.role() == PortRole::root);
    CHECK(two.internal_root_path_cost == 200'000);
}

TEST_CASE("a topology change notification has four bytes and nothing more to say") {
    const auto frame = parse_bpdu_frame(frame_to(kBridgeGroup, kTcnBpdu));
    REQUIRE(frame);
    CHECK(frame->bpdu.kind == BpduKind::topology_change);
    CHECK(frame->bpdu.tells_of_topology_change());
    CHECK(frame->bpdu.root == BridgeId{});
}

TEST_CASE("the topology change flag is seen in every kind that has it") {
    for (Octets bpdu : {bpdu_in(kConfigBpdu), bpdu_in(kRstBpdu), mst_bpdu(1)}) {
        bpdu[4] &= 0xfe;
        CHECK_FALSE(parse_bpdu(bpdu)->tells_of_topology_change());
        bpdu[4] |= 1;
        CHECK(parse_bpdu(bpdu)->tells_of_topology_change());
    }
}

TEST_CASE("a configuration BPDU has no flags but the two that STP knows") {
    Octets bpdu = bpdu_in(kConfigBpdu);
    bpdu[4] = 0xff;
    CHECK(parse_bpdu(bpdu)->flags.bits == 0x81);
    CHECK(parse_bpdu(bpdu)->flags.role() == PortRole::unknown);
}

TEST_CASE("a configuration BPDU of a later version is read as the one it is compatible with") {
    for (const std::uint8_t version :
         {std::uint8_t{1}, std::uint8_t{2}, std::uint8_t{3}, std::uint8_t{255}}) {
        Octets bpdu = bpdu_in(kConfigBpdu);
        bpdu[2] = version;
        const auto parsed = parse_bpdu(bpdu);
        REQUIRE(parsed);
        CHECK(parsed->kind == BpduKind::config);
        CHECK(parsed->version == version);
    }
}

TEST_CASE("times are in 256ths of a second, without rounding") {
    Octets bpdu = bpdu_in(kConfigBpdu);
    bpdu[27] = 0;
    bpdu[28] = 1;
    bpdu[29] = 0xff;
    bpdu[30] = 0xff;
    CHECK(parse_bpdu(bpdu)->message_age == 3'906'250ns);
    CHECK(parse_bpdu(bpdu)->max_age == 256s - 3'906'250ns);
}

TEST_CASE("PVST+ names the VLAN in which it began, tagged or not") {
    const Octets config =
        hex("0032 aaaa03 00000c 010b 0000 00 00 00 80640013c4120f00 00000000 80640013c4120f00 8001 0000 1400 "
            "0200 0f00 00 0000 0002 0064");
    const Octets rapid =
        hex("0032 aaaa03 00000c 010b 0000 02 02 3c 80640013c4120f00 00000004 80640013c4120f00 8001 0000 1400 "
            "0200 0f00 00 0000 0002 0064");
    for (const Octets& payload : {config, rapid}) {
        const auto frame = parse_bpdu_frame(frame_to(kPvst, payload, {{0x8100, 0xe064}}));
        REQUIRE(frame);
        CHECK(frame->pvst);
        CHECK(frame->vid == 100);
        CHECK(frame->bpdu.originating_vlan == 100);
        CHECK(frame->bpdu.root.text() == "32768/100/00:13:c4:12:0f:00");
        CHECK_FALSE(frame->vlan_mismatch());
        CHECK(parse_bpdu_frame(frame_to(kPvst, payload, {{0x8100, 200}}))->vlan_mismatch());
        const auto native = parse_bpdu_frame(frame_to(kPvst, payload));
        REQUIRE(native);
        CHECK(native->vid == 0);
        CHECK_FALSE(native->vlan_mismatch());
    }
    CHECK(parse_bpdu_frame(frame_to(kPvst, rapid))->bpdu.kind == BpduKind::rapid);
    Octets without = rapid;
    without[1] = 0x2c;
    CHECK_FALSE(parse_bpdu_frame(frame_to(kPvst, without))->bpdu.originating_vlan);
    Octets other = rapid;
    other[other.size() - 5] = 9;
    CHECK_FALSE(parse_bpdu_frame(frame_to(kPvst, other))->bpdu.originating_vlan);
}

TEST_CASE("an IEEE BPDU has no originating VLAN, whatever stands behind it") {
    Octets bpdu = kRstBpdu;
    bpdu[1] = 0x2d;
    for (const std::uint8_t b : hex("0000 0002 0064")) bpdu.push_back(b);
    const auto frame = parse_bpdu_frame(frame_to(kBridgeGroup, bpdu));
    REQUIRE(frame);
    CHECK_FALSE(frame->bpdu.originating_vlan);
}

TEST_CASE("a BPDU may stand behind tags, in padding and in LLC encapsulation") {
    for (const std::vector<Tag>& tags : {std::vector<Tag>{}, {{0x8100, 7}}, {{0x88a8, 7}, {0x8100, 9}}}) {
        const auto frame = parse_bpdu_frame(frame_to(kBridgeGroup, kRstBpdu, tags));
        REQUIRE(frame);
        CHECK(frame->vid == (tags.empty() ? 0 : 7));
    }
    Octets encapsulated = kRstBpdu;
    encapsulated[0] = 0x88;
    encapsulated[1] = 0x70;
    CHECK(parse_bpdu_frame(frame_to(kBridgeGroup, encapsulated)));
}

TEST_CASE("a BPDU is truncated at every byte before its end, and whole from there on") {
    for (const auto& [bpdu, least] :
         {std::pair{bpdu_in(kConfigBpdu), 35}, {bpdu_in(kTcnBpdu), 4}, {bpdu_in(kRstBpdu), 36}}) {
        for (std::size_t size = 0; size <= bpdu.size(); ++size) {
            const Octets cut(bpdu.begin(), bpdu.begin() + static_cast<std::ptrdiff_t>(size));
            const auto parsed = parse_bpdu(cut);
            CHECK(parsed.has_value() == (size >= static_cast<std::size_t>(least)));
            if (!parsed) CHECK(parsed.error() == BpduError::truncated);
        }
    }
}

TEST_CASE("an MST BPDU that is not whole is the RST BPDU that it begins with") {
    const Octets whole = mst_bpdu(3);
    CHECK(whole.size() == 102 + 48);
    for (std::size_t size = 0; size <= whole.size(); ++size) {
        const Octets cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
        const auto parsed = parse_bpdu(cut);
        CHECK(parsed.has_value() == (size >= 36));
        if (parsed) CHECK(parsed->kind == (size == whole.size() ? BpduKind::multiple : BpduKind::rapid));
    }
}

TEST_CASE("an MST BPDU has 0 to 64 instances and a length that says how many") {
    CHECK(parse_bpdu(mst_bpdu(0))->mst->instances.empty());
    CHECK(parse_bpdu(mst_bpdu(64))->mst->instances.size() == 64);
    CHECK(parse_bpdu(mst_bpdu(64))->mst->instances[63].number() == 64);
    CHECK_FALSE(parse_bpdu(mst_bpdu(65))->mst);
    for (const int length : {0, 63, 65, 72, 0xffff}) {
        Octets bpdu = mst_bpdu(1);
        store_be16(bpdu.data() + 36, static_cast<std::uint16_t>(length));
        CHECK_FALSE(parse_bpdu(bpdu)->mst);
    }
    Octets odd = mst_bpdu(1);
    odd[35] = 1;
    CHECK_FALSE(parse_bpdu(odd)->mst);
    Octets later = mst_bpdu(1);
    later[2] = 4;
    CHECK(parse_bpdu(later)->kind == BpduKind::shortest_path);
}

TEST_CASE("what is no BPDU is told apart") {
    const auto error_of = [](const Octets& frame) {
        const auto parsed = parse_bpdu_frame(frame);
        REQUIRE_FALSE(parsed);
        return parsed.error();
    };
    CHECK(error_of(frame_to(kHost, kIpv4)) == BpduError::not_a_bpdu);
    CHECK(error_of(frame_to("01:00:0c:cc:cc:cc", hex("0022 aaaa03 00000c 2000"))) == BpduError::not_a_bpdu);
    CHECK(error_of(frame_to("01:80:c2:00:00:21", hex("0026 424203 0001"))) == BpduError::unknown_protocol);
    CHECK(error_of(frame_to(kBridgeGroup, hex("0026 424203 0000 00 42"))) == BpduError::unknown_type);
    CHECK(error_of(frame_to(kBridgeGroup, hex("0026 424203 0000 00 02"))) == BpduError::unknown_type);
    CHECK(error_of(frame_to(kBridgeGroup, hex("0003 424203"))) == BpduError::truncated);
    CHECK(error_of(frame_to(kBridgeGroup, hex("0100 424203 0000 00 80"))) == BpduError::truncated);
    CHECK(error_of(frame_to(kBridgeGroup, hex("0010 424203 0000 02 02"))) == BpduError::truncated);
    CHECK(error_of(hex("0180c2000000")) == BpduError::truncated);
}

TEST_CASE("bridges compare by priority, then by address, and the smaller is the better") {
    CHECK(bridge(0x7000, "ff:00:00:00:00:00") < bridge(0x8000, "00:00:00:00:00:01"));
    CHECK(bridge(0x8000, "00:00:00:00:00:01") < bridge(0x8000, "00:00:00:00:00:02"));
    CHECK(bridge(0x8001, "00:00:00:00:00:01") > bridge(0x8000, "00:00:00:00:00:02"));
}

TEST_CASE("a region's name is printable, whatever it holds") {
    MstConfigurationId id;
    const auto raw = hex("41 1b 5b 07 ff 42 00 43");
    std::copy(raw.begin(), raw.end(), id.raw_name.begin());
    CHECK(id.name() == "A?[??B");
    id.raw_name.fill('x');
    CHECK(id.name() == std::string(32, 'x'));
}

TEST_CASE("every frame of the captures of bridges, cut and bent at every byte, is survived") {
    for (const char* name : {"valid/802.1D_spanning_tree.pcap", "valid/802.1w_rapid_STP.pcap",
                             "valid/MSTP_Intra-Region_BPDUs.pcap", "hostile/stp-heapoverflow-1.pcap",
                             "hostile/stp-heapoverflow-3.pcap", "hostile/stp-v4-length-sigsegv.pcap"}) {
        for (const CapturedPacket& packet : frames_of(name)) {
            for (std::size_t size = 0; size <= packet.bytes.size(); ++size) {
                Octets cut(packet.bytes.begin(), packet.bytes.begin() + static_cast<std::ptrdiff_t>(size));
                (void)parse_bpdu_frame(cut);
                if (size > 14) (void)parse_bpdu(Bytes(cut).subspan(14));
                for (const std::uint8_t value : {std::uint8_t{0}, std::uint8_t{0x40}, std::uint8_t{0xff}}) {
                    if (size == 0) continue;
                    cut.back() = value;
                    (void)parse_bpdu_frame(cut);
                }
            }
        }
    }
    const auto hostile = frames_of("hostile/stp-v4-length-sigsegv.pcap");
    CHECK_FALSE(hostile.empty());
}
