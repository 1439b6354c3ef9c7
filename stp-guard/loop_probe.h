// Loop probes: frames that should never come back to who sent them.
//
//   payload, 96 bytes, after the 36 of guard_frame.h:
//   36         40    41  42    44       52         60            66        72       80      96
//   +----------+-----+---+-----+--------+----------+-------------+---------+--------+-------+
//   | port     | kind| 0 | VID | seq    | sent, ns | destination | source  | 0      | MAC   |
//   +----------+-----+---+-----+--------+----------+-------------+---------+--------+-------+
//   port, kind   where it was sent: PortId; 1 LAN, 2 tunnel
//   sent         the sender's own steady clock; nobody else's business
//   destination, source   of the Ethernet header as it was sent: who rewrites addresses is a relay, and shows
//
// Destinations alternate: a group address that every bridge floods and no snooping prunes, broadcast, and decoys (unicast
// addresses that nobody has). A host that echoes what it receives does not receive them all.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/address.h"
#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"
#include "stp-guard/guard_frame.h"

namespace isthmus::stp_guard {

inline constexpr MacAddress kProbeGroup{{0x03, 0x4c, 0x32, 0x42, 0x47, 0x01}};
inline constexpr MacAddress kProbeBroadcast{{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
inline constexpr std::size_t kProbePayloadSize = 96;

enum class ProbeKind : std::uint8_t { multicast, broadcast, decoy };
inline constexpr std::size_t kProbeKindCount = 3;
[[nodiscard]] std::string_view name_of(ProbeKind kind) noexcept;
[[nodiscard]] ProbeKind kind_of(const MacAddress& destination) noexcept;

/// Flags of GuardHeader in a probe.
struct ProbeFlags {
    static constexpr std::uint16_t kManySessions = 1;  ///< the sender has two tunnel sessions or more
    static constexpr std::uint16_t kAble = 2;  ///< the sender could forward: a session with that VLAN is up
    static constexpr std::uint16_t kBlocked = 4;     ///< sent into a tunnel that the sender blocks
    static constexpr std::uint16_t kRenumbered = 8;  ///< other sites may have another number for the VLAN
};

struct LoopProbe {
    std::uint16_t flags = 0;
    Identity sender;
    std::uint64_t boot_nonce = 0;
    PortId port{};
    PortKind port_kind = PortKind::lan;
    std::uint16_t vid = 0;  ///< 0: untagged
    std::uint64_t seq = 0;  ///< of this port and VLAN, from 1
    TimePoint sent_at{};
    MacAddress destination;
    MacAddress source;
    friend bool operator==(const LoopProbe&, const LoopProbe&) = default;
};

// clang-format off
// X(name): why a frame of the guard was not believed, as in status output and metrics.
#define ISTHMUS_PROBE_REFUSALS(X)                                                              \
    X(not_a_probe)      /* not a frame of the guard, or of a version that this one knows */    \
    X(truncated)        /* ends before its MAC */                                              \
    X(bad_port_kind)    /* neither LAN nor tunnel */                                           \
    X(bad_vid)          /* 4095 and more */                                                    \
    X(unknown_domain)   /* another domain's */                                                 \
    X(bad_mac)          /* not sealed with the domain's key: forged, or damaged */             \
    X(other_boot)       /* ours, from before this process started: replayed */                 \
    X(unknown_port)     /* ours, of a port that is gone */                                     \
    X(never_sent)       /* ours, with a number that was not sent yet */                        \
    X(stale_sequence)   /* not among the last 64 of its port and VLAN */                       \
    X(too_old)          /* 30 s and more on its way */                                         \
    X(vlan_leak)        /* sent in another VLAN than it arrived in */                          \
    X(altered)          /* its addresses were rewritten on the way: a relay, not a bridge */   \
    X(same_identity)    /* another gateway claims to be this one */                            \
    X(replayed_foreign) /* another gateway's, older than what it sends now */
// clang-format on

enum class ProbeRefusal : std::uint8_t {
#define X(name) name,
    ISTHMUS_PROBE_REFUSALS(X)
#undef X
};
#define X(name) +1  // NOLINT(bugprone-macro-parentheses)
inline constexpr std::size_t kProbeRefusalCount = 0 ISTHMUS_PROBE_REFUSALS(X);
#undef X

[[nodiscard]] constexpr std::string_view name_of(ProbeRefusal refusal) noexcept {
    constexpr std::array<std::string_view, kProbeRefusalCount> kNames{
#define X(name) #name,
        ISTHMUS_PROBE_REFUSALS(X)
#undef X
    };
    return kNames[static_cast<std::size_t>(refusal)];
}

/// As it arrived, not yet authenticated.
struct ReceivedProbe {
    LoopProbe probe;
    std::uint16_t arrival_vid = 0;  ///< of the frame's tag; 0: none
    MacAddress arrival_destination;
    MacAddress arrival_source;
    Bytes sealed;  ///< what the MAC is over
    Bytes mac;

    [[nodiscard]] bool altered() const noexcept {
        return arrival_destination != probe.destination || arrival_source != probe.source;
    }
};

/// A whole frame. Bytes behind the 96 are padding.
[[nodiscard]] Result<ReceivedProbe, ProbeRefusal> parse_loop_probe(Bytes frame);
[[nodiscard]] bool is_authentic(Bytes sealed, Bytes mac, const FrameAuthenticator& authenticator);

/// A whole frame, tagged unless its VID is 0.
[[nodiscard]] std::vector<std::uint8_t> emit(const LoopProbe& probe, const FrameAuthenticator& authenticator);

}  // namespace isthmus::stp_guard
