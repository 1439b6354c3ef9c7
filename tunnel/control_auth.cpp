#include "tunnel/control_auth.h"

#include <algorithm>

namespace isthmus::tunnel {

namespace {

constexpr std::uint8_t kHidingLabel = 1;          // RFC 3931 section 5.3
constexpr std::uint8_t kAuthenticationLabel = 2;  // RFC 3931 section 5.4.1
constexpr std::size_t kMaxDigests = 2;

constexpr std::size_t digest_size(DigestType type) noexcept {
    return type == DigestType::hmac_md5 ? 16 : 20;
}

std::optional<DigestType> digest_type_of(Bytes value) noexcept {
    if (value.size() == 1 + digest_size(DigestType::hmac_md5) && value[0] == 0) return DigestType::hmac_md5;
    if (value.size() == 1 + digest_size(DigestType::hmac_sha1) && value[0] == 1) return DigestType::hmac_sha1;
    return std::nullopt;
}

/// What verify() needs of a message before it may believe anything.
struct Outline {
    MessageType type{};
    std::vector<std::uint8_t> message;  ///< digests zeroed
    std::vector<Bytes> digests;         ///< type and digest, into the original
    Bytes nonce;
};

bool is_message_type(const AvpView& avp) noexcept {
    return avp.key == avp::kMessageType && !avp.hidden && avp.value.size() == 2;
}

std::optional<Outline> outline_of(const ControlPacket& packet) {
    AvpReader reader(packet.body);
    if (reader.done()) return std::nullopt;
    const auto first = reader.next();
    // A vendor's own message types have digests as well (section 5.4.1).
    if (!first || first->key.type != avp::kMessageType.type || first->hidden) return std::nullopt;
    Outline out;
    if (is_message_type(*first)) out.type = MessageType{load_be16(first->value.data())};
    out.message.assign(packet.message.begin(), packet.message.end());
    bool leading = true;
    while (!reader.done()) {
        const auto avp = reader.next();
        if (!avp) return std::nullopt;
        leading =
            leading && avp->key == avp::kMessageDigest && !avp->hidden && out.digests.size() < kMaxDigests;
        if (leading && !avp->value.empty()) {
            out.digests.push_back(avp->value);
            const auto at = static_cast<std::size_t>(avp->value.data() - packet.message.data());
            std::fill_n(out.message.begin() + static_cast<std::ptrdiff_t>(at) + 1, avp->value.size() - 1, 0);
        }
        if (avp->key == avp::kNonce && !avp->hidden && out.nonce.empty()) out.nonce = avp->value;
    }
    return out;
}

std::vector<std::uint8_t> whole(const ControlHeader& header, std::initializer_list<Bytes> parts) {
    std::size_t size = 0;
    for (const Bytes part : parts) size += part.size();
    std::vector<std::uint8_t> out(kControlHeaderSize);
    out.reserve(kControlHeaderSize + size);
    header.emit(out.data(), size);
    for (const Bytes part : parts) out.insert(out.end(), part.begin(), part.end());
    return out;
}

}  // namespace

std::string_view name_of(AuthFailure failure) noexcept {
    switch (failure) {
        case AuthFailure::no_digest: return "no Message Digest where one is demanded";
        case AuthFailure::wrong_digest: return "the Message Digest fits no shared secret";
        case AuthFailure::unreadable: return "malformed before it could be authenticated";
    }
    return "";
}

ControlKeys::ControlKeys(std::shared_ptr<const ControlDigest> digest, const std::vector<SecretBytes>& secrets)
    : digest_(std::move(digest)) {
    for (const SecretBytes& secret : secrets) {
        const auto derive = [&](const std::uint8_t& label) {
            return SecretBytes(digest_->hmac_md5(secret.reveal(), {Bytes(&label, 1)}));
        };
        keys_.push_back({derive(kAuthenticationLabel), derive(kHidingLabel)});
    }
}

bool ControlAuth::change_keys(std::shared_ptr<const ControlKeys> keys) {
    for (std::size_t i = 0; i < keys->size(); ++i) {
        if (!equal_constant_time(keys->authentication_key(i), keys_->authentication_key(preferred_)))
            continue;
        keys_ = std::move(keys);
        preferred_ = i;
        return true;
    }
    return false;
}

std::vector<std::uint8_t> ControlAuth::digest(DigestType type, std::size_t secret, Bytes first_nonce,
                                              Bytes second_nonce, Bytes message) const {
    const Bytes key = keys_->authentication_key(secret);
    const auto made = [](const auto& array) { return std::vector<std::uint8_t>(array.begin(), array.end()); };
    if (type == DigestType::hmac_md5)
        return made(keys_->digest().hmac_md5(key, {first_nonce, second_nonce, message}));
    return made(keys_->digest().hmac_sha1(key, {first_nonce, second_nonce, message}));
}

std::vector<std::uint8_t> ControlAuth::sign(const ControlHeader& header, Bytes body) const {
    // Zero Length Bodies are not allowed with authentication (section 6.15).
    AvpWriter ack;
    ack.u16(avp::kMessageType, static_cast<std::uint16_t>(MessageType::ack));
    if (body.empty()) body = ack.view();
    const std::size_t type_avp = kAvpHeaderSize + 2;

    AvpWriter digests;
    std::vector<std::uint8_t> empty(1 + digest_size(type_), 0);
    empty[0] = static_cast<std::uint8_t>(type_);
    for (std::size_t i = 0; i < keys_->size(); ++i) digests.add(avp::kMessageDigest, empty);

    auto out = whole(header, {body.first(type_avp), digests.view(), body.subspan(type_avp)});
    const bool is_sccrq =
        load_be16(body.data() + kAvpHeaderSize) == static_cast<std::uint16_t>(MessageType::sccrq);
    std::vector<std::vector<std::uint8_t>> made;
    for (std::size_t i = 0; i < keys_->size(); ++i) {
        const std::size_t secret = (preferred_ + i) % keys_->size();
        made.push_back(is_sccrq ? digest(type_, secret, {}, {}, out)
                                : digest(type_, secret, local_nonce_, remote_nonce_, out));
    }
    std::size_t at = kControlHeaderSize + type_avp;
    for (const auto& value : made) {
        std::ranges::copy(value, out.begin() + static_cast<std::ptrdiff_t>(at + kAvpHeaderSize + 1));
        at += kAvpHeaderSize + 1 + value.size();
    }
    return out;
}

Result<Verified, AuthFailure> ControlAuth::verify(const ControlPacket& packet) const {
    if (packet.body.empty()) return Unexpected(AuthFailure::no_digest);
    const auto outline = outline_of(packet);
    if (!outline) return Unexpected(AuthFailure::unreadable);
    if (outline->digests.empty()) return Unexpected(AuthFailure::no_digest);

    const bool is_sccrq = outline->type == MessageType::sccrq;
    const bool is_sccrp = outline->type == MessageType::sccrp;
    if (is_sccrp && outline->nonce.size() > kMaxNonce) return Unexpected(AuthFailure::unreadable);
    const Bytes theirs = is_sccrq ? Bytes{} : is_sccrp ? outline->nonce : Bytes(remote_nonce_);
    const Bytes ours = is_sccrq ? Bytes{} : Bytes(local_nonce_);

    std::optional<Verified> found;
    for (const Bytes received : outline->digests) {
        const auto type = digest_type_of(received);
        if (!type) continue;
        // All secrets are tried, whichever fits: the time says nothing.
        for (std::size_t secret = 0; secret < keys_->size(); ++secret) {
            const auto expected = digest(*type, secret, theirs, ours, outline->message);
            if (!equal_constant_time(expected, received.subspan(1))) continue;
            if (!found) found = Verified{secret, *type, secret};
            found->best = std::min(found->best, secret);
        }
    }
    if (!found) return Unexpected(AuthFailure::wrong_digest);
    return *found;
}

std::vector<std::uint8_t> plain_message(const ControlHeader& header, Bytes body) {
    return whole(header, {body});
}

std::vector<std::uint8_t> wire_form(Encapsulation encapsulation, std::vector<std::uint8_t> message) {
    if (encapsulation == Encapsulation::ip) message.insert(message.begin(), 4, 0);
    return message;
}

}  // namespace isthmus::tunnel
