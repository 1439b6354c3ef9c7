// What the guard tells people: one id for programs, one plain sentence for everybody else.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/time.h"
#include "stp-guard/guard_ids.h"

namespace isthmus::stp_guard {

enum class Severity : std::uint8_t { info, warning, critical };
[[nodiscard]] std::string_view name_of(Severity severity) noexcept;

// clang-format off
// X(name): the event's id, as in logs, status output and metrics. Ids stay what they are.
#define ISTHMUS_GUARD_EVENTS(X)                                                             \
    X(opened)               /* a VLAN's BUM crosses a session from now on */                \
    X(blocked)              /* a loop was proven, and this side blocks */                   \
    X(peer_blocks)          /* a loop was proven, and the peer blocks */                    \
    X(suspended)            /* the loop goes on although BUM is blocked, or by policy */    \
    X(still_blocked)        /* its time is over, but the loop is still there */             \
    X(lan_port_blocked)     /* one VLAN on one of two LAN ports that are connected */       \
    X(lan_port_opened)                                                                      \
    X(outside_loop)         /* a loop behind one LAN port */                                \
    X(far_loop)             /* a loop at the peer's side */                                 \
    X(circling_unicast)     /* frames for a host went round past a block */                  \
    X(stray_unicast)        /* frames for a host that is behind another session of a split-horizon group */ \
    X(suspected_reflector)  /* one witness only: somebody echoes frames */                  \
    X(vlan_leak)            /* two VLANs are connected */                                   \
    X(forged_probe)         /* a probe that is not sealed with the domain's key */          \
    X(identity_refused)     /* the peer has our node or site identifier */                  \
    X(peer_without_guard)                                                                   \
    X(peer_with_guard)                                                                      \
    X(vlan_not_at_peer)     /* a VLAN that only our end of the session carries */           \
    X(sibling_seen)         /* another gateway of this site */                              \
    X(sibling_elected)      /* which of them forwards a VLAN changed */                     \
    X(backdoor_suspected)   /* the same spanning tree root at both sites */                 \
    X(root_changed)         /* of a spanning tree on a LAN port */                          \
    X(topology_change_storm) /* a spanning tree that does not come to rest */               \
    X(bpdu_from_tunnel)     /* the peer does not filter BPDUs */                            \
    X(superior_root)        /* root guard: the peer's site would take our root's place */   \
    X(duplicate_mac)                                                                        \
    X(gateway_at_both_sites) /* a first-hop gateway's MAC address moves */                  \
    X(flap_storm)                                                                           \
    X(topology_change)      /* remote hosts were forgotten because of it */                 \
    X(held)                 /* a person's */                                                \
    X(cleared)              /* a person's */                                                \
    X(state_restored)
// clang-format on

enum class GuardEventId : std::uint8_t {
#define X(name) name,
    ISTHMUS_GUARD_EVENTS(X)
#undef X
};
#define X(name) +1  // NOLINT(bugprone-macro-parentheses)
inline constexpr std::size_t kGuardEventCount = 0 ISTHMUS_GUARD_EVENTS(X);
#undef X

[[nodiscard]] constexpr std::string_view name_of(GuardEventId id) noexcept {
    constexpr std::array<std::string_view, kGuardEventCount> kNames{
#define X(name) #name,
        ISTHMUS_GUARD_EVENTS(X)
#undef X
    };
    return kNames[static_cast<std::size_t>(id)];
}

struct GuardEvent {
    GuardEventId id{};
    Severity severity = Severity::info;
    Place place;           ///< where it is about; VID 0 and port 0 where it is about none
    std::string sentence;  ///< VLAN, port, what was seen, what was done, when it is tried again
    TimePoint at{};
    std::uint32_t witnesses = 0;  ///< of a block: at least two
};

/// "VLAN 110", "untagged frames".
[[nodiscard]] std::string vlan_text(std::uint16_t vid);
/// "3 ms", "12 s", "5 min", "1 h".
[[nodiscard]] std::string duration_text(Duration duration);

}  // namespace isthmus::stp_guard
