// What RFC 7296 section 2.25 says about requests that cross, case by case; rekeyings against each other (section 2.8) are in
// engine_rekey_test.cpp, and all of it at random in tests/sim.
#include "crypto/ike/engine.h"
#include "tests/crypto/ike/bring_up.h"

using namespace isthmus;
using namespace isthmus::test;

namespace {

constexpr LinkOptions kSlow{.least_delay = 50ms, .most_delay = 50ms};

/// The child ends after half of that time, without having been rekeyed.
void expire_after(Side& side, Duration life) {
    side.peers[0].children[0].lifetime.rekey = 2 * life;
    side.peers[0].children[0].lifetime.hard_percent = 50;
}

Duration age_of_child(World& world, Side& side) {
    return world.peer_of(side).ike_sas.at(0).children.at(0).age;
}

IkeSpi spi_of(World& world, Side& side) {
    return world.peer_of(side).ike_sas.at(0).initiator_spi;
}

void rekey_ike(World& world, Side& side) {
    REQUIRE(world.call(
        side, [&](Engine& e, TimePoint now) { return e.rekey(side.peers[0].name, std::nullopt, now); }));
}

void terminate(World& world, Side& side) {
    REQUIRE(world.call(side, [&](Engine& e, TimePoint now) { return e.terminate(side.peers[0].name, now); }));
}

}  // namespace

TEST_CASE("a child is closed by one side while the other rekeys it: both have one new one") {
    for (const Duration ahead :
         {Duration(-70ms), Duration(-30ms), Duration(0ms), Duration(30ms), Duration(70ms)}) {
        CAPTURE(ahead.count());
        World world(61, kSlow);
        configure(world);
        expire_after(world.a(), 30s);
        bring_up(world);
        const Spi before = world.a().pairs.begin()->first;
        world.run_for(30s - age_of_child(world, world.a()) - ahead);
        (void)world.call(world.b(), [](Engine& e, TimePoint now) { return e.rekey("peer-a", "l2tp", now); });
        world.run_for(15s);
        CHECK(world.disagreement() == "");
        CHECK(world.a().pairs.begin()->first != before);
    }
}

TEST_CASE("both sides close the same child at once: both have one new one") {
    World world(62, kSlow);
    configure(world);
    // A has had it for 50 ms less.
    expire_after(world.a(), 30s - 50ms);
    expire_after(world.b(), 30s);
    bring_up(world);
    const Spi before = world.a().pairs.begin()->first;
    world.run_for(35s - age_of_child(world, world.a()));
    CHECK(world.a().noted("has reached the end of its life"));
    CHECK(world.b().noted("has reached the end of its life"));
    world.run_for(5s);
    CHECK(world.disagreement() == "");
    CHECK(world.a().pairs.begin()->first != before);
}

TEST_CASE("both sides ask for the same child at once: one of the two stays") {
    for (std::uint64_t seed = 0; seed < 10; ++seed) {
        World world(seed, kSlow);
        configure(world);
        for (Side* side : {&world.a(), &world.b()}) side->peers[0].childless = Childless::prefer;
        constexpr std::uint8_t kCreateChildSa = 36;
        bool open = false;
        std::size_t asking = 0;
        world.filter = [&](const Side& from, const SendDatagram& sent) {
            if (sent.bytes[18] != kCreateChildSa) return true;
            asking |= std::size_t{from.name == "a" ? 1U : 2U};
            return open;
        };
        world.start(world.a());
        world.start(world.b());
        REQUIRE(world.run_till([&] { return asking == 3; }, 10s));
        open = true;
        REQUIRE(world.run_till([&] { return world.both_up(); }, 10s));
        world.run_for(40s);
        CHECK(world.disagreement() == "");
    }
}

TEST_CASE("an IKE SA is closed by one side while the other rekeys it: it ends, and is built anew") {
    for (const bool closed_by_a : {true, false}) {
        CAPTURE(closed_by_a);
        World world(63, kSlow);
        configure(world);
        bring_up(world);
        const IkeSpi before = spi_of(world, world.a());
        terminate(world, closed_by_a ? world.a() : world.b());
        rekey_ike(world, closed_by_a ? world.b() : world.a());
        world.run_for(30s);
        CHECK(world.both_up());
        CHECK(world.disagreement() == "");
        CHECK(spi_of(world, world.a()) != before);
        CHECK_FALSE(world.a().noted("IKE SA rekeyed"));
        CHECK_FALSE(world.b().noted("IKE SA rekeyed"));
    }
}

TEST_CASE("both sides close the IKE SA at once: neither waits for the other") {
    World world(64, kSlow);
    configure(world);
    bring_up(world);
    const IkeSpi before = spi_of(world, world.a());
    terminate(world, world.a());
    terminate(world, world.b());
    world.run_for(60ms);
    CHECK(world.a().pairs.empty());
    CHECK(world.b().pairs.empty());
    CHECK(world.run_till([&] { return world.both_up(); }, 3s));
    CHECK(spi_of(world, world.a()) != before);
}

TEST_CASE("a child is asked for while the IKE SA is rekeyed: both are put off, and done later") {
    World world(65, kSlow);
    configure(world);
    world.a().peers[0].childless = Childless::prefer;
    world.start(world.a());
    world.start(world.b());
    REQUIRE(world.run_till([&] { return world.peer_of(world.b()).state == PeerState::degraded; }, 5s));
    const IkeSpi before = spi_of(world, world.b());
    rekey_ike(world, world.b());
    REQUIRE(world.run_till([&] { return world.both_up(); }, 10s));
    world.run_for(10s);
    CHECK(world.disagreement() == "");
    CHECK(spi_of(world, world.a()) != before);
}

TEST_CASE("a child is closed while the IKE SA is rekeyed: the new IKE SA has another one") {
    for (const Duration ahead : {Duration(-30ms), Duration(0ms), Duration(30ms)}) {
        CAPTURE(ahead.count());
        World world(66, kSlow);
        configure(world);
        expire_after(world.a(), 30s);
        bring_up(world);
        const IkeSpi before = spi_of(world, world.a());
        const Spi child = world.a().pairs.begin()->first;
        world.run_for(30s - age_of_child(world, world.a()) - ahead);
        rekey_ike(world, world.b());
        world.run_for(15s);
        CHECK(world.disagreement() == "");
        CHECK(spi_of(world, world.a()) != before);
        CHECK(world.a().pairs.begin()->first != child);
    }
}
