// DSCP and ECN between the inner frame and the outer IP header.
//
// The traffic class (IPv4: type of service) of an IP header, RFC 2474 section 3 and RFC 3168 section 5:
//
//     0   1   2   3   4   5   6   7
//   +---+---+---+---+---+---+---+---+
//   |         DSCP          |  ECN  |      ECN: 00 Not-ECT, 01 ECT(1), 10 ECT(0), 11 CE
//   +---+---+---+---+---+---+---+---+
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "tunnel/options.h"

namespace isthmus::tunnel {

enum class Ecn : std::uint8_t { not_ect = 0, ect1 = 1, ect0 = 2, ce = 3 };

[[nodiscard]] constexpr Ecn ecn_of(std::uint8_t traffic_class) noexcept {
    return Ecn{static_cast<std::uint8_t>(traffic_class & 3)};
}

/// The ECN field that leaves the tunnel (RFC 6040 section 4.2, figure 4); nullopt: the packet must be
/// dropped.
[[nodiscard]] constexpr std::optional<Ecn> combine_ecn(Ecn inner, Ecn outer) noexcept {
    if (inner == Ecn::not_ect) {
        if (outer == Ecn::ce) return std::nullopt;
        return inner;
    }
    if (outer == Ecn::ce) return outer;
    if (inner == Ecn::ect0 && outer == Ecn::ect1) return outer;
    return inner;
}

/// The outer traffic class for a frame about to enter a tunnel. IPv4 and IPv6 are found behind up to two
/// tags. from_pcp maps priority p of the outermost tag to Class Selector p (RFC 2474 section 4.2.2); no tag,
/// CS0. copy_inner without an IP header gives DSCP 0; ECN without one is Not-ECT.
[[nodiscard]] std::uint8_t outer_traffic_class(Bytes frame, DscpPolicy dscp, EcnMode ecn) noexcept;

/// Brings the outer header's congestion mark into the frame that leaves a tunnel (RFC 6040 section 4.2); an
/// IPv4 header's checksum is adjusted (RFC 1624). A frame without an IP header counts as Not-ECT. False: the
/// frame must be dropped.
[[nodiscard]] bool apply_outer_ecn(MutableBytes frame, std::uint8_t outer_traffic_class) noexcept;

/// Sets the ECN field of an IPv4 header and adjusts its checksum. At least 20 bytes.
void set_ipv4_ecn(std::uint8_t* header, Ecn ecn) noexcept;
/// Sets the ECN field of an IPv6 header. At least 2 bytes.
void set_ipv6_ecn(std::uint8_t* header, Ecn ecn) noexcept;

}  // namespace isthmus::tunnel
