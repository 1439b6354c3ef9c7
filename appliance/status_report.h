// The status object of the control socket (docs/operations.md has its fields).
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "appliance/datapath/inbound_worker.h"
#include "appliance/datapath/outbound_worker.h"
#include "appliance/view_builder.h"
#include "bridge/io/reconciler.h"

namespace isthmus::appliance {

/// All that status is made of; lives as long as the call.
struct StatusSources {
    const config::Configuration& config;
    const Tunnels& tunnels;
    const Sessions& sessions;
    const bridge::Report& bridges;
    const OutboundWorker& outbound;
    const InboundWorker& inbound;
    const std::string& crypto_provider;
    Duration uptime;
    std::uint64_t unheard_ike = 0;  ///< messages for a control plane that static tunnels do not have
    std::uint64_t unheard_l2tp = 0;
};

[[nodiscard]] nlohmann::json report_status(const StatusSources& sources);

}  // namespace isthmus::appliance
