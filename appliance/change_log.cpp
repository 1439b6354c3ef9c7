#include "appliance/change_log.h"

#include <algorithm>
#include <vector>

namespace isthmus::appliance {

namespace {

bool is_new(const std::vector<std::string>& old, const std::string& text) {
    return std::find(old.begin(), old.end(), text) == old.end();
}

void log_state(spdlog::logger& log, const std::string& what, const bridge::State& state) {
    if (state.word == bridge::StateWord::up)
        log.info("{} is up", what);
    else
        log.warn("{} is {}: {}", what, bridge::to_string(state.word), state.reason);
}

}  // namespace

void log_change(spdlog::logger& log, std::string_view what, const std::string& name, const Condition& before,
                const Condition& now) {
    if (before == now) return;
    if (now.is_up()) {
        log.info("{} {} is up", what, name);
    } else {
        log.log(now.state == RunState::down ? spdlog::level::err : spdlog::level::warn, "{} {} is {}: {}",
                what, name, name_of(now.state), now.reason);
    }
}

void log_report(spdlog::logger& log, const bridge::Report& before, const bridge::Report& now) {
    for (const auto& step : now.done) log.info("bridge: {}", step);
    for (const auto& step : now.failed)
        if (is_new(before.failed, step)) log.error("bridge: {}", step);
    for (const auto& warning : now.warnings)
        if (is_new(before.warnings, warning)) log.warn("bridge: {}", warning);
    for (const auto& bridge : now.bridges) {
        const bridge::BridgeReport* was = before.bridge(bridge.name);
        if (was == nullptr || !(was->state == bridge.state))
            log_state(log, "bridge " + bridge.name, bridge.state);
        for (const auto& port : bridge.ports) {
            const bridge::PortReport* old = before.port(port.name);
            if (old == nullptr || !(old->state == port.state))
                log_state(log, "bridge " + bridge.name + ": port " + port.name, port.state);
        }
    }
}

}  // namespace isthmus::appliance
