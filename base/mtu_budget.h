// Where the bytes of an outer packet go, and so the largest frame that fits.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace isthmus {

/// What ESP adds (RFC 4303 section 2), as plain numbers.
struct EspOverhead {
    bool in_udp = true;       ///< UDP header of RFC 3948 in front
    std::uint32_t iv = 8;     ///< bytes of IV in each packet
    std::uint32_t block = 4;  ///< payload, padding and trailer fill whole blocks of so many bytes; at least 4
    std::uint32_t icv = 16;   ///< integrity check value
    bool tunnel_mode = false;  ///< an IP header inside
    bool inner_v6 = false;     ///< ... is IPv6's; tunnel mode only
};

struct MtuBudgetInput {
    std::uint32_t path_mtu = 1500;  ///< largest outer IP packet, its header included
    bool outer_v6 = false;
    std::optional<EspOverhead> esp;
    bool l2tp_over_udp = true;  ///< or over IP protocol 115
    std::uint32_t cookie = 0;   ///< bytes of cookie in what we send
    bool sublayer = false;      ///< Default L2-Specific Sublayer in what we send
    std::uint32_t tags = 0;     ///< 802.1Q tags of frames inside the tunnel
};

struct MtuLine {
    std::string what;
    std::uint32_t bytes = 0;
    friend bool operator==(const MtuLine&, const MtuLine&) = default;
};

/// The lines from the outside in, and ip_mtu, sum up to path_mtu (unless path_mtu is too small for the headers).
struct MtuBudget {
    std::vector<MtuLine> lines;
    std::uint32_t max_frame =
        0;  ///< largest Ethernet frame in the tunnel, header and tags included; 0: none fits
    std::uint32_t ip_mtu = 0;  ///< largest IP packet in such a frame
};

[[nodiscard]] MtuBudget mtu_budget(const MtuBudgetInput& input);

}  // namespace isthmus
