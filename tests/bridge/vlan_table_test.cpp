#include "bridge/vlan_table.h"

#include <doctest/doctest.h>

using namespace isthmus;
using namespace isthmus::bridge;

namespace {
VlanSet vlans(std::string_view text) {
    return VlanSet::parse(text).value();
}
}  // namespace

TEST_CASE("ranges are the maximal runs of a set") {
    const auto ranges = vlan_ranges(vlans("1,3-5,4093,4094"));
    REQUIRE(ranges.size() == 3);
    CHECK(ranges[1] == VlanRange{*VlanId::parse(3), *VlanId::parse(5)});
    CHECK(ranges[2] == VlanRange{*VlanId::parse(4093), *VlanId::parse(4094)});
    CHECK(vlan_ranges({}).empty());
    CHECK(vlan_ranges(VlanSet::all()).size() == 1);
}

TEST_CASE("a change of tables removes, adds, and moves the PVID") {
    const VlanTable fresh{vlans("1"), vlans("1"), VlanId::parse(1)};
    SUBCASE("nothing") {
        CHECK(vlan_change(fresh, fresh).empty());
    }
    SUBCASE("from the kernel's default to a trunk without untagged frames") {
        const auto change = vlan_change(fresh, {vlans("10-19"), {}, {}});
        CHECK(change.remove == vlans("1"));
        CHECK(change.add_tagged == vlans("10-19"));
        CHECK_FALSE(change.pvid);
    }
    SUBCASE("the PVID stays a member, tagged") {
        const auto change = vlan_change(fresh, {vlans("1"), {}, {}});
        CHECK(change.remove.empty());
        CHECK(change.add_tagged == vlans("1"));
    }
    SUBCASE("the PVID moves") {
        const auto change = vlan_change(fresh, {vlans("1,2"), vlans("2"), VlanId::parse(2)});
        CHECK(change.add_tagged == vlans("1"));
        CHECK(change.pvid == VlanId::parse(2));
        CHECK(change.pvid_untagged);
    }
    SUBCASE("the PVID stays, but leaves with a tag from now on") {
        const auto change = vlan_change(fresh, {vlans("1"), {}, VlanId::parse(1)});
        CHECK(change.pvid == VlanId::parse(1));
        CHECK_FALSE(change.pvid_untagged);
        CHECK(change.add_tagged.empty());
    }
}
