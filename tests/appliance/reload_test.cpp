#include "appliance/reload.h"

#include <doctest/doctest.h>

#include "appliance/view_builder.h"

using namespace isthmus;
using appliance::reload_obstacles;

namespace {
config::Configuration running() {
    config::Configuration c;
    c.gateway.name = "dc-gw";
    c.bridges.resize(1);
    return c;
}
}  // namespace

TEST_CASE("a configuration that only changes what may change has no obstacle") {
    const auto now = running();
    auto next = running();
    next.gateway.log_level = config::LogLevel::debug;
    next.bridges.resize(3);
    next.tunnels.resize(1);
    CHECK(reload_obstacles(now, next, appliance::outbound_memory(now)).empty());
}

TEST_CASE("each thing that needs a restart is named, all at once, with the old and the new") {
    const auto now = running();
    auto next = running();
    next.gateway.name = "other";
    next.gateway.state_dir = "/elsewhere";
    next.gateway.control_socket = "/elsewhere.sock";
    next.gateway.log_target = config::LogTarget::journal;
    next.datapath.poll_microseconds = 50;
    next.bridges[0].options.mtu = 9000;
    const auto obstacles = reload_obstacles(now, next, appliance::outbound_memory(now));
    REQUIRE(obstacles.size() == 6);
    CHECK(obstacles[0].find("gateway.name is \"dc-gw\"") != std::string::npos);
    CHECK(obstacles[0].find("\"other\"") != std::string::npos);
    for (const auto& sentence : obstacles) CHECK(sentence.find("restart isthmusd") != std::string::npos);
}

TEST_CASE("a smaller MTU fits the buffers that are there") {
    auto now = running();
    now.bridges[0].options.mtu = 9000;
    CHECK(reload_obstacles(now, running(), appliance::outbound_memory(now)).empty());
}
