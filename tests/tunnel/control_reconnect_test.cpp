// How control connections begin and end: whichever way packets go, again and again, and with enough patience.
#include <doctest/doctest.h>

#include "tests/tunnel/by_hand.h"
#include "tunnel/control_connection.h"

using namespace isthmus;
using namespace isthmus::test;
using namespace isthmus::tunnel;

namespace {

/// The type of a message that was sent; nullopt: an acknowledgement without a body, or hidden.
std::optional<MessageType> type_of(const SendControl& sent) {
    const auto packet = ControlPacket::parse(sent.encapsulation, sent.bytes);
    if (!packet || packet->body.empty()) return std::nullopt;
    const auto first = AvpReader(packet->body).next();
    if (!first || first->value.size() != 2) return std::nullopt;
    return MessageType{load_be16(first->value.data())};
}

}  // namespace

TEST_CASE(
    "connections and sessions come up over IPv4 and IPv6, UDP and IP protocol 115, with and without a "
    "secret") {
    for (const bool v6 : {false, true}) {
        for (const auto encapsulation : {Encapsulation::udp, Encapsulation::ip}) {
            for (const bool with_secret : {false, true}) {
                Pair pair(5, 2);
                pair.a.address = *IpAddress::parse(v6 ? "2001:db8::1" : "192.0.2.1");
                pair.b.address = *IpAddress::parse(v6 ? "2001:db8::2" : "192.0.2.2");
                pair.a.plan.connections[0] = connection(pair.a, pair.b);
                pair.b.plan.connections[0] = connection(pair.b, pair.a);
                for (auto* gateway : {&pair.a, &pair.b}) {
                    gateway->plan.connections[0].encapsulation = encapsulation;
                    if (with_secret) gateway->plan.connections[0].keys = keys({"secret"});
                }
                pair.start();
                CHECK(pair.run_until_converged(5s));
                pair.a.engine->rotate_cookies(kFirst, pair.net.now);
                pair.net.run_for(100s);
                CHECK(pair.converged());
                CHECK(pair.a.downs + pair.b.downs == 0);
                CHECK(pair.a.connected.at(TunnelIndex{0}).path.remote.address == pair.b.address);
            }
        }
    }
}

TEST_CASE(
    "a peer that does not answer is asked for ever, never more than five seconds apart, nor at even "
    "intervals") {
    Pair pair(5, 1, ConnectionRole::initiator, ConnectionRole::responder);
    std::vector<TimePoint> asked;
    std::set<std::uint32_t> ids;
    pair.net.filter = [&](const ControlNet::Packet& packet) {
        if (packet.from != &pair.a || type_of(packet.what) != MessageType::sccrq) return false;
        asked.push_back(pair.net.now);
        ids.insert(raw(assigned_id_in(ControlPacket::parse(Encapsulation::udp, packet.what.bytes)->body)));
        return false;
    };
    pair.start();
    pair.net.run_for(3600s);
    std::set<Duration> gaps;
    for (std::size_t i = 1; i < asked.size(); ++i) {
        CHECK(asked[i] - asked[i - 1] <= 5s);
        gaps.insert(asked[i] - asked[i - 1]);
    }
    CHECK(asked.size() > 720);
    CHECK(gaps.size() > 100);
    CHECK(ids.size() > asked.size() / 4);  // each try but its repetitions has an id of its own
    CHECK(pair.a.engine->snapshot(pair.net.now).connections_held <= 1);
}

TEST_CASE("a StopCCN that is repeated is acknowledged for as long as it may be, and then nothing is left") {
    ByHand hand;
    hand.start_a();
    REQUIRE(hand.peer.connect());
    const std::uint16_t ns = hand.peer.ns;
    const auto body = emit_body(StopCcn{{}, hand.peer.own_id});
    hand.peer.send_body(body);
    CHECK(hand.a.connected.empty());
    // 1, 2, 4, 8, 8 ... seconds apart, as its acknowledgements are lost (RFC 3931 section 4.2).
    Duration waited{0};
    const Retransmission usual;
    for (Duration wait = usual.first; waited + wait < full_cycle(usual);
         wait = std::min(wait * 2, usual.cap)) {
        hand.net.run_for(wait);
        waited += wait;
        const auto before = hand.peer.count();
        hand.peer.send_numbered(body, ns, hand.peer.nr);
        CAPTURE(waited.count());
        CHECK(hand.peer.count() == before + 1);
    }
    CHECK(waited > 60s);
    CHECK(hand.a.engine->snapshot(hand.net.now).connections_held == 1);
    hand.net.run_for(full_cycle(usual));
    CHECK(hand.a.engine->snapshot(hand.net.now).connections_held == 0);
}

TEST_CASE("our StopCCN is repeated until it is acknowledged or the whole cycle is over") {
    for (const bool acknowledged : {false, true}) {
        CAPTURE(acknowledged);
        Pair pair(5);
        pair.start();
        REQUIRE(pair.run_until_converged(5s));
        pair.net.run_for(1s);
        int stops = 0;
        pair.net.filter = [&](const ControlNet::Packet& packet) {
            if (packet.from != &pair.a || type_of(packet.what) != MessageType::stop_ccn) return acknowledged;
            return ++stops > 2 && acknowledged;
        };
        pair.a.engine->stop("test", pair.net.now);
        pair.net.drain();
        CHECK(
            pair.net.run_until([&] { return pair.a.engine->stopped(); }, full_cycle(Retransmission{}) + 1s));
        CHECK(stops == (acknowledged ? 3 : 11));
        CHECK(pair.a.engine->snapshot(pair.net.now).connections_held == 0);
    }
}
