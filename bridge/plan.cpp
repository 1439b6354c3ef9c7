#include "bridge/plan.h"

#include "bridge/planner.h"

namespace isthmus::bridge {

std::string_view to_string(StateWord word) noexcept {
    switch (word) {
        case StateWord::up: return "up";
        case StateWord::waiting: return "waiting";
        case StateWord::down: return "down";
        case StateWord::conflict: return "conflict";
    }
    return "down";
}

std::string ownership_mark(std::string_view gateway) {
    constexpr std::size_t kMaxAlias = 255;  // IFALIASZ - 1
    return ("isthmus:" + std::string(gateway)).substr(0, kMaxAlias);
}

Plan plan(const Desired& desired, const ActualState& actual, const Journal& journal) {
    return planner::Planner(desired, actual, journal).run();
}

namespace planner {

Planner::Planner(const Desired& desired, const ActualState& actual, const Journal& journal)
    : desired_(desired), actual_(actual), before_(journal), mark_(ownership_mark(desired.gateway)) {}

Plan Planner::run() {
    gather_targets();
    for (auto& target : targets_) plan_bridge(target);
    for (auto& target : targets_) {
        for (const auto& name : target.options->ports) plan_lan_port(target, name);
        for (const TapPort* tap : target.taps) plan_tap(target, *tap);
    }
    restore_ports();
    hold_mtu();
    remove_leftover_bridges();
    plan_netfilter();
    for (auto& target : targets_) plan_.bridges.push_back(std::move(target.report));
    return std::move(plan_);
}

}  // namespace planner

}  // namespace isthmus::bridge
