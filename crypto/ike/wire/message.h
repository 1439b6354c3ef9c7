// An IKE message: its header and its payloads, each behind a generic payload header (RFC 7296 section 3.2), and where its
// encrypted part begins (RFC 7296 section 3.14, RFC 7383 section 2.5).
//
//   0                   1                   2                   3
//   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//  | Next Payload  |C|  RESERVED   |         Payload Length        |   before every payload
//  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//  |        Fragment Number        |        Total Fragments        |   SKF only
//  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//  ~   Initialization Vector, then Encrypted Content, then ICV     ~   SK and SKF: sk_cipher.h
//  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//
// A parser's memory is bounded by the datagram: at most kMaxPayloads payloads, whose contents are copied once.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/ike/wire/auth_payload.h"
#include "crypto/ike/wire/certificate_payload.h"
#include "crypto/ike/wire/delete_payload.h"
#include "crypto/ike/wire/header.h"
#include "crypto/ike/wire/identification_payload.h"
#include "crypto/ike/wire/key_exchange_payload.h"
#include "crypto/ike/wire/nonce_payload.h"
#include "crypto/ike/wire/notify_payload.h"
#include "crypto/ike/wire/parse_error.h"
#include "crypto/ike/wire/security_association.h"
#include "crypto/ike/wire/traffic_selector.h"

namespace isthmus::crypto::ike {

/// More than a chain of certificates and every notification that exists.
inline constexpr std::size_t kMaxPayloads = 100;
inline constexpr std::size_t kPayloadHeaderSize = 4;
inline constexpr std::size_t kFragmentHeaderSize = 4;

/// A payload that is understood but not used (CP, EAP), or not understood and not critical.
struct OtherPayload {
    PayloadType type{};
    std::vector<std::uint8_t> data;
    friend bool operator==(const OtherPayload&, const OtherPayload&) = default;
};

using Payload =
    std::variant<SaPayload, KeyExchangePayload, IdInitiatorPayload, IdResponderPayload, CertificatePayload,
                 CertificateRequestPayload, AuthPayload, NoncePayload, NotifyPayload, DeletePayload,
                 VendorIdPayload, TsInitiatorPayload, TsResponderPayload, OtherPayload>;
[[nodiscard]] PayloadType type_of(const Payload& payload) noexcept;

/// The generic and, in an SKF, the fragment header of the encrypted payload.
struct EncryptedPart {
    struct Fragment {
        std::uint16_t number = 0;  ///< from 1 to total
        std::uint16_t total = 0;
        friend bool operator==(const Fragment&, const Fragment&) = default;
    };
    PayloadType first_inner = PayloadType::none;  ///< none: empty, or a fragment that is not the first
    std::optional<Fragment> fragment;             ///< SKF
    std::size_t offset =
        0;  ///< of the IV in the datagram: all before it is authenticated, all from it is IV, text, ICV
};

struct Message {
    Header header;
    std::vector<Payload> payloads;           ///< those in clear
    std::optional<EncryptedPart> encrypted;  ///< open it with SkCipher; its payloads: parse_payloads()
};

/// Reads a whole datagram (without the four zero bytes of port 4500).
[[nodiscard]] Result<Message, ParseError> parse_message(Bytes datagram);

/// Reads the decrypted content of an encrypted part. An encrypted payload in it is an error.
[[nodiscard]] Result<std::vector<Payload>, ParseError> parse_payloads(PayloadType first, Bytes in);

/// Payloads in a row, each with its generic header, and the first one's type for whatever goes in front.
struct PayloadChain {
    PayloadType first = PayloadType::none;
    std::vector<std::uint8_t> bytes;
};
/// A payload of more than 65,531 bytes is our own bug and throws std::length_error.
[[nodiscard]] PayloadChain emit_payloads(std::span<const Payload> payloads);

/// A message in clear: IKE_SA_INIT, and unprotected notifications.
[[nodiscard]] std::vector<std::uint8_t> emit_message(const Header& header, std::span<const Payload> payloads);

// What is in a list of payloads. Pointers live as long as the list.

template <class T>
[[nodiscard]] const T* find(std::span<const Payload> payloads) noexcept {
    for (const Payload& payload : payloads)
        if (const T* found = std::get_if<T>(&payload)) return found;
    return nullptr;
}
[[nodiscard]] inline const NotifyPayload* find_notify(std::span<const Payload> payloads,
                                                      NotifyType type) noexcept {
    for (const Payload& payload : payloads)
        if (const auto* notify = std::get_if<NotifyPayload>(&payload);
            notify != nullptr && notify->type == type)
            return notify;
    return nullptr;
}
/// The first notification that is an error.
[[nodiscard]] const NotifyPayload* find_error(std::span<const Payload> payloads) noexcept;

/// "SA, KE, Nonce, N(COOKIE)": for logs.
[[nodiscard]] std::string text_of(std::span<const Payload> payloads);

}  // namespace isthmus::crypto::ike
