#include "crypto/ike/wire/message.h"

#include <stdexcept>

namespace isthmus::crypto::ike {

namespace {

constexpr std::uint8_t kCritical = 0x80;

/// One payload's frame in a chain.
struct Frame {
    PayloadType type;
    bool critical;
    Bytes body;
    PayloadType next;
};

/// Takes the frame at the front of `in`, and steps over it.
Result<Frame, ParseError> take_frame(PayloadType type, ByteReader& in) {
    const auto fail = [type](const std::string& what) {
        return Unexpected(ParseError{name_of(type) + " payload: " + what});
    };
    const auto next = in.u8();
    const auto flags = in.u8();
    const auto length = in.u16();
    if (!next || !flags || !length) return fail("its header is cut short");
    if (*length < kPayloadHeaderSize) return fail("length " + std::to_string(*length) + " is below 4");
    const auto body = in.bytes(*length - kPayloadHeaderSize);
    if (!body) return fail("length " + std::to_string(*length) + " passes the message's end");
    return Frame{type, (*flags & kCritical) != 0, *body, PayloadType{*next}};
}

template <class T>
Result<Payload, ParseError> parse_as(const Frame& frame) {
    auto parsed = T::parse(frame.body);
    if (!parsed) return Unexpected(ParseError{name_of(frame.type) + " payload: " + parsed.error()});
    return Payload(std::move(parsed).value());
}

Result<Payload, ParseError> parse_payload(const Frame& frame) {
    switch (frame.type) {
        case PayloadType::security_association: return parse_as<SaPayload>(frame);
        case PayloadType::key_exchange: return parse_as<KeyExchangePayload>(frame);
        case PayloadType::id_initiator: return parse_as<IdInitiatorPayload>(frame);
        case PayloadType::id_responder: return parse_as<IdResponderPayload>(frame);
        case PayloadType::certificate: return parse_as<CertificatePayload>(frame);
        case PayloadType::certificate_request: return parse_as<CertificateRequestPayload>(frame);
        case PayloadType::authentication: return parse_as<AuthPayload>(frame);
        case PayloadType::nonce: return parse_as<NoncePayload>(frame);
        case PayloadType::notify: return parse_as<NotifyPayload>(frame);
        case PayloadType::delete_: return parse_as<DeletePayload>(frame);
        case PayloadType::vendor_id: return parse_as<VendorIdPayload>(frame);
        case PayloadType::ts_initiator: return parse_as<TsInitiatorPayload>(frame);
        case PayloadType::ts_responder: return parse_as<TsResponderPayload>(frame);
        case PayloadType::none:
        case PayloadType::encrypted:
        case PayloadType::encrypted_fragment:
        case PayloadType::configuration:
        case PayloadType::eap: break;
    }
    // CP and EAP are part of RFC 7296, so their critical bit says nothing.
    const bool understood = frame.type == PayloadType::configuration || frame.type == PayloadType::eap;
    if (frame.critical && !understood)
        return Unexpected(
            ParseError{"a critical payload of type " + std::to_string(raw(frame.type)) + " is not understood",
                       NotifyType::unsupported_critical_payload, raw(frame.type)});
    return Payload(OtherPayload{frame.type, {frame.body.begin(), frame.body.end()}});
}

Result<EncryptedPart, ParseError> parse_encrypted(const Frame& frame, std::size_t offset) {
    EncryptedPart part;
    part.first_inner = frame.next;
    part.offset = offset;
    if (frame.type == PayloadType::encrypted) return part;
    ByteReader in(frame.body);
    const auto number = in.u16();
    const auto total = in.u16();
    if (!number || !total) return Unexpected(ParseError{"SKF payload: the fragment's number is cut short"});
    if (*number == 0 || *number > *total)
        return Unexpected(ParseError{"SKF payload: fragment " + std::to_string(*number) + " of " +
                                     std::to_string(*total) + " cannot be"});
    if (*number > 1 && frame.next != PayloadType::none)
        return Unexpected(ParseError{"SKF payload: only the first fragment may name a next payload"});
    part.fragment = EncryptedPart::Fragment{*number, *total};
    part.offset += kFragmentHeaderSize;
    return part;
}

bool is_encrypted(PayloadType type) noexcept {
    return type == PayloadType::encrypted || type == PayloadType::encrypted_fragment;
}

ParseError too_many() {
    return ParseError{"more than " + std::to_string(kMaxPayloads) + " payloads"};
}

}  // namespace

PayloadType type_of(const Payload& payload) noexcept {
    return std::visit(
        [](const auto& p) {
            if constexpr (std::is_same_v<std::remove_cvref_t<decltype(p)>, OtherPayload>)
                return p.type;
            else
                return p.kType;
        },
        payload);
}

Result<Message, ParseError> parse_message(Bytes datagram) {
    auto header = Header::parse(datagram);
    if (!header) return Unexpected(std::move(header).error());
    Message message;
    message.header = *header;
    ByteReader in(datagram.subspan(kHeaderSize));
    for (PayloadType type = first_payload_of(datagram); type != PayloadType::none;) {
        if (message.payloads.size() == kMaxPayloads) return Unexpected(too_many());
        auto frame = take_frame(type, in);
        if (!frame) return Unexpected(std::move(frame).error());
        if (is_encrypted(type)) {
            if (in.remaining() != 0)
                return Unexpected(ParseError{name_of(type) + " payload: it is not the last one"});
            auto part = parse_encrypted(*frame, datagram.size() - frame->body.size());
            if (!part) return Unexpected(std::move(part).error());
            message.encrypted = *part;
            return message;
        }
        auto payload = parse_payload(*frame);
        if (!payload) return Unexpected(std::move(payload).error());
        message.payloads.push_back(std::move(*payload));
        type = frame->next;
    }
    if (in.remaining() != 0) return Unexpected(ParseError{"bytes are left behind the last payload"});
    return message;
}

Result<std::vector<Payload>, ParseError> parse_payloads(PayloadType first, Bytes bytes) {
    std::vector<Payload> payloads;
    ByteReader in(bytes);
    for (PayloadType type = first; type != PayloadType::none;) {
        if (payloads.size() == kMaxPayloads) return Unexpected(too_many());
        if (is_encrypted(type))
            return Unexpected(ParseError{name_of(type) + " payload: inside another encrypted payload"});
        auto frame = take_frame(type, in);
        if (!frame) return Unexpected(std::move(frame).error());
        auto payload = parse_payload(*frame);
        if (!payload) return Unexpected(std::move(payload).error());
        payloads.push_back(std::move(*payload));
        type = frame->next;
    }
    if (in.remaining() != 0) return Unexpected(ParseError{"bytes are left behind the last payload"});
    return payloads;
}

PayloadChain emit_payloads(std::span<const Payload> payloads) {
    ByteWriter out;
    for (std::size_t i = 0; i < payloads.size(); ++i) {
        const PayloadType next = i + 1 < payloads.size() ? type_of(payloads[i + 1]) : PayloadType::none;
        const std::size_t start = out.size();
        out.u8(raw(next)).u8(0).u16(0);
        std::visit(
            [&out](const auto& p) {
                if constexpr (std::is_same_v<std::remove_cvref_t<decltype(p)>, OtherPayload>)
                    out.bytes(p.data);
                else
                    p.emit(out);
            },
            payloads[i]);
        const std::size_t size = out.size() - start;
        if (size > 0xffff) throw std::length_error("an IKE payload of more than 65,535 bytes");
        out.patch_u16(start + 2, static_cast<std::uint16_t>(size));
    }
    const PayloadType first = payloads.empty() ? PayloadType::none : type_of(payloads.front());
    return {first, std::move(out).take()};
}

std::vector<std::uint8_t> emit_message(const Header& header, std::span<const Payload> payloads) {
    const PayloadChain chain = emit_payloads(payloads);
    ByteWriter out;
    header.emit(out, chain.first, chain.bytes.size());
    out.bytes(chain.bytes);
    return std::move(out).take();
}

const NotifyPayload* find_error(std::span<const Payload> payloads) noexcept {
    for (const Payload& payload : payloads)
        if (const auto* notify = std::get_if<NotifyPayload>(&payload);
            notify != nullptr && is_error(notify->type))
            return notify;
    return nullptr;
}

std::string text_of(std::span<const Payload> payloads) {
    std::string out;
    for (const Payload& payload : payloads) {
        if (!out.empty()) out += ", ";
        const auto* notify = std::get_if<NotifyPayload>(&payload);
        out += notify != nullptr ? "N(" + name_of(notify->type) + ")" : name_of(type_of(payload));
    }
    return out.empty() ? "nothing" : out;
}

}  // namespace isthmus::crypto::ike
