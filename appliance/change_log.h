// What changed, once, in the log.
#pragma once

#include <spdlog/logger.h>

#include <string>
#include <string_view>

#include "appliance/condition.h"
#include "bridge/io/reconciler.h"

namespace isthmus::appliance {

/// `what`: "tunnel", "session". Nothing if the two are the same.
void log_change(spdlog::logger& log, std::string_view what, const std::string& name, const Condition& before,
                const Condition& now);
void log_report(spdlog::logger& log, const bridge::Report& before, const bridge::Report& now);

}  // namespace isthmus::appliance
