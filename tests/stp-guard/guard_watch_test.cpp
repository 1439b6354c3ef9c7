// One engine alone: storms, moving hosts, spanning trees.
#include <doctest/doctest.h>

#include "tests/stp-guard/lone_gateway.h"

using namespace isthmus;
using namespace isthmus::stp_guard;
using namespace isthmus::test;
using namespace std::chrono_literals;

TEST_CASE("storms, moving hosts and lost notifications make the probes look closer, and block nothing") {
    Gateway gateway;
    gateway.bring_up();
    gateway.run(70s);
    const auto probes_in = [&](Duration time) {
        const std::size_t before = gateway.probes;
        gateway.run(time);
        return gateway.probes - before;
    };
    const std::size_t usual = probes_in(1s);
    gateway.engine.on_storm({kLan, kVid}, true, gateway.now);
    CHECK(probes_in(1s) >= usual + 10);
    (void)probes_in(10s);
    gateway.engine.on_fdb_overrun(gateway.now);
    CHECK(probes_in(1s) >= usual + 10);
    (void)probes_in(10s);
    for (std::uint32_t i = 0; i < 2'500; ++i) {
        const MacAddress mac{{0, 0x50, 0x56, 0, static_cast<std::uint8_t>(i % 50), 1}};
        gateway.engine.on_host({i / 50 % 2 == 0 ? kLan : kTunnel, kVid}, mac, gateway.now);
    }
    gateway.collect();
    CHECK(probes_in(1s) >= usual + 10);
    CHECK(gateway.count(GuardEventId::flap_storm) == 2);
    gateway.run(60s);
    CHECK(gateway.count(GuardEventId::blocked) == 0);
    CHECK(gateway.engine.vlan_state(kEdge) == VlanState::open);
}

TEST_CASE(
    "where a bridge filters no VLANs, hosts that move are said to be in none, and all VLANs are looked at") {
    for (const bool filters : {true, false}) {
        Gateway gateway;
        gateway.bring_up();
        for (GuardPort of : {port(kLan, PortKind::lan, "ens5"), port(kOtherLan, PortKind::lan, "ens6"),
                             port(kTunnel, PortKind::tunnel, "dc2")}) {
            of.untagged = true;
            gateway.engine.on_port(of, gateway.now);
        }
        gateway.engine.on_bridge(filters);
        gateway.run(20s);
        for (std::uint32_t i = 0; i < 2'500; ++i) {
            const MacAddress mac{{0, 0x50, 0x56, 0, static_cast<std::uint8_t>(i % 50), 1}};
            gateway.engine.on_host({i / 50 % 2 == 0 ? kLan : kTunnel, 0}, mac, gateway.now);
        }
        gateway.collect();
        const char* words = filters ? " in untagged frames moved 5 times" : "01 moved 5 times";
        CHECK(gateway.last(GuardEventId::duplicate_mac).sentence.find(words) != std::string::npos);
        const std::size_t before = gateway.probes;
        gateway.run(1s);
        const std::size_t burst =
            3 * std::size_t{GuardOptions{}.probes.burst};  // on three ports, in each VLAN
        const std::size_t steady = 12;
        CHECK(gateway.probes - before >= (filters ? 1 : 3) * burst);
        CHECK(gateway.probes - before <= (filters ? 1 : 3) * burst + steady);
    }
}

TEST_CASE(
    "a host with two places is named; with pinning it is kept where it was first; gateways and load "
    "balancers are told apart") {
    const auto move = [](Gateway& gateway, const char* mac) {
        for (int i = 0; i <= 6; ++i)
            gateway.engine.on_host({i % 2 == 0 ? kLan : kTunnel, kVid}, MacAddress::parse(mac).value(),
                                   gateway.now);
        gateway.collect();
    };
    GuardOptions pinning;
    pinning.mac_moves.pin = true;
    for (const GuardOptions& options : {GuardOptions{}, pinning}) {
        Gateway gateway(options);
        gateway.bring_up();
        move(gateway, "00:50:56:00:00:01");
        CHECK(gateway.last(GuardEventId::duplicate_mac)
                  .sentence.find("00:50:56:00:00:01 in VLAN 110 moved 5 times within") == 0);
        CHECK(gateway.pins.size() == (options.mac_moves.pin ? 1 : 0));
        if (options.mac_moves.pin) CHECK(gateway.pins[0].place == Place{kLan, kVid});
        move(gateway, "00:00:5e:00:01:0a");
        CHECK(gateway.count(GuardEventId::gateway_at_both_sites) == 1);
        CHECK(gateway.count(GuardEventId::duplicate_mac) == 1);
        move(gateway, "02:bf:0a:00:00:01");
        CHECK(gateway.last(GuardEventId::duplicate_mac).sentence.find("load balancing") != std::string::npos);
        move(gateway, guard_source(NodeId{9}, PortId{9}).text().c_str());
        CHECK(gateway.count(GuardEventId::duplicate_mac) == 2);
    }
}

TEST_CASE(
    "topology changes flush remote hosts at most once in ten seconds, and only where there are several ways "
    "in") {
    Gateway gateway;
    gateway.bring_up();
    gateway.run(10s);
    for (int i = 0; i < 150; ++i) {
        gateway.engine.on_bpdu(kLan, bpdu(true), gateway.now);
        gateway.run(2s);
    }
    CHECK(gateway.flushes.size() == 30);
    CHECK(gateway.count(GuardEventId::blocked) == 0);

    Gateway one_way;
    one_way.engine.on_port(port(kLan, PortKind::lan, "ens5"), one_way.now);
    one_way.engine.on_port(port(kTunnel, PortKind::tunnel, "dc2"), one_way.now);
    one_way.engine.on_link(kLan, true, one_way.now);
    one_way.engine.on_link(kTunnel, true, one_way.now);
    one_way.engine.on_bpdu(kLan, bpdu(true), one_way.now);
    one_way.collect();
    CHECK(one_way.flushes.empty());
}

TEST_CASE("a switch's port that does not forward yet keeps the VLAN closed") {
    Gateway gateway;
    gateway.bring_up();
    BpduFrame listening = bpdu();
    listening.bpdu.flags.bits = 0x0c;
    for (int i = 0; i < 10; ++i) {
        gateway.engine.on_bpdu(kLan, listening, gateway.now);
        gateway.run(2s);
    }
    CHECK(gateway.engine.vlan_state(kEdge) == VlanState::closed);
    CHECK(gateway.engine.status(gateway.now).vlans.at(0).waiting_for == "ens5 may not carry frames yet");
    gateway.engine.on_bpdu(kLan, bpdu(), gateway.now);
    gateway.run(3s);
    CHECK(gateway.engine.vlan_state(kEdge) == VlanState::open);
}

TEST_CASE("a BPDU out of a tunnel that should have none suspends its VLAN until none comes any more") {
    Gateway gateway;
    gateway.bring_up();
    gateway.run(10s);
    REQUIRE(gateway.engine.vlan_state(kEdge) == VlanState::open);
    for (int i = 0; i < 60; ++i) {
        gateway.engine.on_tunnel_bpdu(kEdge, gateway.now);
        gateway.run(2s);
        CHECK(gateway.engine.vlan_state(kEdge) == VlanState::suspended);
    }
    CHECK(gateway.count(GuardEventId::suspended) == 1);
    CHECK(gateway.last(GuardEventId::suspended).sentence.find("a BPDU came out of the tunnel") !=
          std::string::npos);
    CHECK(gateway.engine.vlan_state({kTunnel, 120}) == VlanState::open);
    CHECK(gateway.engine.status(gateway.now).vlans.at(0).cause == Cause::bpdu_guard);
    gateway.run(15s);
    CHECK(gateway.engine.vlan_state(kEdge) == VlanState::open);
}

TEST_CASE(
    "a heavy storm with signs of a loop suspends its VLAN for a while, a place that is none does nothing") {
    Gateway gateway;
    gateway.bring_up();
    gateway.run(10s);
    gateway.engine.on_heavy_storm({kTunnel, 999}, gateway.now);
    gateway.engine.on_heavy_storm({kLan, kVid}, gateway.now);
    gateway.engine.on_heavy_storm(kEdge, gateway.now);
    gateway.collect();
    CHECK(gateway.engine.vlan_state(kEdge) == VlanState::suspended);
    gateway.run(29s);
    CHECK(gateway.engine.vlan_state(kEdge) == VlanState::suspended);
    gateway.run(5s);
    CHECK(gateway.engine.vlan_state(kEdge) == VlanState::open);
    gateway.engine.on_heavy_storm(kEdge, gateway.now);
    gateway.collect();
    CHECK(gateway.engine.status(gateway.now).vlans.at(0).trips == 2);
}

TEST_CASE(
    "a loop between LAN ports that the kernel cannot block keeps what is flooded from the sessions in a "
    "storm") {
    Gateway gateway;
    gateway.bring_up();
    gateway.engine.on_lan_rules(false);
    gateway.run(10s);
    gateway.loop(kLan, kOtherLan);
    gateway.run(3s);
    CHECK(gateway.lan_blocks.empty());
    CHECK(gateway.engine.vlan_state(kEdge) == VlanState::open);
    CHECK(gateway.last(GuardEventId::outside_loop).sentence.find("without nftables") != std::string::npos);
    gateway.engine.on_storm(kEdge, true, gateway.now);
    gateway.run(3s);
    CHECK(gateway.engine.vlan_state(kEdge) == VlanState::bum_blocked);
    gateway.engine.on_storm(kEdge, false, gateway.now);
    gateway.run(60s);
    CHECK_MESSAGE(gateway.engine.vlan_state(kEdge) == VlanState::bum_blocked, "the loop is still there");
    gateway.looped_from.reset();
    gateway.run(30s);
    CHECK(gateway.engine.vlan_state(kEdge) == VlanState::open);
}
