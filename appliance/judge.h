// How sessions are doing: their TAP, bridge port, tunnel and pseudowire held together.
#pragma once

#include "appliance/inventory.h"
#include "bridge/io/reconciler.h"

namespace isthmus::appliance {

/// What the session's condition is now, the first thing that is missing first.
[[nodiscard]] Condition judge(const SessionControl& session, const Tunnels& tunnels,
                              const bridge::Report& bridges);

/// The attachment circuit, for the peer: whether the LAN side could carry frames. It follows the bridge and its physical
/// ports, never our own TAP, or two ends would hold each other down for ever; a bridge without other ports counts as up.
[[nodiscard]] Condition attachment_of(const SessionControl& session, const bridge::Report& bridges);

}  // namespace isthmus::appliance
