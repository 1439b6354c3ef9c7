// `isthmus status` for people: the daemon's status object as text.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace isthmus::appliance {

/// `colour`: mark states for a terminal.
[[nodiscard]] std::string render_status(const nlohmann::json& status, bool colour);

}  // namespace isthmus::appliance
