#include "bridge/vlan_table.h"

namespace isthmus::bridge {

namespace {

constexpr std::uint16_t kFirstVid = 1;
constexpr std::uint16_t kLastVid = 4094;

VlanSet single(VlanId id) {
    VlanSet out;
    out.insert(id);
    return out;
}

}  // namespace

std::vector<VlanRange> vlan_ranges(const VlanSet& set) {
    std::vector<VlanRange> out;
    for (std::uint16_t v = kFirstVid; v <= kLastVid; ++v) {
        if (!set.contains_vid(v)) continue;
        std::uint16_t last = v;
        while (last < kLastVid && set.contains_vid(static_cast<std::uint16_t>(last + 1))) ++last;
        out.push_back({*VlanId::parse(v), *VlanId::parse(last)});
        v = last;
    }
    return out;
}

bool VlanChange::empty() const noexcept {
    return remove.empty() && add_tagged.empty() && add_untagged.empty() && !pvid;
}

VlanChange vlan_change(const VlanTable& from, const VlanTable& to) {
    if (from == to) return {};
    VlanChange change;
    change.remove = from.members.without(to.members);
    VlanSet tagged = to.members.without(to.untagged).without(from.members.without(from.untagged));
    VlanSet untagged = to.untagged.without(from.untagged);
    // A VLAN that stays a member but is the PVID no more is added again: an addition without the PVID flag
    // clears it.
    if (from.pvid && from.pvid != to.pvid && to.members.contains(*from.pvid)) {
        (to.untagged.contains(*from.pvid) ? untagged : tagged).insert(*from.pvid);
    }
    if (to.pvid && (from.pvid != to.pvid || tagged.contains(*to.pvid) || untagged.contains(*to.pvid))) {
        change.pvid = to.pvid;
        change.pvid_untagged = to.untagged.contains(*to.pvid);
        tagged = tagged.without(single(*to.pvid));
        untagged = untagged.without(single(*to.pvid));
    }
    change.add_tagged = tagged;
    change.add_untagged = untagged;
    return change;
}

}  // namespace isthmus::bridge
