#include "base/vlan_set.h"

#include <doctest/doctest.h>

using isthmus::VlanSet;

TEST_CASE("an allow-list reads numbers and ranges and prints its shortest form") {
    const auto set = VlanSet::parse(" 10, 20-22,23 ,4094");
    REQUIRE(set);
    CHECK(set->size() == 6);
    CHECK(set->text() == "10,20-23,4094");
    CHECK(set->contains_vid(22));
    CHECK_FALSE(set->contains_vid(24));
}

TEST_CASE("an allow-list refuses what is no VLAN and says why") {
    CHECK(VlanSet::parse("4095").error() == "VLAN 4095 does not exist; VLANs go from 1 to 4094");
    CHECK(VlanSet::parse("0").error().find("1 to 4094") != std::string::npos);
    CHECK(VlanSet::parse("30-20").error().find("runs backwards") != std::string::npos);
    CHECK(VlanSet::parse("10,,20").error().find("not a VLAN number") != std::string::npos);
    CHECK(VlanSet::parse("ten").error().find("\"ten\"") != std::string::npos);
}

TEST_CASE("all VLANs are 1 to 4094") {
    CHECK(VlanSet::all().size() == 4094);
    CHECK(VlanSet::all().text() == "1-4094");
    CHECK_FALSE(VlanSet::all().contains_vid(0));
    CHECK_FALSE(VlanSet::all().contains_vid(4095));
}

TEST_CASE("sets of VLANs are united and taken from one another") {
    const auto a = VlanSet::parse("1,10-12").value();
    const auto b = VlanSet::parse("12-14,4094").value();
    CHECK(a.united(b).text() == "1,10-14,4094");
    CHECK(a.without(b).text() == "1,10-11");
    CHECK(VlanSet().without(VlanSet()).empty());
    CHECK(VlanSet::all().without(VlanSet()) == VlanSet::all());
}
