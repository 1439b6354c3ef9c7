#include "appliance/guard_observers.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace isthmus::appliance {

namespace {

using nlohmann::json;
using stp_guard::BpduEvent;
using stp_guard::BpduEventKind;
using stp_guard::GuardEvent;
using stp_guard::GuardEventId;
using stp_guard::PortKind;
using stp_guard::SeenAt;
using stp_guard::Severity;

constexpr std::size_t kMostShown = 200;

double seconds_between(TimePoint from, TimePoint to) {
    return std::chrono::duration<double>(to - from).count();
}

std::string tree_words(std::uint16_t vid) {
    return vid == 0 ? "the spanning tree" : "the spanning tree of VLAN " + std::to_string(vid);
}

}  // namespace

void GuardObservers::on_bpdu(const SeenAt& at, const stp_guard::BpduFrame& frame, TimePoint now) {
    bpdus_.on_bpdu(at, frame, now);
    collect(now);
}

void GuardObservers::on_gateway_frame(const SeenAt& at, Bytes frame, TimePoint now) {
    gateways_.on_frame(at, frame, now);
    collect(now);
}

void GuardObservers::on_timeout(TimePoint now) {
    bpdus_.on_timeout(now);
    gateways_.on_timeout(now);
    collect(now);
}

std::optional<TimePoint> GuardObservers::next_timeout() const {
    const auto bpdus = bpdus_.next_timeout();
    const auto gateways = gateways_.next_timeout();
    if (!bpdus || !gateways) return bpdus ? bpdus : gateways;
    return std::min(*bpdus, *gateways);
}

std::optional<GuardEvent> GuardObservers::poll_event() {
    if (events_.empty()) return std::nullopt;
    GuardEvent event = std::move(events_.front());
    events_.pop_front();
    return event;
}

void GuardObservers::collect(TimePoint now) {
    while (const auto event = bpdus_.poll_event())
        if (auto sentence = told(*event, now)) events_.push_back(std::move(*sentence));
    while (const auto both = gateways_.poll_event()) {
        const bool meant = both->vid == 0 ? dual_untagged_ : dual_.contains_vid(both->vid);
        if (meant) continue;
        events_.push_back({GuardEventId::gateway_at_both_sites,
                           Severity::warning,
                           {{}, both->vid},
                           stp_guard::vlan_text(both->vid) + ": the gateway " + both->address.text() +
                               " is active at both sites. Hosts may use the far one; dual-gateway mode keeps "
                               "each site's to itself. Nothing was blocked.",
                           now,
                           0});
    }
}

/// nullopt: the guard engine tells it, or it is no more than status shows.
std::optional<GuardEvent> GuardObservers::told(const BpduEvent& event, TimePoint now) const {
    const std::uint16_t vid = event.tree.vid;
    const std::string where = name_of_(event.tree.at.port);
    GuardEvent out;
    out.place = {event.tree.at.port, vid};
    out.at = now;
    out.severity = Severity::warning;
    switch (event.kind) {
        case BpduEventKind::root_changed:
            out.id = GuardEventId::root_changed;
            out.severity = Severity::info;
            out.sentence = tree_words(vid) + " on " + where + " has another root: " + event.root.text() +
                           (event.before ? ", before " + event.before->text() : "") + ".";
            return out;
        case BpduEventKind::topology_change_storm:
            out.id = GuardEventId::topology_change_storm;
            out.sentence = tree_words(vid) + " on " + where + " does not come to rest: more than " +
                           std::to_string(event.changes_last_minute - 1) +
                           " topology changes within a minute. Remote hosts are learned anew at most once in "
                           "ten seconds; nothing was blocked.";
            return out;
        case BpduEventKind::vlan_mismatch:
            out.id = GuardEventId::vlan_leak;
            out.sentence = "a PVST+ BPDU of VLAN " + std::to_string(event.other_vid.value_or(0)) +
                           " came to " + where + " in VLAN " + std::to_string(vid) +
                           ": two VLANs are joined. Look for an access port or trunk with another VLAN at "
                           "its other end.";
            return out;
        case BpduEventKind::bpdu_from_tunnel:
            out.id = GuardEventId::bpdu_from_tunnel;
            out.severity = Severity::critical;
            out.sentence = "a BPDU of bridge " + event.root.text() + " came out of " + where + " in " +
                           stp_guard::vlan_text(vid) +
                           ": the peer does not keep BPDUs in. It went no further.";
            return out;
        case BpduEventKind::superior_from_tunnel:
            out.id = GuardEventId::superior_root;
            out.sentence = "root guard: bridge " + event.root.text() + " behind " + where +
                           " wants to be the root of " + tree_words(vid) + " in place of " +
                           (event.before ? event.before->text() : std::string("ours")) +
                           ". Its BPDUs do not cross while it does.";
            return out;
        case BpduEventKind::tree_appeared:
        case BpduEventKind::tree_vanished:
        case BpduEventKind::topology_change:
        case BpduEventKind::backdoor_suspected:
        case BpduEventKind::superior_gone: break;
    }
    return std::nullopt;
}

std::vector<std::pair<std::uint16_t, stp_guard::BridgeId>> GuardObservers::lan_roots() const {
    std::vector<std::pair<std::uint16_t, stp_guard::BridgeId>> out;
    for (const stp_guard::RootReport& root : bpdus_.lan_roots()) out.emplace_back(root.vid, root.root);
    return out;
}

json GuardObservers::trees(TimePoint now) const {
    json out = json::array();
    for (const auto& [key, tree] : bpdus_.trees()) {
        if (out.size() >= kMostShown) break;
        out.push_back({{"port", name_of_(key.at.port)},
                       {"side", key.at.kind == PortKind::lan ? "lan" : "tunnel"},
                       {"vlan", key.vid},
                       {"kind", key.pvst ? "PVST+" : std::string(stp_guard::name_of(tree.kind))},
                       {"version", tree.version},
                       {"root", tree.root.text()},
                       {"bridge", tree.bridge.text()},
                       {"root_path_cost", tree.root_path_cost},
                       {"bpdus", tree.bpdus},
                       {"topology_changes", tree.topology_changes},
                       {"topology_changes_last_minute", tree.changes_last_minute},
                       {"seconds_ago", seconds_between(tree.last_seen, now)}});
    }
    return out;
}

json GuardObservers::gateways(TimePoint now) const {
    json out = json::array();
    for (const stp_guard::SeenGateway& gateway : gateways_.seen()) {
        if (out.size() >= kMostShown) break;
        json sites = json::array();
        if (gateway.lan) sites.push_back("here");
        if (gateway.tunnel) sites.push_back("far");
        out.push_back({{"vlan", gateway.vid},
                       {"address", gateway.address.text()},
                       {"mac", gateway.mac.text()},
                       {"evidence", stp_guard::name_of(gateway.evidence)},
                       {"sites", std::move(sites)},
                       {"seconds_ago", seconds_between(gateway.last_seen, now)}});
    }
    return out;
}

}  // namespace isthmus::appliance
