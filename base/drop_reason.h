// Every way a packet can die, by name. A drop is counted under one of these and never logged.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace isthmus {

// clang-format off
// X(name, what it means, in words for people)
#define ISTHMUS_DROP_REASONS(X)                                                                                  \
    /* LAN side */                                                                                               \
    X(malformed_frame,          "frame shorter than an Ethernet header, or tags run past its end")               \
    X(vlan_not_allowed,         "VLAN not in the session's allow-list")                                          \
    X(untagged_not_allowed,     "untagged frame on a session that carries tagged VLANs only")                    \
    X(link_local_protocol,      "BPDU, LACP, pause, EAPOL, LLDP, CDP and kin: never cross the tunnel")           \
    X(storm_limit,              "broadcast, unknown unicast or multicast over the session's limit")              \
    X(exceeds_path_mtu,         "encapsulated packet would be larger than the path MTU")                         \
    X(bad_offload_header,       "offload header of the TAP describes something other than the frame")            \
    X(session_down,             "session is not up")                                                             \
    X(port_blocked,             "port or VLAN not opened yet")                                                   \
    X(vlan_bum_blocked,         "flooded frame in a VLAN that has a loop")                                       \
    X(vlan_suspended,           "VLAN suspended by the guard: it has a loop, or a sibling carries it")           \
    X(gateway_isolation,        "a gateway's frame, in a VLAN that has one in each site")                        \
    X(mac_limit,                "new host beyond the limit of its VLAN or session")                              \
    X(circling_unicast,         "unicast frame that came round in a loop, again and again")                        \
    X(flooded_copy,             "flooded frame that was here already by another way: there is a loop")             \
    X(guard_frame,              "message of the peer's guard, or loop probe of ours: its work is done")          \
    /* L2TPv3 */                                                                                                 \
    X(l2tp_truncated,           "packet ends inside the L2TPv3 header")                                          \
    X(l2tp_bad_version,         "version field of the L2TP header is not 3")                                     \
    X(l2tp_unknown_session,     "Session ID that no session receives with")                                      \
    X(l2tp_wrong_peer,          "Session ID of another peer's tunnel")                                           \
    X(l2tp_bad_cookie,          "cookie differs from the one we assigned")                                       \
    X(l2tp_sequence_missing,    "unsequenced packet on a session that demands sequence numbers")                 \
    X(l2tp_out_of_sequence,     "sequence number older than or ahead of what was expected")                      \
    X(l2tp_bad_channel,         "message of the pseudowire's channel without its word, or of another version")          \
    X(l2tp_no_frame,            "no complete Ethernet header after the L2TPv3 header")                           \
    X(l2tp_missing_tag,         "frame without a tag on an Ethernet VLAN pseudowire")                            \
    X(inner_udp_malformed,      "UDP header inside ESP: wrong length or ports")                                  \
    X(inner_udp_bad_checksum,   "UDP checksum inside ESP is wrong")                                              \
    X(inner_ip_malformed,       "IP header inside tunnel-mode ESP: wrong version, length or address")            \
    X(inner_protocol,           "next header inside ESP is not what this tunnel carries")                        \
    X(ecn_congestion,           "marked by congestion on the way, but what is inside has no ECN (RFC 6040)")       \
    X(clear_packet_refused,     "unprotected L2TP packet for a tunnel that is protected by ESP")                 \
    /* ESP */                                                                                                    \
    X(esp_truncated,            "packet shorter than an ESP header, IV and ICV, or not a whole number of blocks") \
    X(esp_unknown_spi,          "SPI of no inbound SA")                                                          \
    X(esp_replayed,             "sequence number already seen")                                                  \
    X(esp_outside_window,       "sequence number older than the anti-replay window")                             \
    X(esp_bad_icv,              "integrity check failed: altered, or another key")                               \
    X(esp_bad_padding,          "padding is not 1, 2, 3, ... or longer than the packet")                         \
    X(esp_dummy,                "dummy packet (next header 59), as RFC 4303 section 2.6 has it dropped")         \
    X(esp_sequence_exhausted,   "outbound SA has used its last sequence number")                                 \
    X(esp_not_reserved,         "no sequence numbers reserved on disk for this manually keyed SA")               \
    X(esp_no_sa,                "no outbound SA: the tunnel is protected but has no keys yet")                   \
    X(esp_sa_expired,           "SA past its hard lifetime")                                                     \
    X(esp_internal,             "cryptographic provider refused the operation")                                  \
    /* sockets, rings, memory */                                                                                 \
    X(nat_keepalive,            "NAT keepalive (one byte 0xff): its work is done")                               \
    X(punt_overflow,            "ring to the control thread is full")                                            \
    X(not_for_us,               "packet from or to an address that no tunnel uses")                              \
    X(receive_truncated,        "datagram larger than the receive buffer")                                       \
    X(no_buffer,                "packet pool is empty")                                                          \
    X(send_refused,             "kernel refused the send: no route, interface down or not permitted")            \
    X(send_queue_full,          "socket's send buffer is full")                                                  \
    X(tap_refused,              "kernel refused the write to the TAP: it is down")
// clang-format on

enum class DropReason : std::uint8_t {
    none,  ///< not dropped
#define X(name, text) name,
    ISTHMUS_DROP_REASONS(X)
#undef X
};

#define X(name, text) +1  // NOLINT(bugprone-macro-parentheses)
inline constexpr std::size_t kDropReasonCount = 1 ISTHMUS_DROP_REASONS(X);
#undef X

/// The reason's name, as in status output and metrics.
[[nodiscard]] constexpr std::string_view name_of(DropReason reason) noexcept {
    constexpr std::array<std::string_view, kDropReasonCount> kNames{"none",
#define X(name, text) #name,
                                                                    ISTHMUS_DROP_REASONS(X)
#undef X
    };
    return kNames[static_cast<std::size_t>(reason)];
}

/// One phrase for people.
[[nodiscard]] constexpr std::string_view explain(DropReason reason) noexcept {
    constexpr std::array<std::string_view, kDropReasonCount> kTexts{"not dropped",
#define X(name, text) text,
                                                                    ISTHMUS_DROP_REASONS(X)
#undef X
    };
    return kTexts[static_cast<std::size_t>(reason)];
}

}  // namespace isthmus
