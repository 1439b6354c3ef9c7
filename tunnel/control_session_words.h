// Words and times that the parts of ControlSessions share.
#pragma once

#include <string>

#include "base/time.h"
#include "tunnel/control_message.h"

namespace isthmus::tunnel {

/// The peer acknowledges but neither answers nor refuses.
inline constexpr Duration kSessionSetUpTime = std::chrono::seconds(15);

[[nodiscard]] inline Ending<CdnResult> because(CdnResult result, std::string text) {
    return {result, ErrorCode::none, std::move(text)};
}
[[nodiscard]] inline std::string quoted(const std::string& end_id) {
    return "\"" + printable(end_id) + "\"";
}
[[nodiscard]] inline std::string name_of_type(PseudowireType type) {
    if (type == PseudowireType::ethernet) return "Ethernet";
    if (type == PseudowireType::ethernet_vlan) return "Ethernet VLAN";
    return "type " + std::to_string(static_cast<unsigned>(type));
}

}  // namespace isthmus::tunnel
