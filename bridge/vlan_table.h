// The VLANs of one bridge port (IEEE 802.1Q-2018 section 8.8): the ones it is a member of, and what becomes
// of untagged frames.
#pragma once

#include <optional>
#include <vector>

#include "base/vlan_set.h"

namespace isthmus::bridge {

struct VlanTable {
    VlanSet members;
    VlanSet untagged;            ///< of `members`: those that leave without a tag
    std::optional<VlanId> pvid;  ///< the VLAN of frames that arrive untagged; none: they are dropped

    friend bool operator==(const VlanTable&, const VlanTable&) = default;
};

/// First to last, both included.
struct VlanRange {
    VlanId first;
    VlanId last;
    friend bool operator==(const VlanRange&, const VlanRange&) = default;
};

/// Maximal runs, ascending.
[[nodiscard]] std::vector<VlanRange> vlan_ranges(const VlanSet& set);

/// What turns one table into another: removals first, then each addition in order.
struct VlanChange {
    VlanSet remove;
    VlanSet add_tagged;
    VlanSet add_untagged;        ///< without being the PVID
    std::optional<VlanId> pvid;  ///< to add as PVID
    bool pvid_untagged = false;  ///< ... which leaves without a tag

    [[nodiscard]] bool empty() const noexcept;
};
[[nodiscard]] VlanChange vlan_change(const VlanTable& from, const VlanTable& to);

}  // namespace isthmus::bridge
