// The CLI's end of the control socket.
#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "base/result.h"

namespace isthmus::appliance {

/// Sends one request and waits for its answer (at most five seconds). Error: one sentence that says what to do.
[[nodiscard]] Result<nlohmann::json, std::string> ask_daemon(const std::filesystem::path& socket,
                                                             const nlohmann::json& request);

}  // namespace isthmus::appliance
