// Where log lines go: console, a file, or the journal.
#pragma once

#include <spdlog/logger.h>

#include <memory>
#include <string>

#include "base/result.h"

namespace isthmus::appliance {

using Logger = std::shared_ptr<spdlog::logger>;

/// `level`: trace, debug, info, warning, error. `target`: "console", "journal" or "file:/path".
/// Error: one sentence that says what would be right.
[[nodiscard]] Result<Logger, std::string> make_logger(const std::string& level, const std::string& target);

}  // namespace isthmus::appliance
