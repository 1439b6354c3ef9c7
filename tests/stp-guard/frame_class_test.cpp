#include "stp-guard/frame_class.h"

#include <doctest/doctest.h>

#include "tests/stp-guard/frames.h"

using namespace isthmus;
using namespace isthmus::stp_guard;
using namespace isthmus::test;

namespace {

LinkLocalKind kind_of(const Octets& frame) {
    return classify(frame).link_local;
}

struct Row {
    std::string_view what;
    std::string_view destination;
    std::string_view from_type;
    LinkLocalKind kind;
};

const std::vector<Row> kRows{
    {"configuration BPDU", "01:80:c2:00:00:00", "0026 424203 0000 00 00 00", LinkLocalKind::stp_config},
    {"topology change notification", "01:80:c2:00:00:00", "0007 424203 0000 00 80", LinkLocalKind::stp_tcn},
    {"RST BPDU", "01:80:c2:00:00:00", "0027 424203 0000 02 02", LinkLocalKind::rstp},
    {"MST BPDU", "01:80:c2:00:00:00", "0069 424203 0000 03 02", LinkLocalKind::mstp},
    {"SPT BPDU", "01:80:c2:00:00:00", "0069 424203 0000 04 02", LinkLocalKind::mstp},
    {"BPDU of an unknown type", "01:80:c2:00:00:00", "0069 424203 0000 00 42", LinkLocalKind::bpdu_other},
    {"BPDU to a host", "02:00:5e:10:00:01", "0026 424203 0000 00 00 00", LinkLocalKind::stp_config},
    {"BPDU to everybody", "ff:ff:ff:ff:ff:ff", "0027 424203 0000 02 02", LinkLocalKind::rstp},
    {"provider bridges' BPDU", "01:80:c2:00:00:08", "0027 424203 0000 02 02", LinkLocalKind::rstp},
    {"frame to the bridge group address", "01:80:c2:00:00:00", "0800 45", LinkLocalKind::bpdu_other},
    {"GVRP", "01:80:c2:00:00:21", "0010 424203 0001", LinkLocalKind::mrp},
    {"GMRP", "01:80:c2:00:00:20", "0010 424203 0001", LinkLocalKind::mrp},
    {"MVRP", "01:80:c2:00:00:21", "88f5 00", LinkLocalKind::mrp},
    {"MMRP", "01:80:c2:00:00:20", "88f6 00", LinkLocalKind::mrp},
    {"reserved MRP address", "01:80:c2:00:00:2f", "0800 45", LinkLocalKind::mrp},
    {"PVST+", "01:00:0c:cc:cc:cd", "0032 aaaa03 00000c 010b 0000 00 00", LinkLocalKind::pvst},
    {"PVST+ to a host", "02:00:5e:10:00:01", "0032 aaaa03 00000c 010b 0000 02 02", LinkLocalKind::pvst},
    {"PVST+ in LLC encapsulation", "02:00:5e:10:00:01", "8870 aaaa03 00000c 010b 0000 02 02",
     LinkLocalKind::pvst},
    {"CDP", "01:00:0c:cc:cc:cc", "0100 aaaa03 00000c 2000", LinkLocalKind::cdp},
    {"VTP", "01:00:0c:cc:cc:cc", "0100 aaaa03 00000c 2003", LinkLocalKind::vtp},
    {"DTP", "01:00:0c:cc:cc:cc", "0022 aaaa03 00000c 2004", LinkLocalKind::dtp},
    {"PAgP", "01:00:0c:cc:cc:cc", "0022 aaaa03 00000c 0104", LinkLocalKind::pagp},
    {"UDLD", "01:00:0c:cc:cc:cc", "0022 aaaa03 00000c 0111", LinkLocalKind::udld},
    {"another frame to CDP's address", "01:00:0c:cc:cc:cc", "0800 45", LinkLocalKind::cisco_other},
    {"another frame to PVST+'s address", "01:00:0c:cc:cc:cd", "0800 45", LinkLocalKind::cisco_other},
    {"UplinkFast", "01:00:0c:cd:cd:cd", "0022 aaaa03 00000c 200a", LinkLocalKind::cisco_other},
    {"VLAN-bridge STP", "01:00:0c:cd:cd:ce", "0022 aaaa03 00000c 010c", LinkLocalKind::cisco_other},
    {"tunnelled BPDU", "01:00:0c:cd:cd:d0", "0026 424203 0000 00 00", LinkLocalKind::stp_config},
    {"ISL", "01:00:0c:00:00:00", "0050 aaaa03 00000c", LinkLocalKind::cisco_other},
    {"ISL, other address", "03:00:0c:00:00:07", "0050 aaaa03 00000c", LinkLocalKind::cisco_other},
    {"LACP", "01:80:c2:00:00:02", "8809 01 01", LinkLocalKind::lacp},
    {"LACP to a host", "02:00:5e:10:00:01", "8809 01 01", LinkLocalKind::lacp},
    {"marker", "01:80:c2:00:00:02", "8809 02 01", LinkLocalKind::slow_other},
    {"Ethernet OAM", "01:80:c2:00:00:02", "8809 03", LinkLocalKind::slow_other},
    {"pause", "01:80:c2:00:00:01", "8808 0001", LinkLocalKind::mac_control},
    {"priority flow control to a host", "02:00:5e:10:00:01", "8808 0101", LinkLocalKind::mac_control},
    {"EAPOL", "01:80:c2:00:00:03", "888e 0101", LinkLocalKind::eapol},
    {"EAPOL to a host", "02:00:5e:10:00:01", "888e 0101", LinkLocalKind::eapol},
    {"LLDP", "01:80:c2:00:00:0e", "88cc 02", LinkLocalKind::lldp},
    {"LLDP to the nearest customer bridge", "01:80:c2:00:00:00", "88cc 02", LinkLocalKind::lldp},
    {"LLDP to a host", "02:00:5e:10:00:01", "88cc 02", LinkLocalKind::lldp},
    {"PTP peer delay", "01:80:c2:00:00:0e", "88f7 02", LinkLocalKind::reserved_address},
    {"EDP", "00:e0:2b:00:00:00", "0100 aaaa03 00e02b 00bb", LinkLocalKind::vendor},
    {"FDP", "01:e0:52:cc:cc:cc", "0100 aaaa03 00e052 2000", LinkLocalKind::vendor},
    {"SONMP", "01:00:81:00:01:00", "0022 aaaa03 000081 01a2", LinkLocalKind::vendor},

    {"IPv4", "02:00:5e:10:00:01", "0800 45", LinkLocalKind::none},
    {"ARP", "ff:ff:ff:ff:ff:ff", "0806 0001", LinkLocalKind::none},
    {"our own loop probe", "03:4c:32:42:47:01", "88b5 4c324c47", LinkLocalKind::none},
    {"NetBEUI", "03:00:00:00:00:01", "0030 f0f003", LinkLocalKind::none},
    {"raw IPX", "ff:ff:ff:ff:ff:ff", "0030 ffff 0030", LinkLocalKind::none},
    {"IPX over 802.2", "ff:ff:ff:ff:ff:ff", "0030 e0e003 ffff", LinkLocalKind::none},
    {"IPX over SNAP", "ff:ff:ff:ff:ff:ff", "0030 aaaa03 000000 8137", LinkLocalKind::none},
    {"AppleTalk over SNAP", "09:00:07:ff:ff:ff", "0030 aaaa03 080007 809b", LinkLocalKind::none},
    {"IS-IS, level 1", "01:80:c2:00:00:14", "0030 fefe03 83", LinkLocalKind::none},
    {"connectivity fault management", "01:80:c2:00:00:30", "8902 00", LinkLocalKind::none},
    {"CGMP", "01:00:0c:dd:dd:dd", "0030 aaaa03 00000c 2001", LinkLocalKind::none},
    {"MikroTik's loop protect", "02:00:5e:10:00:01", "9003 00", LinkLocalKind::none},
    {"VRRP", "01:00:5e:00:00:12", "0800 45", LinkLocalKind::none},
    {"LLC with BPDU's SAPs but no UI frame", "02:00:5e:10:00:01", "0003 4242f3", LinkLocalKind::none},
};

struct ProtocolRow {
    std::string_view what;
    std::string_view destination;
    std::string_view from_type;
    FrameProtocol protocol;
    StormClass storm_class;
};

// Pieces of headers. IPv4: 20 bytes; IPv6: 40.
#define V4(protocol, to) "0800 4500001c 00000000 ff" protocol "0000 c0000201 " to " "
#define V6(next, to) "86dd 60000000 0020 " next "ff fe800000000000000000000000000001 " to " "
#define V6_LOCAL "ff020000000000000000000000000001"
#define V6_HOST "20010db8000000000000000000000001"

const std::vector<ProtocolRow> kProtocolRows{
    {"ARP", "ff:ff:ff:ff:ff:ff", "0806 0001", FrameProtocol::arp, StormClass::address_resolution},
    {"ARP reply to a host", "02:00:5e:10:00:01", "0806 0001", FrameProtocol::arp,
     StormClass::address_resolution},
    {"RARP", "ff:ff:ff:ff:ff:ff", "8035 0001", FrameProtocol::rarp, StormClass::address_resolution},
    {"neighbour solicitation", "33:33:ff:00:00:01", V6("3a", V6_LOCAL) "87",
     FrameProtocol::neighbor_solicitation, StormClass::address_resolution},
    {"neighbour advertisement", "33:33:00:00:00:01", V6("3a", V6_LOCAL) "88",
     FrameProtocol::neighbor_advertisement, StormClass::address_resolution},
    {"router advertisement", "33:33:00:00:00:01", V6("3a", V6_LOCAL) "86",
     FrameProtocol::router_advertisement, StormClass::local_multicast},
    {"router advertisement behind a destination option", "33:33:00:00:00:01",
     V6("3c", V6_LOCAL) "3a00 010400000000 86", FrameProtocol::router_advertisement,
     StormClass::local_multicast},
    {"router advertisement in a first fragment", "33:33:00:00:00:01",
     V6("2c", V6_LOCAL) "3a00 0001 00000000 86", FrameProtocol::router_advertisement,
     StormClass::local_multicast},
    {"a later fragment", "33:33:00:00:00:01", V6("2c", V6_LOCAL) "3a00 0009 00000000 86",
     FrameProtocol::other, StormClass::local_multicast},
    {"router solicitation", "33:33:00:00:00:02", V6("3a", V6_LOCAL) "85", FrameProtocol::router_solicitation,
     StormClass::local_multicast},
    {"echo request", "02:00:5e:10:00:01", V6("3a", V6_HOST) "80", FrameProtocol::other,
     StormClass::unknown_unicast},
    {"MLD query", "33:33:00:00:00:01", V6("00", V6_LOCAL) "3a00 0502 0000 0100 82", FrameProtocol::mld_query,
     StormClass::local_multicast},
    {"MLD report", "33:33:00:00:00:16", V6("00", V6_LOCAL) "3a00 0502 0000 0100 8f", FrameProtocol::other,
     StormClass::local_multicast},
    {"IGMP query", "01:00:5e:00:00:01", V4("02", "e0000001") "1164", FrameProtocol::igmp_query,
     StormClass::local_multicast},
    {"IGMP query behind an option", "01:00:5e:00:00:01",
     "0800 46000020 00000000 01020000 c0000201 e0000001 94040000 1164", FrameProtocol::igmp_query,
     StormClass::local_multicast},
    {"IGMP report", "01:00:5e:00:00:16", V4("02", "e0000016") "2200", FrameProtocol::other,
     StormClass::local_multicast},
    {"DHCP discover", "ff:ff:ff:ff:ff:ff", V4("11", "ffffffff") "0044 0043", FrameProtocol::dhcp_client,
     StormClass::address_resolution},
    {"DHCP offer", "ff:ff:ff:ff:ff:ff", V4("11", "ffffffff") "0043 0044", FrameProtocol::dhcp_server,
     StormClass::broadcast},
    {"DHCPv6 solicit", "33:33:00:01:00:02", V6("11", V6_LOCAL) "0222 0223", FrameProtocol::dhcp_client,
     StormClass::address_resolution},
    {"DHCPv6 reply", "02:00:5e:10:00:01", V6("11", V6_HOST) "0223 0222", FrameProtocol::dhcp_server,
     StormClass::unknown_unicast},
    {"HSRP", "01:00:5e:00:00:02", V4("11", "e0000002") "07c1 07c1", FrameProtocol::hsrp,
     StormClass::local_multicast},
    {"HSRP for IPv6", "33:33:00:00:00:66", V6("11", V6_LOCAL) "07ed 07ed", FrameProtocol::hsrp,
     StormClass::local_multicast},
    {"a host's datagram to HSRP's port", "02:00:5e:10:00:01", V4("11", "c0000202") "07c1 07c1",
     FrameProtocol::other, StormClass::unknown_unicast},
    {"GLBP", "01:00:5e:00:00:66", V4("11", "e0000066") "0c96 0c96", FrameProtocol::glbp,
     StormClass::local_multicast},
    {"VRRP", "01:00:5e:00:00:12", V4("70", "e0000012") "21", FrameProtocol::vrrp,
     StormClass::local_multicast},
    {"VRRP for IPv6", "33:33:00:00:00:12", V6("70", V6_LOCAL) "31", FrameProtocol::vrrp,
     StormClass::local_multicast},
    {"VRRP to a host", "02:00:5e:10:00:01", V4("70", "c0000202") "21", FrameProtocol::vrrp,
     StormClass::unknown_unicast},
    {"OSPF", "01:00:5e:00:00:05", V4("59", "e0000005") "02", FrameProtocol::other,
     StormClass::local_multicast},
    {"mDNS", "01:00:5e:00:00:fb", V4("11", "e00000fb") "14e9 14e9", FrameProtocol::other,
     StormClass::local_multicast},
    {"IPTV", "01:00:5e:01:02:03", V4("11", "ef010203") "1388 1388", FrameProtocol::other,
     StormClass::multicast},
    {"SSDP", "33:33:00:00:00:0c", V6("11", "ff050000000000000000000000000001") "076c 076c",
     FrameProtocol::other, StormClass::multicast},
    {"a group that only looks like 224.0.0.5 to switches", "01:00:5e:00:00:05",
     V4("11", "ef800005") "1388 1388", FrameProtocol::other, StormClass::multicast},
    {"a load balancer's multicast MAC", "03:bf:c0:00:02:01", V4("06", "c0000201") "c000 0050",
     FrameProtocol::other, StormClass::multicast},
    {"IS-IS", "01:80:c2:00:00:14", "0030 fefe03 83", FrameProtocol::other, StormClass::multicast},
    {"NetBIOS", "ff:ff:ff:ff:ff:ff", V4("11", "ffffffff") "0089 0089", FrameProtocol::other,
     StormClass::broadcast},
    {"TCP", "02:00:5e:10:00:01", V4("06", "c0000202") "c000 0050", FrameProtocol::other,
     StormClass::unknown_unicast},
    {"loop probe", "03:4c:32:42:47:01",
     "88b5 4c324c47 01 01 0000 00000001 0000000000000002 0000000000000003 0000000000000004",
     FrameProtocol::loop_probe, StormClass::multicast},
    {"the guard's message", "01:80:c2:00:00:0e",
     "88b5 4c324c47 01 02 0000 00000001 0000000000000002 0000000000000003 0000000000000004",
     FrameProtocol::guard_message, StormClass::multicast},
    {"somebody else's experiment", "02:00:5e:10:00:01", "88b5 41424344 01 01", FrameProtocol::other,
     StormClass::unknown_unicast},
};

const std::vector<std::vector<Tag>> kTaggings{{},
                                              {{0x8100, 10}},
                                              {{0x88a8, 0x6000 | 10}},
                                              {{0x9100, 10}},
                                              {{0x8100, 0xe000}},
                                              {{0x88a8, 200}, {0x8100, 10}},
                                              {{0x8100, 0}, {0x8100, 10}}};

}  // namespace

TEST_CASE("link-local protocols are known behind any tags, and customers' protocols are left alone") {
    for (const Row& row : kRows)
        for (const auto& tags : kTaggings)
            CHECK_MESSAGE(kind_of(frame_to(row.destination, hex(row.from_type), tags)) == row.kind, row.what,
                          " behind ", tags.size(), " tags");
}

TEST_CASE("all sixteen reserved addresses are link-local, whatever they carry") {
    for (std::uint8_t last = 0; last < 16; ++last) {
        auto frame = frame_to(kBridgeGroup, kIpv4);
        frame[5] = last;
        CHECK(kind_of(frame) != LinkLocalKind::none);
        frame[5] = static_cast<std::uint8_t>(last + 0x10);
        CHECK(kind_of(frame) == LinkLocalKind::none);
    }
}

TEST_CASE("the outermost tag names the VLAN, and a priority tag names none") {
    CHECK(classify(frame_to(kHost, kIpv4)).vid == 0);
    CHECK(classify(frame_to(kHost, kIpv4, {{0x8100, 0xe00a}})).vid == 10);
    CHECK(classify(frame_to(kHost, kIpv4, {{0x8100, 0xe000}})).vid == 0);
    CHECK(classify(frame_to(kHost, kIpv4, {{0x88a8, 200}, {0x8100, 10}})).vid == 200);
    CHECK(classify(frame_to(kHost, kIpv4, {{0x9100, 4094}, {0x9100, 10}})).vid == 4094);
    CHECK(classify(frame_to(kHost, kIpv4, {{0x8100, 0x0fff}})).vid == 4095);
}

TEST_CASE("the destination says whether a frame is flooded") {
    CHECK(classify(frame_to(kHost, kIpv4)).cast == Cast::unicast);
    CHECK(classify(frame_to("01:00:5e:00:00:fb", kIpv4)).cast == Cast::multicast);
    CHECK(classify(frame_to("33:33:00:00:00:01", kIpv4)).cast == Cast::multicast);
    CHECK(classify(frame_to(kBroadcast, kArp)).cast == Cast::broadcast);
}

TEST_CASE("a frame is malformed where it ends inside its addresses or tags, and nowhere else") {
    const auto whole = frame_to(kHost, kIpv4, {{0x88a8, 200}, {0x8100, 10}});
    for (std::size_t size = 0; size <= whole.size(); ++size)
        CHECK(classify(Bytes(whole).first(size)).malformed == (size < 22));
    const auto untagged = frame_to(kHost, kIpv4);
    for (std::size_t size = 0; size <= untagged.size(); ++size)
        CHECK(classify(Bytes(untagged).first(size)).malformed == (size < 14));
}

TEST_CASE("a BPDU cut anywhere behind its address is still a BPDU") {
    for (const Octets& bpdu : {kConfigBpdu, kRstBpdu, kTcnBpdu}) {
        const auto frame = frame_to(kBridgeGroup, bpdu);
        for (std::size_t size = 14; size <= frame.size(); ++size)
            CHECK(is_bpdu(classify(Bytes(frame).first(size)).link_local));
    }
}

TEST_CASE("each kind has a name, and spanning tree's are BPDUs") {
    CHECK(name_of(LinkLocalKind::none) == "none");
    CHECK(name_of(LinkLocalKind::pvst) == "pvst");
    CHECK(name_of(LinkLocalKind::reserved_address) == "reserved_address");
    for (const auto kind : {LinkLocalKind::stp_config, LinkLocalKind::stp_tcn, LinkLocalKind::rstp,
                            LinkLocalKind::mstp, LinkLocalKind::bpdu_other, LinkLocalKind::pvst})
        CHECK(is_bpdu(kind));
    CHECK_FALSE(is_bpdu(LinkLocalKind::none));
    CHECK_FALSE(is_bpdu(LinkLocalKind::cdp));
}

TEST_CASE("what the guard treats in its own way is known behind any tags, and has its class") {
    for (const ProtocolRow& row : kProtocolRows)
        for (const auto& tags : kTaggings) {
            const FrameClass found = classify(frame_to(row.destination, hex(row.from_type), tags));
            CHECK_MESSAGE(name_of(found.protocol) == name_of(row.protocol), row.what);
            CHECK_MESSAGE(name_of(storm_class_of(found)) == name_of(row.storm_class), row.what);
            CHECK_MESSAGE(found.link_local == LinkLocalKind::none, row.what);
            CHECK_MESSAGE(found.payload_offset == 14 + 4 * tags.size(), row.what);
        }
}

TEST_CASE("frames cut anywhere are of their kind or of none") {
    for (const ProtocolRow& row : kProtocolRows) {
        const Octets whole = frame_to(row.destination, hex(row.from_type), {{0x8100, 10}});
        for (std::size_t size = 0; size <= whole.size(); ++size) {
            const Octets cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
            const FrameProtocol found = classify(cut).protocol;
            CHECK_MESSAGE((found == row.protocol || found == FrameProtocol::other), row.what, " cut at ",
                          size);
        }
    }
}

TEST_CASE("IPv6 headers that lie about their length or go on for ever hide nothing and hurt nobody") {
    // Each of nine destination options names another one.
    std::string chain = V6("3c", V6_LOCAL);
    for (int i = 0; i < 9; ++i) chain += "3c00 010400000000 ";
    CHECK(classify(frame_to("33:33:00:00:00:01", hex(chain + "86"))).protocol == FrameProtocol::other);
    CHECK(classify(frame_to("33:33:00:00:00:01", hex(V6("3c", V6_LOCAL) "3aff 010400000000 86"))).protocol ==
          FrameProtocol::other);
}

TEST_CASE("virtual MACs of first-hop redundancy protocols are known by their source") {
    const auto of = [](std::string_view source) {
        Octets frame = frame_to(kHost, kIpv4);
        const auto mac = MacAddress::parse(source).value();
        std::copy(mac.bytes.begin(), mac.bytes.end(), frame.begin() + 6);
        return classify(frame).virtual_source;
    };
    CHECK(of("00:00:0c:07:ac:01") == VirtualMac::hsrp);
    CHECK(of("00:00:0c:9f:f0:01") == VirtualMac::hsrp);
    CHECK(of("00:00:0c:9f:ff:ff") == VirtualMac::hsrp);
    CHECK(of("00:05:73:a0:0f:ff") == VirtualMac::hsrp);
    CHECK(of("00:00:5e:00:01:0a") == VirtualMac::vrrp);
    CHECK(of("00:00:5e:00:02:0a") == VirtualMac::vrrp);
    CHECK(of("00:07:b4:00:01:02") == VirtualMac::glbp);
    for (const std::string_view other : {"00:00:0c:07:ad:01", "00:00:0c:9e:f0:01", "00:05:73:a1:00:01",
                                         "00:00:5e:00:03:0a", "00:07:b4:01:01:02", "02:00:5e:10:00:01"})
        CHECK(of(other) == VirtualMac::none);
}
