// Sessions that meet on one bridge, and groups of them.
#include <map>

#include "config/draft.h"

namespace isthmus::config {

namespace {

/// What two sessions would both carry, in words; empty if nothing.
std::string overlap(const stp_guard::AdmissionOptions& a, const stp_guard::AdmissionOptions& b) {
    if (a.any_vlan && b.any_vlan) return "every VLAN";
    const bool untagged = (a.any_vlan || a.untagged) && (b.any_vlan || b.untagged);
    const VlanSet both = a.any_vlan ? b.vlans : b.any_vlan ? a.vlans : a.vlans.intersection(b.vlans);
    if (both.empty()) return untagged ? "untagged frames" : "";
    return "VLAN " + both.text() + (untagged ? " and untagged frames" : "");
}

bool same_group(const SessionConfig& a, const SessionConfig& b) {
    return (a.transit && a.transit == b.transit) || (a.split_horizon && a.split_horizon == b.split_horizon) ||
           (a.redundancy && a.redundancy == b.redundancy);
}

std::string session_at(const SessionConfig& session) {
    return "session " + quoted(session.name) + " on line " + std::to_string(session.line);
}

/// By bridge: the sessions on it, in the file's order.
std::map<std::size_t, std::vector<std::size_t>> by_bridge(const Configuration& c) {
    std::map<std::size_t, std::vector<std::size_t>> out;
    for (std::size_t i = 0; i < c.sessions.size(); ++i)
        if (c.sessions[i].bridge != kUnknown) out[c.sessions[i].bridge].push_back(i);
    return out;
}

/// Of each session only the first that it clashes with: the others follow from it.
void check_overlaps(const Draft& draft, const std::vector<std::size_t>& sessions) {
    const auto& all = draft.configuration.sessions;
    for (std::size_t n = 1; n < sessions.size(); ++n) {
        const SessionConfig& session = all[sessions[n]];
        for (std::size_t m = 0; m < n; ++m) {
            const SessionConfig& other = all[sessions[m]];
            const std::string both =
                same_group(session, other) ? std::string() : overlap(session.admission, other.admission);
            if (both.empty()) continue;
            const Section& section = draft.sessions[sessions[n]];
            section.problem(
                session.options.access_vlan ? "access_vlan" : "vlans",
                both + " crosses " + session_at(other) +
                    " of the same bridge too: a loop if both lead to one place",
                "take it out of one, or put both into one split_horizon, transit or redundancy group");
            break;
        }
    }
}

void check_port_count(const Draft& draft, std::size_t bridge, std::size_t sessions) {
    const std::size_t physical = draft.configuration.bridges[bridge].options.ports.size();
    if (physical + sessions <= bridge::kMaxPorts) return;
    draft.bridges[bridge].problem(
        "",
        quoted(draft.configuration.bridges[bridge].options.name) + " would have " +
            std::to_string(physical + sessions) + " ports (physical: " + std::to_string(physical) +
            ", of sessions: " + std::to_string(sessions) + "), more than a Linux bridge takes",
        "spread them over bridges of at most " + std::to_string(bridge::kMaxPorts) + " ports each");
}

/// The first member forwards; the others stay blocked until something can elect another.
void appoint_forwarders(Draft& draft) {
    std::map<std::string, std::size_t> first_of;
    auto& sessions = draft.configuration.sessions;
    for (std::size_t i = 0; i < sessions.size(); ++i) {
        if (!sessions[i].redundancy) continue;
        const auto [at, is_new] = first_of.try_emplace(*sessions[i].redundancy, i);
        sessions[i].standby = !is_new;
        if (is_new) continue;
        if (sessions[i].bridge != sessions[at->second].bridge && sessions[i].bridge != kUnknown)
            draft.sessions[i].problem(
                "redundancy", session_at(sessions[at->second]) + " of the same group is on another bridge",
                "members of a redundancy group share a bridge");
        draft.sessions[i].warning("redundancy",
                                  "nothing elects a forwarder yet: this session stays blocked, and " +
                                      session_at(sessions[at->second]) + " forwards for the group",
                                  "to fail over, swap their order and restart");
    }
}

}  // namespace

void check_bridging(Draft& draft) {
    for (const auto& [bridge, sessions] : by_bridge(draft.configuration)) {
        check_port_count(draft, bridge, sessions.size());
        // Beyond that the plan is refused in any case, and comparing all pairs would take long.
        if (sessions.size() <= bridge::kMaxPorts) check_overlaps(draft, sessions);
    }
    appoint_forwarders(draft);
}

}  // namespace isthmus::config
