// The status object of the control socket (docs/operations.md has its fields).
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "appliance/inventory.h"
#include "appliance/punt_router.h"
#include "appliance/workers.h"
#include "bridge/io/reconciler.h"

namespace isthmus::appliance {

/// All that status is made of; lives as long as the call.
struct StatusSources {
    const Inventory& inventory;
    const bridge::Report& bridges;
    const Workers& workers;
    const PuntRouter& punts;
    const std::string& crypto_provider;
    Duration uptime;
};

[[nodiscard]] nlohmann::json report_status(const StatusSources& sources);

}  // namespace isthmus::appliance
