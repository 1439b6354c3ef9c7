// The header of every IKE message (RFC 7296 section 3.1).
//
//   0                   1                   2                   3
//   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//  |                       IKE SA Initiator's SPI                  |
//  |                                                               |
//  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//  |                       IKE SA Responder's SPI                  |
//  |                                                               |
//  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//  |  Next Payload | MjVer | MnVer | Exchange Type |     Flags     |
//  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//  |                          Message ID                           |
//  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//  |                            Length                             |
//  +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
#pragma once

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/ike/wire/numbers.h"
#include "crypto/ike/wire/parse_error.h"

namespace isthmus::crypto::ike {

inline constexpr std::size_t kHeaderSize = 28;
inline constexpr std::size_t kHeaderNextPayloadAt = 16;
inline constexpr std::size_t kHeaderLengthAt = 24;

struct Header {
    IkeSpi initiator_spi{};
    IkeSpi responder_spi{};
    ExchangeType exchange = ExchangeType::ike_sa_init;
    bool from_initiator = false;  ///< by the side that set up this IKE SA (of the latest rekey)
    bool is_response = false;
    bool higher_version = false;  ///< the sender could speak a higher major version
    MessageId message_id{};

    /// The whole datagram, without the four zero bytes of port 4500. Its length field must be the datagram's. The major
    /// version must be 2; that error's `answer` is invalid_major_version.
    [[nodiscard]] static Result<Header, ParseError> parse(Bytes datagram);
    /// 28 bytes; the length field covers the header and `body_size` bytes.
    void emit(ByteWriter& out, PayloadType first, std::size_t body_size) const;

    friend bool operator==(const Header&, const Header&) = default;
};

/// The first payload's type. `datagram` has passed Header::parse().
[[nodiscard]] inline PayloadType first_payload_of(Bytes datagram) noexcept {
    return PayloadType{datagram[kHeaderNextPayloadAt]};
}

}  // namespace isthmus::crypto::ike
