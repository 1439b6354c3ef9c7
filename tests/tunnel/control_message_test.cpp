#include "tunnel/control_message.h"

#include "tests/tunnel/control_samples.h"
#include "tests/tunnel/packets.h"

using namespace isthmus;
using namespace isthmus::tunnel;
using namespace isthmus::tunnel::test;

namespace {

MessageFault fault_of(Bytes body, QuirkSet tolerated = QuirkSet::all()) {
    auto parsed = parse_body(body, nullptr, tolerated);
    REQUIRE_FALSE(parsed);
    return std::move(parsed).error();
}

/// A body of this type with these AVPs behind.
Octets body_of(MessageType type, const Octets& rest) {
    AvpWriter out;
    out.u16(avp::kMessageType, static_cast<std::uint16_t>(type));
    return copy(out.view()) + rest;
}

/// A body without the AVP `key`.
Octets without(const ControlMessage& message, AvpKey key) {
    const Octets body = emit_body(message);
    AvpWriter out;
    AvpReader in(body);
    while (!in.done()) {
        const auto avp = in.next();
        if (avp->key != key) out.add(*avp);
    }
    return std::move(out).take();
}

/// A body in which the AVP `key` has another value and M bit.
Octets with(const ControlMessage& message, AvpKey key, const Octets& value, bool mandatory = true) {
    const Octets body = emit_body(message);
    AvpWriter out;
    AvpReader in(body);
    while (!in.done()) {
        const auto avp = in.next();
        out.add(avp->key == key ? AvpView{key, mandatory, false, value} : *avp);
    }
    return std::move(out).take();
}

/// What may be missing and is then read as something else.
bool is_tolerated(AvpKey key, MessageType type) {
    const bool request = type == MessageType::icrq || type == MessageType::ocrq;
    return key == avp::kRouterId || key == avp::kCircuitStatus || key == avp::kSerialNumber ||
           (key == avp::kRemoteSessionId && request);
}

/// A message as it comes back from the wire: ICCN and OCCN do not lose what they may not carry, since a receiver
/// does not mind.
ControlMessage again(const ControlMessage& message, const AvpHider* hider = nullptr, Rng* rng = nullptr) {
    const Octets body = hider == nullptr ? emit_body(message) : emit_body(message, Hiding{*hider, *rng});
    auto parsed = parse_body(body, hider);
    if (!parsed) FAIL(parsed.error().text);
    CHECK(parsed->quirks.empty());
    CHECK(parsed->ignored.empty());
    return std::move(parsed)->message;
}

}  // namespace

TEST_CASE("every message comes back from the wire as it was, in clear and hidden") {
    const auto keys = keys_of({"s"});
    const AvpHider hider = keys->hider(0);
    isthmus::test::SeededRng rng(1);
    for (const ControlMessage& message : every_message()) {
        CAPTURE(name_of(message));
        CHECK(again(message) == message);
        CHECK(again(message, &hider, &rng) == message);
    }
}

TEST_CASE("hiding hides all that may be hidden, behind one random vector, and nothing else") {
    const auto keys = keys_of({"s"});
    isthmus::test::SeededRng rng(1);
    for (const ControlMessage& message : every_message()) {
        CAPTURE(name_of(message));
        const Octets body = emit_body(message, Hiding{keys->hider(0), rng});
        std::size_t vectors = 0;
        AvpReader in(body);
        while (!in.done()) {
            const auto avp = in.next();
            REQUIRE(avp);
            CHECK(avp->hidden == rule_of(avp->key)->may_hide);
            if (avp->hidden) CHECK(vectors == 1);
            if (avp->key == avp::kRandomVector) ++vectors;
        }
        CHECK(vectors <= 1);
    }
}

TEST_CASE("a ZLB has no body and an ACK has a type") {
    CHECK(emit_body(Zlb{}).empty());
    CHECK(to_hex(emit_body(Ack{})) == "8008000000000014");
    CHECK(std::holds_alternative<Zlb>(parse_body({})->message));
    CHECK(name_of(ControlMessage(Zlb{})) == "ZLB");
    CHECK(type_of(Zlb{}) == MessageType::ack);
}

TEST_CASE("a message cut between AVPs lacks something or is complete; cut elsewhere it has a wrong length") {
    const auto keys = keys_of({"s"});
    const AvpHider hider = keys->hider(0);
    isthmus::test::SeededRng rng(1);
    for (const ControlMessage& message : every_message()) {
        CAPTURE(name_of(message));
        for (const bool hidden : {false, true}) {
            const Octets body = hidden ? emit_body(message, Hiding{hider, rng}) : emit_body(message);
            for (std::size_t size = 1; size < body.size(); ++size) {
                std::size_t walked = 0;
                bool at_boundary = false;
                for (AvpReader in{body}; !in.done() && walked < size;) walked += in.next()->value.size() + 6;
                at_boundary = walked == size;
                const auto parsed = parse_body(Bytes(body).first(size), &hider);
                if (!at_boundary) {
                    REQUIRE_FALSE(parsed);
                    // A fault before the cut is reported first.
                    CHECK((parsed.error().error == ErrorCode::wrong_length));
                } else if (!parsed) {
                    CHECK(parsed.error().text.find(" is missing") != std::string::npos);
                }
            }
        }
    }
}

TEST_CASE("each AVP that a message must have is missed by name, or excused by a named rule") {
    for (const ControlMessage& message : every_message()) {
        const MessageType type = type_of(message);
        if (std::holds_alternative<Zlb>(message)) continue;
        for (const AvpRule& rule : avp_table()) {
            if ((rule.required & in(type)) == 0 || rule.key == avp::kMessageType) continue;
            CAPTURE(name_of(message));
            CAPTURE(rule.name);
            const Octets body = without(message, rule.key);
            const MessageFault fault = fault_of(body, QuirkSet::none());
            CHECK(fault.text == name_of(type) + ": " + std::string(rule.name) + " is missing");
            CHECK((fault.scope == FaultScope::session) == is_session_message(type));
            const auto lenient = parse_body(body);
            CHECK(lenient.has_value() == is_tolerated(rule.key, type));
            if (lenient) CHECK(names_of(lenient->quirks).size() == 1);
        }
    }
}

TEST_CASE("an unknown AVP with the M bit brings down what its message is about, and says which AVP") {
    const Octets unknown = hex("8008 0000 0063 abcd");
    for (const ControlMessage& message : every_message()) {
        if (std::holds_alternative<Zlb>(message)) continue;
        CAPTURE(name_of(message));
        const MessageFault fault = fault_of(emit_body(message) + unknown);
        CHECK(fault.error == ErrorCode::unknown_mandatory_avp);
        CHECK(fault.text == name_of(message) + ": AVP 99 is unknown here and has the M bit");
        const auto session = session_of(message);
        CHECK((fault.scope == FaultScope::session) == session.has_value());
        CHECK(fault.ids == session.value_or(SessionPair{}));
        CHECK(fault.stop().result == StopResult::general_error);
        CHECK(fault.disconnect().error == ErrorCode::unknown_mandatory_avp);
    }
}

TEST_CASE("an unknown AVP without the M bit changes nothing, and is noted") {
    for (const ControlMessage& message : every_message()) {
        if (std::holds_alternative<Zlb>(message)) continue;
        const auto parsed = parse_body(emit_body(message) + hex("0008 0000 0063 abcd 0006 1234 0001"));
        REQUIRE(parsed);
        CHECK(parsed->message == message);
        CHECK(parsed->ignored == std::vector<std::string>{"AVP 99 is unknown", "AVP 4660/1 is unknown"});
    }
}

TEST_CASE("the M bit of known AVPs is not looked at, whatever it is") {
    for (const ControlMessage& message : every_message()) {
        if (std::holds_alternative<Zlb>(message)) continue;
        for (const bool mandatory : {false, true}) {
            const Octets body = emit_body(message);
            AvpWriter out;
            for (AvpReader in{body}; !in.done();) {
                auto avp = *in.next();
                avp.mandatory = mandatory;
                out.add(avp);
            }
            const auto parsed = parse_body(out.view());
            REQUIRE(parsed);
            CHECK(parsed->message == message);
        }
    }
}

TEST_CASE("a malformed AVP is fatal with the M bit and ignored without it") {
    const ControlMessage icrq = full_request<Icrq>();
    // The RFC's own example: a connect speed in four octets (section 7.1).
    const auto tolerated = parse_body(with(icrq, avp::kRxConnectSpeed, hex("00000001"), false));
    REQUIRE(tolerated);
    CHECK(tolerated->ignored == std::vector<std::string>{"Rx Connect Speed: 4 bytes cannot be its value"});
    CHECK_FALSE(std::get<Icrq>(tolerated->message).offer.rx_speed);
    const MessageFault fault = fault_of(with(icrq, avp::kRxConnectSpeed, hex("00000001"), true));
    CHECK(fault.error == ErrorCode::wrong_length);
    CHECK(fault.scope == FaultScope::session);
    CHECK(fault.text == "ICRQ: Rx Connect Speed: 4 bytes cannot be its value");
}

TEST_CASE("values out of range are refused by name") {
    const ControlMessage icrq = full_request<Icrq>();
    Sccrq plain;
    fill(plain);
    const ControlMessage sccrq = plain;
    const auto text = [](const Octets& body) { return fault_of(body).text; };
    CHECK(text(with(icrq, avp::kSublayer, hex("0002"))) ==
          "ICRQ: L2-Specific Sublayer: type 2 is neither none (0) nor default (1)");
    CHECK(text(with(icrq, avp::kDataSequencing, hex("0003"))) ==
          "ICRQ: Data Sequencing: level 3 is not 0, 1 or 2");
    CHECK(text(with(icrq, avp::kAssignedCookie, hex("010203"))) ==
          "ICRQ: Assigned Cookie: 3 bytes cannot be its value");
    CHECK(text(with(icrq, avp::kLocalSessionId, hex("00000000"))) == "ICRQ: Local Session ID is 0");
    CHECK(text(with(sccrq, avp::kAssignedConnectionId, hex("00000000"))) ==
          "SCCRQ: Assigned Control Connection ID is 0");
    CHECK(text(with(sccrq, avp::kHostName, {})) == "SCCRQ: Host Name: 0 bytes cannot be its value");
    CHECK(text(with(sccrq, avp::kPseudowireCapabilities, hex("000504"))) ==
          "SCCRQ: Pseudowire Capabilities List: 3 bytes cannot be its value");
    CHECK(fault_of(with(icrq, avp::kSublayer, hex("0002"))).error == ErrorCode::out_of_range);
}

TEST_CASE("a body that does not begin with a Message Type clears the control connection") {
    CHECK(fault_of(hex("800a 0000 003c c0000201")).text == "the first AVP is Router ID, not Message Type");
    CHECK(fault_of(hex("8007 0000 0000 01")).text == "Message Type: Length is 7, not 8");
    CHECK(fault_of(hex("c008 0000 0000 0001")).text == "Message Type is hidden");
    CHECK(fault_of(hex("80")).error == ErrorCode::wrong_length);
    for (const char* body : {"800a 0000 003c c0000201", "8007 0000 0000 01", "80"})
        CHECK(fault_of(hex(body)).scope == FaultScope::control_connection);
}

TEST_CASE("an unknown message type is fatal with the M bit and ignored without it") {
    CHECK(fault_of(hex("8008 0000 0000 0005")).text == "message type 5 is unknown here and has the M bit");
    const auto ignored = parse_body(hex("0008 0000 0000 0063 8008 0000 0063 abcd"));
    REQUIRE(ignored);
    CHECK(ignored->message == ControlMessage(UnknownMessage{{kIetfVendor, 99}}));
    const auto vendor = parse_body(hex("0008 0009 0000 0001"));
    REQUIRE(vendor);
    CHECK(name_of(vendor->message) == "message type 9/1");
    CHECK(fault_of(hex("8008 0009 0000 0001")).scope == FaultScope::control_connection);
}

TEST_CASE("hidden AVPs without secret, random vector or the right secret are unreadable, not misread") {
    const auto keys = keys_of({"s", "t"});
    const AvpHider right = keys->hider(0);
    const AvpHider wrong = keys->hider(1);
    isthmus::test::SeededRng rng(1);
    const ControlMessage sli = Sli{{SessionId{1}, SessionId{2}}, CircuitStatus{}, {}};
    const Octets body = emit_body(sli, Hiding{right, rng});
    CHECK(fault_of(body).text == "SLI: Local Session ID is hidden, but there is no shared secret");
    const auto misread = parse_body(body, &wrong);
    REQUIRE_FALSE(misread);
    CHECK(misread.error().scope == FaultScope::session);
    const Octets lone = body_of(MessageType::sli, hex("c016 0000 003f") + Octets(16, 1));
    const auto no_vector = parse_body(lone, &right);
    REQUIRE_FALSE(no_vector);
    CHECK(no_vector.error().text == "SLI: Local Session ID is hidden, but no Random Vector comes before it");
}

TEST_CASE("the most closely preceding random vector counts") {
    const auto keys = keys_of({"s"});
    const AvpHider hider = keys->hider(0);
    isthmus::test::SeededRng rng(1);
    AvpWriter out;
    const Octets first = counting(0, 16);
    const Octets second = counting(50, 20);
    out.u16(avp::kMessageType, static_cast<std::uint16_t>(MessageType::sli));
    out.add(avp::kRandomVector, first);
    out.add(
        {avp::kLocalSessionId, true, true, hider.hide(avp::kLocalSessionId, hex("00000001"), first, rng)});
    out.add(avp::kRandomVector, second);
    out.add(
        {avp::kRemoteSessionId, true, true, hider.hide(avp::kRemoteSessionId, hex("00000002"), second, rng)});
    const auto parsed = parse_body(out.view(), &hider);
    REQUIRE(parsed);
    CHECK(session_of(parsed->message) == SessionPair{SessionId{1}, SessionId{2}});
}

TEST_CASE("an extended vendor AVP is ignored") {
    const auto parsed = parse_body(emit_body(Hello{}) + hex("000e 0000 003a 00012345 0001 abcd"));
    REQUIRE(parsed);
    CHECK(std::holds_alternative<Hello>(parsed->message));
}

TEST_CASE("Circuit Errors with the four counters of the diagram are read as well as with six") {
    const Octets body =
        body_of(MessageType::wen, hex("800a 0000 003f 00000001 800a 0000 0040 00000002"
                                      "0018 0000 0022 0000 00000001 00000002 00000003 00000004"));
    const auto parsed = parse_body(body);
    REQUIRE(parsed);
    CHECK(std::get<Wen>(parsed->message).errors == CircuitErrors{0, 0, 1, 2, 3, 4});
}

TEST_CASE("circuit status bits are those of RFC 5641, and reserved ones are ignored") {
    CHECK(CircuitStatus::parse(0xff80).text() == "inactive");
    CHECK(CircuitStatus::parse(0xffff).emit() == 0x7e);
    CHECK(CircuitStatus{}.emit() == 1);
    CHECK(CircuitStatus::parse(0x7c).text() ==
          "inactive, circuit receive fault, circuit transmit fault, pseudowire receive fault, pseudowire "
          "transmit "
          "fault, standby");
    // RFC 5641 section 2, bit by bit.
    CHECK(CircuitStatus::parse(0x0001).active);
    CHECK(CircuitStatus::parse(0x0002).is_new);
    CHECK(CircuitStatus::parse(0x0004).circuit_receive_fault);
    CHECK(CircuitStatus::parse(0x0008).circuit_transmit_fault);
    CHECK(CircuitStatus::parse(0x0010).pseudowire_receive_fault);
    CHECK(CircuitStatus::parse(0x0020).pseudowire_transmit_fault);
    CHECK(CircuitStatus::parse(0x0040).standby);
}

TEST_CASE(
    "a circuit with a fault is never told to be active (RFC 5641 section 3); standby goes with either") {
    for (std::uint16_t bits = 0; bits < 0x80; ++bits) {
        const auto status = CircuitStatus::parse(bits);
        CHECK(status.has_fault() == ((bits & 0x3c) != 0));
        CHECK(status.active == ((bits & 0x3d) == 1));
        const auto told = static_cast<std::uint16_t>(status.has_fault() ? bits & ~1 : bits);
        CHECK(status.emit() == told);
    }
    CircuitStatus standby;
    standby.standby = true;
    CHECK(standby.emit() == 0x41);
}

TEST_CASE("the VCCV Capability AVP is as RFC 5085 section 6.3.1 draws it") {
    // M and H 0, Length 8, Vendor ID 0, Attribute Type 96, CC Types, CV Types.
    Icrq icrq = full_request<Icrq>();
    icrq.offer.vccv = VccvCapability{VccvCapability::kSublayerChannel, VccvCapability::kBfd};
    CHECK(to_hex(emit_body(icrq)).find("0008000000600110") != std::string::npos);
    const AvpRule& rule = *rule_of(avp::kVccvCapability);
    CHECK_FALSE(rule.mandatory_bit);
    CHECK(rule.may_hide);
    CHECK(rule.optional ==
          (in(MessageType::icrq) | in(MessageType::icrp) | in(MessageType::ocrq) | in(MessageType::ocrp)));
    CHECK(rule.required == 0);
    CHECK(rule.min_size == 2);
    CHECK(rule.max_size == 2);
    // CC type 0x01: section 4; CV types: section 4 and RFC 5885 section 3.3.
    CHECK(VccvCapability::kSublayerChannel == 0x01);
    CHECK(VccvCapability::kIcmpPing == 0x01);
    CHECK(VccvCapability::kBfdUdp == 0x04);
    CHECK(VccvCapability::kBfdUdpStatus == 0x08);
    CHECK(VccvCapability::kBfd == 0x10);
    CHECK(VccvCapability::kBfdStatus == 0x20);
}

TEST_CASE("an error message too long for its AVP is cut") {
    const ControlMessage stop =
        StopCcn{{StopResult::general_error, ErrorCode::vendor_specific, std::string(3000, 'x')},
                ControlConnectionId{1}};
    const auto parsed = parse_body(emit_body(stop));
    REQUIRE(parsed);
    CHECK(std::get<StopCcn>(parsed->message).why.message.size() == kMaxAvpValue - 4);
}

TEST_CASE("messages with random damage parse or are refused, and what parses can be said again") {
    const auto keys = keys_of({"s"});
    const AvpHider hider = keys->hider(0);
    isthmus::test::SeededRng rng(7);
    std::size_t parsed_well = 0;
    std::size_t refused = 0;
    const auto messages = every_message();
    for (int round = 0; round < 20'000; ++round) {
        const ControlMessage& message = messages[rng.below(messages.size())];
        Octets body = rng.below(2) == 0 ? emit_body(message) : emit_body(message, Hiding{hider, rng});
        if (body.empty()) continue;
        for (std::uint64_t damage = 1 + rng.below(4); damage > 0; --damage)
            body[rng.below(body.size())] = static_cast<std::uint8_t>(rng.u32());
        const auto parsed = parse_body(body, &hider);
        parsed ? ++parsed_well : ++refused;
        if (!parsed) {
            CHECK_FALSE(parsed.error().text.empty());
            continue;
        }
        const auto second = parse_body(emit_body(parsed->message), &hider);
        if (std::holds_alternative<UnknownMessage>(parsed->message)) continue;
        REQUIRE(second);
    }
    CHECK(parsed_well > 1000);
    CHECK(refused > 1000);
}
