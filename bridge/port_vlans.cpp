#include "bridge/port_vlans.h"

namespace isthmus::bridge {

std::optional<VlanId> PortVlans::in_bridge(std::uint16_t vid) const {
    const auto own = number(vid);
    return filters_ && own && table_.members.contains(*own) ? own : std::nullopt;
}

VlanSet PortVlans::carried(const VlanSet& vlans) const {
    if (!filters_) return vlans;
    // Tagged frames of the VLAN in which untagged ones live leave the session's interface without a tag.
    const VlanSet out = vlans.intersection(table_.members);
    if (!native_) return out;
    VlanSet native;
    native.insert(*native_);
    return out.without(native);
}

std::optional<std::uint16_t> PortVlans::on_wire(std::uint16_t vid) const {
    if (!filters_) return vid;
    const auto own = in_bridge(vid);
    if (!own) return std::nullopt;
    return table_.untagged.contains(*own) ? std::uint16_t{0} : own->value();
}

std::optional<std::uint16_t> PortVlans::from_wire(std::uint16_t vid) const {
    if (!filters_) return vid;
    const auto own = vid == 0 ? table_.pvid : VlanId::parse(vid);
    if (!own || !table_.members.contains(*own)) return std::nullopt;
    return own == native_ ? std::uint16_t{0} : own->value();
}

void PortVlans::select(std::uint16_t vid, VlanSelection& selection) const {
    const auto own = number(vid);
    if (own) selection.vlans.insert(*own);
    // What leaves without a tag, but is another VLAN's when it arrives so, cannot be told apart.
    if (filters_ ? own && table_.pvid == own : vid == 0) selection.untagged = true;
}

}  // namespace isthmus::bridge
