// From the configuration to what the L2TPv3 control plane is told.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "config/configuration.h"
#include "tunnel/control_digest.h"
#include "tunnel/control_options.h"

namespace isthmus::appliance {

/// Where tunnels and sessions stand in the datapath's tables, by name. Each that is asked for is there.
struct PlanPlaces {
    std::function<TunnelIndex(const std::string& tunnel)> tunnel;
    std::function<SessionIndex(const std::string& session)> session;
};

/// The negotiated tunnels and sessions of `configuration`, and the Session IDs that static ones hold. `self.host_name` and
/// `self.router_id` are filled in from the configuration; the rest of `self` stays.
[[nodiscard]] tunnel::ControlPlan control_plan(const config::Configuration& configuration,
                                               const PlanPlaces& places,
                                               std::shared_ptr<const tunnel::ControlDigest> digest,
                                               tunnel::GatewayIdentity self);

/// As configured; else the first tunnel's local IPv4 address; else made from the gateway's name. Never 0.
[[nodiscard]] std::uint32_t router_id_of(const config::Configuration& configuration);

}  // namespace isthmus::appliance
