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
