// What a running gateway can take of another configuration, and what needs a restart.
#pragma once

#include <string>
#include <vector>

#include "appliance/datapath/outbound_worker.h"
#include "config/configuration.h"

namespace isthmus::appliance {

/// Sentences about what keeps `next` from being applied to a gateway that runs `now` with buffers of `memory`; empty: nothing.
[[nodiscard]] std::vector<std::string> reload_obstacles(const config::Configuration& now,
                                                        const config::Configuration& next,
                                                        const OutboundMemory& memory);

}  // namespace isthmus::appliance
