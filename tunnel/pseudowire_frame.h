// What happens to a frame's VLAN tag between our side and the wire (RFC 4719 section 3; RFC 4448 has the same
// two types):
//
//   type              access_vlan   towards the tunnel                    from the tunnel
//   ethernet (5)      none          unchanged                             unchanged
//   ethernet (5)      V             outer tag must be V; it is removed    tag V added; a priority tag becomes V
//   ethernet_vlan (4) none          must be tagged; unchanged             must be tagged; unchanged
//   ethernet_vlan (4) V             outer tag must be V; unchanged        must be tagged; its VID becomes V
//
// Over a priority tag the outer tag V is not removed but becomes a priority tag itself: bare, the inner one would be taken
// for the outer by the receiver, and lost.
#pragma once

#include <optional>

#include "base/packet_buffer.h"
#include "tunnel/options.h"

namespace isthmus::tunnel {

/// The frame has at least an Ethernet header. Result: none, vlan_not_allowed, untagged_not_allowed,
/// l2tp_missing_tag, malformed_frame (it ends inside its tag).
[[nodiscard]] DropReason shape_towards_tunnel(PacketBuffer& frame, PseudowireType type,
                                              std::optional<VlanId> access_vlan) noexcept;

/// The same, with 4 bytes of headroom. Result: none, l2tp_missing_tag, malformed_frame.
[[nodiscard]] DropReason shape_from_tunnel(PacketBuffer& frame, PseudowireType type,
                                           std::optional<VlanId> access_vlan) noexcept;

}  // namespace isthmus::tunnel
