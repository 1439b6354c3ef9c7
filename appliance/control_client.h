// The CLI's end of the control socket.
#pragma once

#include <filesystem>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "base/result.h"

namespace isthmus::appliance {

/// Sends one request and waits for its answer (at most five seconds). Error: one sentence that says what to do.
[[nodiscard]] Result<nlohmann::json, std::string> ask_daemon(const std::filesystem::path& socket,
                                                             const nlohmann::json& request);

/// For requests that are answered in parts: calls `on_part` with each until the end, or until it returns false.
/// Error: as above.
[[nodiscard]] Result<void, std::string> follow_daemon(
    const std::filesystem::path& socket, const nlohmann::json& request,
    const std::function<bool(const nlohmann::json& part)>& on_part);

}  // namespace isthmus::appliance
