// The Notify payload (RFC 7296 section 3.10).
//
//   0                   1                   2                   3
//   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//  |  Protocol ID  |   SPI Size    |      Notify Message Type      |
//  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//  ~                Security Parameter Index (SPI)                 ~
//  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//  ~                       Notification Data                       ~
//  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/ike/wire/any_spi.h"
#include "crypto/ike/wire/numbers.h"

namespace isthmus::crypto::ike {

struct NotifyPayload {
    static constexpr PayloadType kType = PayloadType::notify;
    NotifyType type{};
    std::vector<std::uint8_t> data{};
    ProtocolId protocol = ProtocolId::none;  ///< none unless there is an SPI
    AnySpi spi{};                            ///< of REKEY_SA and CHILD_SA_NOT_FOUND

    [[nodiscard]] static Result<NotifyPayload, std::string> parse(Bytes body);
    void emit(ByteWriter& out) const;
    friend bool operator==(const NotifyPayload&, const NotifyPayload&) = default;
};

// The notifications whose data has a shape. Those that read return nullopt if the data is not of that shape.

/// INVALID_KE_PAYLOAD: the group that the responder wants.
[[nodiscard]] NotifyPayload invalid_ke_notify(std::uint16_t wanted_group);
[[nodiscard]] std::optional<std::uint16_t> wanted_group_in(const NotifyPayload& notify);
/// SIGNATURE_HASH_ALGORITHMS (RFC 7427 section 4): those of ours that are in it; unlisted ones are passed over.
[[nodiscard]] NotifyPayload signature_hashes_notify(std::span<const SignatureHash> hashes);
[[nodiscard]] std::vector<SignatureHash> signature_hashes_in(const NotifyPayload& notify);
/// UNSUPPORTED_CRITICAL_PAYLOAD names the payload's type; INVALID_SYNTAX and INVALID_MAJOR_VERSION carry nothing we send.
[[nodiscard]] NotifyPayload unsupported_critical_notify(std::uint8_t payload_type);
/// REKEY_SA: the SPI that the sender of the request expects in what it receives (RFC 7296 section 1.3.3).
[[nodiscard]] NotifyPayload rekey_notify(Spi spi);
/// CHILD_SA_NOT_FOUND, with the SPI of the REKEY_SA that it answers.
[[nodiscard]] NotifyPayload child_not_found_notify(Spi spi);
/// INVALID_SPI outside an IKE SA: the SPI is in the data, the protocol field is zero (RFC 7296 section 3.10.1).
[[nodiscard]] NotifyPayload invalid_spi_notify(Spi spi);
[[nodiscard]] std::optional<Spi> unknown_spi_in(const NotifyPayload& notify);
/// PPK_IDENTITY (RFC 8784 section 3): a type byte (2: fixed) and the identity.
[[nodiscard]] NotifyPayload ppk_identity_notify(Bytes ppk_id);
[[nodiscard]] std::optional<Bytes> ppk_identity_in(const NotifyPayload& notify);

}  // namespace isthmus::crypto::ike
