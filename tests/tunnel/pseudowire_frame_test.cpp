#include "tunnel/pseudowire_frame.h"

#include "tests/tunnel/packets.h"

using namespace isthmus;
using namespace isthmus::tunnel;
using namespace isthmus::tunnel::test;

namespace {

struct Row {
    const char* what;
    PseudowireType type;
    int access_vlan;  ///< 0: none
    Octets before;
    DropReason reason;
    Octets after;
};

void check(const std::vector<Row>& rows,
           DropReason (*shape)(PacketBuffer&, PseudowireType, std::optional<VlanId>) noexcept) {
    for (const Row& row : rows) {
        CAPTURE(row.what);
        Worker worker;
        PacketBuffer packet = worker.packet(row.before);
        CHECK(shape(packet, row.type, VlanId::parse(static_cast<std::uint32_t>(row.access_vlan))) ==
              row.reason);
        if (row.reason == DropReason::none) CHECK(to_hex(packet.data()) == to_hex(row.after));
    }
}

constexpr auto kEthernet = PseudowireType::ethernet;
constexpr auto kVlan = PseudowireType::ethernet_vlan;
const Octets kPlain = frame();
const Octets kVlan100 = tagged(kPlain, 100);
const Octets kVlan200 = tagged(kPlain, 200);
const Octets kPriority = tagged(kPlain, 0xa000);
const Octets kService100 = tagged(kPlain, 100, kEtherTypeServiceVlan);
/// Ends behind the TPID.
const Octets kCut = addresses() + hex("8100");
const Octets kCutTag = addresses() + hex("8100 0064");

}  // namespace

TEST_CASE("towards the tunnel: trunks pass as they are, one-VLAN sessions give up their tag") {
    check(
        {
            {"trunk, untagged", kEthernet, 0, kPlain, DropReason::none, kPlain},
            {"trunk, tagged", kEthernet, 0, kVlan100, DropReason::none, kVlan100},
            {"trunk, two tags", kEthernet, 0, tagged(kVlan100, 7, 0x88a8), DropReason::none,
             tagged(kVlan100, 7, 0x88a8)},
            {"access, its tag", kEthernet, 100, kVlan100, DropReason::none, kPlain},
            {"access, its tag with priority", kEthernet, 100, tagged(kPlain, 0xe000 | 100), DropReason::none,
             kPlain},
            {"access, its tag over another", kEthernet, 100, tagged(kVlan200, 100), DropReason::none,
             kVlan200},
            {"access, its tag over a priority tag", kEthernet, 100, tagged(kPriority, 0x6000 | 100),
             DropReason::none, tagged(kPriority, 0x6000)},
            {"access, another VLAN", kEthernet, 100, kVlan200, DropReason::vlan_not_allowed, {}},
            {"access, service tag", kEthernet, 100, kService100, DropReason::vlan_not_allowed, {}},
            {"access, untagged", kEthernet, 100, kPlain, DropReason::untagged_not_allowed, {}},
            {"access, cut", kEthernet, 100, kCut, DropReason::malformed_frame, {}},
            {"access, cut in its tag", kEthernet, 100, kCutTag, DropReason::malformed_frame, {}},
            {"VLAN, tagged", kVlan, 0, kVlan100, DropReason::none, kVlan100},
            {"VLAN, untagged", kVlan, 0, kPlain, DropReason::l2tp_missing_tag, {}},
            {"VLAN, cut", kVlan, 0, kCut, DropReason::malformed_frame, {}},
            {"VLAN access, its tag", kVlan, 100, kVlan100, DropReason::none, kVlan100},
            {"VLAN access, another", kVlan, 100, kVlan200, DropReason::vlan_not_allowed, {}},
        },
        shape_towards_tunnel);
}

TEST_CASE("from the tunnel: one-VLAN sessions get their tag, Ethernet VLAN pseudowires their VID") {
    check(
        {
            {"trunk, untagged", kEthernet, 0, kPlain, DropReason::none, kPlain},
            {"trunk, tagged", kEthernet, 0, kVlan100, DropReason::none, kVlan100},
            {"access, untagged", kEthernet, 100, kPlain, DropReason::none, kVlan100},
            {"access, runt", kEthernet, 100, addresses() + hex("88b5"), DropReason::none,
             addresses() + hex("8100 0064 88b5")},
            {"access, priority tag", kEthernet, 100, kPriority, DropReason::none,
             tagged(kPlain, 0xa000 | 100)},
            {"access, tag within", kEthernet, 100, kVlan200, DropReason::none, tagged(kVlan200, 100)},
            {"access, cut tag", kEthernet, 100, kCut, DropReason::none, addresses() + hex("8100 0064 8100")},
            {"VLAN, tagged", kVlan, 0, kVlan100, DropReason::none, kVlan100},
            {"VLAN, untagged", kVlan, 0, kPlain, DropReason::l2tp_missing_tag, {}},
            {"VLAN access, VID replaced, priority kept", kVlan, 200, tagged(kPlain, 0x7000 | 100),
             DropReason::none, tagged(kPlain, 0x7000 | 200)},
            {"VLAN access, service tag becomes ours", kVlan, 200, kService100, DropReason::none, kVlan200},
            {"VLAN access, untagged", kVlan, 200, kPlain, DropReason::l2tp_missing_tag, {}},
            {"VLAN access, cut", kVlan, 200, kCut, DropReason::malformed_frame, {}},
        },
        shape_from_tunnel);
}

TEST_CASE("VLAN 100 here may be 200 there, over both pseudowire types") {
    for (const auto type : {kEthernet, kVlan}) {
        Worker worker;
        PacketBuffer packet = worker.packet(kVlan100);
        REQUIRE(shape_towards_tunnel(packet, type, VlanId::parse(100)) == DropReason::none);
        REQUIRE(shape_from_tunnel(packet, type, VlanId::parse(200)) == DropReason::none);
        CHECK(to_hex(packet.data()) == to_hex(kVlan200));
    }
}
