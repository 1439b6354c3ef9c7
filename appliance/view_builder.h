// From the control thread's objects to what the workers are told.
#pragma once

#include <memory>
#include <string>

#include "appliance/datapath/inbound_worker.h"
#include "appliance/datapath/outbound_worker.h"
#include "appliance/datapath/views.h"
#include "appliance/inventory.h"
#include "base/mtu_budget.h"

namespace isthmus::appliance {

struct Views {
    std::shared_ptr<const OutboundView> outbound;
    std::shared_ptr<const InboundView> inbound;
};

/// Error: a sentence; nothing is told to the workers then.
[[nodiscard]] Result<Views, std::string> build_views(const Tunnels& tunnels, const Sessions& sessions);

/// Equal texts mean equal views: what is already told need not be told again.
[[nodiscard]] std::string publication_key(const Tunnels& tunnels, const Sessions& sessions);

/// What a session's frames may weigh, byte by byte. Before keys or ids are negotiated: as they probably will be.
[[nodiscard]] MtuBudget budget_of(const TunnelControl& tunnel, const SessionControl& session);

/// Packets on their way, for the largest frames that the configuration can make: together at most datapath.packet_memory.
[[nodiscard]] OutboundMemory outbound_memory(const config::Configuration& config);
[[nodiscard]] InboundMemory inbound_memory(const config::Configuration& config);

}  // namespace isthmus::appliance
