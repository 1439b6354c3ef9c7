#include "crypto/ike/engine.h"

#include "crypto/ike/wire/message.h"
#include "tests/crypto/ike/bring_up.h"

using namespace isthmus;
using namespace isthmus::test;

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

    for (const bool initiator_has_it : {true, false}) {
        CAPTURE(initiator_has_it);
        World one(25);
        configure(one);
        Side& owner = initiator_has_it ? one.a() : one.b();
        owner.peers[0].credentials = with_ppk("quantum", false);
        // RFC 8784 section 3: a responder says that it can only to an initiator that does.
        one.filter = [&](const Side& from, const SendDatagram& sent) {
            const auto message = parse_message(sent.bytes);
            const bool says_so = message && find_notify(message->payloads, NotifyType::use_ppk) != nullptr;
            CHECK_FALSE((says_so && &from == &one.b()));
            return true;
        };
        bring_up(one);
        CHECK_FALSE(one.peer_of(one.a()).ike_sas[0].ppk);
        CHECK_FALSE(one.peer_of(one.b()).ike_sas[0].ppk);
    }

    World optional(37);
    configure(optional);
    optional.a().peers[0].credentials = with_ppk("quantum", false);
    optional.b().peers[0].credentials = with_ppk("quantum", true);
    bring_up(optional);
    CHECK(optional.peer_of(optional.a()).ike_sas[0].ppk);
    REQUIRE(optional.call(optional.b(),
                          [](Engine& e, TimePoint now) { return e.rekey("peer-a", std::nullopt, now); }));
    optional.run_for(5s);
    CHECK(optional.peer_of(optional.a()).ike_sas[0].ppk);
    CHECK(optional.disagreement() == "");

    World mandatory(26);
    configure(mandatory);
    mandatory.a().peers[0].credentials = with_ppk("quantum", true);
    mandatory.start(mandatory.a());
    mandatory.start(mandatory.b());
    mandatory.run_for(5s);
    CHECK_FALSE(mandatory.is_up(mandatory.a()));
    CHECK(mandatory.a().noted("a post-quantum key is mandatory"));

    World demanded(38);
    configure(demanded);
    demanded.b().peers[0].credentials = with_ppk("quantum", true);
    demanded.start(demanded.a());
    demanded.start(demanded.b());
    demanded.run_for(5s);
    CHECK_FALSE(demanded.is_up(demanded.a()));
    CHECK(demanded.b().noted("a post-quantum key is mandatory, but the peer does not use ours"));

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
