#include "bridge/port_vlans.h"

#include <doctest/doctest.h>

using namespace isthmus;
using namespace isthmus::bridge;

namespace {

VlanSet vlans(std::string_view text) {
    return VlanSet::parse(text).value();
}

using Vid = std::optional<std::uint16_t>;
const auto kNone = std::optional<VlanId>{};

}  // namespace

TEST_CASE("in a bridge that does not filter, what is on the wire is what sessions carry") {
    const PortVlans port;
    for (std::uint16_t vid = 0; vid <= 4094; ++vid) {
        CHECK(port.on_wire(vid) == vid);
        CHECK(port.from_wire(vid) == vid);
    }
    CHECK(port.carried(vlans("10,20")) == vlans("10,20"));
    VlanSelection selection;
    port.select(10, selection);
    CHECK(selection == VlanSelection{vlans("10"), false});
    port.select(0, selection);
    CHECK(selection == VlanSelection{vlans("10"), true});
}

TEST_CASE("an access port carries one VLAN, without a tag") {
    const PortVlans port({vlans("10"), vlans("10"), VlanId::parse(10)}, kNone);
    CHECK(port.on_wire(10) == Vid(0));
    CHECK(port.from_wire(0) == Vid(10));
    CHECK(port.from_wire(10) == Vid(10));  // the bridge takes it with its tag, too
    CHECK_FALSE(port.on_wire(20));
    CHECK_FALSE(port.from_wire(20));
    CHECK_FALSE(port.on_wire(0));  // no session carries untagged frames
    CHECK(port.carried(vlans("10,20")) == vlans("10"));
    VlanSelection selection;
    port.select(10, selection);
    CHECK(selection == VlanSelection{vlans("10"), true});
}

TEST_CASE("a trunk carries its VLANs with their tags, and untagged frames in the native one") {
    const PortVlans port({vlans("1,10,20"), vlans("1"), VlanId::parse(1)}, VlanId::parse(1));
    CHECK(port.on_wire(0) == Vid(0));
    CHECK(port.from_wire(0) == Vid(0));
    CHECK(port.from_wire(1) == Vid(0));
    CHECK(port.on_wire(20) == Vid(20));
    CHECK(port.from_wire(20) == Vid(20));
    CHECK(port.carries(0));
    CHECK(port.carried(vlans("1,10,20,30")) == vlans("10,20"));
    VlanSelection selection;
    port.select(0, selection);
    CHECK(selection == VlanSelection{vlans("1"), true});
}

TEST_CASE("a port may have the sessions' untagged VLAN with a tag, and none for its own untagged frames") {
    const PortVlans port({vlans("7,10"), {}, {}}, VlanId::parse(7));
    CHECK(port.on_wire(0) == Vid(7));
    CHECK(port.from_wire(7) == Vid(0));
    CHECK_FALSE(port.from_wire(0));
    VlanSelection selection;
    port.select(0, selection);
    CHECK(selection == VlanSelection{vlans("7"), false});
}

TEST_CASE("what leaves a port without a tag need not be what arrives so") {
    const PortVlans port({vlans("10,20"), vlans("10,20"), VlanId::parse(20)}, kNone);
    CHECK(port.on_wire(10) == Vid(0));
    CHECK(port.from_wire(0) == Vid(20));
    VlanSelection selection;
    port.select(10, selection);
    CHECK(selection == VlanSelection{vlans("10"), false});
}

TEST_CASE("a VLAN that somebody takes from a port stays selected there, for when it comes back") {
    const PortVlans port({vlans("20"), {}, {}}, kNone);
    CHECK_FALSE(port.in_bridge(10));
    CHECK(port.in_bridge(20) == VlanId::parse(20));
    VlanSelection selection;
    port.select(10, selection);
    port.select(0, selection);
    CHECK(selection == VlanSelection{vlans("10"), false});
}
