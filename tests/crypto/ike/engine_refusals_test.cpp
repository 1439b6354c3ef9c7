#include <malloc.h>

#include <optional>

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
    world.run_for(30s);
    CHECK_MESSAGE(world.a().expected.size() <= 1, "ESP SPIs of attempts that failed are given back");
    CHECK(world.b().expected.size() <= 1);
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
    world.run_for(30s);
    CHECK(world.a().expected.size() <= 1);
    CHECK(world.b().expected.size() <= 1);

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

TEST_CASE(
    "proposals without anything in common, both sides begin: after many attempts each still shows the "
    "other's") {
    World world(22);
    configure(world, Role::both, Role::both);
    world.a().peers[0].policy.prfs = {crypto::Prf::hmac_sha512};
    world.start(world.a());
    world.start(world.b());
    world.run_for(20s);
    // Who was refused last, and who refused last, is chance: looked at for a while, it is always both.
    for (int i = 0; i < 20; ++i) {
        world.run_for(500ms);
        for (Side* side : {&world.a(), &world.b()}) {
            CAPTURE(side->name);
            const bool is_a = side == &world.a();
            const auto peer = world.peer_of(*side);
            CHECK(peer.failed_attempts > 2);
            REQUIRE(peer.mismatch);
            CHECK(peer.mismatch->ours.find(is_a ? "SHA2_512" : "SHA2_256") != std::string::npos);
            CHECK(peer.mismatch->theirs.find(is_a ? "SHA2_256" : "SHA2_512") != std::string::npos);
        }
    }
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

namespace {

/// A genuine IKE_SA_INIT request of A's, which never reaches B.
std::vector<std::uint8_t> request_of_a(World& world) {
    std::vector<std::uint8_t> request;
    world.filter = [&](const Side& from, const SendDatagram& sent) {
        if (request.empty() && from.name == "a") request = sent.bytes;
        return false;
    };
    world.start(world.a());
    world.run_for(1s);
    world.kill(world.a());
    world.filter = nullptr;
    return request;
}

/// The request `count` times, from ever other addresses with ever other SPIs.
void flood(World& world, std::vector<std::uint8_t>& request, int count) {
    WorldRng& rng = world.rng();
    const auto byte = [&rng] { return static_cast<std::uint8_t>(rng.below(256)); };
    for (int i = 0; i < count; ++i) {
        store_be32(request.data(), rng.u32() | 1);
        const Endpoint from{IpAddress::v4({10, byte(), byte(), byte()}), 500};
        world.call(world.b(), [&](Engine& e, TimePoint now) {
            e.on_datagram(request, {{world.b().address, 500}, from, std::nullopt}, now, {});
            return 0;
        });
    }
}

/// Bytes that this process has allocated; a sanitizer's allocator says 0.
std::size_t allocated() {
    return mallinfo2().uordblks;
}

}  // namespace

TEST_CASE(
    "10,000 forged requests a second for 10 s take bounded memory, and an honest peer gets in within 3 s") {
    World world(33);
    configure(world);
    world.b().peers[0].remote_host = "";
    world.start(world.b());
    auto request = request_of_a(world);
    REQUIRE_FALSE(request.empty());
    const auto hundredth = [&] {
        flood(world, request, 100);
        world.run_for(10ms);
    };
    hundredth();
    const std::size_t before = allocated();
    for (int i = 0; i < 500; ++i) hundredth();
    CHECK(allocated() < before + 1'000'000);
    auto snapshot = world.b().engine->snapshot(world.now());
    CHECK(snapshot.cookies_demanded);
    CHECK(snapshot.half_open <= EngineOptions{}.half_open.cookies_from);
    CHECK(snapshot.cookies_sent > 45'000);

    world.start(world.a());
    const TimePoint begun = world.now();
    std::optional<TimePoint> up_at;
    for (int i = 0; i < 500; ++i) {
        hundredth();
        if (!up_at && world.both_up()) up_at = world.now();
    }
    REQUIRE(up_at);
    CHECK(*up_at - begun <= 3s);
    CHECK(world.both_up());
    CHECK(allocated() < before + 1'000'000);
    CHECK(world.b().engine->snapshot(world.now()).half_open <= EngineOptions{}.half_open.cookies_from);
    // Once the strangers are gone nobody is asked for a cookie any more, and nothing of them is left.
    world.run_for(20s);
    snapshot = world.b().engine->snapshot(world.now());
    CHECK_FALSE(snapshot.cookies_demanded);
    CHECK(snapshot.half_open == 0);
    CHECK(world.disagreement() == "");
}

TEST_CASE("an inbound SPI that others use is not chosen") {
    const auto inbound_spi = [](std::vector<Spi> reserved) {
        World world(35);
        configure(world);
        world.start(world.a());
        world.start(world.b());
        world.b().engine->reserve_spis(reserved);
        REQUIRE(world.run_till([&] { return world.both_up(); }, 5s));
        return world.b().pairs.begin()->first;
    };
    const Spi first = inbound_spi({});
    CHECK(inbound_spi({}) == first);
    CHECK(inbound_spi({first}) != first);
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
