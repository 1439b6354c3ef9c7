#include "appliance/guard_status.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "appliance/text_table.h"

namespace isthmus::appliance {

namespace {

using nlohmann::json;
using stp_guard::name_of;

constexpr std::size_t kVlansShown = 500;
constexpr std::size_t kEventsShown = 10;
constexpr std::size_t kStormsShown = 5;
constexpr std::size_t kTalkersShown = 3;

double seconds_between(TimePoint from, TimePoint to) {
    return std::chrono::duration<double>(to - from).count();
}

json hex_id(std::uint64_t id) {
    return to_hex(ByteWriter().u64(id).view());
}

json vlan_json(const stp_guard::VlanStatus& vlan, TimePoint now,
               const std::function<std::string(stp_guard::PortId)>& port) {
    json out{{"session", port(vlan.place.port)},
             {"vlan", vlan.place.vid},
             {"state", name_of(vlan.state)},
             {"cause", name_of(vlan.cause)},
             {"for_seconds", seconds_between(vlan.since, now)},
             {"clean_rounds", vlan.clean_rounds},
             {"waiting_for", vlan.waiting_for},
             {"trips", vlan.trips},
             {"peer_blocks", vlan.peer_blocks},
             {"evidence", vlan.evidence}};
    if (vlan.held_until) out["held_for_seconds"] = std::max(0.0, seconds_between(now, *vlan.held_until));
    if (vlan.peer_state) out["peer_state"] = name_of(*vlan.peer_state);
    return out;
}

json probes_json(const stp_guard::ProbeRoundStatus& probes) {
    json refused = json::object();
    for (std::size_t i = 0; i < probes.refused.size(); ++i)
        if (probes.refused[i] > 0)
            refused[std::string(name_of(static_cast<stp_guard::ProbeRefusal>(i)))] = probes.refused[i];
    return {{"sent", probes.sent},
            {"own_returned", probes.own_returned},
            {"refused", refused},
            {"active_places", probes.active_places},
            {"idle_places", probes.idle_places},
            {"active_round_seconds", std::chrono::duration<double>(probes.active_round).count()},
            {"full_round_seconds", std::chrono::duration<double>(probes.full_round).count()}};
}

json events_json(const GuardEvents& events, const std::function<std::string(stp_guard::PortId)>& port) {
    json out = json::array();
    for (const ToldEvent& told : events) {
        const stp_guard::GuardEvent& event = told.gathered.event;
        json one({{"at", utc_text(told.at)},
                  {"id", name_of(event.id)},
                  {"severity", name_of(event.severity)},
                  {"port", port(event.place.port)},
                  {"vlan", event.place.vid},
                  {"sentence", event.sentence},
                  {"capture", told.capture}});
        const VlanSet& vlans = told.gathered.vlans;
        const bool untagged = told.gathered.untagged;
        if (vlans.size() + (untagged ? 1 : 0) > 1)
            one["vlans"] = vlans.text() + (untagged ? ",untagged" : "");
        out.push_back(std::move(one));
    }
    return out;
}

/// What is blocked stands before what only waits for its first rounds.
std::vector<stp_guard::VlanStatus> worst_first(std::vector<stp_guard::VlanStatus> vlans) {
    std::stable_partition(vlans.begin(), vlans.end(),
                          [](const auto& vlan) { return vlan.cause != stp_guard::Cause::starting; });
    return vlans;
}

std::string vlan_words(const json& vlan) {
    const auto vid = vlan.value("vlan", 0);
    return vid == 0 ? "untagged" : std::to_string(vid);
}

void render_vlans(const json& guard, std::ostream& out) {
    const json vlans = guard.value("vlans", json::array());
    const auto closed = guard.value("closed_vlans", vlans.size());
    out << guard.value("open_vlans", 0) << " open, " << (closed == 0 ? "none" : std::to_string(closed))
        << " closed" << (vlans.size() < closed ? " (the first " + std::to_string(vlans.size()) + ")" : "")
        << (vlans.empty() ? "\n" : ":\n\n");
    if (vlans.empty()) return;
    TextTable table({"SESSION", "VLAN", "STATE", "CAUSE", "SINCE", "HELD FOR", "CLEAN ROUNDS", "PEER"});
    for (const json& vlan : vlans) {
        const bool held = vlan.contains("held_for_seconds");
        table.row(
            {text_of(vlan, "session"), vlan_words(vlan), text_of(vlan, "state"), text_of(vlan, "cause"),
             duration_text(static_cast<std::uint64_t>(vlan.value("for_seconds", 0.0))) + " ago",
             held ? duration_text(static_cast<std::uint64_t>(vlan.value("held_for_seconds", 0.0))) : "-",
             std::to_string(vlan.value("clean_rounds", 0)),
             vlan.value("peer_blocks", false) ? "blocks" : text_of(vlan, "peer_state")});
        if (!vlan.value("evidence", "").empty()) table.detail("    " + vlan.value("evidence", ""));
        if (!vlan.value("waiting_for", "").empty())
            table.detail("    waiting: " + vlan.value("waiting_for", ""));
    }
    table.print(out);
}

void render_absent(const json& guard, std::ostream& out) {
    for (const json& absent : guard.value("not_at_peer", json::array()))
        out << "session " << text_of(absent, "session") << ": its peer does not carry "
            << text_of(absent, "vlans") << ", which stays closed\n";
}

void render_peers(const json& guard, std::ostream& out) {
    for (const json& peer : guard.value("peers", json::array()))
        out << "session " << text_of(peer, "session") << ": "
            << (peer.value("refused", false)     ? "its peer has our identifier and is refused"
                : peer.value("has_guard", false) ? "its peer has a guard, node " + text_of(peer, "node")
                                                 : std::string("its peer has no guard"))
            << '\n';
}

void render_trees(const json& guard, std::ostream& out) {
    for (const json& tree : guard.value("trees", json::array()))
        out << "spanning tree " << (tree.value("vlan", 0) == 0 ? "" : "of VLAN " + vlan_words(tree) + " ")
            << "on " << text_of(tree, "port") << ": " << text_of(tree, "kind") << ", root "
            << text_of(tree, "root") << '\n';
}

void render_gateways(const json& guard, std::ostream& out) {
    for (const json& gateway : guard.value("gateways", json::array())) {
        const bool both = gateway.value("sites", json::array()).size() > 1;
        out << "gateway " << text_of(gateway, "address") << " (VLAN " << vlan_words(gateway) << ", "
            << text_of(gateway, "evidence") << ")" << (both ? " at both sites" : "") << '\n';
    }
}

void render_events(const json& guard, std::ostream& out) {
    const json events = guard.value("events", json::array());
    if (!events.empty()) out << "\nlast events:\n";
    for (std::size_t i = events.size() > kEventsShown ? events.size() - kEventsShown : 0; i < events.size();
         ++i) {
        out << text_of(events[i], "at") << "  " << text_of(events[i], "id") << ": "
            << text_of(events[i], "sentence") << '\n';
        const std::string capture = events[i].value("capture", "");
        if (!capture.empty()) out << "    frames: " << capture << '\n';
    }
}

void render_strays(const json& guard, std::ostream& out) {
    const json strays = guard.value("strays", json::object());
    for (const auto& [session, frames] : strays.items())
        out << session << ": " << short_count(frames.get<std::uint64_t>())
            << " unicast frames came out of it for hosts behind another session of its split-horizon group, "
               "which the bridge "
               "drops\n";
    const json stale = guard.value("stale", json::object());
    for (const auto& [session, frames] : stale.items())
        out << session << ": " << short_count(frames.get<std::uint64_t>())
            << " unicast frames were dropped where a VLAN is blocked, since their hosts were just heard by "
               "another way\n";
}

void render_bridge(const json& guard, std::ostream& out) {
    out << "guard of " << text_of(guard, "bridge") << ": "
        << (guard.value("observe", false) ? "observing only, " : "");
    render_vlans(guard, out);
    render_absent(guard, out);
    for (const json& block : guard.value("lan_blocks", json::array()))
        out << "LAN port " << text_of(block, "port") << ": VLAN " << vlan_words(block) << " blocked for "
            << duration_text(static_cast<std::uint64_t>(block.value("for_seconds", 0.0))) << ": "
            << text_of(block, "evidence") << '\n';
    const json probes = guard.value("probes", json::object());
    out << "probes: " << short_count(probes.value("sent", std::uint64_t{0})) << " sent, "
        << short_count(probes.value("own_returned", std::uint64_t{0})) << " came back; a round takes "
        << std::round(probes.value("full_round_seconds", 0.0) * 10) / 10 << " s\n";
    render_peers(guard, out);
    render_strays(guard, out);
    render_trees(guard, out);
    render_gateways(guard, out);
    render_events(guard, out);
}

std::string rate_words(const json& one, const char* what, const char* suffix = "") {
    const bool packets = one.contains("offered_pps");
    return short_count(
               one.value(std::string(what) + (packets ? "_pps" : "_bps") + suffix, std::uint64_t{0})) +
           (packets ? " pps" : " bit/s");
}

/// The three that most was dropped of.
void render_talkers(const json& session, const char* way, std::ostream& out) {
    const json talkers = session.value(way, json::array());
    for (std::size_t i = 0; i < std::min(talkers.size(), kTalkersShown); ++i)
        out << "    most from: " << text_of(talkers[i], "mac") << ", " << text_of(talkers[i], "class")
            << " of " << stp_guard::vlan_text(talkers[i].value("vlan", std::uint16_t{0})) << ", "
            << short_count(talkers[i].value("dropped", std::uint64_t{0})) << " frames dropped\n";
}

/// Storm control's, in whole lines: only what is being cut now.
void render_session_storms(const json& session, std::ostream& out) {
    std::set<std::string> ways;
    for (const json& one : session.value("classes", json::array())) {
        if (one.value("level", "ok") == "ok") continue;
        const bool outwards = one.value("direction", "out") == "out";
        ways.insert(outwards ? "talkers_out" : "talkers_in");
        out << text_of(one, "level") << ": " << text_of(one, "class") << " of "
            << stp_guard::vlan_text(one.value("vlan", std::uint16_t{0})) << (outwards ? " into" : " out of")
            << " session " << text_of(session, "session") << ": " << rate_words(one, "offered")
            << " offered, limit " << rate_words(one, "limit") << '\n';
    }
    for (const std::string& way : ways) render_talkers(session, way.c_str(), out);
}

void render_storm_events(const json& storms, std::ostream& out) {
    const json events = storms.value("events", json::array());
    if (!events.empty()) out << "\nlast storms:\n";
    for (std::size_t i = events.size() > kStormsShown ? events.size() - kStormsShown : 0; i < events.size();
         ++i) {
        out << text_of(events[i], "at") << "  " << text_of(events[i], "id") << ": "
            << text_of(events[i], "sentence") << '\n';
        const std::string capture = events[i].value("capture", "");
        if (!capture.empty()) out << "    frames: " << capture << '\n';
    }
}

void render_storms(const json& storms, std::ostream& out) {
    for (const json& session : storms.value("sessions", json::array())) render_session_storms(session, out);
    for (const json& one : storms.value("ports", json::array()))
        if (one.value("level", "ok") != "ok")
            out << text_of(one, "level") << ": " << text_of(one, "class") << " at LAN port "
                << text_of(one, "port") << ": " << rate_words(one, "offered") << " offered, limit "
                << rate_words(one, "limit", "_per_vlan") << " in each VLAN\n";
    render_storm_events(storms, out);
}

/// What the guard does without, as the kernel does not do it.
void render_problems(const json& answer, std::ostream& out) {
    const std::string rules = answer.value("nftables_problem", "");
    if (!rules.empty())
        out << "the kernel takes no rules (" << rules
            << "): no VLAN is blocked on a LAN port, unless its bridge filters VLANs\n";
    const std::string limits = answer.value("storms", json::object()).value("ports_problem", "");
    if (!limits.empty()) out << "the kernel limits nothing at LAN ports (" << limits << ")\n";
}

}  // namespace

json guard_status_json(const std::string& bridge, const stp_guard::GuardStatus& status,
                       const GuardEvents& events, TimePoint now,
                       const std::function<std::string(stp_guard::PortId)>& port) {
    json out{{"bridge", bridge},
             {"node", hex_id(raw(status.self.node))},
             {"site", hex_id(raw(status.self.site))},
             {"observe", status.observe},
             {"open_vlans", status.open_vlans},
             {"closed_vlans", status.vlans.size()},
             {"vlans", json::array()},
             {"not_at_peer", json::array()},
             {"lan_blocks", json::array()},
             {"peers", json::array()},
             {"roots", json::array()},
             {"siblings", json::array()},
             {"probes", probes_json(status.probes)},
             {"mac_moves", status.mac_moves},
             {"duplicate_macs", status.duplicate_macs},
             {"refused_messages", status.refused_messages},
             {"hosts_asked", status.hosts_asked},
             {"events", events_json(events, port)}};
    for (const auto& vlan : worst_first(status.vlans)) {
        if (out["vlans"].size() >= kVlansShown) break;
        out["vlans"].push_back(vlan_json(vlan, now, port));
    }
    for (const auto& absent : status.not_at_peer) {
        const std::string vlans = absent.vlans.text();
        const std::string untagged = absent.untagged ? (vlans.empty() ? "untagged" : ",untagged") : "";
        out["not_at_peer"].push_back({{"session", port(absent.session)}, {"vlans", vlans + untagged}});
    }
    for (const auto& block : status.lan_blocks)
        out["lan_blocks"].push_back(
            {{"port", port(block.place.port)},
             {"vlan", block.place.vid},
             {"for_seconds", seconds_between(block.since, now)},
             {"held_for_seconds", std::max(0.0, seconds_between(now, block.held_until))},
             {"evidence", block.evidence}});
    for (const auto& peer : status.peers)
        out["peers"].push_back({{"session", port(peer.session)},
                                {"has_guard", peer.has_guard},
                                {"refused", peer.refused},
                                {"node", hex_id(raw(peer.identity.node))},
                                {"site", hex_id(raw(peer.identity.site))}});
    for (const auto& root : status.roots)
        out["roots"].push_back({{"port", port(root.port)},
                                {"vlan", root.vid},
                                {"root", root.root.text()},
                                {"seconds_ago", seconds_between(root.seen_at, now)}});
    for (const auto sibling : status.siblings) out["siblings"].push_back(hex_id(raw(sibling)));
    return out;
}

std::string render_guard(const json& answer, bool colour) {
    std::ostringstream out;
    const json bridges = answer.value("bridges", json::array());
    if (!answer.value("enabled", false))
        out << "the guard is off: nothing looks for loops\n";
    else if (bridges.empty())
        out << "no session is guarded\n";
    for (std::size_t i = 0; i < bridges.size(); ++i) {
        if (i > 0) out << '\n';
        render_bridge(bridges[i], out);
    }
    render_problems(answer, out);
    render_storms(answer.value("storms", json::object()), out);
    return colour ? with_coloured_states(out.str()) : out.str();
}

}  // namespace isthmus::appliance
