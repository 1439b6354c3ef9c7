// Two gateways that are up: where most tests of the engine begin.
#pragma once

#include "crypto/ike/engine.h"

#include <doctest/doctest.h>

#include "tests/support/ike_world.h"

namespace isthmus::test {

/// Both started and up, or the test fails.
inline void bring_up(World& world) {
    world.start(world.a());
    world.start(world.b());
    REQUIRE(world.run_till([&] { return world.both_up(); }, 30s));
    world.run_for(10s);
    REQUIRE(world.disagreement() == "");
}

}  // namespace isthmus::test
