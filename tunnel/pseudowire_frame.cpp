#include "tunnel/pseudowire_frame.h"

#include "base/ethernet.h"

namespace isthmus::tunnel {

namespace {

constexpr std::size_t kAddressesSize = 12;
constexpr std::uint16_t kVidMask = 0x0fff;

std::uint16_t first_type(Bytes frame) noexcept {
    return load_be16(frame.data() + kAddressesSize);
}
std::uint16_t first_tci(Bytes frame) noexcept {
    return load_be16(frame.data() + kAddressesSize + 2);
}
/// With an outer tag and the type behind it.
bool has_whole_tag(Bytes frame) noexcept {
    return frame.size() >= kEthernetHeaderSize + kVlanTagSize;
}

void set_tag(MutableBytes frame, std::uint16_t tci) noexcept {
    store_be16(frame.data() + kAddressesSize, kEtherTypeVlan);
    store_be16(frame.data() + kAddressesSize + 2, tci);
}

void remove_tag(PacketBuffer& frame) noexcept {
    std::uint8_t* p = frame.data().data();
    std::memmove(p + kVlanTagSize, p, kAddressesSize);
    frame.trim_front(kVlanTagSize);
}

void add_tag(PacketBuffer& frame, VlanId vlan) noexcept {
    frame.prepend(kVlanTagSize);
    std::uint8_t* p = frame.data().data();
    std::memmove(p, p + kVlanTagSize, kAddressesSize);
    set_tag(frame.data(), vlan.value());
}

void replace_vid(MutableBytes frame, VlanId vlan) noexcept {
    set_tag(frame, static_cast<std::uint16_t>((first_tci(frame) & ~kVidMask) | vlan.value()));
}

/// Behind the outer tag there is a priority tag. Bare on the wire the peer would take it for the outer one.
bool covers_priority_tag(Bytes frame) noexcept {
    const Bytes inner = frame.subspan(kVlanTagSize);
    return has_whole_tag(inner) && first_type(inner) == kEtherTypeVlan && (first_tci(inner) & kVidMask) == 0;
}

DropReason check_access_tag(Bytes frame, VlanId vlan) noexcept {
    const auto type = first_type(frame);
    if (!is_vlan_tpid(type)) return DropReason::untagged_not_allowed;
    if (!has_whole_tag(frame)) return DropReason::malformed_frame;
    if (type != kEtherTypeVlan || (first_tci(frame) & kVidMask) != vlan.value())
        return DropReason::vlan_not_allowed;
    return DropReason::none;
}

DropReason check_tagged(Bytes frame) noexcept {
    if (!is_vlan_tpid(first_type(frame))) return DropReason::l2tp_missing_tag;
    return has_whole_tag(frame) ? DropReason::none : DropReason::malformed_frame;
}

}  // namespace

DropReason shape_towards_tunnel(PacketBuffer& frame, PseudowireType type,
                                std::optional<VlanId> access_vlan) noexcept {
    const Bytes bytes = std::as_const(frame).data();
    if (!access_vlan) return type == PseudowireType::ethernet_vlan ? check_tagged(bytes) : DropReason::none;
    const auto wrong = check_access_tag(bytes, *access_vlan);
    if (wrong != DropReason::none || type == PseudowireType::ethernet_vlan) return wrong;
    if (covers_priority_tag(bytes)) {
        set_tag(frame.data(), static_cast<std::uint16_t>(first_tci(bytes) & ~kVidMask));
    } else {
        remove_tag(frame);
    }
    return DropReason::none;
}

DropReason shape_from_tunnel(PacketBuffer& frame, PseudowireType type,
                             std::optional<VlanId> access_vlan) noexcept {
    const Bytes bytes = std::as_const(frame).data();
    if (type == PseudowireType::ethernet_vlan) {
        const auto wrong = check_tagged(bytes);
        if (wrong == DropReason::none && access_vlan) replace_vid(frame.data(), *access_vlan);
        return wrong;
    }
    if (!access_vlan) return DropReason::none;
    const bool priority_tagged =
        first_type(bytes) == kEtherTypeVlan && has_whole_tag(bytes) && (first_tci(bytes) & kVidMask) == 0;
    if (priority_tagged) {
        replace_vid(frame.data(), *access_vlan);
    } else {
        add_tag(frame, *access_vlan);
    }
    return DropReason::none;
}

}  // namespace isthmus::tunnel
