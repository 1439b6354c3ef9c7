// Which frames of a session may cross the tunnel, and how many.
#pragma once

#include <cstdint>

#include "base/vlan_set.h"

namespace isthmus::stp_guard {

/// Packets per second and bucket depth; rate 0 lets nothing through.
struct RateLimit {
    std::uint32_t packets_per_second = 0;
    std::uint32_t burst = 0;
    friend constexpr bool operator==(RateLimit, RateLimit) = default;
};

struct AdmissionOptions {
    bool any_vlan = false;  ///< the port as it is: tagged or not, any VLAN
    VlanSet vlans;          ///< else: outermost tags that cross
    bool untagged = false;  ///< else: untagged and priority-tagged frames cross
    /// Broadcast, unknown unicast and multicast towards the tunnel.
    RateLimit flood_limit{2'000, 2'000};
    friend bool operator==(const AdmissionOptions&, const AdmissionOptions&) = default;
};

}  // namespace isthmus::stp_guard
