// One engine alone, and what people order.
#include <doctest/doctest.h>

#include "tests/stp-guard/lone_gateway.h"

using namespace isthmus;
using namespace isthmus::stp_guard;
using namespace isthmus::test;
using namespace std::chrono_literals;

TEST_CASE("hold blocks until cleared or for a time, and survives a restart") {
    Gateway gateway;
    gateway.bring_up();
    gateway.run(10s);
    gateway.engine.on_command(command(GuardCommand::What::hold, kVid), gateway.now);
    gateway.collect();
    CHECK(gateway.engine.vlan_state(kEdge) == VlanState::bum_blocked);
    CHECK(gateway.engine.vlan_state({kTunnel, 120}) == VlanState::open);
    gateway.run(2h);
    CHECK(gateway.engine.vlan_state(kEdge) == VlanState::bum_blocked);

    Gateway after({}, 2);
    after.now = gateway.now;
    REQUIRE(after.engine.restore(gateway.engine.save(kBoot, gateway.now), kBoot, after.now));
    after.bring_up();
    after.run(60s);
    CHECK(after.engine.vlan_state(kEdge) == VlanState::bum_blocked);
    after.engine.on_command(command(GuardCommand::What::clear, kVid), after.now);
    after.run(5s);
    CHECK(after.engine.vlan_state(kEdge) == VlanState::open);
    CHECK(after.last(GuardEventId::cleared).sentence.find("1 block cleared by order of a person") !=
          std::string::npos);

    GuardCommand for_a_minute = command(GuardCommand::What::hold, kVid);
    for_a_minute.hold_for = 60s;
    after.engine.on_command(for_a_minute, after.now);
    after.run(59s);
    CHECK(after.engine.vlan_state(kEdge) == VlanState::bum_blocked);
    after.run(5s);
    CHECK(after.engine.vlan_state(kEdge) == VlanState::open);
}

TEST_CASE(
    "clear waits for clean rounds, clear by force does not, and a loop that is there is blocked again") {
    Gateway gateway;
    gateway.bring_up();
    block(gateway);
    gateway.engine.on_command(command(GuardCommand::What::clear), gateway.now);
    gateway.run(10s);
    CHECK(gateway.engine.vlan_state(kEdge) == VlanState::bum_blocked);
    gateway.engine.on_command(command(GuardCommand::What::clear_force), gateway.now);
    gateway.collect();
    CHECK(gateway.engine.vlan_state(kEdge) == VlanState::open);
    gateway.run(3s);
    CHECK(gateway.engine.vlan_state(kEdge) == VlanState::bum_blocked);
    CHECK(gateway.engine.status(gateway.now).vlans.at(0).trips == 1);
}

TEST_CASE("observing, everything is told and nothing is blocked") {
    GuardOptions options;
    options.observe = true;
    Gateway gateway(options);
    gateway.bring_up();
    CHECK(gateway.engine.vlan_state(kEdge) == VlanState::open);
    gateway.loop(kLan, kTunnel);
    gateway.run(20s);
    CHECK(gateway.engine.vlan_state(kEdge) == VlanState::open);
    for (const SetVlanState& state : gateway.states) CHECK(state.state == VlanState::open);

    gateway.engine.on_command(command(GuardCommand::What::enforce), gateway.now);
    gateway.run(5s);
    CHECK(gateway.engine.vlan_state(kEdge) != VlanState::open);
    gateway.engine.on_command(command(GuardCommand::What::observe), gateway.now);
    gateway.collect();
    CHECK(gateway.engine.vlan_state(kEdge) == VlanState::open);
}
