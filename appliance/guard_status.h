// What the guard of one bridge knows, as JSON; and for people.
#pragma once

#include <deque>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <utility>

#include "base/time.h"
#include "stp-guard/event_gatherer.h"
#include "stp-guard/guard_status.h"

namespace isthmus::appliance {

struct ToldEvent {
    WallTime at;
    stp_guard::GatheredEvent gathered;
    std::string capture;  ///< file with the frames around it; empty: none
};
using GuardEvents = std::deque<ToldEvent>;

/// `name_of`: ports' names.
[[nodiscard]] nlohmann::json guard_status_json(const std::string& bridge,
                                               const stp_guard::GuardStatus& status,
                                               const GuardEvents& events, TimePoint now,
                                               const std::function<std::string(stp_guard::PortId)>& name_of);

/// The answer to the request "guard" as text.
[[nodiscard]] std::string render_guard(const nlohmann::json& guard, bool colour);

}  // namespace isthmus::appliance
