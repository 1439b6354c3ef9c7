#include "stp-guard/gateways.h"

#include <doctest/doctest.h>

#include <filesystem>

#include "stp-guard/gateway_observer.h"
#include "tests/stp-guard/frames.h"
#include "tests/support/pcap_file.h"

using namespace isthmus;
using namespace isthmus::stp_guard;
using namespace isthmus::test;
using namespace std::chrono_literals;

namespace {

constexpr TimePoint kNow{1h};
constexpr SeenAt kLan{PortId{1}, PortKind::lan};
constexpr SeenAt kTunnel{PortId{9}, PortKind::tunnel};

IpAddress ip(std::string_view text) {
    return IpAddress::parse(text).value();
}

GatewayFilter filter(bool keep_dhcp = false) {
    GatewayOptions options;
    options.dual = VlanSet::parse("10").value();
    options.gateways = {{10, ip("192.0.2.1"), MacAddress::parse("02:00:5e:10:00:aa")},
                        {10, ip("2001:db8::1"), {}},
                        {20, ip("192.0.2.9"), {}}};
    options.keep_dhcp_servers = keep_dhcp;
    return GatewayFilter(options);
}

const std::vector<Tag> kVlan{{0x8100, 10}};

bool keeps(const GatewayFilter& f, const Octets& frame) {
    return f.keeps(frame, classify(frame));
}

Octets arp(std::string_view operation, std::string_view sender_mac, std::string_view sender_ip,
           std::string_view target_ip) {
    return frame_to(kBroadcast,
                    hex("0806 0001080006 04" + std::string(operation) + std::string(sender_mac) +
                        std::string(sender_ip) + "000000000000" + std::string(target_ip)),
                    kVlan);
}

Octets neighbour(std::string_view type, std::string_view source, std::string_view target) {
    return frame_to("33:33:00:00:00:01",
                    hex("86dd 60000000 0020 3aff" + std::string(source) + "ff020000000000000000000000000001" +
                        std::string(type) + "000000 00000000" + std::string(target)),
                    kVlan);
}

Octets from(std::string_view source, Octets frame) {
    const auto mac = MacAddress::parse(source).value();
    std::copy(mac.bytes.begin(), mac.bytes.end(), frame.begin() + 6);
    return frame;
}

constexpr std::string_view kHostMac = "02005e100001";
constexpr std::string_view kHostV6 = "20010db8000000000000000000000005";
constexpr std::string_view kGatewayV6 = "20010db8000000000000000000000001";

std::vector<SeenGateway> seen_in(const std::string& file) {
    const auto capture = read_pcap((std::filesystem::path(ISTHMUS_TEST_VECTORS) / file).string());
    REQUIRE_MESSAGE(capture, file);
    GatewayObserver observer;
    for (const CapturedPacket& packet : capture->packets) observer.on_frame(kLan, packet.bytes, kNow);
    return observer.seen();
}

}  // namespace

TEST_CASE("dual-gateway mode is by VLAN") {
    const auto f = filter();
    CHECK(f.applies_to(10));
    CHECK_FALSE(f.applies_to(20));
    CHECK_FALSE(f.applies_to(0));
}

TEST_CASE("frames from virtual MACs and from a gateway's own stay, to whomever they go") {
    const auto f = filter();
    for (const std::string_view source :
         {"00:00:5e:00:01:0a", "00:00:0c:07:ac:01", "00:07:b4:00:01:01", "02:00:5e:10:00:aa"})
        CHECK(keeps(f, from(source, frame_to(kHost, kIpv4, kVlan))));
    CHECK_FALSE(keeps(f, frame_to(kHost, kIpv4, kVlan)));
    CHECK_FALSE(keeps(f, frame_to("00:00:5e:00:01:0a", kIpv4, kVlan)));
}

TEST_CASE("ARP in a gateway's name stays: replies, announcements and requests; for a gateway it passes") {
    const auto f = filter();
    CHECK(keeps(f, arp("0002", kHostMac, "c0000201", "c0000205")));
    CHECK(keeps(f, arp("0001", kHostMac, "c0000201", "c0000201")));
    CHECK(keeps(f, arp("0001", kHostMac, "c0000201", "c0000205")));
    CHECK(keeps(f, arp("0002", "02005e1000aa", "c0000205", "c0000206")));
    CHECK(keeps(f, arp("0002", "00005e00010a", "c0000205", "c0000206")));
    CHECK_FALSE(keeps(f, arp("0001", kHostMac, "c0000205", "c0000201")));
    CHECK_FALSE(keeps(f, arp("0002", kHostMac, "c0000209", "c0000205")));
}

TEST_CASE("advertisements for a gateway and its own solicitations stay, those for it pass") {
    const auto f = filter();
    CHECK(keeps(f, neighbour("88", kHostV6, kGatewayV6)));
    CHECK(keeps(f, neighbour("88", kGatewayV6, kHostV6)));
    CHECK(keeps(f, neighbour("87", kGatewayV6, kHostV6)));
    CHECK_FALSE(keeps(f, neighbour("87", kHostV6, kGatewayV6)));
    CHECK_FALSE(keeps(f, neighbour("88", kHostV6, kHostV6)));
}

TEST_CASE("hellos, router advertisements and queries stay, and DHCP servers' answers where asked for") {
    const auto offer =
        frame_to(kBroadcast, hex("0800 45000020 00000000 ff110000 c0000202 ffffffff 0043 0044"), kVlan);
    const auto discover =
        frame_to(kBroadcast, hex("0800 45000020 00000000 ff110000 00000000 ffffffff 0044 0043"), kVlan);
    const auto hello =
        frame_to("01:00:5e:00:00:12", hex("0800 45000020 00000000 ff700000 c0000202 e0000012 21"), kVlan);
    const auto query =
        frame_to("01:00:5e:00:00:01", hex("0800 45000020 00000000 01020000 c0000202 e0000001 11"), kVlan);
    CHECK(keeps(filter(), hello));
    CHECK(keeps(filter(), query));
    CHECK(keeps(filter(), neighbour("86", "fe800000000000000000000000000001", kHostV6)));
    CHECK_FALSE(keeps(filter(), neighbour("85", "fe800000000000000000000000000001", kHostV6)));
    CHECK_FALSE(keeps(filter(), offer));
    CHECK(keeps(filter(true), offer));
    CHECK_FALSE(keeps(filter(true), discover));
}

TEST_CASE("frames cut anywhere are judged within their bounds") {
    const auto f = filter();
    for (const Octets& whole :
         {arp("0002", kHostMac, "c0000201", "c0000205"), neighbour("88", kHostV6, kGatewayV6),
          from("02:00:5e:10:00:aa", frame_to(kHost, kIpv4, kVlan))})
        for (std::size_t size = 18; size <= whole.size(); ++size) {
            const Octets cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
            if (keeps(f, cut)) CHECK(keeps(f, whole));
            (void)gateways_in(cut, classify(cut));
        }
}

TEST_CASE("gateways are proposed from captured hellos, with the addresses that they name") {
    const auto vrrp = seen_in("pcap-tcpdump/valid/vrrp.pcap");
    REQUIRE_FALSE(vrrp.empty());
    for (const SeenGateway& gateway : vrrp) {
        CHECK(gateway.evidence == GatewayEvidence::vrrp);
        CHECK_FALSE(gateway.address.is_unspecified());
        CHECK(gateway.lan);
    }
    const auto hsrp = seen_in("pcap-tcpdump/valid/HSRP_coup.pcap");
    REQUIRE_FALSE(hsrp.empty());
    for (const SeenGateway& gateway : hsrp) CHECK(gateway.evidence == GatewayEvidence::hsrp);
}

TEST_CASE("one address that is a gateway's in both sites is told once; two queriers are not") {
    const auto hello = [](std::string_view address) {
        return frame_to("01:00:5e:00:00:12",
                        hex("0800 45000020 00000000 ff700000 c0000202 e0000012 21 01 64 01 00 01 0000" +
                            std::string(address)),
                        kVlan);
    };
    GatewayObserver observer;
    observer.on_frame(kLan, hello("c0000201"), kNow);
    observer.on_frame(kTunnel, hello("c0000203"), kNow);
    CHECK_FALSE(observer.poll_event().has_value());
    observer.on_frame(kTunnel, hello("c0000201"), kNow);
    observer.on_frame(kTunnel, hello("c0000201"), kNow + 1s);
    const auto event = observer.poll_event();
    REQUIRE(event.has_value());
    CHECK(event->vid == 10);
    CHECK(event->address == ip("192.0.2.1"));
    CHECK_FALSE(observer.poll_event().has_value());
    const auto query =
        frame_to("01:00:5e:00:00:01", hex("0800 45000020 00000000 01020000 c0000202 e0000001 11"), kVlan);
    observer.on_frame(kLan, query, kNow);
    observer.on_frame(kTunnel, query, kNow);
    CHECK_FALSE(observer.poll_event().has_value());
}

TEST_CASE("a router that says it is none is none, and what was silent for an hour is forgotten") {
    const auto advertisement = [](std::string_view lifetime) {
        return frame_to(
            "33:33:00:00:00:01",
            hex("86dd 60000000 0010 3aff fe800000000000000000000000000001 ff020000000000000000000000000001"
                "86000000 4000" +
                std::string(lifetime) + "00000000 00000000"),
            kVlan);
    };
    GatewayObserver observer;
    observer.on_frame(kLan, advertisement("0000"), kNow);
    CHECK(observer.seen().empty());
    CHECK_FALSE(observer.next_timeout().has_value());
    observer.on_frame(kLan, advertisement("0708"), kNow);
    REQUIRE(observer.seen().size() == 1);
    CHECK(observer.seen()[0].address == ip("fe80::1"));
    CHECK(observer.next_timeout() == kNow + 1h);
    observer.on_timeout(kNow + 1h);
    CHECK(observer.seen().empty());
}

TEST_CASE("forged gateways without end fill the table and no more") {
    GatewayObserver observer;
    for (std::uint32_t i = 0; i < 10'000; ++i) {
        Octets hello = frame_to(
            "01:00:5e:00:00:12",
            hex("0800 45000020 00000000 ff700000 c0000202 e0000012 21 01 64 01 00 01 0000 00000000"));
        store_be32(hello.data() + 14 + 20 + 8, 0x0a000000 + i);
        observer.on_frame(kLan, hello, kNow);
    }
    CHECK(observer.seen().size() == GatewayObserver::kMost);
}
