// What the kernel's packet filter does for the guard, device by device: a model that netlink/nft_requests.h turns into nftables.
//
// These rules stay in force when the daemon dies. They come on top of what the daemon itself does with each frame: it alone knows
// unknown unicast, and is exact about limits; they keep a storm from filling a TAP's queue, where known unicast would be lost too.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/vlan_set.h"

namespace isthmus::bridge {

/// Frames a second, and how many at once; or their bytes. 0 a second: none.
struct FrameLimit {
    std::uint64_t per_second = 0;
    std::uint32_t burst = 0;
    bool bytes = false;
    friend bool operator==(const FrameLimit&, const FrameLimit&) = default;
};

/// Of each VLAN; untagged frames count as one more. nullopt: not limited.
struct FloodLimits {
    std::optional<FrameLimit>
        resolution_per_source;  ///< ARP, RARP, neighbour discovery to groups, by source MAC
    std::optional<FrameLimit> resolution;
    /// With it the rules remember who asked while there was no storm, who answers, and at LAN ports who asks again: all others
    /// together are limited to that, and use up nothing of `resolution`.
    std::optional<FrameLimit> strangers;
    std::optional<FrameLimit> broadcast;
    std::optional<FrameLimit> local_multicast;  ///< 224.0.0.0/24, ff02::/16
    std::optional<FrameLimit> multicast;
    friend bool operator==(const FloodLimits&, const FloodLimits&) = default;
};

/// Some VLANs and perhaps the untagged frames of a device.
struct VlanSelection {
    VlanSet vlans;
    bool untagged = false;
    [[nodiscard]] bool empty() const noexcept { return vlans.empty() && !untagged; }
    friend bool operator==(const VlanSelection&, const VlanSelection&) = default;
};

struct DeviceRules {
    enum class Way : std::uint8_t {
        out,   ///< what the bridge sends to it: sessions' interfaces
        both,  ///< LAN ports; limits are for what comes in
    };
    std::string device;
    Way way = Way::out;
    /// Bridges' and neighbours' own protocols do not pass, for interfaces whose frames the daemon does not see.
    bool drop_link_local = false;
    FloodLimits limits;
    VlanSelection bum_blocked;  ///< no broadcast and no multicast
    VlanSelection blocked;      ///< nothing passes, but probes that this node sends
    /// This node as it stands in loop probes. Probes of its own end where they come in, or the bridge would send them round.
    std::optional<std::uint64_t> own_node;
    friend bool operator==(const DeviceRules&, const DeviceRules&) = default;
};

/// All rules of one daemon.
struct GuardRules {
    std::string table = "isthmus_guard";  ///< of family netdev
    std::vector<DeviceRules> devices;     ///< that exist: the kernel refuses the whole if one does not
    friend bool operator==(const GuardRules&, const GuardRules&) = default;
};

/// How often a rule dropped.
struct RuleCount {
    std::string device;
    std::string what;  ///< "broadcast", "bum_blocked", ... as in the rule's comment
    std::uint64_t packets = 0;
    std::uint64_t bytes = 0;
    friend bool operator==(const RuleCount&, const RuleCount&) = default;
};

}  // namespace isthmus::bridge
