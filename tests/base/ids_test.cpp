#include "base/ids.h"

#include <doctest/doctest.h>

using namespace isthmus;

TEST_CASE("a VLAN in hand is from 1 to 4094") {
    CHECK_FALSE(VlanId::parse(0));
    CHECK(VlanId::parse(1)->value() == 1);
    CHECK(VlanId::parse(4094)->value() == 4094);
    CHECK_FALSE(VlanId::parse(4095));
    CHECK_FALSE(VlanId::parse(65'537));
    CHECK(*VlanId::parse(10) < *VlanId::parse(11));
}

TEST_CASE("ids of different kinds do not mix, and give their number when asked") {
    static_assert(!std::is_convertible_v<SessionId, ControlConnectionId>);
    static_assert(!std::is_convertible_v<SessionId, std::uint32_t>);
    CHECK(raw(SessionId{0xa1b2c3d4}) == 0xa1b2c3d4);
}
