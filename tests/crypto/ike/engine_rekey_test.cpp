#include "crypto/ike/engine.h"

#include <algorithm>
#include <set>

#include "tests/crypto/ike/bring_up.h"

using namespace isthmus;
using namespace isthmus::test;

TEST_CASE("new keys for a child, make before break: no packet is lost") {
    for (const auto secrecy : {ForwardSecrecy::off, ForwardSecrecy::required}) {
        World world(5, {.least_delay = 5ms, .most_delay = 30ms});
        configure(world);
        for (Side* side : {&world.a(), &world.b()})
            side->peers[0].children[0].policy.forward_secrecy = secrecy;
        bring_up(world);
        world.traffic = true;
        const Spi before = world.a().pairs.begin()->first;
        REQUIRE(
            world.call(world.a(), [](Engine& e, TimePoint now) { return e.rekey("peer-b", "l2tp", now); }));
        world.run_for(20s);
        CHECK(world.disagreement() == "");
        CHECK(world.a().pairs.begin()->first != before);
        REQUIRE(
            world.call(world.b(), [](Engine& e, TimePoint now) { return e.rekey("peer-a", "l2tp", now); }));
        world.run_for(20s);
        CHECK(world.disagreement() == "");
        CHECK(world.data_sent > 1000);
        CHECK(world.data_lost == 0);
        CHECK(world.data_unsent == 0);
        CHECK(world.reused.empty());
    }
}

TEST_CASE("a new IKE SA takes the children over without touching them") {
    World world(6);
    configure(world);
    bring_up(world);
    world.traffic = true;
    const auto before = world.peer_of(world.a()).ike_sas[0];
    const Spi child = world.a().pairs.begin()->first;
    REQUIRE(
        world.call(world.b(), [](Engine& e, TimePoint now) { return e.rekey("peer-a", std::nullopt, now); }));
    world.run_for(10s);
    const auto after = world.peer_of(world.a()).ike_sas[0];
    CHECK(after.initiator_spi != before.initiator_spi);
    CHECK(world.a().pairs.begin()->first == child);
    CHECK(world.disagreement() == "");
    CHECK(world.data_lost == 0);
    REQUIRE(world.call(world.a(), [](Engine& e, TimePoint now) { return e.rekey("peer-b", "l2tp", now); }));
    world.run_for(10s);
    CHECK(world.disagreement() == "");
    CHECK(world.data_lost == 0);
}

TEST_CASE("both sides rekey the same child at once: one of the new pairs stays, and nothing is lost") {
    for (std::uint64_t seed = 0; seed < 30; ++seed) {
        World world(seed, {.least_delay = 5ms, .most_delay = 60ms});
        configure(world);
        bring_up(world);
        world.traffic = true;
        REQUIRE(
            world.call(world.a(), [](Engine& e, TimePoint now) { return e.rekey("peer-b", "l2tp", now); }));
        world.run_for(Duration(static_cast<std::int64_t>(world.rng().below(60'000'000))));
        REQUIRE(
            world.call(world.b(), [](Engine& e, TimePoint now) { return e.rekey("peer-a", "l2tp", now); }));
        world.run_for(30s);
        CHECK(world.disagreement() == "");
        CHECK(world.data_lost == 0);
    }
}

TEST_CASE("both sides rekey the IKE SA at once: one of the new ones has the children") {
    for (std::uint64_t seed = 0; seed < 30; ++seed) {
        World world(seed, {.least_delay = 5ms, .most_delay = 60ms});
        configure(world);
        bring_up(world);
        world.traffic = true;
        REQUIRE(world.call(world.a(),
                           [](Engine& e, TimePoint now) { return e.rekey("peer-b", std::nullopt, now); }));
        world.run_for(Duration(static_cast<std::int64_t>(world.rng().below(60'000'000))));
        REQUIRE(world.call(world.b(),
                           [](Engine& e, TimePoint now) { return e.rekey("peer-a", std::nullopt, now); }));
        world.run_for(40s);
        CHECK(world.disagreement() == "");
        CHECK(world.data_lost == 0);
    }
}

TEST_CASE("a child and the IKE SA are rekeyed at once from different sides: both are done in the end") {
    for (std::uint64_t seed = 0; seed < 30; ++seed) {
        World world(seed, {.least_delay = 5ms, .most_delay = 60ms});
        configure(world);
        bring_up(world);
        world.traffic = true;
        const auto ike = world.peer_of(world.a()).ike_sas[0].initiator_spi;
        const Spi child = world.a().pairs.begin()->first;
        REQUIRE(
            world.call(world.a(), [](Engine& e, TimePoint now) { return e.rekey("peer-b", "l2tp", now); }));
        REQUIRE(world.call(world.b(),
                           [](Engine& e, TimePoint now) { return e.rekey("peer-a", std::nullopt, now); }));
        world.run_for(40s);
        CHECK(world.disagreement() == "");
        CHECK(world.data_lost == 0);
        CHECK(world.peer_of(world.a()).ike_sas[0].initiator_spi != ike);
        CHECK(world.a().pairs.begin()->first != child);
    }
}

TEST_CASE("lifetimes by time, packets and bytes bring new keys by themselves") {
    World world(7);
    configure(world);
    world.a().peers[0].children[0].lifetime.rekey = 60s;
    world.a().peers[0].lifetime.rekey = 200s;
    bring_up(world);
    world.traffic = true;
    const Spi first = world.a().pairs.begin()->first;
    const auto ike = world.peer_of(world.a()).ike_sas[0].initiator_spi;
    world.run_for(61s);
    CHECK(world.a().pairs.begin()->first != first);
    world.run_for(200s);
    CHECK(world.peer_of(world.a()).ike_sas[0].initiator_spi != ike);
    CHECK(world.data_lost == 0);

    World by_packets(8);
    configure(by_packets);
    by_packets.b().peers[0].children[0].lifetime.rekey_packets = 100;
    bring_up(by_packets);
    const Spi before = by_packets.a().pairs.begin()->first;
    by_packets.traffic = true;
    by_packets.run_for(8s);
    const bool same_as_before = by_packets.a().sending.at("l2tp") == before;
    CHECK_FALSE(same_as_before);
    CHECK(by_packets.data_lost == 0);
}

TEST_CASE(
    "a responder follows the peer's first packet under new keys a moment later, or its deletion at once") {
    for (const bool traffic : {true, false}) {
        CAPTURE(traffic);
        World world(50);
        configure(world);
        bring_up(world);
        world.traffic = traffic;
        const Spi before = world.a().sending.at("l2tp");
        const auto follows = [&] { return world.a().sending.at("l2tp") != before; };
        const auto is_heard = [&] {
            return std::ranges::any_of(world.a().pairs, [&](const auto& entry) {
                return entry.first != before && entry.second.usage.packets_in > 0;
            });
        };
        REQUIRE(
            world.call(world.b(), [](Engine& e, TimePoint now) { return e.rekey("peer-a", "l2tp", now); }));
        if (traffic) {
            REQUIRE(world.run_till(is_heard, 2s));
            world.run_for(150ms);
            CHECK_FALSE(follows());
            world.run_for(100ms);
            CHECK(follows());
        } else {
            world.run_for(900ms);
            CHECK_FALSE(follows());
            world.run_for(300ms);
            CHECK(follows());
        }
        world.run_for(20s);
        CHECK(world.disagreement() == "");
        CHECK(world.data_lost == 0);
    }
}

TEST_CASE("limits are shortened at random like times, so that both sides do not come to them at once") {
    std::set<std::uint64_t> limits;
    for (std::uint64_t seed = 0; seed < 10; ++seed) {
        World world(seed);
        configure(world);
        world.a().peers[0].children[0].lifetime.rekey_packets = 1'000;
        bring_up(world);
        const Spi pair = world.a().pairs.begin()->first;
        const auto begins_at = [&](std::uint64_t packets) {
            SaUsage usage;
            usage.packets_out = packets;
            world.call(world.a(), [&](Engine& e, TimePoint now) {
                e.on_sa_usage(pair, usage, now);
                return 0;
            });
            world.run_for(1ms);
            return world.peer_of(world.a()).ike_sas[0].children[0].state == "rekeying";
        };
        CHECK_FALSE(begins_at(899));
        std::uint64_t limit = 900;
        while (limit <= 1'000 && !begins_at(limit)) ++limit;
        CHECK(limit <= 1'000);
        limits.insert(limit);
    }
    CHECK(limits.size() > 3);
}
