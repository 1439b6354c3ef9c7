// How a bridge's guard numbers its ports, for its own files.
#pragma once

#include "base/ids.h"
#include "stp-guard/guard_ids.h"

namespace isthmus::appliance {

inline constexpr std::uint32_t kFirstTunnel = 0x1'0000;  ///< LAN ports have the numbers below

[[nodiscard]] constexpr stp_guard::PortId port_id_of(SessionIndex session) noexcept {
    return stp_guard::PortId{kFirstTunnel + raw(session)};
}
[[nodiscard]] constexpr bool is_tunnel(stp_guard::PortId id) noexcept {
    return raw(id) >= kFirstTunnel;
}
/// Of a tunnel.
[[nodiscard]] constexpr SessionIndex session_of(stp_guard::PortId id) noexcept {
    return SessionIndex{raw(id) - kFirstTunnel};
}

}  // namespace isthmus::appliance
