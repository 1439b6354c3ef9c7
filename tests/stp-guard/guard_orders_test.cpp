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

    // Workers of a session that observes drop nothing, so no order may say that they do.
    gateway.engine.on_command(command(GuardCommand::What::enforce), gateway.now);
    gateway.run(5s);
    CHECK(gateway.engine.vlan_state(kEdge) == VlanState::open);
    CHECK(gateway.last(GuardEventId::held).sentence.find("observe = true") != std::string::npos);
}

TEST_CASE("an order to observe lets through what is blocked, and the opposite order blocks it again") {
    Gateway gateway;
    gateway.bring_up();
    block(gateway);
    gateway.engine.on_command(command(GuardCommand::What::observe), gateway.now);
    gateway.run(5s);
    CHECK(gateway.engine.vlan_state(kEdge) == VlanState::open);
    gateway.engine.on_command(command(GuardCommand::What::enforce), gateway.now);
    gateway.run(5s);
    CHECK(gateway.engine.vlan_state(kEdge) == VlanState::bum_blocked);
}

TEST_CASE("one session may observe while the others block, and the other way round") {
    for (const bool guard_observes : {false, true}) {
        INFO(guard_observes);
        GuardOptions options;
        options.observe = guard_observes;
        Gateway gateway(options);
        gateway.bring_up();
        GuardPort session = port(kTunnel, PortKind::tunnel, "dc2");
        session.observe = !guard_observes;
        gateway.engine.on_port(session, gateway.now);
        gateway.run(10s);
        gateway.loop(kLan, kTunnel);
        gateway.run(5s);
        CHECK(gateway.count(GuardEventId::blocked) == 1);
        CHECK(gateway.engine.vlan_state(kEdge) ==
              (guard_observes ? VlanState::bum_blocked : VlanState::open));
        session.observe = guard_observes;  // another configuration
        gateway.engine.on_port(session, gateway.now);
        gateway.collect();
        CHECK(gateway.engine.vlan_state(kEdge) ==
              (guard_observes ? VlanState::open : VlanState::bum_blocked));
    }
}

TEST_CASE("an order to hold opens nothing that was closed further") {
    Gateway gateway;
    gateway.bring_up();
    REQUIRE(gateway.engine.vlan_state(kEdge) == VlanState::closed);
    CHECK(gateway.engine.on_command(command(GuardCommand::What::hold, kVid), gateway.now) == 1);
    gateway.run(10s);
    CHECK_MESSAGE(gateway.engine.vlan_state(kEdge) == VlanState::closed,
                  "known unicast waits for the first clean rounds too");
    gateway.engine.on_command(command(GuardCommand::What::clear, kVid), gateway.now);
    gateway.run(10s);
    REQUIRE(gateway.engine.vlan_state(kEdge) == VlanState::open);

    gateway.engine.on_tunnel_bpdu(kEdge, gateway.now);
    gateway.collect();
    REQUIRE(gateway.engine.vlan_state(kEdge) == VlanState::suspended);
    gateway.engine.on_command(command(GuardCommand::What::hold, kVid), gateway.now);
    gateway.collect();
    CHECK(gateway.engine.vlan_state(kEdge) == VlanState::suspended);
}

TEST_CASE("an order that concerns nothing holds nothing and says nothing") {
    Gateway gateway;
    gateway.bring_up();
    gateway.run(10s);
    GuardCommand lan = command(GuardCommand::What::hold, kVid);
    lan.port = kLan;
    CHECK(gateway.engine.on_command(lan, gateway.now) == 0);
    CHECK(gateway.engine.on_command(command(GuardCommand::What::hold, 999), gateway.now) == 0);
    gateway.collect();
    CHECK(gateway.count(GuardEventId::held) == 0);
}

TEST_CASE("a block of a VLAN that the session does not carry any more is forgotten, also over a restart") {
    Gateway gateway;
    gateway.bring_up();
    gateway.run(10s);
    gateway.engine.on_command(command(GuardCommand::What::hold, kVid), gateway.now);
    gateway.collect();
    const std::size_t persists = gateway.persists;
    gateway.engine.on_port(port(kTunnel, PortKind::tunnel, "dc2", "120"), gateway.now);
    gateway.collect();
    CHECK(gateway.persists > persists);
    Gateway after({}, 2);
    after.now = gateway.now;
    REQUIRE(after.engine.restore(gateway.engine.save(kBoot, gateway.now), kBoot, after.now));
    after.bring_up();
    after.run(10s);
    CHECK(after.engine.vlan_state(kEdge) == VlanState::open);
}
