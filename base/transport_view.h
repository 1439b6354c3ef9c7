// Where the IP and the TCP or UDP headers are in an Ethernet frame with up to two tags
// (RFC 791 section 3.1, RFC 8200 section 4, RFC 9293 section 3.1, RFC 768).
#pragma once

#include <cstdint>

#include "base/bytes.h"

namespace isthmus {

inline constexpr std::uint8_t kProtocolTcp = 6;
inline constexpr std::uint8_t kProtocolUdp = 17;
inline constexpr std::size_t kIpv4HeaderSize = 20;
inline constexpr std::size_t kIpv6HeaderSize = 40;
inline constexpr std::size_t kTcpHeaderSize = 20;
inline constexpr std::size_t kUdpHeaderSize = 8;
inline constexpr std::uint16_t kTcpChecksumOffset = 16;
inline constexpr std::uint16_t kUdpChecksumOffset = 6;

/// Offsets are from the frame's start; every header with an offset lies whole inside the frame.
struct TransportView {
    std::uint8_t ip_version = 0;  ///< 4 or 6 by EtherType; 0: not IP, or behind more than two tags
    std::uint8_t protocol =
        0;                  ///< of the upper layer, behind any IPv6 extension headers; valid if l4 is not 0
    bool fragment = false;  ///< a part of a packet: l4 and payload are 0
    std::uint16_t l3 = 0;   ///< the IP header; 0 if not IP
    std::uint16_t l4 =
        0;  ///< what follows the IP headers; 0 if they are unsound, run past the end, or are a fragment's
    std::uint16_t payload = 0;  ///< behind the TCP or UDP header; 0 if there is none or it is unsound
    std::uint32_t end =
        0;  ///< where the packet ends by its own IP length field, which may not be the frame's end

    [[nodiscard]] constexpr bool is_tcp() const noexcept { return payload != 0 && protocol == kProtocolTcp; }
    [[nodiscard]] constexpr bool is_udp() const noexcept { return payload != 0 && protocol == kProtocolUdp; }
    /// IPv4 options or IPv6 extension headers are there.
    [[nodiscard]] constexpr bool has_ip_options() const noexcept {
        return std::size_t{l4} - l3 != (ip_version == 4 ? kIpv4HeaderSize : kIpv6HeaderSize);
    }

    /// Never fails: says how far it got.
    [[nodiscard]] static TransportView of(Bytes frame) noexcept;

    /// Sum of the pseudo header for an upper layer of `length` bytes. There must be an l4.
    [[nodiscard]] std::uint16_t pseudo_sum(Bytes frame, std::uint32_t length) const noexcept;
};

}  // namespace isthmus
