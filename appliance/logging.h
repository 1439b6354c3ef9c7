// Where log lines go: console, a file, or the journal.
#pragma once

#include <spdlog/logger.h>

#include <memory>
#include <string>

#include "base/result.h"
#include "config/configuration.h"

namespace isthmus::appliance {

using Logger = std::shared_ptr<spdlog::logger>;

/// Error: one sentence that says what would be right.
[[nodiscard]] Result<Logger, std::string> make_logger(const config::GatewayConfig& config);

void set_level(spdlog::logger& logger, config::LogLevel level);

}  // namespace isthmus::appliance
