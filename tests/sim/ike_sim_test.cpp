// Hours of two IKEv2 gateways on bad links, in many seeded runs: whatever happens, both sides end up with the same SAs.
#include <cstdlib>

#include "tests/support/ike_world.h"

using namespace isthmus;
using namespace isthmus::test;

namespace {

/// A few hundred runs tell regressions; `./dev test ike --long` asks for ten thousand.
std::uint64_t runs() {
    const char* wish = std::getenv("ISTHMUS_LONG");
    return wish != nullptr && *wish != 0 ? 10'000 : 300;
}

void choose_lifetimes(World& world, Side& side) {
    PeerOptions& peer = side.peers[0];
    peer.children[0].lifetime.rekey =
        Duration(15s) + Duration(std::chrono::milliseconds(world.rng().below(30'000)));
    peer.children[0].lifetime.hard_percent = 400;
    peer.lifetime.rekey = Duration(12s) + Duration(std::chrono::milliseconds(world.rng().below(40'000)));
    peer.lifetime.hard_percent = 400;
    if (world.rng().chance(30)) peer.children[0].lifetime.rekey_packets = 50 + world.rng().below(200);
}

void configure_at_random(World& world) {
    const Role a = world.rng().chance(50) ? Role::both : Role::initiator;
    const Role b = world.rng().chance(50) ? Role::both : Role::responder;
    configure(world, a, b);
    const bool secrecy = world.rng().chance(20);
    const bool two_children = world.rng().chance(30);
    const bool childless = world.rng().chance(20);
    for (Side* side : {&world.a(), &world.b()}) {
        PeerOptions& peer = side->peers[0];
        if (secrecy) peer.children[0].policy.forward_secrecy = ForwardSecrecy::required;
        if (two_children) peer.children.push_back(l2tp_child("second", 1702));
        if (childless) peer.childless = Childless::prefer;
        choose_lifetimes(world, *side);
    }
}

/// One of the things that operators, machines and networks do.
void disturb(World& world, bool restarts) {
    Side& side = world.rng().chance(50) ? world.a() : world.b();
    const std::string peer = side.peers[0].name;
    const auto rekey = [&](std::optional<std::string_view> child) {
        (void)world.call(side, [&](Engine& e, TimePoint now) { return e.rekey(peer, child, now); });
    };
    switch (world.rng().below(restarts ? 8 : 6)) {
        case 0: return rekey("l2tp");
        case 1: return rekey(std::nullopt);
        case 2: rekey("l2tp"); return rekey(std::nullopt);
        case 3:
            for (Side* each : {&world.a(), &world.b()})
                (void)world.call(*each, [&](Engine& e, TimePoint now) {
                    return e.rekey(each->peers[0].name, "l2tp", now);
                });
            return;
        case 4:
            for (Side* each : {&world.a(), &world.b()})
                (void)world.call(*each, [&](Engine& e, TimePoint now) {
                    return e.rekey(each->peers[0].name, std::nullopt, now);
                });
            return;
        case 5: return world.run_for(Duration(std::chrono::milliseconds(world.rng().below(5'000))));
        case 6:
            (void)world.call(side, [&](Engine& e, TimePoint now) { return e.terminate(peer, now); });
            return;
        default:
            world.kill(side);
            world.run_for(Duration(std::chrono::milliseconds(world.rng().below(15'000))));
            return world.start(side);
    }
}

/// A calm link and no more rekeying: what is under way comes to its end.
std::string settle(World& world) {
    world.link() = {};
    world.traffic = false;
    for (Side* side : {&world.a(), &world.b()}) {
        side->peers[0].children[0].lifetime = {};
        side->peers[0].lifetime = {.rekey = 4h};
    }
    // Lifetimes of what exists stay as they were: wait for a moment between two rekeyings.
    std::string last;
    for (int i = 0; i < 2'000; ++i) {
        world.run_for(100ms);
        last = world.both_up() ? world.disagreement() : "not both up";
        if (last.empty()) return "";
    }
    return last;
}

void run(std::uint64_t seed, bool restarts) {
    CAPTURE(seed);
    World world(seed, {.loss_percent = 30,
                       .duplicate_percent = 20,
                       .least_delay = 1ms,
                       .most_delay = Duration(std::chrono::milliseconds(10 + seed % 300))});
    configure_at_random(world);
    world.traffic = seed % 3 == 0;
    world.start(world.a());
    world.start(world.b());
    for (int i = 0; i < 20; ++i) {
        world.run_for(Duration(std::chrono::milliseconds(world.rng().below(6'000))));
        disturb(world, restarts);
    }
    const std::string differs = settle(world);
    CHECK(differs == "");
    CHECK(world.reused.empty());
    // Nothing is left over at either side, and the pairs that each has are those that its IKE SA tells of.
    for (Side* side : {&world.a(), &world.b()}) {
        const auto snapshot = side->engine->snapshot(world.now());
        CHECK(snapshot.half_open <= 5);
    }
}

}  // namespace

TEST_CASE(
    "on a link that loses, duplicates and reorders, with rekeyings that cross, both sides agree in the end") {
    for (std::uint64_t seed = 0; seed < runs(); ++seed) run(seed, false);
}

TEST_CASE("the same with gateways that crash and operators who terminate") {
    for (std::uint64_t seed = 0; seed < runs() / 2; ++seed) run(1'000'000 + seed, true);
}

TEST_CASE("an IKE SA that ends while rekeyings of it cross on a bad link leaves nothing behind") {
    // Seeds that once did.
    run(9'166, false);
    run(1'000'736, true);
}

TEST_CASE("rekeyings that cross lose no packet on a link that only delays and reorders") {
    for (std::uint64_t seed = 0; seed < runs() / 3; ++seed) {
        CAPTURE(seed);
        World world(seed,
                    {.least_delay = 1ms, .most_delay = Duration(std::chrono::milliseconds(5 + seed % 150))});
        configure_at_random(world);
        world.start(world.a());
        world.start(world.b());
        REQUIRE(world.run_till([&] { return world.both_up(); }, 60s));
        world.run_for(10s);
        world.traffic = true;
        for (int i = 0; i < 10; ++i) {
            world.run_for(Duration(std::chrono::milliseconds(world.rng().below(4'000))));
            disturb(world, false);
        }
        CHECK(world.data_lost == 0);
        CHECK(world.data_unsent == 0);
        CHECK(settle(world) == "");
    }
}
