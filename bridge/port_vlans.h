// A bridge that filters VLANs numbers frames by its ports' tables: what leaves one port with a tag may leave another without.
// This translates between the VLANs that the bridge's sessions carry and what is on the wire of one port.
#pragma once

#include <cstdint>
#include <optional>

#include "base/vlan_set.h"
#include "bridge/guard_rules.h"
#include "bridge/vlan_table.h"

namespace isthmus::bridge {

/// VIDs here: 0 for frames without a tag, of sessions as well as on the wire.
class PortVlans {
  public:
    /// Of a bridge that does not filter: on the wire they are as they are.
    PortVlans() = default;
    /// `native`: the bridge's VLAN in which its sessions' untagged frames live; none: no session carries any.
    PortVlans(VlanTable table, std::optional<VlanId> native)
        : filters_(true), table_(std::move(table)), native_(native) {}

    /// Of a session's VLANs those that the bridge takes from this port and gives to it.
    [[nodiscard]] VlanSet carried(const VlanSet& vlans) const;
    [[nodiscard]] bool carries(std::uint16_t vid) const { return on_wire(vid).has_value(); }
    /// A session's VLAN as frames of it leave the port; nullopt: they do not.
    [[nodiscard]] std::optional<std::uint16_t> on_wire(std::uint16_t vid) const;
    /// The session's VLAN of a frame that arrives; nullopt: the bridge drops it.
    [[nodiscard]] std::optional<std::uint16_t> from_wire(std::uint16_t vid) const;
    /// The bridge's own number of a session's VLAN; nullopt: the port is no member, or the bridge does not filter.
    [[nodiscard]] std::optional<VlanId> in_bridge(std::uint16_t vid) const;
    /// Adds to `selection` everything on the wire that is of a session's VLAN, or would be if the port were a member.
    void select(std::uint16_t vid, VlanSelection& selection) const;

    friend bool operator==(const PortVlans&, const PortVlans&) = default;

  private:
    [[nodiscard]] std::optional<VlanId> number(std::uint16_t vid) const {
        return filters_ && vid == 0 ? native_ : VlanId::parse(vid);
    }

    bool filters_ = false;
    VlanTable table_;
    std::optional<VlanId> native_;
};

}  // namespace isthmus::bridge
