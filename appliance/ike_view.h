// `isthmus ike` for people.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace isthmus::appliance {

/// `report`: what ike_report() made.
[[nodiscard]] std::string render_ike(const nlohmann::json& report, bool coloured);

}  // namespace isthmus::appliance
