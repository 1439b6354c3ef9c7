// What an L2TPv3 tunnel and its sessions are made of (RFC 3931, RFC 4719).
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "base/address.h"
#include "base/ids.h"

namespace isthmus::tunnel {

/// RFC 3931 section 4.1.1 (IP protocol 115) and 4.1.2 (UDP).
enum class Encapsulation : std::uint8_t { udp, ip };

/// RFC 3931 section 4.6: nothing, or the four-byte Default L2-Specific Sublayer.
enum class Sublayer : std::uint8_t { none, standard };

/// What a receiver does with sequence numbers (RFC 3931 section 4.6.1).
enum class ReceiveSequencing : std::uint8_t { ignore, drop_out_of_order };

/// IANA L2TPv3 pseudowire types (RFC 4719 section 3).
enum class PseudowireType : std::uint16_t { ethernet_vlan = 4, ethernet = 5 };

/// 0, 4 or 8 bytes (RFC 3931 section 4.1), in wire order.
struct Cookie {
    std::array<std::uint8_t, 8> bytes{};
    std::uint8_t size = 0;
    [[nodiscard]] Bytes view() const noexcept { return {bytes.data(), size}; }
    /// Bytes past `size` must be 0.
    friend bool operator==(const Cookie&, const Cookie&) = default;
};

/// A pseudowire. "local" is what we receive with, "remote" what we send with.
struct SessionOptions {
    SessionId local_id{};
    SessionId remote_id{};
    Cookie local_cookie;   ///< expected in what we receive; we assigned it
    Cookie remote_cookie;  ///< put into what we send; the peer assigned it
    Sublayer receive_sublayer = Sublayer::none;
    Sublayer send_sublayer = Sublayer::none;
    bool send_sequence = false;  ///< needs send_sublayer standard
    ReceiveSequencing receive_sequencing =
        ReceiveSequencing::ignore;  ///< dropping needs receive_sublayer standard
    PseudowireType type = PseudowireType::ethernet;
    /// One-VLAN session: on our side frames carry this 802.1Q tag. On the wire they carry none (ethernet) or
    /// one whose VID each receiver replaces by its own (ethernet_vlan).
    std::optional<VlanId> access_vlan;
    /// Whether the channel of tunnel/vccv.h is used, both ways. In a direction without sublayer it needs a cookie.
    bool channel = false;
    friend bool operator==(const SessionOptions&, const SessionOptions&) = default;
};

/// How outer DSCP is chosen for data.
enum class DscpPolicy : std::uint8_t { none, from_pcp, copy_inner };

/// What becomes of ECN on the way in (RFC 6040 section 4.1). `normal` copies the inner field to the outer
/// header, for peers that bring congestion marks back to the inner header, as we do. `compatibility` sends
/// Not-ECT, for peers that would lose marks (the Linux kernel's l2tp_eth does).
enum class EcnMode : std::uint8_t { normal, compatibility };

/// One peer and the encapsulation towards it.
struct TunnelOptions {
    Encapsulation encapsulation = Encapsulation::udp;
    IpAddress local;
    IpAddress remote;
    std::uint16_t local_port = 1701;  ///< encapsulation udp only
    std::uint16_t remote_port = 1701;
    ControlConnectionId local_id{};
    ControlConnectionId remote_id{};
    DscpPolicy dscp = DscpPolicy::none;
    EcnMode ecn = EcnMode::normal;
    std::uint8_t control_dscp = 48;  ///< CS6: routing and control (RFC 4594 section 3.1)
    friend bool operator==(const TunnelOptions&, const TunnelOptions&) = default;
};

}  // namespace isthmus::tunnel
