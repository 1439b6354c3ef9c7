// Peers and pseudowires that could not be told apart while they are negotiated.
#include <map>
#include <string>
#include <utility>

#include "config/draft.h"

namespace isthmus::config {

namespace {

std::string at_line(std::string_view what, std::string_view name, std::uint32_t line) {
    return std::string(what) + " " + quoted(name) + " on line " + std::to_string(line);
}

/// Both ends match sessions by their Remote End ID.
void check_end_ids(const Draft& draft) {
    const auto& sessions = draft.configuration.sessions;
    std::map<std::pair<std::size_t, std::string>, std::size_t> seen;
    for (std::size_t i = 0; i < sessions.size(); ++i) {
        if (!sessions[i].negotiation || sessions[i].negotiation->end_id.empty()) continue;
        const auto [at, is_new] = seen.try_emplace({sessions[i].tunnel, sessions[i].negotiation->end_id}, i);
        if (is_new) continue;
        const SessionConfig& first = sessions[at->second];
        draft.sessions[i].problem(draft.sessions[i].has("end_id") ? "end_id" : "name",
                                  quoted(sessions[i].negotiation->end_id) + " is the end id of " +
                                      at_line("session", first.name, first.line) + " already",
                                  "sessions of one tunnel are told apart by it: give each its own end_id");
    }
}

/// The first that accepts an unknown peer would take it from the others.
void check_wildcards(const Draft& draft) {
    const auto& tunnels = draft.configuration.tunnels;
    std::map<std::pair<IpAddress, std::string>, std::size_t> seen;
    for (std::size_t i = 0; i < tunnels.size(); ++i) {
        if (!tunnels[i].any_remote || !tunnels[i].control || tunnels[i].is_protected()) continue;
        const auto [at, is_new] =
            seen.try_emplace({tunnels[i].options.local, tunnels[i].control->peer_hostname}, i);
        if (is_new) continue;
        const TunnelConfig& first = tunnels[at->second];
        const Section& section =
            draft.tunnels[i].control ? *draft.tunnels[i].control : draft.tunnels[i].tunnel;
        section.problem("peer_hostname",
                        "nothing tells its peer from that of " + at_line("tunnel", first.name, first.line),
                        "give both their peer's name: peer_hostname = \"...\"");
    }
}

}  // namespace

void check_control(const Draft& draft) {
    check_end_ids(draft);
    check_wildcards(draft);
}

}  // namespace isthmus::config
