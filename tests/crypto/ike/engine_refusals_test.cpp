#include <malloc.h>

#include <optional>

#include "crypto/ike/engine.h"
#include "crypto/ike/wire/message.h"
#include "tests/crypto/ike/bring_up.h"

using namespace isthmus;
using namespace isthmus::test;

namespace {

/// A message in clear, as if it came from B, to A.
void forge(World& world, const Header& header, Payload payload) {
    const std::vector<Payload> payloads{std::move(payload)};
    const auto forged = emit_message(header, payloads);
    const Path path{{world.a().address, 500}, {world.b().address, 500}, std::nullopt};
    world.call(world.a(), [&](Engine& e, TimePoint now) {
        e.on_datagram(forged, path, now, {});
        return 0;
    });
}

/// B is said not to know the pair that A sends with.
void forge_invalid_spi(World& world) {
    Header header;
    header.initiator_spi = IkeSpi{1};
    header.responder_spi = IkeSpi{2};
    header.exchange = ExchangeType::informational;
    header.from_initiator = true;
    forge(world, header, invalid_spi_notify(world.a().pairs.begin()->second.outbound));
}

/// A's first IKE SA is in that state, soon.
bool comes_to(World& world, std::string_view state) {
    return world.run_till(
        [&] {
            const auto sas = world.peer_of(world.a()).ike_sas;
            return !sas.empty() && sas[0].state == state;
        },
        2s);
}

/// The header of an answer to what A is waiting for.
Header answer_to_a(World& world, ExchangeType exchange, MessageId id) {
    const auto sa = world.peer_of(world.a()).ike_sas.at(0);
    Header header;
    header.initiator_spi = sa.initiator_spi;
    header.responder_spi = sa.responder_spi;
    header.exchange = exchange;
    header.is_response = true;
    header.message_id = id;
    return header;
}

}  // namespace

TEST_CASE("forged hints take nothing down") {
    World world(12);
    configure(world);
    bring_up(world);
    const auto ike = world.peer_of(world.a()).ike_sas[0];
    for (int i = 0; i < 20; ++i) {
        forge_invalid_spi(world);
        world.run_for(1s);
    }
    CHECK(world.peer_of(world.a()).ike_sas[0].initiator_spi == ike.initiator_spi);
    CHECK(world.disagreement() == "");
}

TEST_CASE("a forged hint is no answer to our deletion: only some seconds of patience are lost by it") {
    World world(13);
    configure(world);
    bring_up(world);
    world.filter = [](const Side&, const SendDatagram&) { return false; };
    REQUIRE(world.call(world.a(), [](Engine& e, TimePoint now) { return e.terminate("peer-b", now); }));
    for (int i = 0; i < 5; ++i) {
        forge_invalid_spi(world);
        world.run_for(1s);
        REQUIRE(world.a().pairs.size() == 1);
    }
    CHECK(world.run_till([&] { return world.a().pairs.empty(); }, 4s));
}

TEST_CASE("a forged refusal of IKE_SA_INIT does not shorten what comes after the true answer") {
    World world(14, {.least_delay = 400ms, .most_delay = 400ms});
    configure(world);
    world.start(world.a());
    world.start(world.b());
    REQUIRE(comes_to(world, "connecting"));
    forge(world, answer_to_a(world, ExchangeType::ike_sa_init, MessageId{0}),
          NotifyPayload{NotifyType::no_proposal_chosen, {}});
    CHECK(world.a().noted("NO_PROPOSAL_CHOSEN"));
    CHECK(world.run_till([&] { return world.both_up(); }, 2s));
}

TEST_CASE("a wish for another group that comes twice is fulfilled once, and is no error") {
    World world(15, {.duplicate_percent = 100, .least_delay = 5ms, .most_delay = 50ms});
    configure(world);
    world.a().peers[0].policy.groups = {crypto::DhGroup::ecp384, crypto::DhGroup::curve25519};
    bring_up(world);
    CHECK_FALSE(world.peer_of(world.a()).last_error);
}

TEST_CASE("a group that is not ours is named when the peer insists on it") {
    World world(16);
    configure(world);
    world.start(world.a());
    REQUIRE(comes_to(world, "connecting"));
    forge(world, answer_to_a(world, ExchangeType::ike_sa_init, MessageId{0}), invalid_ke_notify(14));
    CHECK(world.a().noted("INVALID_KE_PAYLOAD: it wants MODP_2048, and ours are x25519"));
}

TEST_CASE("no answer to IKE_AUTH: what may be wrong is said, and what came in clear") {
    for (const bool in_clear : {false, true}) {
        CAPTURE(in_clear);
        World world(36);
        configure(world);
        constexpr std::uint8_t kIkeAuth = 35;
        world.filter = [](const Side&, const SendDatagram& sent) { return sent.bytes[18] != kIkeAuth; };
        world.start(world.a());
        world.start(world.b());
        REQUIRE(comes_to(world, "authenticating"));
        if (in_clear)
            forge(world, answer_to_a(world, ExchangeType::ike_auth, MessageId{1}),
                  NotifyPayload{NotifyType::invalid_ike_spi, {}});
        world.run_for(11s);
        const std::string wanted = in_clear
                                       ? "to IKE_AUTH but in clear, which may be anybody's: INVALID_IKE_SPI"
                                       : "no answer from 192.0.2.2:500 to IKE_AUTH: a long packet may not";
        CHECK(world.a().noted(wanted));
    }
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

TEST_CASE("what a stranger proposes is not told of a peer that is up") {
    World world(40);
    configure(world);
    world.b().peers[0].remote_host = "";
    bring_up(world);
    World elsewhere(41);
    configure(elsewhere);
    elsewhere.a().peers[0].policy.prfs = {crypto::Prf::hmac_sha512};
    std::vector<std::uint8_t> request;
    elsewhere.filter = [&](const Side&, const SendDatagram& sent) {
        request = sent.bytes;
        return false;
    };
    elsewhere.start(elsewhere.a());
    elsewhere.run_for(1s);
    REQUIRE_FALSE(request.empty());
    const Endpoint stranger{IpAddress::v4({203, 0, 113, 9}), 500};
    const auto before = world.b().datagrams;
    world.call(world.b(), [&](Engine& e, TimePoint now) {
        e.on_datagram(request, {{world.b().address, 500}, stranger, std::nullopt}, now, {});
        return 0;
    });
    CHECK(world.b().datagrams == before + 1);
    CHECK_FALSE(world.peer_of(world.b()).mismatch);
    CHECK_FALSE(world.peer_of(world.b()).last_error);
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

TEST_CASE("a child's proposals without anything in common are shown until there is something") {
    World world(23);
    configure(world);
    world.b().peers[0].children[0].policy.suites = {crypto::esp::Suite::chacha20_poly1305};
    world.start(world.a());
    world.start(world.b());
    world.run_for(5s);
    const auto at_a = world.peer_of(world.a());
    CHECK(at_a.state == PeerState::degraded);
    REQUIRE(at_a.mismatch);
    CHECK(at_a.mismatch->child == "l2tp");
    CHECK(at_a.mismatch->ours.find("AES_GCM_16_256") != std::string::npos);
    // B has asked as well, and thereby said what it wants.
    CHECK(at_a.mismatch->theirs.find("CHACHA20_POLY1305") != std::string::npos);
    CHECK(world.a().noted("NO_PROPOSAL_CHOSEN: it accepts none of our proposals, or not transport mode"));
    const auto at_b = world.peer_of(world.b());
    REQUIRE(at_b.mismatch);
    CHECK(at_b.mismatch->child == "l2tp");
    CHECK(at_b.mismatch->ours.find("CHACHA20_POLY1305") != std::string::npos);
    CHECK(at_b.mismatch->theirs.find("AES_GCM_16_256") != std::string::npos);
    world.b().peers[0].children[0] = l2tp_child();
    world.call(world.b(), [&](Engine& e, TimePoint now) {
        e.configure(world.b().peers, now);
        return 0;
    });
    REQUIRE(world.run_till([&] { return world.both_up(); }, 20s));
    CHECK_FALSE(world.peer_of(world.a()).mismatch);
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
    CHECK(world.a().noted(
        "TS_UNACCEPTABLE: its traffic selectors have nothing in common with ours, 192.0.2.1 UDP 1701"));
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

TEST_CASE("an answer is repeated for the request that it answered, not for what only looks like it") {
    World world(39);
    configure(world);
    std::vector<std::uint8_t> request;
    std::size_t answers = 0;
    world.filter = [&](const Side& from, const SendDatagram& sent) {
        constexpr std::uint8_t kIkeAuth = 35;
        if (sent.bytes[18] == kIkeAuth && from.name == "a") request = sent.bytes;
        if (from.name == "b") ++answers;
        return true;
    };
    world.start(world.a());
    world.start(world.b());
    REQUIRE(world.run_till([&] { return world.both_up(); }, 5s));
    const auto receive = [&](const std::vector<std::uint8_t>& bytes) {
        answers = 0;
        world.call(world.b(), [&](Engine& e, TimePoint now) {
            e.on_datagram(bytes, {{world.b().address, 500}, {world.a().address, 500}, std::nullopt}, now, {});
            return 0;
        });
        return answers;
    };
    CHECK(receive(request) == 1);
    request.back() ^= 1;
    CHECK(receive(request) == 0);
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
