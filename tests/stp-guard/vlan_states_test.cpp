#include "stp-guard/vlan_states.h"

#include <doctest/doctest.h>

using namespace isthmus::stp_guard;

TEST_CASE("all VLANs are closed until somebody says otherwise, and each has its own state") {
    VlanStates states;
    for (std::uint16_t vid = 0; vid < 4096; ++vid) CHECK(states.of(vid) == VlanState::closed);
    for (std::uint16_t vid = 0; vid < 4096; ++vid) states.set(vid, static_cast<VlanState>(vid % 4));
    for (std::uint16_t vid = 0; vid < 4096; ++vid) CHECK(states.of(vid) == static_cast<VlanState>(vid % 4));
    states.set(7, VlanState::open);
    CHECK(states.of(7) == VlanState::open);
    CHECK(states.of(6) == VlanState::suspended);
    CHECK(states.of(8) == VlanState::closed);
}

TEST_CASE("a table may begin with any state") {
    for (const VlanState state :
         {VlanState::closed, VlanState::bum_blocked, VlanState::suspended, VlanState::open}) {
        const VlanStates states(state);
        for (const std::uint16_t vid : {std::uint16_t{0}, std::uint16_t{1}, std::uint16_t{4095}})
            CHECK(states.of(vid) == state);
    }
}
