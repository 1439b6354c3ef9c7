// Which way a frame goes through a session, and where one was seen.
#pragma once

#include <cstdint>
#include <string_view>

#include "stp-guard/guard_ids.h"

namespace isthmus::stp_guard {

enum class Direction : std::uint8_t { to_tunnel, from_tunnel };

[[nodiscard]] constexpr std::string_view name_of(Direction direction) noexcept {
    return direction == Direction::to_tunnel ? "to tunnel" : "from tunnel";
}

/// Where a frame came in: at a LAN port of ours, or out of a session's tunnel.
struct SeenAt {
    PortId port{};
    PortKind kind = PortKind::lan;
    friend constexpr auto operator<=>(const SeenAt&, const SeenAt&) = default;
};

}  // namespace isthmus::stp_guard
