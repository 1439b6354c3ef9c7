// What all parts of the control engine share.
#pragma once

#include <algorithm>
#include <deque>
#include <string>
#include <unordered_map>

#include "base/rng.h"
#include "base/time.h"
#include "tunnel/control_actions.h"
#include "tunnel/control_ids.h"
#include "tunnel/control_options.h"
#include "tunnel/control_status.h"

namespace isthmus::tunnel {

struct ControlContext {
    explicit ControlContext(Rng& r) : rng(r), connection_ids(r), session_ids(r) {}

    /// Between half of `longest` and all of it.
    [[nodiscard]] Duration jittered(Duration longest) {
        return longest / 2 + longest / 2 * static_cast<std::int64_t>(rng.u32() >> 16) / 0xffff;
    }
    /// The wait before the next try, after `failures` in a row: doubling from `first` to `cap`, jittered.
    [[nodiscard]] Duration back_off(std::uint32_t failures, Duration first, Duration cap) {
        Duration wait = first;
        for (std::uint32_t i = 1; i < failures && wait < cap; ++i) wait *= 2;
        return jittered(std::min(wait, cap));
    }
    void note(ControlNote::Level level, TunnelIndex tunnel, SessionIndex session, std::string text) {
        actions.emplace_back(ControlNote{level, tunnel, session, std::move(text)});
    }

    Rng& rng;
    GatewayIdentity self;
    IdPool connection_ids;
    IdPool session_ids;
    /// Whose control connection has the id, of all that still have any state.
    std::unordered_map<std::uint32_t, TunnelIndex> connections;
    std::deque<ControlAction> actions;
    ControlRefusals refusals;
    std::uint32_t incarnations = 0;
    std::uint32_t serials = 0;
};

}  // namespace isthmus::tunnel
