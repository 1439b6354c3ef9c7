// What the guard decides about a VLAN on a session, and why. Values are those on the wire and in the state file.
#pragma once

#include <cstdint>
#include <string_view>

namespace isthmus::stp_guard {

enum class VlanState : std::uint8_t {
    closed = 0,       ///< nothing crosses: before the first opening
    bum_blocked = 1,  ///< known unicast crosses; broadcast, unknown unicast and multicast do not
    suspended = 2,    ///< nothing crosses: the loop went on although BUM was blocked, or a sibling forwards
    open = 3,
};
[[nodiscard]] std::string_view name_of(VlanState state) noexcept;

enum class Cause : std::uint8_t {
    none = 0,
    starting = 1,       ///< not yet three clean rounds
    backdoor = 2,       ///< the LANs of two sites are connected elsewhere
    sites_loop = 3,     ///< a ring of tunnels, or a connection between two other sites
    lan_loop = 4,       ///< two LAN ports of ours are connected outside
    outside_loop = 5,   ///< a loop behind one LAN port, with a storm
    peer_proof = 6,     ///< the peer proved the loop
    sibling = 7,        ///< another gateway of this site forwards this VLAN
    refused = 8,        ///< the peer has our node or site identifier
    operator_hold = 9,  ///< a person said so
    bpdu_guard = 10,    ///< a BPDU came out of the tunnel, where the policy is that none may
    storm = 11,         ///< a heavy storm with signs of a loop, where the policy is to suspend
};
inline constexpr std::uint8_t kLastCause = 11;
[[nodiscard]] std::string_view name_of(Cause cause) noexcept;

[[nodiscard]] constexpr bool is_loop(Cause cause) noexcept {
    return cause >= Cause::backdoor && cause <= Cause::peer_proof;
}

}  // namespace isthmus::stp_guard
