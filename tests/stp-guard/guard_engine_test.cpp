// One engine alone: opening, blocks, LAN loops, VLANs and ports that come and go.
#include <doctest/doctest.h>

#include "tests/stp-guard/lone_gateway.h"

using namespace isthmus;
using namespace isthmus::stp_guard;
using namespace isthmus::test;
using namespace std::chrono_literals;

TEST_CASE(
    "a VLAN starts closed and opens after three clean rounds, counted from when the LAN carries frames") {
    Gateway gateway;
    gateway.bring_up();
    CHECK(gateway.engine.vlan_state(kEdge) == VlanState::closed);
    gateway.run(3s);
    CHECK(gateway.engine.vlan_state(kEdge) == VlanState::closed);
    CHECK(gateway.engine.status(gateway.now).vlans.size() == 2);
    gateway.run(3s);
    CHECK(gateway.engine.vlan_state(kEdge) == VlanState::open);
    CHECK(gateway.engine.status(gateway.now).open_vlans == 2);
    CHECK(gateway.count(GuardEventId::peer_without_guard) == 1);
}

TEST_CASE("without a LAN link nothing is clean, only blind, and it says so") {
    Gateway gateway;
    gateway.bring_up();
    gateway.engine.on_link(kLan, false, gateway.now);
    gateway.engine.on_link(kOtherLan, false, gateway.now);
    gateway.run(60s);
    CHECK(gateway.engine.vlan_state(kEdge) == VlanState::closed);
    CHECK(gateway.engine.status(gateway.now).vlans.at(0).waiting_for ==
          "no LAN port of this VLAN has a link");
}

TEST_CASE("a gateway without any LAN port opens: there is nothing to wait for") {
    Gateway gateway;
    gateway.engine.on_port(port(kTunnel, PortKind::tunnel, "dc2"), gateway.now);
    gateway.engine.on_link(kTunnel, true, gateway.now);
    gateway.run(6s);
    CHECK(gateway.engine.vlan_state(kEdge) == VlanState::open);
}

TEST_CASE("a block says in one sentence what was seen, what was done and when it is tried again") {
    Gateway gateway;
    gateway.bring_up();
    block(gateway);
    const GuardEvent& event = gateway.last(GuardEventId::blocked);
    CHECK(event.severity == Severity::critical);
    CHECK(event.place == kEdge);
    CHECK(event.witnesses >= 2);
    CHECK(event.sentence.starts_with(
        "VLAN 110 on dc2: our probes of VLAN 110 sent on ens5 came back on dc2 after 1 ms ("));
    CHECK(event.sentence.ends_with(
        "Broadcast, unknown unicast and multicast are blocked; tried again in 30 s, and open after "
        "three clean rounds of probes."));
    CHECK_MESSAGE(gateway.engine.vlan_state({kTunnel, 120}) == VlanState::open,
                  "other VLANs are not touched");
    CHECK(gateway.count(GuardEventId::blocked) == 1);
    CHECK(gateway.persists >= 1);
}

TEST_CASE("a lab may do without the checks: open at once, and closed when a loop is proven") {
    GuardOptions options;
    options.opening.checked = false;
    Gateway gateway(options);
    gateway.bring_up();
    CHECK(gateway.engine.vlan_state(kEdge) == VlanState::open);
    gateway.loop(kLan, kTunnel);
    gateway.run(3s);
    CHECK(gateway.engine.vlan_state(kEdge) == VlanState::bum_blocked);
}

TEST_CASE("known unicast is closed only before the first opening") {
    Gateway gateway;
    gateway.bring_up();
    gateway.run(10s);
    gateway.engine.on_link(kTunnel, false, gateway.now);
    gateway.engine.on_link(kTunnel, true, gateway.now);
    gateway.collect();
    CHECK(gateway.engine.vlan_state(kEdge) == VlanState::bum_blocked);
    CHECK_MESSAGE(!gateway.flushes.empty(), "who was behind the tunnel may be reached another way now");
    gateway.run(5s);
    CHECK(gateway.engine.vlan_state(kEdge) == VlanState::open);
}

TEST_CASE("a LAN loop blocks the higher port for that VLAN, and comes back over a restart") {
    Gateway gateway;
    gateway.bring_up();
    gateway.run(10s);
    gateway.loop(kLan, kOtherLan);
    gateway.run(3s);
    CHECK(gateway.engine.lan_blocked({kOtherLan, kVid}));
    REQUIRE(gateway.lan_blocks.size() == 1);
    CHECK(gateway.lan_blocks[0].place == Place{kOtherLan, kVid});
    CHECK(gateway.lan_blocks[0].blocked);

    Gateway after({}, 2);
    after.now = gateway.now;
    REQUIRE(after.engine.restore(gateway.engine.save(kBoot, gateway.now), kBoot, after.now));
    after.bring_up();
    CHECK(after.engine.lan_blocked({kOtherLan, kVid}));
    after.run(40s);
    CHECK_FALSE(after.engine.lan_blocked({kOtherLan, kVid}));
    CHECK_FALSE(after.lan_blocks.back().blocked);
}

TEST_CASE(
    "a blocked LAN port without a link stays blocked, and opens by itself once it has one and all is well") {
    Gateway gateway;
    gateway.bring_up();
    gateway.run(10s);
    gateway.loop(kLan, kOtherLan);
    gateway.run(3s);
    REQUIRE(gateway.engine.lan_blocked({kOtherLan, kVid}));
    gateway.looped_from.reset();
    gateway.engine.on_link(kOtherLan, false, gateway.now);
    gateway.run(600s);
    CHECK(gateway.engine.lan_blocked({kOtherLan, kVid}));
    gateway.engine.on_link(kOtherLan, true, gateway.now);
    gateway.engine.on_lan_frame(kOtherLan, gateway.now);
    CHECK(gateway.engine.lan_blocked({kOtherLan, kVid}));
    gateway.run(10s);
    CHECK_FALSE(gateway.engine.lan_blocked({kOtherLan, kVid}));
    CHECK(gateway.count(GuardEventId::lan_port_opened) == 1);
}

TEST_CASE("VLANs and ports may come and go at any time") {
    Gateway gateway;
    gateway.bring_up();
    gateway.run(10s);
    gateway.engine.on_port(port(kTunnel, PortKind::tunnel, "dc2", "120-130"), gateway.now);
    gateway.engine.on_port(port(kLan, PortKind::lan, "ens5", "120-130"), gateway.now);
    gateway.run(8s);
    CHECK(gateway.engine.vlan_state(kEdge) == VlanState::closed);
    CHECK(gateway.engine.vlan_state({kTunnel, 120}) == VlanState::open);
    CHECK(gateway.engine.vlan_state({kTunnel, 130}) == VlanState::open);
    gateway.engine.on_port_gone(kTunnel, gateway.now);
    gateway.engine.on_port_gone(kTunnel, gateway.now);
    gateway.engine.on_link(kTunnel, true, gateway.now);
    gateway.engine.on_storm({kTunnel, 120}, true, gateway.now);
    gateway.engine.on_guard_frame(kTunnel, 120, {}, gateway.now);
    gateway.run(5s);
    CHECK(gateway.engine.status(gateway.now).vlans.empty());
    CHECK(gateway.engine.status(gateway.now).peers.empty());
}

TEST_CASE(
    "4,094 VLANs on two LAN ports and a session: opened within a minute, and no more probes than the "
    "budget") {
    Gateway gateway;
    gateway.engine.on_port(port(kLan, PortKind::lan, "ens5", "1-4094"), gateway.now);
    gateway.engine.on_port(port(kTunnel, PortKind::tunnel, "dc2", "1-4094"), gateway.now);
    gateway.engine.on_link(kLan, true, gateway.now);
    gateway.engine.on_lan_frame(kLan, gateway.now);
    gateway.engine.on_link(kTunnel, true, gateway.now);
    gateway.run(60s);
    const GuardStatus status = gateway.engine.status(gateway.now);
    CHECK(status.open_vlans == 4094);
    CHECK(gateway.probes <= 60 * 1'000 + 40);
    const std::size_t before = gateway.probes;
    gateway.run(10s);
    CHECK(gateway.probes - before <= 10 * 200 + 20);
    CHECK(status.probes.full_round > 40s);
    CHECK(status.probes.full_round < 42s);
}
