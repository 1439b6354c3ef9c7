// The ESP header (RFC 4303 section 2).
//
//    0                   1                   2                   3
//    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//   +---------------------------------------------------------------+
//   |               Security Parameters Index (SPI)                 |  in the clear, authenticated
//   +---------------------------------------------------------------+
//   |          Sequence Number (low 32 bits of an ESN)              |  in the clear, authenticated
//   +---------------------------------------------------------------+
//   |                    IV (8 or 16 bytes)                         |
//   +---------------------------------------------------------------+
//   |                    Payload                                    |  encrypted
//   |               +-----------------------------------------------+  encrypted
//   |               |  Padding: 1, 2, 3, ... (0 to 255 bytes)       |  encrypted
//   |               +               +---------------+---------------+  encrypted
//   |               |               |  Pad Length   |  Next Header  |  encrypted
//   +---------------+---------------+---------------+---------------+
//   |              Integrity Check Value (16 to 32 bytes)           |
//   +---------------------------------------------------------------+
//
// The high 32 bits of an extended sequence number are authenticated but never sent.
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/ids.h"
#include "crypto/esp/suite.h"

namespace isthmus::crypto::esp {

inline constexpr std::uint32_t kLastReservedSpi = 255;
inline constexpr std::uint8_t kNextHeaderIpv4 = 4;
inline constexpr std::uint8_t kNextHeaderIpv6 = 41;
inline constexpr std::uint8_t kNextHeaderDummy = 59;  ///< RFC 4303 section 2.6

struct Header {
    Spi spi{};
    std::uint32_t sequence_low = 0;

    /// nullopt: shorter than 8 bytes.
    [[nodiscard]] static constexpr std::optional<Header> parse(Bytes packet) noexcept {
        if (packet.size() < kHeaderSize) return std::nullopt;
        return Header{Spi{load_be32(packet.data())}, load_be32(packet.data() + 4)};
    }
    /// `out` has at least 8 bytes.
    constexpr void emit(MutableBytes out) const noexcept {
        store_be32(out.data(), raw(spi));
        store_be32(out.data() + 4, sequence_low);
    }
    friend constexpr bool operator==(const Header&, const Header&) = default;
};

}  // namespace isthmus::crypto::esp
