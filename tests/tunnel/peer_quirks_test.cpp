#include "tunnel/peer_quirks.h"

#include "tests/tunnel/control_samples.h"
#include "tests/tunnel/packets.h"
#include "tunnel/control_header.h"

using namespace isthmus;
using namespace isthmus::tunnel;
using namespace isthmus::tunnel::test;

namespace {

using Names = std::vector<std::string_view>;

ParsedMessage parsed(const Octets& body) {
    auto out = parse_body(body);
    if (!out) FAIL(out.error().text);
    return std::move(*out);
}

/// The rule is seen, and it alone made the difference.
ParsedMessage needs_only(Quirk quirk, const Octets& body) {
    CHECK_FALSE(parse_body(body, nullptr, QuirkSet::all().remove(quirk)));
    ParsedMessage out = parsed(body);
    CHECK(out.quirks == QuirkSet::none().add(quirk));
    return out;
}

/// SoftEther's SCCRP inside ESP ("Cisco form"), as its source makes it: no Router ID, AVPs of L2TPv2.
const char* const kSoftEtherIpSccrp =
    "8008 0000 0000 0002  8008 0000 0002 0100  800a 0000 0003 00000003  8008 0000 0007 766d"
    "000a 0000 0008 4c325450  800a 0000 003d 00000001  800a 0000 003e 0005 0004  8008 0000 000a 0010";

}  // namespace

TEST_CASE("rules have names that configuration can use, and all are told apart") {
    for (const QuirkRule& rule : kQuirkRules) {
        CHECK(quirk_of(rule.name) == rule.quirk);
        CHECK(name_of(rule.quirk) == rule.name);
        CHECK_FALSE(rule.text.empty());
    }
    CHECK_FALSE(quirk_of("no-such-rule"));
    CHECK(names_of(QuirkSet::none().add(Quirk::zero_window).add(Quirk::router_id_zero)) ==
          Names{"router-id-zero", "zero-window"});
}

TEST_CASE("router-id-missing and l2tpv2-avps: SoftEther's SCCRP over IP") {
    const auto message = parsed(hex(kSoftEtherIpSccrp));
    CHECK(names_of(message.quirks) == Names{"router-id-missing", "l2tpv2-avps"});
    const auto& sccrp = std::get<Sccrp>(message.message);
    CHECK(sccrp.host_name == "vm");
    CHECK_FALSE(sccrp.router_id);
    CHECK(sccrp.window() == 16);
    CHECK(sccrp.pseudowires == std::vector{PseudowireType::ethernet, PseudowireType::ethernet_vlan});
    const auto strict = parse_body(hex(kSoftEtherIpSccrp), nullptr, QuirkSet::none());
    REQUIRE_FALSE(strict);
    CHECK(strict.error().text == "SCCRP: AVP 2 is unknown here and has the M bit");
}

TEST_CASE("router-id-missing: an SCCRP without Router ID") {
    const auto message = needs_only(
        Quirk::router_id_missing,
        hex("8008 0000 0000 0002 8008 0000 0007 766d 800a 0000 003d 00000001 8008 0000 003e 0005"));
    CHECK_FALSE(std::get<Sccrp>(message.message).router_id);
}

TEST_CASE("router-id-zero: SoftEther's SCCRP over UDP") {
    const auto message = needs_only(
        Quirk::router_id_zero,
        hex("8008 0000 0000 0002 8008 0000 0007 766d 800a 0000 003c 00000000 800a 0000 003d 00000001"
            "8008 0000 003e 0005"));
    CHECK(std::get<Sccrp>(message.message).router_id == RouterId{0});
}

TEST_CASE("without a Receive Window Size the window is 4, which is no quirk but the RFC's default") {
    const auto message =
        parsed(hex("8008 0000 0000 0002 8008 0000 0007 766d 800a 0000 003c 00000001"
                   "800a 0000 003d 00000001 8008 0000 003e 0005"));
    CHECK(message.quirks.empty());
    CHECK_FALSE(std::get<Sccrp>(message.message).receive_window);
    CHECK(std::get<Sccrp>(message.message).window() == 4);
}

TEST_CASE("zero-window: a receive window of 0 counts as 1") {
    const auto message = needs_only(Quirk::zero_window,
                                    hex("8008 0000 0000 0002 8008 0000 0007 766d 800a 0000 003c 00000001"
                                        "800a 0000 003d 00000001 8008 0000 003e 0005 8008 0000 000a 0000"));
    CHECK(std::get<Sccrp>(message.message).window() == 1);
}

TEST_CASE("l2tpv2-avps: Protocol Version, Framing, Bearer and Firmware with M") {
    needs_only(Quirk::l2tpv2_avps,
               hex("8008 0000 0000 0006 8008 0000 0002 0100 800a 0000 0003 00000003 800a 0000 0004 00000000"
                   "8008 0000 0006 0690"));
}

TEST_CASE("cisco-draft-avps: vendor 9 with M") {
    needs_only(Quirk::cisco_draft_avps,
               hex("8008 0000 0000 0006 800a 0009 0001 00000001 8008 0009 000a 0001"));
}

TEST_CASE("circuit-status-missing: SoftEther's ICRP over IP, which has a Pseudowire Type instead") {
    const auto message = needs_only(
        Quirk::circuit_status_missing,
        hex("8008 0000 0000 000b 800a 0000 003f 8f4cad3b 8008 0000 0044 0005 800a 0000 0040 55667788"));
    const auto& icrp = std::get<Icrp>(message.message);
    CHECK(icrp.offer.status == CircuitStatus{});
    CHECK(icrp.offer.status->active);
    CHECK(icrp.offer.cookie.size == 0);
    CHECK(icrp.offer.sublayer == Sublayer::none);
}

TEST_CASE("an ICRP without Pseudowire Type, cookie and sublayer is no quirk: the peer wants none") {
    const auto message =
        parsed(hex("8008 0000 0000 000b 800a 0000 003f 3fa74d16 8008 0000 0047 0003"
                   "800a 0000 0040 55667788"));
    CHECK(message.quirks.empty());
    const auto& offer = std::get<Icrp>(message.message).offer;
    CHECK(offer.cookie.size == 0);
    CHECK(offer.sublayer == Sublayer::none);
    CHECK(offer.sequencing == SequencingLevel::none);
    CHECK(offer.status == CircuitStatus::parse(3));
}

TEST_CASE("serial-number-missing and remote-session-id-missing: ICRQs that leave out what says nothing") {
    const Octets head =
        hex("8008 0000 0000 000a 800a 0000 003f 00000001 8008 0000 0044 0005"
            "8009 0000 0042 707731 8008 0000 0047 0001");
    const auto no_serial = needs_only(Quirk::serial_number_missing, head + hex("800a 0000 0040 00000000"));
    CHECK(std::get<Icrq>(no_serial.message).serial == 0);
    const auto no_remote =
        needs_only(Quirk::remote_session_id_missing, head + hex("000a 0000 000f 00000007"));
    CHECK(std::get<Icrq>(no_remote.message).ids.remote == SessionId{0});
}

TEST_CASE("cdn-session-id-mangled: SoftEther's CDN is matched by the other id") {
    const auto message =
        parsed(hex("8008 0000 0000 000e 800a 0000 003f 4d160000 800a 0000 0001 0003 0000"
                   "800a 0000 0040 55667788"));
    CHECK(message.quirks.empty());  // only who knows the session can tell
    const auto& cdn = std::get<Cdn>(message.message);
    CHECK(cdn.ids.remote == SessionId{0x55667788});
    CHECK(session_id_quirk(SessionId{0x3fa74d16}, cdn.ids.local) == Quirk::cdn_session_id_mangled);
    CHECK_FALSE(session_id_quirk(SessionId{0x3fa74d16}, SessionId{0x3fa74d16}));
}

TEST_CASE("a CDN from a peer that has no id of its own for the session is read") {
    const auto message =
        parsed(hex("8008 0000 0000 000e 800a 0000 003f 00000000 8008 0000 0001 0004"
                   "800a 0000 0040 55667788"));
    CHECK(std::get<Cdn>(message.message).ids.local == SessionId{0});
}

TEST_CASE("result-code-shifted: SoftEther's StopCCN with eight bytes of result") {
    const Octets body = hex("8008 0000 0000 0004 800a 0000 003d 00000001 800e 0000 0001 0000 0600 0000 0000");
    const auto message = parsed(body);
    CHECK(names_of(message.quirks) == Names{"result-code-shifted"});
    const auto& stop = std::get<StopCcn>(message.message);
    CHECK(stop.why == Ending<StopResult>{});
    CHECK(words(stop.why) == "no reason given");
    const auto strict = parse_body(body, nullptr, QuirkSet::none());
    REQUIRE(strict);
    CHECK(std::get<StopCcn>(strict->message).why.error == ErrorCode{0x0600});
}

TEST_CASE("hidden-where-not-allowed: a hidden Host Name is read if it can be") {
    const auto keys = keys_of({"s"});
    const AvpHider hider = keys->hider(0);
    isthmus::test::SeededRng rng(1);
    Sccrp plain;
    fill(plain);
    const Octets vector = counting(1, 16);
    AvpWriter out;
    const Octets body = emit_body(plain);
    for (AvpReader in{body}; !in.done();) {
        const auto avp = in.next();
        if (avp->key != avp::kHostName) {
            out.add(*avp);
            continue;
        }
        out.add(avp::kRandomVector, vector);
        out.add({avp->key, true, true, hider.hide(avp->key, avp->value, vector, rng)});
    }
    const auto message = parse_body(out.view(), &hider);
    REQUIRE(message);
    CHECK(message->message == ControlMessage(plain));
    CHECK(names_of(message->quirks) == Names{"hidden-where-not-allowed"});
    const auto strict = parse_body(out.view(), &hider, QuirkSet::none());
    REQUIRE_FALSE(strict);
    CHECK(strict.error().text == "SCCRP: Host Name is hidden, which it must not be");
}

TEST_CASE("duplicate-avp: the first counts") {
    const auto message = needs_only(Quirk::duplicate_avp,
                                    hex("8008 0000 0000 0010 800a 0000 003f 00000001 800a 0000 0040 00000002"
                                        "8008 0000 0047 0001 8008 0000 0047 0000"));
    CHECK(std::get<Sli>(message.message).status == CircuitStatus::parse(1));
}

TEST_CASE("trailing-bytes: what is behind Length is counted by the header's parser") {
    const Octets packet = hex("c803 0014 00000001 0000 0000 8008 0000 0000 0006 0000");
    const auto cut = ControlPacket::parse(Encapsulation::udp, packet);
    REQUIRE(cut);
    CHECK(cut->trailing == 2);
    CHECK(parse_body(cut->body));
}
