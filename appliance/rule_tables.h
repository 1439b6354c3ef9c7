// What our tables in the kernel's packet filter are called. Each gateway of a network namespace has its own: one that replaced another's
// would have them both put theirs back for ever.
#pragma once

#include <cctype>
#include <string>
#include <string_view>

namespace isthmus::appliance {

/// "isthmus_PURPOSE_GATEWAY", in characters that nft takes.
[[nodiscard]] inline std::string rule_table(std::string_view purpose, const std::string& gateway) {
    std::string name = "isthmus_" + std::string(purpose) + "_" + gateway;
    for (char& c : name)
        if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
    return name;
}

}  // namespace isthmus::appliance
