// What a datagram on UDP port 4500 is (RFC 3948 section 2).
//
//   ESP:         | SPI (never 0) | sequence number | ...
//   IKE:         | 0 0 0 0       | IKE message ...           the non-ESP marker comes off
//   keepalive:   | 0xff |
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bytes.h"

namespace isthmus::crypto::esp {

enum class Udp4500Kind : std::uint8_t {
    esp,
    ike,        ///< behind kNonEspMarkerSize bytes: for the control thread
    keepalive,  ///< its work is done: drop as nat_keepalive
    runt,       ///< none of these, too short to be ESP: drop as esp_truncated
};

inline constexpr std::size_t kNonEspMarkerSize = 4;
inline constexpr std::uint8_t kNatKeepalive = 0xff;

[[nodiscard]] constexpr Udp4500Kind classify_udp4500(Bytes datagram) noexcept {
    if (datagram.size() == 1 && datagram[0] == kNatKeepalive) return Udp4500Kind::keepalive;
    if (datagram.size() < kNonEspMarkerSize) return Udp4500Kind::runt;
    return load_be32(datagram.data()) == 0 ? Udp4500Kind::ike : Udp4500Kind::esp;
}

}  // namespace isthmus::crypto::esp
