// The L2TPv3 control plane as `isthmus tunnels`, `sessions` and `trace` show it: as JSON, which is the interface, and as
// text made from that.
#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "tunnel/avp_hiding.h"
#include "tunnel/bfd_session.h"
#include "tunnel/control_status.h"
#include "tunnel/options.h"

namespace isthmus::appliance {

/// {"tunnels": [...], "refused": {...}}
[[nodiscard]] nlohmann::json tunnels_json(const tunnel::ControlStatus& status);

/// {"sessions": [...]}. `liveness`: of a session, if it is watched. Cookies are shown by their size only.
[[nodiscard]] nlohmann::json sessions_json(
    const tunnel::ControlStatus& status,
    const std::function<std::optional<tunnel::BfdStatus>(SessionIndex)>& liveness);

/// One message of a trace. `seconds`: civil time. Secrets are masked; hidden values are shown if `hider` is not null.
[[nodiscard]] nlohmann::json trace_json(double seconds, bool is_ours, tunnel::Encapsulation encapsulation,
                                        const Endpoint& peer, Bytes packet, const tunnel::AvpHider* hider);

// Text for people.
[[nodiscard]] std::string render_tunnels(const nlohmann::json& answer, bool in_colour);
[[nodiscard]] std::string render_sessions(const nlohmann::json& answer, bool in_colour);
[[nodiscard]] std::string render_trace(const nlohmann::json& part);

}  // namespace isthmus::appliance
