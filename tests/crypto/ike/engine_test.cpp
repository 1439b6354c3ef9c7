#include "crypto/ike/engine.h"

#include "crypto/ike/wire/message.h"
#include "tests/support/ike_world.h"

using namespace isthmus;
using namespace isthmus::test;

namespace {

/// Both started and up, or the test fails.
void bring_up(World& world) {
    world.start(world.a());
    world.start(world.b());
    REQUIRE(world.run_till([&] { return world.both_up(); }, 30s));
    world.run_for(10s);
    REQUIRE(world.disagreement() == "");
}

}  // namespace

TEST_CASE("a shared key brings an IKE SA and its child up") {
    World world(1);
    configure(world);
    bring_up(world);
    const auto peer = world.peer_of(world.a());
    REQUIRE(peer.ike_sas.size() == 1);
    CHECK(peer.ike_sas[0].we_initiated);
    CHECK(peer.ike_sas[0].remote_identity == "b.example.org");
    CHECK(peer.ike_sas[0].remote_auth == "shared key");
    CHECK_FALSE(peer.ike_sas[0].in_udp);
    REQUIRE(peer.ike_sas[0].children.size() == 1);
    CHECK(peer.ike_sas[0].children[0].mode == crypto::esp::Mode::transport);
    CHECK(text_of(peer.ike_sas[0].children[0].local_selectors) == "192.0.2.1 UDP 1701");
}

TEST_CASE("the responder may come later: the initiator goes on trying") {
    World world(2);
    configure(world);
    world.start(world.a());
    world.run_for(100s);
    CHECK(world.a().noted("no answer from 192.0.2.2:500 to IKE_SA_INIT"));
    world.start(world.b());
    CHECK(world.run_till([&] { return world.both_up(); }, 3s));
}

TEST_CASE("both begin at the same time, and keep one IKE SA") {
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
        World world(seed, {.least_delay = 5ms, .most_delay = 40ms});
        configure(world, Role::both, Role::both);
        bring_up(world);
    }
}

TEST_CASE("several children share an IKE SA") {
    World world(3);
    configure(world);
    for (Side* side : {&world.a(), &world.b()}) side->peers[0].children.push_back(l2tp_child("second", 1702));
    bring_up(world);
    CHECK(world.a().pairs.size() == 2);
}

TEST_CASE("the IKE SA comes first, and its children in exchanges of their own, where both sides like it so") {
    World world(4);
    configure(world);
    world.a().peers[0].childless = Childless::prefer;
    bring_up(world);
    CHECK(world.a().pairs.size() == 1);
}

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

TEST_CASE("a peer that falls silent is lost within ten seconds, and found again when it is back") {
    World world(9);
    configure(world);
    bring_up(world);
    world.kill(world.b());
    CHECK(world.run_till([&] { return world.a().pairs.empty(); }, 10'500ms));
    CHECK(world.a().noted("no sign of life"));
    world.run_for(100s);
    world.start(world.b());
    CHECK(world.run_till([&] { return world.both_up(); }, 3s));
}

TEST_CASE("ESP alone is a sign of life: no probes while traffic flows") {
    World world(10);
    configure(world);
    bring_up(world);
    world.traffic = true;
    world.run_for(1s);
    const auto before = world.a().datagrams + world.b().datagrams;
    world.run_for(60s);
    CHECK(world.a().datagrams + world.b().datagrams == before);
    world.traffic = false;
    world.run_for(30s);
    CHECK(world.a().datagrams + world.b().datagrams > before);
}

TEST_CASE(
    "after a crash of either gateway in either role, traffic flows within three seconds of its return") {
    for (const bool initiator_dies : {true, false}) {
        for (const Duration down : {Duration(200ms), Duration(4s), Duration(60s)}) {
            CAPTURE(initiator_dies);
            CAPTURE(down.count());
            World world(11);
            configure(world);
            bring_up(world);
            world.traffic = true;
            world.run_for(5s);
            Side& victim = initiator_dies ? world.a() : world.b();
            world.kill(victim);
            world.run_for(down);
            world.start(victim);
            CHECK(world.run_till([&] { return world.both_up() && !victim.sending.empty(); }, 3s));
            world.run_for(1s);
            const auto lost = world.data_lost;
            const auto unsent = world.data_unsent;
            world.run_for(5s);
            CHECK(world.data_lost == lost);
            CHECK(world.data_unsent == unsent);
            world.run_for(20s);
            CHECK(world.disagreement() == "");
        }
    }
}

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

TEST_CASE(
    "behind a NAT ESP goes in UDP, the selectors are what each side sees, and a moved mapping is followed") {
    World world(13);
    configure(world);
    world.nat_of_a = Endpoint{IpAddress::v4({198, 51, 100, 7}), 20'000};
    world.b().peers[0].remote_host = "";
    bring_up(world);
    const auto at_a = world.peer_of(world.a()).ike_sas[0];
    const auto at_b = world.peer_of(world.b()).ike_sas[0];
    CHECK(at_a.in_udp);
    CHECK(at_b.in_udp);
    CHECK(at_a.local_behind_nat);
    CHECK(at_b.remote_behind_nat);
    CHECK(text_of(at_a.children[0].local_selectors) == "192.0.2.1 UDP 1701");
    CHECK(text_of(at_b.children[0].remote_selectors) == "198.51.100.7 UDP 1701");
    CHECK(at_b.remote == Endpoint{IpAddress::v4({198, 51, 100, 7}), 24'500});
    CHECK(world.a().keepalives == 0);

    world.run_for(25s);
    world.nat_of_a->port = 30'000;
    world.traffic = true;
    world.run_for(2s);
    CHECK(world.peer_of(world.b()).ike_sas[0].remote.port == 34'500);
    CHECK_FALSE(world.b().moves.empty());
    world.run_for(1s);
    world.data_lost = 0;
    world.run_for(20s);
    CHECK(world.data_lost == 0);
    CHECK(world.disagreement() == "");
}

TEST_CASE("encapsulation can be forced by either side, and be forbidden") {
    for (const bool by_initiator : {true, false}) {
        World world(14);
        configure(world);
        (by_initiator ? world.a() : world.b()).peers[0].encapsulation = Encapsulation::always;
        bring_up(world);
        CHECK(world.peer_of(world.a()).ike_sas[0].in_udp);
        CHECK(world.peer_of(world.b()).ike_sas[0].in_udp);
    }
    World world(15);
    configure(world);
    world.a().peers[0].encapsulation = Encapsulation::never;
    bring_up(world);
    CHECK_FALSE(world.peer_of(world.b()).ike_sas[0].in_udp);
}

TEST_CASE("a NAT's mapping is kept open") {
    World world(16);
    configure(world);
    world.nat_of_a = Endpoint{IpAddress::v4({198, 51, 100, 7}), 20'000};
    world.b().peers[0].remote_host = "";
    for (Side* side : {&world.a(), &world.b()}) side->peers[0].liveness.detect = 1h;
    bring_up(world);
    world.run_for(200s);
    CHECK(world.a().keepalives >= 9);
    CHECK(world.b().keepalives == 0);
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

TEST_CASE("a group that the responder does not like costs one more round trip") {
    World world(22);
    configure(world);
    world.a().peers[0].policy.groups = {crypto::DhGroup::ecp384, crypto::DhGroup::curve25519};
    bring_up(world);
    CHECK(world.peer_of(world.a()).ike_sas[0].suite.find("x25519") != std::string::npos);
}

TEST_CASE("messages that do not fit a packet travel in fragments") {
    World world(23, {.loss_percent = 20});
    configure(world);
    for (Side* side : {&world.a(), &world.b()}) {
        side->peers[0].fragment_size = 300;
        side->peers[0].local_id = parse_identity("keyid:" + std::string(1000, 'a')).value();
        side->peers[0].remote_id = side->peers[0].local_id;
    }
    std::size_t largest = 0;
    world.filter = [&](const Side&, const SendDatagram& sent) {
        if (sent.bytes.size() > 18 && sent.bytes[18] == 35) largest = std::max(largest, sent.bytes.size());
        return true;
    };
    world.start(world.a());
    world.start(world.b());
    CHECK(world.run_till([&] { return world.both_up(); }, 60s));
    CHECK(largest > 0);
    CHECK(largest <= 272);
}

TEST_CASE("a post-quantum key is used where both have it, demanded where it is mandatory") {
    const auto with_ppk = [](std::string_view secret, bool mandatory) {
        auto credentials = std::make_shared<Credentials>();
        const std::string psk = "correct horse battery staple 0123456789";
        credentials->psk.emplace(Bytes(reinterpret_cast<const std::uint8_t*>(psk.data()), psk.size()));
        credentials->ppk.emplace();
        credentials->ppk->id = {'p', 'p', 'k', '1'};
        credentials->ppk->secret =
            SecretBytes(Bytes(reinterpret_cast<const std::uint8_t*>(secret.data()), secret.size()));
        credentials->ppk->mandatory = mandatory;
        return credentials;
    };
    World both(24);
    configure(both);
    for (Side* side : {&both.a(), &both.b()}) side->peers[0].credentials = with_ppk("quantum", true);
    bring_up(both);
    CHECK(both.peer_of(both.a()).ike_sas[0].ppk);
    CHECK(both.peer_of(both.b()).ike_sas[0].ppk);

    World one(25);
    configure(one);
    one.a().peers[0].credentials = with_ppk("quantum", false);
    bring_up(one);
    CHECK_FALSE(one.peer_of(one.a()).ike_sas[0].ppk);

    World mandatory(26);
    configure(mandatory);
    mandatory.a().peers[0].credentials = with_ppk("quantum", true);
    mandatory.start(mandatory.a());
    mandatory.start(mandatory.b());
    mandatory.run_for(5s);
    CHECK_FALSE(mandatory.is_up(mandatory.a()));
    CHECK(mandatory.a().noted("a post-quantum key is mandatory"));

    World different(27);
    configure(different);
    different.a().peers[0].credentials = with_ppk("quantum", true);
    different.b().peers[0].credentials = with_ppk("mechanics", true);
    different.start(different.a());
    different.start(different.b());
    different.run_for(5s);
    CHECK_FALSE(different.is_up(different.a()));
}

TEST_CASE("an operator's termination tells the peer, and the initiator builds up again") {
    World world(28);
    configure(world);
    bring_up(world);
    const auto before = world.peer_of(world.a()).ike_sas[0].initiator_spi;
    REQUIRE(world.call(world.b(), [](Engine& e, TimePoint now) { return e.terminate("peer-a", now); }));
    world.run_for(100ms);
    CHECK(world.a().pairs.empty());
    CHECK(world.run_till([&] { return world.both_up(); }, 3s));
    CHECK(world.peer_of(world.a()).ike_sas[0].initiator_spi != before);
}

TEST_CASE("an orderly end is told at once") {
    World world(29);
    configure(world);
    bring_up(world);
    world.call(world.b(), [](Engine& e, TimePoint now) {
        e.shut_down(now);
        return 0;
    });
    world.kill(world.b());
    world.run_for(100ms);
    CHECK(world.a().pairs.empty());
}

TEST_CASE("what is configured again keeps its SAs; what has changed or gone does not") {
    World world(30);
    configure(world);
    bring_up(world);
    const auto before = world.peer_of(world.a()).ike_sas[0].initiator_spi;
    const auto again = [&](Side& side) {
        world.call(side, [&](Engine& e, TimePoint now) {
            e.configure(side.peers, now);
            return 0;
        });
    };
    again(world.a());
    world.a().peers[0].credentials = shared_key("correct horse battery staple 0123456789");
    again(world.a());
    world.run_for(1s);
    CHECK(world.peer_of(world.a()).ike_sas[0].initiator_spi == before);
    world.a().peers[0].keepalive = 11s;
    again(world.a());
    CHECK(world.run_till([&] { return world.both_up(); }, 3s));
    CHECK(world.peer_of(world.a()).ike_sas[0].initiator_spi != before);
    auto gone = std::exchange(world.a().peers, {});
    again(world.a());
    world.run_for(100ms);
    CHECK(world.a().pairs.empty());
    CHECK(world.b().pairs.empty());
}

TEST_CASE("keys are told only if the engine may, and in Wireshark's form") {
    World world(31);
    configure(world);
    bring_up(world);
    CHECK(world.a().key_lines.empty());
    World open(32);
    configure(open);
    open.a().options.key_log = true;
    bring_up(open);
    REQUIRE(open.a().key_lines.size() == 3);
    CHECK(open.a().key_lines[0].find("\"AES-GCM-256 with 16 octet ICV [RFC5282]\",,,\"NONE [RFC4306]\"") !=
          std::string::npos);
    CHECK(open.a().key_lines[1].rfind("\"IPv4\",\"192.0.2.2\",\"192.0.2.1\",\"0x", 0) == 0);
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
