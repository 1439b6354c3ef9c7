#include "tunnel/control_engine.h"

#include <doctest/doctest.h>

#include "tests/tunnel/by_hand.h"

using namespace isthmus;
using namespace isthmus::test;
using namespace isthmus::tunnel;

TEST_CASE("both ends learn ids, cookies of 8 random bytes, and each other's names") {
    Pair pair(5, 2, ConnectionRole::initiator, ConnectionRole::responder);
    pair.start();
    REQUIRE(pair.run_until_converged(1s));
    const auto& first = pair.a.sessions.at(kFirst).options;
    const auto& second = pair.a.sessions.at(kSecond).options;
    CHECK(first.local_cookie.size == 8);
    CHECK(first.remote_cookie.size == 8);
    CHECK_FALSE(first.local_cookie == second.local_cookie);
    CHECK_FALSE(first.local_cookie == first.remote_cookie);
    CHECK(first.local_id != second.local_id);
    CHECK(raw(first.local_id) > 0xffff);  // not counted up from 1
    CHECK(pair.a.connected.at(TunnelIndex{0}).peer_host == "b.example");
    CHECK(pair.b.connected.at(TunnelIndex{0}).peer_host == "a.example");
    CHECK(pair.a.connected.at(TunnelIndex{0}).local_id == pair.b.connected.at(TunnelIndex{0}).remote_id);
    CHECK(pair.a.connected.at(TunnelIndex{0}).initiated);
    CHECK_FALSE(pair.b.connected.at(TunnelIndex{0}).initiated);
}

TEST_CASE("a restart reuses neither ids nor cookies") {
    Pair pair(5);
    pair.start();
    REQUIRE(pair.run_until_converged(5s));
    const auto before = pair.a.sessions.at(kFirst).options;
    const auto connection = pair.a.connected.at(TunnelIndex{0}).local_id;
    pair.net.restart(pair.a);
    REQUIRE(pair.run_until_converged(5s));
    CHECK(pair.a.sessions.at(kFirst).options.local_id != before.local_id);
    CHECK_FALSE(pair.a.sessions.at(kFirst).options.local_cookie == before.local_cookie);
    CHECK(pair.a.connected.at(TunnelIndex{0}).local_id != connection);
    CHECK(said(pair.b, "it was restarted"));
}

TEST_CASE("a restarted gateway that may only answer is found out within seconds, by a hint and a HELLO") {
    Pair pair(5, 1, ConnectionRole::initiator, ConnectionRole::responder);
    pair.a.plan.connections[0].hello_interval = 2s;
    pair.start();
    REQUIRE(pair.run_until_converged(5s));
    pair.net.run_for(10s);
    pair.net.restart(pair.b);
    CHECK(pair.run_until_converged(8s));
}

TEST_CASE("cookies of 0 and 4 bytes, sublayers and sequencing are as each receiver demands") {
    Pair pair(5, 2);
    pair.a.plan.pseudowires[0].cookie_size = 0;
    pair.b.plan.pseudowires[0].cookie_size = 4;
    pair.a.plan.pseudowires[0].receive_sublayer = Sublayer::standard;
    pair.a.plan.pseudowires[0].receive_sequencing = ReceiveSequencing::drop_out_of_order;
    pair.b.plan.pseudowires[1].receive_sublayer = Sublayer::standard;
    pair.start();
    REQUIRE(pair.run_until_converged(5s));
    const auto& a = pair.a.sessions.at(kFirst).options;
    const auto& b = pair.b.sessions.at(kFirst).options;
    CHECK(a.local_cookie.size == 0);
    CHECK(a.remote_cookie.size == 4);
    CHECK(a.receive_sublayer == Sublayer::standard);
    CHECK(a.send_sublayer == Sublayer::none);
    CHECK_FALSE(a.send_sequence);
    CHECK(b.send_sublayer == Sublayer::standard);
    CHECK(b.send_sequence);
    CHECK(b.receive_sequencing == ReceiveSequencing::ignore);
    CHECK(pair.a.sessions.at(kSecond).options.send_sublayer == Sublayer::standard);
    CHECK_FALSE(pair.a.sessions.at(kSecond).options.send_sequence);
}

TEST_CASE("MTU, VCCV and the channel are told; what both can do is used") {
    Pair pair(5);
    pair.a.plan.pseudowires[0].mtu = 1500;
    pair.b.plan.pseudowires[0].mtu = 1400;
    pair.a.plan.pseudowires[0].channel = VccvCapability{1, VccvCapability::kBfd | VccvCapability::kEcho};
    pair.b.plan.pseudowires[0].channel = VccvCapability{1, VccvCapability::kBfd};
    pair.a.plan.pseudowires[0].vccv = VccvCapability{1, VccvCapability::kBfd};
    pair.start();
    REQUIRE(pair.run_until_converged(5s));
    CHECK(pair.a.sessions.at(kFirst).peer_mtu == 1400);
    CHECK(pair.b.sessions.at(kFirst).peer_mtu == 1500);
    CHECK(pair.a.sessions.at(kFirst).channel == VccvCapability{1, VccvCapability::kBfd});
    CHECK(pair.b.sessions.at(kFirst).channel == VccvCapability{1, VccvCapability::kBfd});
    CHECK_FALSE(pair.a.sessions.at(kFirst).vccv);
    CHECK(said(pair.a, "the MTU is 1500 here and 1400 at the peer"));
}

// ------------------------------------------------------------------------------------------------ authentication

TEST_CASE("with the same secret all messages are digested, hidden ones too") {
    for (const bool hide : {false, true}) {
        for (const DigestType type : {DigestType::hmac_md5, DigestType::hmac_sha1}) {
            Pair pair(5);
            for (auto* gateway : {&pair.a, &pair.b}) {
                gateway->plan.connections[0].keys = keys({"correct horse"});
                gateway->plan.connections[0].hide_avps = hide;
                gateway->plan.connections[0].digest = type;
            }
            std::uint64_t zero_length = 0;
            pair.net.watcher = [&](const ControlNet::Packet& packet) {
                zero_length += packet.what.bytes.size() == 12;
            };
            pair.start();
            CHECK(pair.run_until_converged(5s));
            CHECK(connection_of(pair.a, pair.net.now).authenticated);
            pair.net.run_for(60s);
            CHECK(pair.converged());
            CHECK(zero_length == 0);  // ACK instead of ZLB
        }
    }
}

TEST_CASE("another secret, or none, is met with silence and counted") {
    Pair pair(5, 1, ConnectionRole::initiator, ConnectionRole::responder);
    pair.b.plan.connections[0].keys = keys({"correct horse"});
    SUBCASE("another") {
        pair.a.plan.connections[0].keys = keys({"battery staple"});
    }
    SUBCASE("none") {}
    std::uint64_t from_b = 0;
    pair.net.watcher = [&](const ControlNet::Packet& packet) { from_b += packet.from == &pair.b; };
    pair.start();
    pair.net.run_for(30s);
    CHECK(pair.a.connected.empty());
    CHECK(from_b == 0);
    CHECK(pair.b.engine->snapshot(pair.net.now).refusals.bad_digest > 3);
    CHECK(pair.b.engine->snapshot(pair.net.now).connections_held == 0);
}

TEST_CASE("a peer that wants authentication is told that no secret is configured") {
    Pair pair(5, 1, ConnectionRole::initiator, ConnectionRole::responder);
    pair.a.plan.connections[0].keys = keys({"correct horse"});
    pair.start();
    pair.net.run_for(5s);
    CHECK(said(pair.b, "no secret is configured here"));
    CHECK(pair.b.engine->snapshot(pair.net.now).connections_held == 0);
}

TEST_CASE("secrets are changed without an interruption: both are accepted for a time") {
    Pair pair(5);
    const auto use = [&](SimGateway& gateway, const std::vector<std::string>& secrets) {
        gateway.plan.connections[0].keys = keys(secrets);
    };
    use(pair.a, {"old"});
    use(pair.b, {"new", "old"});
    pair.start();
    CHECK(pair.run_until_converged(5s));
    pair.net.restart(pair.a);
    CHECK(pair.run_until_converged(8s));
    use(pair.a, {"new", "old"});
    pair.net.restart(pair.a);
    CHECK(pair.run_until_converged(8s));
}

TEST_CASE("secrets change one after the other by reloads, and no session notices") {
    Pair pair(5);
    for (auto* gateway : {&pair.a, &pair.b}) {
        gateway->plan.connections[0].keys = keys({"old"});
        gateway->plan.connections[0].hide_avps = true;
    }
    pair.start();
    REQUIRE(pair.run_until_converged(5s));
    for (const std::vector<std::string>& step : {std::vector<std::string>{"new", "old"}, {"new"}}) {
        for (auto* gateway : {&pair.a, &pair.b}) {
            gateway->plan.connections[0].keys = keys(step);
            pair.reconfigure(*gateway);
            pair.net.run_for(30s);
            CHECK(pair.converged());
            pair.a.engine->rotate_cookies(kFirst, pair.net.now);
            pair.net.drain();
            pair.net.run_for(30s);
            CHECK(pair.converged());
        }
    }
    CHECK(pair.a.downs + pair.b.downs == 0);
    CHECK(pair.a.engine->snapshot(pair.net.now).sessions.at(0).rotations == 4);
    CHECK(pair.a.engine->snapshot(pair.net.now).refusals.bad_digest == 0);
}

TEST_CASE("a secret that is in use no more ends its connection") {
    Pair pair(5);
    for (auto* gateway : {&pair.a, &pair.b}) gateway->plan.connections[0].keys = keys({"one", "two"});
    pair.start();
    REQUIRE(pair.run_until_converged(5s));
    for (auto* gateway : {&pair.a, &pair.b}) {
        gateway->plan.connections[0].keys = keys({"two"});
        pair.reconfigure(*gateway);
    }
    CHECK(pair.run_until_converged(10s));
}

// -------------------------------------------------------------------------------------------------------- refusals

TEST_CASE("a pseudowire that only one end has is named on both, with those that there are") {
    Pair pair(5, 1, ConnectionRole::initiator, ConnectionRole::responder);
    pair.a.plan.pseudowires[0].remote_end_id = "vlan-100";
    pair.start();
    pair.net.run_for(2s);
    CHECK(pair.a.sessions.empty());
    const auto status = pair.a.engine->snapshot(pair.net.now).sessions.at(0);
    CHECK(status.reason.find("no pseudowire \"vlan-100\" is configured at b.example; there is \"vlan-0\"") !=
          std::string::npos);
    CHECK(said(pair.b, "the peer calls for pseudowire \"vlan-100\", which is not configured here"));
    // The same fact is said once, however often it is tried.
    pair.net.run_for(60s);
    CHECK(std::count_if(pair.a.said.begin(), pair.a.said.end(), [](const std::string& text) {
              return text.find("no pseudowire \"vlan-100\"") != std::string::npos;
          }) == 1);
}

TEST_CASE("pseudowires of different types are refused in words") {
    Pair pair(5, 1, ConnectionRole::initiator, ConnectionRole::responder);
    pair.a.plan.pseudowires[0].type = PseudowireType::ethernet_vlan;
    pair.start();
    pair.net.run_for(2s);
    CHECK(pair.a.sessions.empty());
    CHECK(said(pair.a, "is Ethernet here, not Ethernet VLAN"));
    CHECK(said(pair.b, "is Ethernet here, not Ethernet VLAN"));
}

TEST_CASE("a mismatch is mended by whichever end is reconfigured") {
    for (const bool at_a : {true, false}) {
        Pair pair(5, 1, ConnectionRole::initiator, ConnectionRole::responder);
        pair.a.plan.pseudowires[0].remote_end_id = "vlan-100";
        pair.start();
        pair.net.run_for(20s);
        SimGateway& gateway = at_a ? pair.a : pair.b;
        gateway.plan.pseudowires[0].remote_end_id = at_a ? "vlan-0" : "vlan-100";
        pair.reconfigure(gateway);
        CHECK(pair.run_until_converged(6s));
    }
}

TEST_CASE("a cloned gateway is recognised by its node id") {
    Pair pair(5, 1, ConnectionRole::initiator, ConnectionRole::responder);
    pair.a.plan.self.node_id = pair.b.plan.self.node_id = {1, 2, 3, 4};
    pair.start();
    pair.net.run_for(3s);
    CHECK(pair.a.connected.empty());
    CHECK(said(pair.a, "a cloned image?"));
    CHECK(said(pair.b, "a cloned image?"));
}

TEST_CASE("a peer with another host name than expected is refused") {
    Pair pair(5, 1, ConnectionRole::initiator, ConnectionRole::responder);
    pair.b.plan.connections[0].peer_host_name = "c.example";
    pair.start();
    pair.net.run_for(3s);
    CHECK(pair.a.connected.empty());
    CHECK(said(pair.a, "expected the host name \"c.example\", got \"a.example\""));
}

TEST_CASE("strangers get a refusal, and not more of them than the limit") {
    ByHand hand;
    hand.start_a();
    RawPeer stranger(hand.net, hand.a, "198.51.100.9");
    stranger.send(stranger.sccrq());
    const auto stop = stranger.take_message<StopCcn>();
    REQUIRE(stop);
    CHECK(stop->why.result == StopResult::not_authorized);
    REQUIRE(stranger.last_header);
    CHECK(stranger.last_header->connection == stranger.own_id);
    for (int i = 0; i < 1000; ++i) stranger.send_numbered(emit_body(stranger.sccrq()), 0, 0);
    CHECK(stranger.count() <= ControlLimits{}.refusals_per_second);
    CHECK(hand.refusals().not_a_peer == 1001);
    CHECK(hand.a.engine->snapshot(hand.net.now).connections_held == 0);
}

TEST_CASE("control of a protected tunnel is taken only through its own SA") {
    ByHand hand;
    hand.a.plan.connections[0].is_protected = true;
    hand.start_a();
    hand.peer.send(hand.peer.sccrq());
    const auto refusal = hand.peer.take_message<StopCcn>();
    REQUIRE(refusal);
    CHECK(refusal->why.message.find("only through IPsec") != std::string::npos);
    hand.peer.arrival.authenticated_for = TunnelIndex{7};
    hand.peer.start_over();
    CHECK_FALSE(hand.peer.connect());
    CHECK(hand.refusals().wrong_sa == 2);
    hand.peer.arrival.authenticated_for = TunnelIndex{0};
    hand.peer.start_over();
    CHECK(hand.peer.connect());
    CHECK(hand.a.connected.size() == 1);
    // Nor afterwards in the clear.
    hand.peer.arrival.authenticated_for = kNoTunnel;
    hand.peer.send(StopCcn{{}, hand.peer.own_id});
    CHECK(hand.a.connected.size() == 1);
    CHECK(hand.refusals().wrong_sa == 3);
}

TEST_CASE("a protected tunnel can be bound to an identity") {
    ByHand hand;
    hand.a.plan.connections[0].is_protected = true;
    hand.a.plan.connections[0].remote.reset();
    hand.a.plan.connections[0].peer_identity = "fqdn:b.example";
    hand.start_a();
    hand.peer.arrival.authenticated_for = TunnelIndex{0};
    hand.peer.arrival.identity = "fqdn:c.example";
    CHECK_FALSE(hand.peer.connect());
    hand.peer.arrival.identity = "fqdn:b.example";
    hand.peer.start_over();
    CHECK(hand.peer.connect());
}

TEST_CASE("a peer with any address is known by its secret") {
    Pair pair(5, 1, ConnectionRole::initiator, ConnectionRole::responder);
    pair.b.plan.connections[0].remote.reset();
    pair.b.plan.connections[0].keys = keys({"secret of a"});
    auto other = pair.b.plan.connections[0];
    other.tunnel = TunnelIndex{1};
    other.keys = keys({"secret of somebody else"});
    pair.b.plan.connections.insert(pair.b.plan.connections.begin(), other);
    pair.a.plan.connections[0].keys = keys({"secret of a"});
    pair.start();
    CHECK(pair.run_until_converged(2s));
    CHECK(pair.b.connected.contains(TunnelIndex{0}));
    CHECK(pair.b.connected.at(TunnelIndex{0}).path.remote.address == pair.a.address);
}

TEST_CASE("without secret and address nobody is let in") {
    Pair pair(5, 1, ConnectionRole::initiator, ConnectionRole::responder);
    pair.b.plan.connections[0].remote.reset();
    pair.start();
    pair.net.run_for(10s);
    CHECK(pair.a.connected.empty());
    CHECK(pair.b.engine->snapshot(pair.net.now).refusals.not_a_peer > 0);
}

TEST_CASE("a peer by name is looked up before each try, one address after the other") {
    Pair pair(5, 1, ConnectionRole::initiator, ConnectionRole::responder);
    pair.a.plan.connections[0].remote.reset();
    pair.a.plan.connections[0].remote_name = "b.example";
    pair.start();
    pair.net.run_for(2s);
    CHECK(said(pair.a, "b.example has no IPv4 address"));
    pair.a.resolves_to = {*IpAddress::parse("2001:db8::1"), *IpAddress::parse("192.0.2.99"), pair.b.address};
    CHECK(pair.run_until_converged(30s));
}

TEST_CASE("a peer by name that may only call is known by its address") {
    Pair pair(5, 1, ConnectionRole::initiator, ConnectionRole::responder);
    pair.b.plan.connections[0].remote.reset();
    pair.b.plan.connections[0].remote_name = "a.example";
    pair.b.resolves_to = {pair.a.address};
    pair.start();
    CHECK(pair.run_until_converged(10s));
}

// ------------------------------------------------------------------------------------------------ circuit, cookies

TEST_CASE("circuits are told both ways, and never latch each other down") {
    Pair pair(5);
    pair.start();
    REQUIRE(pair.run_until_converged(5s));
    CircuitStatus down;
    down.active = false;
    pair.a.engine->on_circuit(kFirst, down, pair.net.now);
    pair.net.drain();
    pair.net.run_for(1s);
    CHECK_FALSE(pair.b.peer_circuits.at(kFirst).active);
    CHECK(pair.a.peer_circuits.at(kFirst).active);  // B's own is what it was
    pair.b.engine->on_circuit(kFirst, down, pair.net.now);
    pair.net.drain();
    pair.net.run_for(1s);
    CHECK_FALSE(pair.a.peer_circuits.at(kFirst).active);
    pair.a.engine->on_circuit(kFirst, CircuitStatus{}, pair.net.now);
    pair.b.engine->on_circuit(kFirst, CircuitStatus{}, pair.net.now);
    pair.net.drain();
    pair.net.run_for(1s);
    CHECK(pair.a.peer_circuits.at(kFirst).active);
    CHECK(pair.b.peer_circuits.at(kFirst).active);
    CHECK(pair.a.downs + pair.b.downs == 0);
}

TEST_CASE("standby is told before and after set-up (RFC 5641)") {
    Pair pair(5);
    CircuitStatus standby;
    standby.standby = true;
    pair.a.start(pair.net.now);
    pair.a.engine->on_circuit(kFirst, standby, pair.net.now);
    pair.b.start(pair.net.now);
    pair.net.drain();
    REQUIRE(pair.run_until_converged(5s));
    CHECK(pair.b.peer_circuits.at(kFirst).standby);
    CHECK(pair.b.peer_circuits.at(kFirst).active);
    pair.a.engine->on_circuit(kFirst, CircuitStatus{}, pair.net.now);
    pair.net.drain();
    pair.net.run_for(1s);
    CHECK_FALSE(pair.b.peer_circuits.at(kFirst).standby);
}

TEST_CASE("while cookies change, whatever one side sends is what the other accepts") {
    Pair pair(5);
    pair.start();
    REQUIRE(pair.run_until_converged(5s));
    const auto old = pair.a.sessions.at(kFirst).options;
    const auto accepted_by = [](const SimGateway& receiver, const SessionOptions& sent) {
        const NegotiatedSession& session = receiver.sessions.at(kFirst);
        const bool current =
            session.options.local_id == sent.remote_id && session.options.local_cookie == sent.remote_cookie;
        const bool also = session.also_accepted && session.also_accepted->local_id == sent.remote_id &&
                          session.also_accepted->local_cookie == sent.remote_cookie;
        return current || also;
    };
    std::uint64_t looked = 0;
    // A frame that is sent now arrives 5 ms later: what was sent with then must be accepted now.
    std::vector<std::pair<TimePoint, std::pair<SessionOptions, SessionOptions>>> sent;
    pair.a.engine->rotate_cookies(kFirst, pair.net.now);
    pair.net.drain();
    for (int i = 0; i < 10'000; ++i) {
        sent.emplace_back(pair.net.now,
                          std::pair(pair.a.sessions.at(kFirst).options, pair.b.sessions.at(kFirst).options));
        pair.net.run_for(1ms);
        if (i < 6) continue;
        const auto& [then, both] = sent[static_cast<std::size_t>(i) - 4];
        ++looked;
        REQUIRE(accepted_by(pair.b, both.first));
        REQUIRE(accepted_by(pair.a, both.second));
    }
    CHECK(looked > 9000);
    CHECK(pair.converged());
    CHECK(pair.a.sessions.at(kFirst).options.local_id != old.local_id);
    CHECK_FALSE(pair.a.sessions.at(kFirst).options.local_cookie == old.local_cookie);
    CHECK_FALSE(pair.a.sessions.at(kFirst).options.remote_cookie == old.remote_cookie);
    CHECK_FALSE(pair.a.sessions.at(kFirst).also_accepted);
    CHECK_FALSE(pair.b.sessions.at(kFirst).also_accepted);
    CHECK(pair.a.ups + pair.b.ups == 2);
    CHECK(pair.a.downs + pair.b.downs == 0);
    CHECK(pair.a.engine->snapshot(pair.net.now).sessions_held == 1);
}

TEST_CASE("cookies change by themselves as often as configured") {
    Pair pair(5);
    pair.a.plan.pseudowires[0].cookie_rotation = 60s;
    pair.b.plan.pseudowires[0].cookie_rotation = 60s;
    pair.start();
    REQUIRE(pair.run_until_converged(5s));
    pair.net.run_for(600s);
    CHECK(pair.converged());
    const auto rotations = pair.a.engine->snapshot(pair.net.now).sessions.at(0).rotations;
    CHECK(rotations >= 9);
    CHECK(rotations <= 30);
    CHECK(pair.a.downs == 0);
}

// ---------------------------------------------------------------------------------------------------------- reload

TEST_CASE("a reload touches only what has changed") {
    Pair pair(5, 3);
    pair.start();
    REQUIRE(pair.run_until_converged(5s));
    const auto first = pair.a.sessions.at(kFirst);
    const auto sent = pair.net.packets_sent;
    pair.reconfigure(pair.a);
    pair.net.run_for(1s);
    CHECK(pair.net.packets_sent == sent);  // nothing changed, nothing said

    pair.a.plan.pseudowires[1].cookie_size = 4;
    pair.a.plan.pseudowires.erase(pair.a.plan.pseudowires.begin() + 2);
    pair.a.plan.pseudowires.push_back(pseudowire(3, "vlan-3"));
    pair.b.plan.pseudowires.push_back(pseudowire(3, "vlan-3"));
    pair.reconfigure(pair.a);
    pair.reconfigure(pair.b);
    pair.net.run_for(10s);
    CHECK(pair.a.sessions.at(kFirst).options.local_id == first.options.local_id);
    CHECK(pair.a.sessions.at(kFirst).incarnation == first.incarnation);
    CHECK(pair.b.sessions.at(kSecond).options.remote_cookie.size == 4);
    CHECK(pair.a.sessions.contains(SessionIndex{3}));
    CHECK(pair.b.sessions.contains(SessionIndex{3}));
    CHECK_FALSE(pair.b.sessions.contains(SessionIndex{2}));
    CHECK(said(pair.b, "removed from the configuration"));
    CHECK(pair.a.downs == 2);  // the changed one and the removed one
    CHECK(connection_of(pair.a, pair.net.now).times_connected == 1);
}

TEST_CASE("a changed VLAN is our own affair: the peer hears nothing of it") {
    Pair pair(5);
    pair.start();
    REQUIRE(pair.run_until_converged(5s));
    const auto sent = pair.net.packets_sent;
    pair.a.plan.pseudowires[0].access_vlan = VlanId::parse(100);
    pair.reconfigure(pair.a);
    CHECK(pair.a.sessions.at(kFirst).options.access_vlan == VlanId::parse(100));
    CHECK(pair.net.packets_sent == sent);
}

TEST_CASE("a changed peer is closed with words and opened anew") {
    Pair pair(5);
    pair.start();
    REQUIRE(pair.run_until_converged(5s));
    for (auto* gateway : {&pair.a, &pair.b}) {
        gateway->plan.connections[0].keys = keys({"secret"});
        pair.reconfigure(*gateway);
    }
    CHECK(pair.run_until_converged(10s));
    CHECK(connection_of(pair.a, pair.net.now).authenticated);
    CHECK(said(pair.b, "its configuration has changed"));
    pair.net.run_for(200s);
    CHECK(pair.a.engine->snapshot(pair.net.now).connections_held == 1);
}

TEST_CASE("stopping tells the peer why, and is over when it has heard") {
    Pair pair(5);
    pair.start();
    REQUIRE(pair.run_until_converged(5s));
    pair.a.engine->stop("maintenance", pair.net.now);
    pair.net.drain();
    CHECK(pair.a.sessions.empty());
    CHECK_FALSE(pair.a.engine->stopped());
    pair.net.run_for(100ms);
    CHECK(pair.a.engine->stopped());
    CHECK(pair.b.sessions.empty());
    CHECK(said(pair.b, "maintenance"));
}

// --------------------------------------------------------------------------------------------------------- liveness

TEST_CASE("HELLO is for silence only") {
    Pair pair(5);
    pair.start();
    REQUIRE(pair.run_until_converged(5s));
    pair.net.run_for(1s);
    const std::uint64_t sent = pair.net.packets_sent;
    for (int i = 0; i < 100; ++i) {
        for (auto* gateway : {&pair.a, &pair.b}) gateway->engine->on_heard(TunnelIndex{0}, pair.net.now);
        pair.net.run_for(1s);
    }
    CHECK(pair.net.packets_sent == sent);
    pair.net.run_for(100s);
    CHECK(pair.net.packets_sent > sent + 10);
}

TEST_CASE("a peer that is gone is noticed after the last retransmission, and found again when it is back") {
    Pair pair(5);
    pair.start();
    REQUIRE(pair.run_until_converged(5s));
    pair.net.filter = [](const ControlNet::Packet&) { return false; };
    CHECK_FALSE(pair.net.run_until([&] { return pair.a.connected.empty(); }, 70s));
    CHECK(pair.net.run_until([&] { return pair.a.connected.empty(); }, 15s));
    CHECK(said(pair.a, "the peer does not answer any more"));
    pair.net.run_for(3600s);
    pair.net.filter = nullptr;
    CHECK(pair.run_until_converged(10s));  // tries go on for ever, no more than some seconds apart
}

TEST_CASE("nothing is tried while nothing can be sent") {
    Pair pair(5);
    pair.start();
    pair.a.engine->on_transport(TunnelIndex{0}, false, pair.net.now);
    pair.b.engine->on_transport(TunnelIndex{0}, false, pair.net.now);
    pair.net.run_for(20s);
    const auto sent = pair.net.packets_sent;
    pair.net.run_for(100s);
    CHECK(pair.net.packets_sent == sent);
    pair.a.engine->on_transport(TunnelIndex{0}, true, pair.net.now);
    pair.b.engine->on_transport(TunnelIndex{0}, true, pair.net.now);
    CHECK(pair.run_until_converged(5s));
}
