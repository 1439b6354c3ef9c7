// What a peer that is played by hand gets for what it sends, right or wrong.
#include <doctest/doctest.h>

#include "tests/tunnel/by_hand.h"
#include "tunnel/control_engine.h"

using namespace isthmus;
using namespace isthmus::test;
using namespace isthmus::tunnel;

TEST_CASE("the answer may come from another port, and then all goes there (RFC 3931 section 4.1.2.2)") {
    ByHand hand(1, ConnectionRole::initiator);
    hand.start_a();
    hand.net.run_for(1ms);
    const auto sccrq = hand.peer.take_message<Sccrq>();
    REQUIRE(sccrq);
    hand.peer.gateways_id = sccrq->assigned_id;
    hand.peer.arrival.path.remote.port = 40'001;
    Sccrp sccrp;
    static_cast<ConnectionOffer&>(sccrp) = hand.peer.sccrq();
    hand.peer.send(sccrp);
    CHECK(hand.peer.take_message<Scccn>());
    CHECK(hand.a.connected.at(TunnelIndex{0}).path.remote.port == 40'001);
    // Later it keeps to it: nobody vouches for another one.
    hand.peer.arrival.path.remote.port = 40'002;
    hand.peer.send(StopCcn{{}, hand.peer.own_id});
    CHECK(hand.a.connected.size() == 1);
    CHECK(hand.refusals().not_a_peer == 1);
}

TEST_CASE("outgoing calls are refused: result 5, in words") {
    ByHand hand;
    hand.start_a();
    REQUIRE(hand.peer.connect());
    Ocrq ocrq;
    static_cast<CallRequest&>(ocrq) = hand.peer.icrq(SessionId{0x77}, "vlan-0");
    hand.peer.send(ocrq);
    const auto cdn = hand.peer.take_message<Cdn>();
    REQUIRE(cdn);
    CHECK(cdn->why.result == CdnResult::no_facilities_permanent);
    CHECK(cdn->ids.remote == SessionId{0x77});
    CHECK(cdn->ids.local != SessionId{});
    Occn occn;
    occn.ids = {SessionId{0x77}, SessionId{0x88}};
    hand.peer.send(occn);
    CHECK_FALSE(hand.peer.take_message<Cdn>());
    CHECK(hand.a.connected.size() == 1);
}

TEST_CASE("sequencing without a sublayer is refused with result 15") {
    ByHand hand;
    hand.start_a();
    REQUIRE(hand.peer.connect());
    auto icrq = hand.peer.icrq(SessionId{5}, "vlan-0");
    icrq.offer.sequencing = SequencingLevel::all;
    hand.peer.send(icrq);
    const auto cdn = hand.peer.take_message<Cdn>();
    REQUIRE(cdn);
    CHECK(cdn->why.result == CdnResult::sequencing_without_sublayer);
    // ... also when the ICCN brings it up.
    hand.peer.send(hand.peer.icrq(SessionId{6}, "vlan-0"));
    const auto icrp = hand.peer.take_message<Icrp>();
    REQUIRE(icrp);
    Iccn iccn;
    iccn.ids = {SessionId{6}, icrp->ids.local};
    iccn.offer.sequencing = SequencingLevel::all;
    hand.peer.send(iccn);
    const auto second = hand.peer.take_message<Cdn>();
    REQUIRE(second);
    CHECK(second->why.result == CdnResult::sequencing_without_sublayer);
    CHECK(hand.a.sessions.empty());
}

TEST_CASE("who asks for VCCV in a sublayer that is not there gets a CDN (RFC 5085 section 6.3.1)") {
    const VccvCapability in_sublayer{VccvCapability::kSublayerChannel, VccvCapability::kBfd};
    SUBCASE("in an ICRQ") {
        ByHand hand;
        hand.start_a();
        REQUIRE(hand.peer.connect());
        auto icrq = hand.peer.icrq(SessionId{5}, "vlan-0");
        icrq.offer.vccv = in_sublayer;
        hand.peer.send(icrq);
        const auto cdn = hand.peer.take_message<Cdn>();
        REQUIRE(cdn);
        CHECK(cdn->why.result == CdnResult::general_error);
        CHECK(cdn->why.error == ErrorCode::out_of_range);
        CHECK(cdn->why.message.find("VCCV Capability") != std::string::npos);
        CHECK(hand.a.sessions.empty());
        // With a sublayer, or without a channel, there is nothing to say against it.
        icrq = hand.peer.icrq(SessionId{6}, "vlan-0");
        icrq.offer.vccv = in_sublayer;
        icrq.offer.sublayer = Sublayer::standard;
        hand.peer.send(icrq);
        CHECK(hand.peer.take_message<Icrp>());
    }
    SUBCASE("no channel at all is no fault") {
        ByHand hand;
        hand.start_a();
        REQUIRE(hand.peer.connect());
        auto icrq = hand.peer.icrq(SessionId{5}, "vlan-0");
        icrq.offer.vccv = VccvCapability{0, VccvCapability::kBfd};
        hand.peer.send(icrq);
        CHECK(hand.peer.take_message<Icrp>());
    }
}

TEST_CASE("an unknown mandatory AVP ends the session that it is about, and nothing else") {
    ByHand hand(2);
    hand.start_a();
    REQUIRE(hand.peer.connect());
    const auto first = hand.peer.call(SessionId{5}, "vlan-0");
    const auto second = hand.peer.call(SessionId{6}, "vlan-1");
    REQUIRE(first);
    REQUIRE(second);
    REQUIRE(hand.a.sessions.size() == 2);
    auto body = emit_body(Sli{{SessionId{5}, *first}, CircuitStatus{}, {}});
    AvpWriter odd;
    odd.add(AvpView{{0, 999}, true, false, {}});
    const auto extra = odd.view();
    body.insert(body.end(), extra.begin(), extra.end());
    hand.peer.send_body(body);
    const auto cdn = hand.peer.take_message<Cdn>();
    REQUIRE(cdn);
    CHECK(cdn->why.result == CdnResult::general_error);
    CHECK(cdn->why.error == ErrorCode::unknown_mandatory_avp);
    CHECK(cdn->why.message.find("999") != std::string::npos);
    CHECK(cdn->ids.remote == SessionId{5});
    CHECK(hand.a.sessions.size() == 1);
    CHECK(hand.a.sessions.contains(kSecond));
    CHECK(hand.a.connected.size() == 1);
    // In a message about the connection it is the connection that ends.
    body = emit_body(Hello{});
    body.insert(body.end(), extra.begin(), extra.end());
    hand.peer.send_body(body);
    const auto stop = hand.peer.take_message<StopCcn>();
    REQUIRE(stop);
    CHECK(stop->why.error == ErrorCode::unknown_mandatory_avp);
    CHECK(hand.a.connected.empty());
    CHECK(hand.a.sessions.empty());
}

TEST_CASE(
    "a CDN that does not tell which session it ends clears the connection: no session stays on one side") {
    ByHand hand(2);
    hand.start_a();
    REQUIRE(hand.peer.connect());
    REQUIRE(hand.peer.call(SessionId{5}, "vlan-0"));
    auto body = emit_body(Cdn{{SessionId{5}, hand.a.sessions.at(kFirst).options.local_id}, {}});
    body[8] |= 0x03;  // the Length of its second AVP is past the end
    hand.peer.send_body(body);
    const auto stop = hand.peer.take_message<StopCcn>();
    REQUIRE(stop);
    CHECK(stop->why.result == StopResult::general_error);
    CHECK(hand.a.sessions.empty());
    CHECK(hand.a.connected.empty());
}

TEST_CASE("messages in a wrong state end the connection with result 7") {
    ByHand hand;
    hand.start_a();
    SUBCASE("SCCCN again") {
        REQUIRE(hand.peer.connect());
        hand.peer.send(Scccn{});
    }
    SUBCASE("SCCRP from the side that asked") {
        REQUIRE(hand.peer.connect());
        Sccrp sccrp;
        static_cast<ConnectionOffer&>(sccrp) = hand.peer.sccrq();
        hand.peer.send(sccrp);
    }
    SUBCASE("a call before SCCCN") {
        hand.peer.send(hand.peer.sccrq());
        const auto sccrp = hand.peer.take_message<Sccrp>();
        REQUIRE(sccrp);
        hand.peer.gateways_id = sccrp->assigned_id;
        hand.peer.send(hand.peer.icrq(SessionId{5}, "vlan-0"));
    }
    const auto stop = hand.peer.take_message<StopCcn>();
    REQUIRE(stop);
    CHECK(stop->why.result == StopResult::state_machine);
    CHECK(hand.a.connected.empty());
    hand.net.run_for(80s);
    CHECK(hand.a.engine->snapshot(hand.net.now).connections_held == 0);
}

TEST_CASE("session messages in a wrong state end the session, or nothing") {
    ByHand hand;
    hand.start_a();
    REQUIRE(hand.peer.connect());
    SUBCASE("ICRP out of the blue: CDN") {
        Icrp icrp;
        icrp.ids = {SessionId{9}, SessionId{10}};
        icrp.offer.status = CircuitStatus{};
        hand.peer.send(icrp);
        const auto cdn = hand.peer.take_message<Cdn>();
        REQUIRE(cdn);
        CHECK(cdn->ids.remote == SessionId{9});
    }
    SUBCASE("ICCN, CDN, SLI and WEN out of the blue: nothing") {
        Iccn iccn;
        iccn.ids = {SessionId{9}, SessionId{10}};
        hand.peer.send(iccn);
        hand.peer.send(Cdn{{SessionId{9}, SessionId{10}}, {}});
        hand.peer.send(Sli{{SessionId{9}, SessionId{10}}, CircuitStatus{}, {}});
        hand.peer.send(Wen{{SessionId{9}, SessionId{10}}, {}});
        CHECK_FALSE(hand.peer.take_message<Cdn>());
        CHECK_FALSE(hand.peer.take_message<StopCcn>());
    }
    SUBCASE("ICCN twice: CDN") {
        const auto id = hand.peer.call(SessionId{5}, "vlan-0");
        REQUIRE(id);
        REQUIRE(hand.a.sessions.size() == 1);
        Iccn iccn;
        iccn.ids = {SessionId{5}, *id};
        hand.peer.send(iccn);
        CHECK(hand.peer.take_message<Cdn>());
        CHECK(hand.a.sessions.empty());
    }
    SUBCASE("a Session ID that is in use: CDN, the other session stays") {
        REQUIRE(hand.peer.call(SessionId{5}, "vlan-0"));
        hand.peer.send(hand.peer.icrq(SessionId{5}, "vlan-0"));
        const auto cdn = hand.peer.take_message<Cdn>();
        REQUIRE(cdn);
        CHECK(cdn->why.error == ErrorCode::invalid_session_id);
        CHECK(hand.a.sessions.size() == 1);
    }
    CHECK(hand.a.connected.size() == 1);
}

TEST_CASE("a CDN with a mangled Local Session ID is understood by the other one, and the quirk named") {
    ByHand hand;
    hand.start_a();
    REQUIRE(hand.peer.connect());
    const auto id = hand.peer.call(SessionId{0x8f4cad3b}, "vlan-0");
    REQUIRE(id);
    hand.peer.send(Cdn{{SessionId{0xad3b0000}, *id}, {CdnResult::administrative, ErrorCode::none, ""}});
    CHECK(hand.a.sessions.empty());
    const auto quirks = connection_of(hand.a, hand.net.now).quirks;
    CHECK(std::find(quirks.begin(), quirks.end(), "cdn-session-id-mangled") != quirks.end());
}

TEST_CASE(
    "where a mangled CDN is not put up with, it is answered with error 1, and the session ends all the "
    "same") {
    ByHand hand;
    hand.a.plan.connections[0].tolerated.remove(Quirk::cdn_session_id_mangled);
    hand.start_a();
    REQUIRE(hand.peer.connect());
    const auto id = hand.peer.call(SessionId{0x8f4cad3b}, "vlan-0");
    REQUIRE(id);
    hand.peer.send(Cdn{{SessionId{0xad3b0000}, *id}, {CdnResult::administrative, ErrorCode::none, ""}});
    CHECK(hand.a.sessions.empty());
    const auto cdn = hand.peer.take_message<Cdn>();
    REQUIRE(cdn);
    CHECK(cdn->why.error == ErrorCode::invalid_session_id);
    CHECK(connection_of(hand.a, hand.net.now).quirks.empty());
}

namespace {

/// A message with two bytes behind its end, in the next number.
void send_with_trailing_bytes(RawPeer& peer, const ControlMessage& message) {
    auto bytes = plain_message({peer.gateways_id, peer.ns++, peer.nr}, emit_body(message));
    bytes.insert(bytes.end(), 2, 0);
    peer.send_bytes(bytes);
}

}  // namespace

TEST_CASE("bytes behind a message's end are ignored, and named when first seen, in whichever message") {
    ByHand hand;
    hand.start_a();
    SUBCASE("in the SCCRQ") {
        send_with_trailing_bytes(hand.peer, hand.peer.sccrq());
        const auto sccrp = hand.peer.take_message<Sccrp>();
        REQUIRE(sccrp);
        hand.peer.gateways_id = sccrp->assigned_id;
        hand.peer.send(Scccn{});
    }
    SUBCASE("later") {
        REQUIRE(hand.peer.connect());
        CHECK_FALSE(said(hand.a, "trailing-bytes"));
        send_with_trailing_bytes(hand.peer, Hello{});
        send_with_trailing_bytes(hand.peer, Hello{});
    }
    CHECK(hand.a.connected.size() == 1);
    CHECK(connection_of(hand.a, hand.net.now).quirks == std::vector<std::string>{"trailing-bytes"});
    CHECK(std::count_if(hand.a.said.begin(), hand.a.said.end(), [](const std::string& text) {
              return text.find("trailing-bytes") != std::string::npos;
          }) == 1);
}

TEST_CASE("where bytes behind a message's end are not put up with, the message is malformed and dropped") {
    ByHand hand;
    hand.a.plan.connections[0].tolerated.remove(Quirk::trailing_bytes);
    hand.start_a();
    send_with_trailing_bytes(hand.peer, hand.peer.sccrq());
    CHECK_FALSE(hand.peer.take_message<Sccrp>());
    CHECK(hand.refusals().malformed == 1);
    hand.peer.start_over();
    REQUIRE(hand.peer.connect());
    send_with_trailing_bytes(hand.peer, StopCcn{{}, hand.peer.own_id});
    CHECK(hand.a.connected.size() == 1);
    CHECK(connection_of(hand.a, hand.net.now).malformed == 1);
}

TEST_CASE("a quirk of the last message is named before the connection is gone") {
    ByHand hand;
    hand.start_a();
    REQUIRE(hand.peer.connect());
    // SoftEther's StopCCN: Result Code 0 with its reason in the wrong place.
    hand.peer.send_body(from_hex("8008000000000004800a0000003d00001001800e000000010000060000000000").value());
    CHECK(hand.a.connected.empty());
    CHECK(said(hand.a, "result-code-shifted"));
}

TEST_CASE("the answer may come from another address of the peer's, and then all goes there") {
    ByHand hand(1, ConnectionRole::initiator);
    SUBCASE("if that is put up with") {}
    SUBCASE("unless it is not") {
        hand.a.plan.connections[0].tolerated.remove(Quirk::answers_from_elsewhere);
    }
    const bool tolerated = hand.a.plan.connections[0].tolerated.has(Quirk::answers_from_elsewhere);
    hand.start_a();
    hand.net.run_for(1ms);
    const auto sccrq = hand.peer.take_message<Sccrq>();
    REQUIRE(sccrq);
    Sccrp sccrp;
    static_cast<ConnectionOffer&>(sccrp) = hand.peer.sccrq();
    hand.peer.arrival.path.remote.address = IpAddress::v4({192, 0, 2, 22});
    // Who did not see the request does not know its id.
    hand.peer.gateways_id = ControlConnectionId{raw(sccrq->assigned_id) ^ 1};
    hand.peer.send_numbered(emit_body(sccrp), 0, 1);
    CHECK(hand.a.connected.empty());
    hand.peer.gateways_id = sccrq->assigned_id;
    hand.peer.send(sccrp);
    CHECK(hand.a.connected.size() == (tolerated ? 1U : 0U));
    if (!tolerated) {
        CHECK(hand.refusals().not_a_peer == 1);
        return;
    }
    CHECK(hand.peer.take_message<Scccn>());
    CHECK(hand.a.connected.at(TunnelIndex{0}).path.remote.address == hand.peer.arrival.path.remote.address);
    CHECK(connection_of(hand.a, hand.net.now).quirks == std::vector<std::string>{"answers-from-elsewhere"});
    hand.peer.send(Hello{});
    CHECK(hand.a.connected.size() == 1);
    // Later it keeps to it.
    hand.peer.arrival.path.remote.address = IpAddress::v4({192, 0, 2, 23});
    hand.peer.send(StopCcn{{}, hand.peer.own_id});
    CHECK(hand.a.connected.size() == 1);
}

TEST_CASE("a message that is not acknowledged is seen long before the peer counts as gone") {
    Pair pair(5);
    pair.start();
    REQUIRE(pair.run_until_converged(5s));
    pair.net.run_for(1s);
    CHECK(connection_of(pair.a, pair.net.now).unanswered == 0);
    pair.net.filter = [](const ControlNet::Packet&) { return false; };
    pair.a.engine->rotate_cookies(kFirst, pair.net.now);
    pair.net.run_for(4s);
    CHECK(connection_of(pair.a, pair.net.now).unanswered == 2);
    CHECK(pair.a.sessions.size() == 1);
    pair.net.filter = nullptr;
    pair.net.run_for(10s);
    CHECK(connection_of(pair.a, pair.net.now).unanswered == 0);
    CHECK(pair.converged());
    CHECK(pair.a.downs + pair.b.downs == 0);
}

TEST_CASE("a CDN before the peer knows our Session ID is found by its own") {
    ByHand hand;
    hand.start_a();
    REQUIRE(hand.peer.connect());
    hand.peer.send(hand.peer.icrq(SessionId{5}, "vlan-0"));
    hand.peer.send(
        Cdn{{SessionId{5}, SessionId{}}, {CdnResult::administrative, ErrorCode::none, "never mind"}});
    CHECK(hand.a.engine->snapshot(hand.net.now).sessions_held == 0);
    CHECK(hand.a.engine->snapshot(hand.net.now).sessions.at(0).reason.find("never mind") !=
          std::string::npos);
}

TEST_CASE("a peer that acknowledges but never goes on is given up") {
    ByHand hand(1, ConnectionRole::initiator);
    hand.a.plan.pseudowires[0].role = SessionRole::call;
    hand.start_a();
    hand.net.run_for(1ms);
    const auto sccrq = hand.peer.take_message<Sccrq>();
    REQUIRE(sccrq);
    hand.peer.gateways_id = sccrq->assigned_id;
    SUBCASE("with SCCRP") {
        hand.peer.acknowledge();
        hand.net.run_for(16s);
        CHECK(said(hand.a, "no SCCRP came within 15 s"));
    }
    SUBCASE("with ICRP") {
        Sccrp sccrp;
        static_cast<ConnectionOffer&>(sccrp) = hand.peer.sccrq();
        hand.peer.send(sccrp);
        hand.peer.acknowledge();
        hand.net.run_for(1ms);
        REQUIRE(hand.peer.take_message<Icrq>());
        hand.net.run_for(16s);
        hand.peer.acknowledge();
        const auto cdn = hand.peer.take_message<Cdn>();
        REQUIRE(cdn);
        CHECK(cdn->why.result == CdnResult::state_machine);
        CHECK(hand.a.connected.size() == 1);
    }
}

TEST_CASE("what is malformed or numbered wrong gets no answer and changes nothing") {
    ByHand hand;
    hand.start_a();
    REQUIRE(hand.peer.connect());
    hand.peer.forget();
    const auto before = hand.peer.count();
    hand.peer.send_numbered(emit_body(Hello{}), 900, hand.peer.nr);  // far ahead
    hand.peer.send_numbered(emit_body(StopCcn{{}, hand.peer.own_id}), hand.peer.ns,
                            500);  // acknowledges the unsent
    auto cut = plain_message({hand.peer.gateways_id, hand.peer.ns, hand.peer.nr}, emit_body(Hello{}));
    cut.pop_back();
    hand.peer.send_bytes(cut);
    hand.peer.send_bytes({});
    CHECK(hand.a.connected.size() == 1);
    CHECK(hand.peer.count() <= before + 1);  // at most an acknowledgement
    CHECK(hand.refusals().malformed == 2);
}

TEST_CASE("messages of a connection that nobody knows: a peer learns of the restart, a stranger nothing") {
    ByHand hand;
    hand.start_a();
    hand.peer.gateways_id = ControlConnectionId{0x12345678};
    hand.peer.send(Hello{});
    const auto stop = hand.peer.take_message<StopCcn>();
    REQUIRE(stop);
    CHECK(stop->why.error == ErrorCode::no_control_connection);
    CHECK(stop->assigned_id == ControlConnectionId{0x12345678});
    hand.peer.send_numbered({}, 0, 0);  // an acknowledgement asks for nothing
    CHECK_FALSE(hand.peer.take_message<StopCcn>());
    RawPeer stranger(hand.net, hand.a, "198.51.100.9");
    stranger.gateways_id = ControlConnectionId{0x12345678};
    stranger.send(Hello{});
    CHECK(stranger.count() == 0);
}

TEST_CASE("a forged hint of a restart costs a HELLO and nothing more") {
    Pair pair(5);
    pair.start();
    REQUIRE(pair.run_until_converged(5s));
    ControlArrival arrival;
    arrival.path.local = {pair.a.address, 1701};
    arrival.path.remote = {pair.b.address, 1701};
    const auto forged =
        plain_message({ControlConnectionId{}, 0, 1},
                      emit_body(StopCcn{{StopResult::general_error, ErrorCode::no_control_connection, ""},
                                        pair.a.connected.at(TunnelIndex{0}).remote_id}));
    for (int i = 0; i < 1000; ++i) {
        pair.net.inject(pair.a, arrival, forged);
        pair.net.run_for(10ms);
    }
    CHECK(pair.converged());
    CHECK(pair.a.downs == 0);
}
