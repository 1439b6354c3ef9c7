#include "crypto/ike/engine.h"
#include "crypto/ike/wire/message.h"
#include "tests/crypto/ike/bring_up.h"

using namespace isthmus;
using namespace isthmus::test;

TEST_CASE("forged hints take nothing down") {
    World world(12);
    configure(world);
    bring_up(world);
    const auto ike = world.peer_of(world.a()).ike_sas[0];
    const Spi outbound = world.a().pairs.begin()->second.outbound;
    for (int i = 0; i < 20; ++i) {
        Header header;
        header.initiator_spi = IkeSpi{1};
        header.responder_spi = IkeSpi{2};
        header.exchange = ExchangeType::informational;
        header.from_initiator = true;
        const std::vector<Payload> payloads{invalid_spi_notify(outbound)};
        const auto forged = emit_message(header, payloads);
        const Path path{{world.a().address, 500}, {world.b().address, 500}, std::nullopt};
        world.call(world.a(), [&](Engine& e, TimePoint now) {
            e.on_datagram(forged, path, now, {});
            return 0;
        });
        world.run_for(1s);
    }
    CHECK(world.peer_of(world.a()).ike_sas[0].initiator_spi == ike.initiator_spi);
    CHECK(world.disagreement() == "");
}

TEST_CASE("different shared keys: both sides say so, and it comes up once they agree") {
    World world(17);
    configure(world);
    world.b().peers[0].credentials = shared_key("something else entirely, really");
    world.start(world.a());
    world.start(world.b());
    world.run_for(5s);
    CHECK_FALSE(world.is_up(world.a()));
    CHECK(world.a().pairs.empty());
    CHECK(world.b().pairs.empty());
    CHECK(world.a().noted("AUTHENTICATION_FAILED"));
    CHECK(world.a().noted("shared keys differ"));
    CHECK(world.b().noted("the keys differ"));
    world.b().peers[0].credentials = world.a().peers[0].credentials;
    world.call(world.b(), [&](Engine& e, TimePoint now) {
        e.configure(world.b().peers, now);
        return 0;
    });
    CHECK(world.run_till([&] { return world.both_up(); }, 6s));
}

TEST_CASE("another identity than the configured one is refused, and named") {
    World world(18);
    configure(world);
    world.b().peers[0].local_id = parse_identity("impostor.example.org").value();
    world.start(world.a());
    world.start(world.b());
    world.run_for(5s);
    CHECK_FALSE(world.is_up(world.a()));
    CHECK(world.a().noted("the peer says it is impostor.example.org, but b.example.org is configured"));
    CHECK(world.b().noted("AUTHENTICATION_FAILED"));
    CHECK(world.b().pairs.empty());

    World other(19);
    configure(other);
    other.a().peers[0].local_id = parse_identity("stranger.example.org").value();
    other.start(other.a());
    other.start(other.b());
    other.run_for(5s);
    CHECK(other.b().noted("no configured peer at 192.0.2.1 has the identity stranger.example.org"));
}

TEST_CASE("proposals without anything in common: both sides' are shown") {
    World world(20);
    configure(world);
    world.b().peers[0].policy.prfs = {crypto::Prf::hmac_sha512};
    world.start(world.a());
    world.start(world.b());
    world.run_for(5s);
    CHECK(world.a().noted("NO_PROPOSAL_CHOSEN"));
    const auto at_b = world.peer_of(world.b());
    REQUIRE(at_b.mismatch);
    CHECK(at_b.mismatch->ours.find("PRF_HMAC_SHA2_512") != std::string::npos);
    CHECK(at_b.mismatch->theirs.find("PRF_HMAC_SHA2_256") != std::string::npos);
    const auto at_a = world.peer_of(world.a());
    REQUIRE(at_a.mismatch);
    CHECK(at_a.mismatch->ours.find("PRF_HMAC_SHA2_256") != std::string::npos);
}

TEST_CASE("a child that the peer refuses leaves the IKE SA up, and is asked for again") {
    World world(21);
    configure(world);
    world.b().peers[0].children[0].local[0].first_port = 9999;
    world.b().peers[0].children[0].local[0].last_port = 9999;
    world.start(world.a());
    world.start(world.b());
    world.run_for(5s);
    CHECK(world.peer_of(world.a()).state == PeerState::degraded);
    CHECK(world.a().noted("TS_UNACCEPTABLE"));
    CHECK(world.b().noted("no common traffic selectors"));
    world.b().peers[0].children[0] = l2tp_child();
    world.call(world.b(), [&](Engine& e, TimePoint now) {
        e.configure(world.b().peers, now);
        return 0;
    });
    CHECK(world.run_till([&] { return world.both_up(); }, 20s));
}

TEST_CASE("a flood of forged requests takes bounded memory, and an honest peer gets in") {
    World world(33);
    configure(world);
    world.start(world.b());
    WorldRng rng(33);
    // A real IKE_SA_INIT, from ever other addresses with ever other SPIs.
    Side probe;
    std::vector<std::uint8_t> request;
    world.filter = [&](const Side& from, const SendDatagram& sent) {
        if (request.empty() && from.name == "a") request = sent.bytes;
        return false;
    };
    world.start(world.a());
    world.run_for(1s);
    world.kill(world.a());
    REQUIRE_FALSE(request.empty());
    world.filter = nullptr;
    world.b().peers[0].remote_host = "";
    world.call(world.b(), [&](Engine& e, TimePoint now) {
        e.configure(world.b().peers, now);
        return 0;
    });
    const auto flood = [&](int count) {
        for (int i = 0; i < count; ++i) {
            store_be32(request.data(), rng.u32() | 1);
            const Endpoint from{IpAddress::v4({10, static_cast<std::uint8_t>(rng.below(256)),
                                               static_cast<std::uint8_t>(rng.below(256)),
                                               static_cast<std::uint8_t>(rng.below(256))}),
                                500};
            world.call(world.b(), [&](Engine& e, TimePoint now) {
                e.on_datagram(request, {{world.b().address, 500}, from, std::nullopt}, now, {});
                return 0;
            });
        }
    };
    flood(1000);
    world.start(world.a());
    const TimePoint begun = world.now();
    for (int tenth = 0; tenth < 30 && !world.both_up(); ++tenth) {
        flood(100);
        world.run_for(100ms);
    }
    CHECK(world.both_up());
    CHECK(world.now() - begun <= 3s);
    const auto snapshot = world.b().engine->snapshot(world.now());
    CHECK(snapshot.half_open <= EngineOptions{}.half_open.cookies_from);
    CHECK(snapshot.cookies_sent > 500);
}

TEST_CASE("rubbish is dropped and counted") {
    World world(34);
    configure(world);
    bring_up(world);
    WorldRng rng(34);
    const auto before = world.b().engine->snapshot(world.now()).dropped_datagrams;
    for (std::size_t size = 0; size < 200; ++size) {
        std::vector<std::uint8_t> rubbish(size);
        rng.fill(rubbish);
        world.call(world.b(), [&](Engine& e, TimePoint now) {
            e.on_datagram(rubbish, {{world.b().address, 500}, {world.a().address, 500}, std::nullopt}, now,
                          {});
            return 0;
        });
    }
    CHECK(world.b().engine->snapshot(world.now()).dropped_datagrams == before + 200);
    CHECK(world.disagreement() == "");
}
