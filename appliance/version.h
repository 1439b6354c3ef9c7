#pragma once

#include <string_view>

namespace isthmus::appliance {

inline constexpr std::string_view kVersion = ISTHMUS_VERSION;

}  // namespace isthmus::appliance
