// What of the configured limits the kernel keeps, at sessions' interfaces and at LAN ports.
#include <doctest/doctest.h>

#include "appliance/lan_limits.h"
#include "appliance/storm_control.h"

using namespace isthmus;
using namespace isthmus::appliance;
using namespace isthmus::stp_guard;
using bridge::FloodLimits;
using bridge::FrameLimit;

namespace {

StormLimits nothing() {
    StormLimits out;
    for (auto& limit : out.classes) limit.reset();
    return out;
}

}  // namespace

TEST_CASE("at a session's interface the kernel lets more pass than the workers do, strangers too") {
    const FloodLimits limits = kernel_limits(StormLimits{});
    CHECK(limits.resolution_per_source == FrameLimit{40, 80});
    CHECK(limits.resolution == FrameLimit{5'000, 5'000});
    CHECK(limits.strangers == FrameLimit{4'000, 4'000});
    CHECK(limits.broadcast == FrameLimit{1'000, 1'000});
    CHECK(limits.multicast == FrameLimit{4'000, 4'000});
    CHECK(kernel_limits(nothing()) == FloodLimits{});
}

TEST_CASE("at a LAN port the kernel limits as it is told, and strangers to half of that") {
    const FloodLimits limits = lan_port_limits(lan_limits());
    CHECK(limits.resolution == FrameLimit{5'000, 5'000});
    CHECK(limits.strangers == FrameLimit{1'000, 1'000});
    CHECK(limits.resolution_per_source == FrameLimit{40, 80});
    CHECK(limits.broadcast == FrameLimit{1'000, 1'000});
    CHECK(limits.local_multicast == FrameLimit{1'000, 1'000});
    CHECK(limits.multicast == FrameLimit{4'000, 4'000});
    CHECK(lan_port_limits(nothing()) == FloodLimits{});
    StormLimits own = lan_limits();
    own.classes[0] = StormLimit{StormLimit::Unit::packets, 100, 100, 50};
    own.per_source = {UINT32_MAX, UINT32_MAX};
    CHECK(lan_port_limits(own).strangers == FrameLimit{50, 50});
    CHECK_FALSE(lan_port_limits(own).resolution_per_source.has_value());
}

TEST_CASE("bits become bytes, and nothing stays nothing") {
    StormLimits own = nothing();
    own.classes[static_cast<std::size_t>(StormClass::multicast)] =
        StormLimit{StormLimit::Unit::bits, 2'000'000, 200'000, 1'000'000};
    own.classes[static_cast<std::size_t>(StormClass::broadcast)] =
        StormLimit{StormLimit::Unit::packets, 0, 0, 0};
    const FloodLimits limits = lan_port_limits(own);
    CHECK(limits.multicast == FrameLimit{250'000, 25'000, true});
    CHECK(limits.broadcast == FrameLimit{0, 0});
    CHECK_FALSE(limits.strangers.has_value());
}
