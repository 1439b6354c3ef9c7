// What a customer's frame carries, as far as the guard treats it in its own way. Part of classify().
#pragma once

#include <cstdint>

#include "base/address.h"
#include "base/bytes.h"
#include "stp-guard/frame_class.h"

namespace isthmus::stp_guard {

struct ProtocolClass {
    FrameProtocol protocol = FrameProtocol::other;
    bool to_local_group = false;
};

/// `payload` follows the EtherType. A packet that is cut off, or is not a first fragment, is `other`.
[[nodiscard]] ProtocolClass protocol_of(std::uint16_t type, Bytes payload, bool to_group) noexcept;

/// HSRP 00:00:0c:07:ac:*, 00:00:0c:9f:f*:*, 00:05:73:a0:0*:*; VRRP 00:00:5e:00:01:*, :02:*; GLBP 00:07:b4:00:*:*
/// (RFC 2281 section 6, RFC 5798 section 7.3).
[[nodiscard]] VirtualMac virtual_mac_of(const MacAddress& source) noexcept;

/// Where the upper layer begins in an IPv6 packet, past up to eight extension headers (RFC 8200 section 4).
struct UpperLayer {
    std::uint8_t protocol = 59;  ///< 59: none that can be read
    std::size_t offset = 0;
};
[[nodiscard]] UpperLayer upper_layer_of_ipv6(Bytes packet) noexcept;

}  // namespace isthmus::stp_guard
