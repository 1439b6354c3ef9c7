#include <doctest/doctest.h>

#include "tests/sim/guard_net.h"

using namespace isthmus;
using namespace isthmus::test;

namespace {

constexpr std::uint16_t kVid = GuardNet::kVid;

/// Site 1: segment 0, node 0. Site 2: segment 1, node 1. One tunnel, one backdoor.
struct TwoSites {
    explicit TwoSites(std::uint64_t seed, std::uint64_t first_id = 100, std::uint64_t second_id = 101)
        : net(seed) {
        net.add_node(1, {0}, first_id);
        net.add_node(2, {1}, second_id);
        net.add_tunnel(0, 1);
        net.add_backdoor(0, 1);
        net.start();
    }
    void open_up() {
        REQUIRE_MESSAGE(net.run_until(8s, [&] { return net.crosses(0); }), net.story());
    }

    GuardNet net;
};

/// Three sites, each with one segment, and tunnels between all of them: 0-1, 1-2, 2-0.
struct Mesh {
    explicit Mesh(std::uint64_t seed) : net(seed) {
        for (std::size_t i = 0; i < 3; ++i) net.add_node(i + 1, {i});
        net.add_tunnel(0, 1);
        net.add_tunnel(1, 2);
        net.add_tunnel(2, 0);
        net.start();
    }
    GuardNet net;
};

/// Node 0 in the middle, with its own segment, and two spokes with a backdoor between them.
struct HubAndSpokes {
    explicit HubAndSpokes(std::uint64_t seed, std::uint64_t hub_id = 100) : net(seed) {
        net.add_node(1, {0}, hub_id);
        net.add_node(2, {1}, 101);
        net.add_node(3, {2}, 102);
        net.add_tunnel(0, 1);
        net.add_tunnel(0, 2);
        net.add_backdoor(1, 2);
        net.start();
    }
    GuardNet net;
};

}  // namespace

TEST_CASE("two sites without a backdoor open within seconds, and stay so without a word") {
    TwoSites sites(1);
    CHECK(sites.net.state(0, 0) == VlanState::closed);
    CHECK_FALSE(sites.net.run_until(2s, [&] { return sites.net.crosses(0); }));
    sites.open_up();
    sites.net.run(10min);
    CHECK(sites.net.crosses(0));
    CHECK(sites.net.count(GuardEventId::blocked) == 0);
    CHECK(sites.net.count(GuardEventId::peer_with_guard) == 2);
    CHECK(sites.net.events().size() == 2);
}

TEST_CASE(
    "a backdoor between two sites is blocked within three seconds at exactly one end, the lower node's") {
    TwoSites sites(2);
    sites.open_up();
    sites.net.run(10s);
    sites.net.set_backdoor(0, true);
    REQUIRE_MESSAGE(sites.net.run_until(3s, [&] { return !sites.net.crosses(0); }), sites.net.story());
    sites.net.run(5s);
    CHECK(sites.net.state(0, 0) == VlanState::bum_blocked);
    CHECK_MESSAGE(sites.net.state(0, 1) == VlanState::open, sites.net.story());
    CHECK(sites.net.count(GuardEventId::blocked) == 1);
    CHECK(sites.net.count(GuardEventId::peer_blocks) == 1);
    CHECK(sites.net.count(GuardEventId::suspended) == 0);
    CHECK(sites.net.every_block_was_right());
    CHECK_MESSAGE(sites.net.segments_reached(0) == 2, "the customer's own way keeps the sites together");
}

TEST_CASE("the block stays as long as the backdoor does, and goes by itself after it") {
    TwoSites sites(3);
    sites.open_up();
    sites.net.set_backdoor(0, true);
    REQUIRE(sites.net.run_until(3s, [&] { return !sites.net.crosses(0); }));
    CHECK_FALSE_MESSAGE(sites.net.run_until(10min, [&] { return sites.net.crosses(0); }), sites.net.story());
    sites.net.set_backdoor(0, false);
    CHECK_MESSAGE(sites.net.run_until(4s, [&] { return sites.net.crosses(0); }), sites.net.story());
    CHECK(sites.net.count(GuardEventId::opened) == 1);
    CHECK(sites.net.count(GuardEventId::suspended) == 0);
}

TEST_CASE("a backdoor that comes back is blocked longer each time") {
    TwoSites sites(4);
    sites.open_up();
    Duration shortest{};
    for (int i = 0; i < 4; ++i) {
        sites.net.set_backdoor(0, true);
        REQUIRE(sites.net.run_until(3s, [&] { return !sites.net.crosses(0); }));
        const TimePoint blocked = sites.net.now();
        sites.net.run(5s);
        sites.net.set_backdoor(0, false);
        REQUIRE_MESSAGE(sites.net.run_until(10min, [&] { return sites.net.crosses(0); }), sites.net.story());
        const Duration lasted = sites.net.now() - blocked;
        CHECK(lasted > shortest);
        CHECK(lasted >= 30s * (1 << i));
        CHECK(lasted < 30s * (1 << i) + 5s);
        shortest = lasted;
    }
}

TEST_CASE("a backdoor that is there from the start keeps the tunnel closed, at no loop at all") {
    TwoSites sites(5);
    sites.net.set_backdoor(0, true);
    sites.net.run(60s);
    CHECK_FALSE(sites.net.crosses(0));
    CHECK(sites.net.longest_loop() == Duration{});
    CHECK(sites.net.count(GuardEventId::still_blocked) >= 1);
    sites.net.set_backdoor(0, false);
    CHECK_MESSAGE(sites.net.run_until(4s, [&] { return sites.net.crosses(0); }), sites.net.story());
}

TEST_CASE(
    "the tunnel cut at the instant the backdoor appears: no loop when it comes back, and open when the "
    "backdoor goes") {
    TwoSites sites(6);
    sites.open_up();
    sites.net.set_backdoor(0, true);
    sites.net.set_tunnel(0, false);
    sites.net.run(3s);
    sites.net.set_tunnel(0, true);
    sites.net.run(20s);
    CHECK_FALSE(sites.net.crosses(0));
    CHECK(sites.net.longest_loop() < 100ms);
    sites.net.set_backdoor(0, false);
    CHECK_MESSAGE(sites.net.run_until(4s, [&] { return sites.net.crosses(0); }), sites.net.story());
}

TEST_CASE("a gateway that restarts on a LAN that it knew carries traffic again within two seconds") {
    TwoSites sites(71);
    sites.open_up();
    sites.net.run(3s);
    for (const std::size_t node : {0U, 1U, 1U}) {
        sites.net.stop_node(node);
        sites.net.run(500ms);
        sites.net.start_node(node);
        CHECK_MESSAGE(sites.net.run_until(2s, [&] { return sites.net.crosses(0); }), sites.net.story());
        sites.net.run(3s);
    }
    sites.net.stop_node(0);
    sites.net.set_lan(0, 0, false);
    sites.net.set_lan(0, 0, true);
    sites.net.start_node(0);
    CHECK_MESSAGE(sites.net.run_until(8s, [&] { return sites.net.crosses(0); }), sites.net.story());
}

TEST_CASE("a loop that appears while a gateway restarts does not open, and a block outlives the restart") {
    TwoSites sites(7);
    sites.open_up();
    sites.net.set_backdoor(0, true);
    REQUIRE(sites.net.run_until(3s, [&] { return !sites.net.crosses(0); }));
    sites.net.run(2s);
    sites.net.forget_longest_loop();
    for (const std::size_t node : {0U, 1U, 0U}) {
        sites.net.stop_node(node);
        sites.net.run(1s);
        sites.net.start_node(node);
        sites.net.run(8s);
        CHECK_FALSE_MESSAGE(sites.net.crosses(0), sites.net.story());
    }
    CHECK(sites.net.engine(0).status(sites.net.now()).vlans.at(0).cause == Cause::backdoor);
    CHECK(sites.net.longest_loop() == Duration{});
    sites.net.set_backdoor(0, false);
    CHECK_MESSAGE(sites.net.run_until(40s, [&] { return sites.net.crosses(0); }), sites.net.story());
}

TEST_CASE(
    "two LAN ports that are connected: the higher one is blocked for that VLAN, and comes back by itself") {
    GuardNet net(8);
    net.add_node(1, {0, 1});
    net.add_node(2, {2});
    net.add_tunnel(0, 1);
    net.add_backdoor(0, 1);
    net.start();
    REQUIRE_MESSAGE(net.run_until(8s, [&] { return net.crosses(0); }), net.story());
    net.set_backdoor(0, true);
    REQUIRE_MESSAGE(net.run_until(3s,
                                  [&] {
                                      return net.engine(0).lan_blocked({PortId{2}, kVid});
                                  }),
                    net.story());
    CHECK_FALSE(net.engine(0).lan_blocked({PortId{1}, kVid}));
    CHECK_MESSAGE(net.crosses(0), "the tunnel is none of that loop's business");
    net.run(60s);
    CHECK(net.engine(0).lan_blocked({PortId{2}, kVid}));
    CHECK(net.longest_loop() < 3s);
    net.set_backdoor(0, false);
    CHECK_MESSAGE(net.run_until(4s,
                                [&] {
                                    return !net.engine(0).lan_blocked({PortId{2}, kVid});
                                }),
                  net.story());
}

TEST_CASE("a loop behind one LAN port closes the tunnel for that VLAN only while there is a storm") {
    TwoSites sites(9);
    const std::size_t inside = sites.net.add_backdoor(0, 0);
    sites.open_up();
    sites.net.set_backdoor(inside, true);
    sites.net.run(10s);
    CHECK(sites.net.count(GuardEventId::outside_loop) == 1);
    CHECK(sites.net.crosses(0));
    sites.net.engine(0).on_storm({PortId{1}, kVid}, true, sites.net.now());
    CHECK_MESSAGE(sites.net.run_until(3s, [&] { return !sites.net.crosses(0); }), sites.net.story());
    sites.net.run(60s);
    CHECK_FALSE(sites.net.crosses(0));
    sites.net.set_backdoor(inside, false);
    sites.net.engine(0).on_storm({PortId{1}, kVid}, false, sites.net.now());
    CHECK_MESSAGE(sites.net.run_until(4s, [&] { return sites.net.crosses(0); }), sites.net.story());
}

TEST_CASE(
    "a mesh of three sites: exactly one edge is blocked, by the lowest node, and everybody reaches "
    "everybody") {
    Mesh mesh(10);
    mesh.net.run(15s);
    CHECK_MESSAGE(mesh.net.crossing() == 2, mesh.net.story());
    CHECK(mesh.net.segments_reached(0) == 3);
    CHECK_MESSAGE(mesh.net.longest_loop() < 3s, mesh.net.story());
    mesh.net.run(10min);
    CHECK_MESSAGE(mesh.net.crossing() == 2, mesh.net.story());
    CHECK(mesh.net.segments_reached(0) == 3);
    CHECK(mesh.net.longest_loop() < 3s);
}

TEST_CASE("when a ring loses another edge, the blocked one opens within seconds, whatever its timer says") {
    Mesh mesh(11);
    mesh.net.run(60s);
    REQUIRE(mesh.net.crossing() == 2);
    for (std::size_t cut = 0; cut < 3; ++cut) {
        if (!mesh.net.crosses(cut)) continue;
        mesh.net.set_tunnel(cut, false);
        CHECK_MESSAGE(mesh.net.run_until(
                          5s, [&] { return mesh.net.crossing() == 2 && mesh.net.segments_reached(0) == 3; }),
                      mesh.net.story());
        break;
    }
}

TEST_CASE("a mesh with a backdoor between two of its sites loses nobody") {
    Mesh mesh(12);
    const std::size_t backdoor = mesh.net.add_backdoor(1, 2);
    mesh.net.run(60s);
    mesh.net.forget_longest_loop();
    mesh.net.set_backdoor(backdoor, true);
    mesh.net.run(60s);
    CHECK_MESSAGE(mesh.net.longest_loop() < 3s, mesh.net.story());
    CHECK(mesh.net.segments_reached(0) == 3);
    CHECK_MESSAGE(mesh.net.crossing() == 1, mesh.net.story());
    mesh.net.set_backdoor(backdoor, false);
    CHECK_MESSAGE(mesh.net.run_until(60s, [&] { return mesh.net.crossing() == 2; }), mesh.net.story());
}

TEST_CASE(
    "a backdoor between two spokes is the hub's to decide, whatever its number: one edge, and the third site "
    "loses nobody") {
    for (const std::uint64_t hub : {100U, 900U}) {
        HubAndSpokes star(13, hub);
        REQUIRE_MESSAGE(star.net.run_until(10s, [&] { return star.net.crossing() == 2; }), star.net.story());
        star.net.set_backdoor(0, true);
        REQUIRE_MESSAGE(star.net.run_until(3s, [&] { return !star.net.loop_is_open(); }), star.net.story());
        star.net.run(20s);
        CHECK_MESSAGE(star.net.crossing() == 1, star.net.story());
        CHECK(star.net.segments_reached(0) == 3);
        for (const auto& one : star.net.events())
            if (one.event.id == GuardEventId::blocked) CHECK_MESSAGE(one.node == 0, star.net.story());
        star.net.set_backdoor(0, false);
        CHECK_MESSAGE(star.net.run_until(40s, [&] { return star.net.crossing() == 2; }), star.net.story());
    }
}

TEST_CASE("forged and replayed probes never block") {
    TwoSites sites(14);
    sites.open_up();
    sites.net.run(5s);
    const auto probe = sites.net.last_lan_probe(0);
    auto forged = probe;
    forged.back() ^= 1;
    for (int i = 0; i < 200; ++i) {
        sites.net.inject(0, forged);
        sites.net.run(20ms);
    }
    // One real probe, a hundred times: one witness, however often it speaks.
    for (int i = 0; i < 100; ++i) {
        sites.net.inject(1, probe);
        sites.net.run(20ms);
    }
    sites.net.run(40s);
    for (int i = 0; i < 100; ++i) {
        sites.net.inject(1, probe);
        sites.net.run(20ms);
    }
    sites.net.run(1s);
    CHECK_MESSAGE(sites.net.count(GuardEventId::blocked) == 0, sites.net.story());
    CHECK(sites.net.crosses(0));
    CHECK(sites.net.count(GuardEventId::forged_probe) >= 1);
    const GuardStatus status = sites.net.engine(0).status(sites.net.now());
    CHECK(status.probes.refused[static_cast<std::size_t>(ProbeRefusal::bad_mac)] == 200);
    CHECK(status.probes.refused[static_cast<std::size_t>(ProbeRefusal::too_old)] +
              status.probes.refused[static_cast<std::size_t>(ProbeRefusal::stale_sequence)] >=
          100);
}

TEST_CASE(
    "a host that echoes frames is named and never a reason to block, on either side and for any kinds") {
    for (const std::size_t segment : {0U, 1U})
        for (const bool all : {true, false}) {
            TwoSites sites(15);
            sites.net.add_reflector(
                segment, all ? std::set{ProbeKind::multicast, ProbeKind::broadcast, ProbeKind::decoy}
                             : std::set{ProbeKind::broadcast});
            sites.open_up();
            sites.net.run(5min);
            CHECK_MESSAGE(sites.net.count(GuardEventId::blocked) == 0, sites.net.story());
            CHECK(sites.net.crosses(0));
            CHECK(sites.net.count(GuardEventId::suspected_reflector) >= 1);
        }
}

TEST_CASE(
    "a relaying host between two LAN ports is named, not blocked: with addresses rewritten, or for broadcast "
    "alone") {
    for (const bool rewrites : {true, false}) {
        GuardNet net(16);
        net.add_node(1, {0, 1});
        net.add_node(2, {2});
        net.add_tunnel(0, 1);
        net.add_relay(0, 1,
                      rewrites ? std::set{ProbeKind::multicast, ProbeKind::broadcast, ProbeKind::decoy}
                               : std::set{ProbeKind::broadcast},
                      rewrites);
        net.start();
        REQUIRE_MESSAGE(net.run_until(8s, [&] { return net.crosses(0); }), net.story());
        net.run(5min);
        CHECK_MESSAGE(net.count(GuardEventId::lan_port_blocked) == 0, net.story());
        CHECK(net.count(GuardEventId::blocked) == 0);
        CHECK(net.count(GuardEventId::suspected_reflector) >= 1);
    }
}

TEST_CASE("equal node or site identifiers are refused in words, and work once they differ") {
    for (const bool node : {true, false}) {
        GuardNet net(17);
        net.add_node(1, {0}, 100);
        net.add_node(node ? 2 : 1, {1}, node ? 100 : 101);
        net.add_tunnel(0, 1);
        net.start();
        net.run(20s);
        CHECK(net.state(0, 0) == VlanState::suspended);
        CHECK(net.state(0, 1) == VlanState::suspended);
        REQUIRE(net.count(GuardEventId::identity_refused) >= 2);
        for (const auto& one : net.events())
            if (one.event.id == GuardEventId::identity_refused)
                CHECK(one.event.sentence.find("cloned image?") != std::string::npos);
    }
}

TEST_CASE("a clock that leaps ahead blocks nothing and opens nothing") {
    TwoSites sites(18);
    sites.open_up();
    sites.net.jump(24h * 365);
    sites.net.run(60s);
    CHECK(sites.net.crosses(0));
    CHECK(sites.net.count(GuardEventId::blocked) == 0);
    sites.net.set_backdoor(0, true);
    REQUIRE(sites.net.run_until(3s, [&] { return !sites.net.crosses(0); }));
    sites.net.jump(24h);
    CHECK_FALSE_MESSAGE(sites.net.run_until(60s, [&] { return sites.net.crosses(0); }), sites.net.story());
}

TEST_CASE("two gateways of one site carry a VLAN between them once, and the other takes over") {
    GuardNet net(19);
    net.add_node(1, {0}, 100);
    net.add_node(1, {0}, 101);
    net.add_node(2, {1}, 102);
    net.add_tunnel(0, 2);
    net.add_tunnel(1, 2);
    net.start();
    net.run(15s);
    CHECK_MESSAGE(net.crossing() == 1, net.story());
    CHECK(net.segments_reached(0) == 2);
    CHECK(net.longest_loop() < 3s);
    CHECK(net.count(GuardEventId::blocked) == 0);
    const std::size_t forwards = net.crosses(0) ? 0 : 1;
    net.stop_node(forwards);
    CHECK_MESSAGE(net.run_until(10s, [&] { return net.crosses(1 - forwards); }), net.story());
    net.start_node(forwards);
    net.run(20s);
    CHECK_MESSAGE(net.crossing() == 1, net.story());
    CHECK(net.longest_loop() < 3s);
}
