// What the guard needs to know of a frame, found in one pass over its headers.
//
// Link-local protocols are those that speak between two neighbouring bridges or stations. They are known by
// destination or by content, behind any of 0 to 2 tags:
//   01:80:c2:00:00:00 to :0f   IEEE 802.1Q-2018 table 8-1: bridge group address, pause, LACP, EAPOL, LLDP, ..., all 16
//   01:80:c2:00:00:20 to :2f   table 10-1: MMRP, MVRP, GMRP, GVRP. They extend one site's VLAN and multicast registrations
//                              into the other's trunks, along a spanning tree that ends here
//   LLC 42 42 03               a BPDU, to whatever address
//   SNAP 00000c                PVST+, CDP, VTP, DTP, PAgP, UDLD, VLAN-bridge STP, UplinkFast
//   01:00:0c:cc:cc:cc, :cd     the addresses of these
//   01:00:0c:cd:cd:cd, :ce, :d0   UplinkFast, VLAN bridge, tunnelled BPDUs
//   01:00:0c:00:00:*, 03:...   ISL trunks
//   types 8808 8809 888e 88cc 88f5 88f6   pause, slow protocols (LACP, marker, OAM), EAPOL, LLDP, MVRP, MMRP
//   EDP, EAPS, FDP, SONMP      other makers' discovery and ring protocols, by their addresses
// Everything else is the customers' own, whether IP or not: IS-IS, CFM, CGMP, PTP, IPX, NetBEUI.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/bytes.h"
#include "stp-guard/storm_limits.h"

namespace isthmus::stp_guard {

// clang-format off
// X(name): as in status output and metrics.
#define ISTHMUS_LINK_LOCAL_KINDS(X)                                                                       \
    X(stp_config)    /* 802.1D configuration BPDU */                                                      \
    X(stp_tcn)       /* 802.1D topology change notification */                                            \
    X(rstp)          /* RST BPDU */                                                                       \
    X(mstp)          /* MST BPDU, and SPT BPDU */                                                         \
    X(bpdu_other)    /* LLC or address of a BPDU, but no known type */                                    \
    X(pvst)          /* Cisco PVST+ and Rapid PVST+ */                                                    \
    X(cdp) X(vtp) X(dtp) X(pagp) X(udld)                                                                  \
    X(cisco_other)   /* any other frame to Cisco's link-local addresses, and ISL */                       \
    X(lacp)                                                                                               \
    X(slow_other)    /* marker, OAM, OSSP */                                                              \
    X(mac_control)   /* pause, priority flow control */                                                   \
    X(eapol)                                                                                              \
    X(lldp)                                                                                               \
    X(mrp)           /* MVRP, MMRP, GVRP, GMRP */                                                         \
    X(vendor)        /* EDP, EAPS, FDP, SONMP */                                                          \
    X(reserved_address)  /* 01:80:c2:00:00:0X with none of the above inside */
// clang-format on

enum class LinkLocalKind : std::uint8_t {
    none,
#define X(name) name,
    ISTHMUS_LINK_LOCAL_KINDS(X)
#undef X
};
#define X(name) +1  // NOLINT(bugprone-macro-parentheses)
inline constexpr std::size_t kLinkLocalKindCount = 1 ISTHMUS_LINK_LOCAL_KINDS(X);
#undef X

[[nodiscard]] constexpr std::string_view name_of(LinkLocalKind kind) noexcept {
    constexpr std::array<std::string_view, kLinkLocalKindCount> kNames{"none",
#define X(name) #name,
                                                                       ISTHMUS_LINK_LOCAL_KINDS(X)
#undef X
    };
    return kNames[static_cast<std::size_t>(kind)];
}

/// A spanning tree's own frames.
[[nodiscard]] constexpr bool is_bpdu(LinkLocalKind kind) noexcept {
    return kind >= LinkLocalKind::stp_config && kind <= LinkLocalKind::pvst;
}

enum class Cast : std::uint8_t { unicast, multicast, broadcast };

// clang-format off
// X(name): what is inside, as far as the guard treats it in its own way.
#define ISTHMUS_FRAME_PROTOCOLS(X)                                                                        \
    X(other)                                                                                              \
    X(arp)                      /* RFC 826 */                                                             \
    X(rarp)                     /* RFC 903: hypervisors announce moved machines with it */                \
    X(neighbor_solicitation)    /* RFC 4861 */                                                            \
    X(neighbor_advertisement)                                                                             \
    X(router_solicitation)                                                                                \
    X(router_advertisement)                                                                               \
    X(dhcp_client)              /* UDP 68 to 67, 546 to 547 */                                            \
    X(dhcp_server)              /* UDP 67 to 68, 547 to 546 */                                            \
    X(igmp_query)               /* RFC 3376 section 4.1 */                                                \
    X(mld_query)                /* RFC 3810 section 5.1 */                                                \
    X(hsrp)                     /* RFC 2281: UDP 1985, for IPv6 2029, to a group */                       \
    X(vrrp)                     /* RFC 5798: IP protocol 112; CARP is the same */                         \
    X(glbp)                     /* UDP 3222 to a group */                                                 \
    X(loop_probe)               /* the guard's own, guard_frame.h */                                      \
    X(guard_message)            /* the same */
// clang-format on

enum class FrameProtocol : std::uint8_t {
#define X(name) name,
    ISTHMUS_FRAME_PROTOCOLS(X)
#undef X
};
#define X(name) +1  // NOLINT(bugprone-macro-parentheses)
inline constexpr std::size_t kFrameProtocolCount = 0 ISTHMUS_FRAME_PROTOCOLS(X);
#undef X
[[nodiscard]] constexpr std::string_view name_of(FrameProtocol protocol) noexcept {
    constexpr std::array<std::string_view, kFrameProtocolCount> kNames{
#define X(name) #name,
        ISTHMUS_FRAME_PROTOCOLS(X)
#undef X
    };
    return kNames[static_cast<std::size_t>(protocol)];
}

/// Whose virtual MAC a frame comes from.
enum class VirtualMac : std::uint8_t { none, hsrp, vrrp, glbp };

struct FrameClass {
    bool malformed = false;  ///< ends inside its Ethernet header or tags; nothing else is known then
    LinkLocalKind link_local = LinkLocalKind::none;
    Cast cast = Cast::unicast;
    FrameProtocol protocol = FrameProtocol::other;
    VirtualMac virtual_source = VirtualMac::none;
    bool to_local_group = false;  ///< IP to 224.0.0.0/24 or ff02::/16
    /// Of the outermost tag; 0: untagged, or tagged for priority only (IEEE 802.1Q-2018 section 6.9.1).
    std::uint16_t vid = 0;
    std::uint16_t payload_offset = 0;  ///< of what follows the type or length
};

[[nodiscard]] FrameClass classify(Bytes frame) noexcept;

/// Where it is counted if it is flooded.
[[nodiscard]] constexpr StormClass storm_class_of(const FrameClass& frame) noexcept {
    switch (frame.protocol) {
        case FrameProtocol::arp:
        case FrameProtocol::rarp:
        case FrameProtocol::neighbor_solicitation:
        case FrameProtocol::neighbor_advertisement:
        case FrameProtocol::dhcp_client: return StormClass::address_resolution;
        default: break;
    }
    if (frame.cast == Cast::unicast) return StormClass::unknown_unicast;
    if (frame.cast == Cast::broadcast) return StormClass::broadcast;
    return frame.to_local_group ? StormClass::local_multicast : StormClass::multicast;
}

}  // namespace isthmus::stp_guard
