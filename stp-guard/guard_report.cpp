// Sentences and status.
#include <algorithm>

#include "stp-guard/guard_core.h"

namespace isthmus::stp_guard {

namespace {

constexpr std::size_t kMaxTold = 4'096;

}  // namespace

void GuardCore::event(GuardEventId id, Severity severity, Place place, std::string sentence, TimePoint now,
                      std::uint32_t witnesses) {
    act(GuardEvent{id, severity, place, std::move(sentence), now, witnesses});
}

void GuardCore::event_seldom(GuardEventId id, Severity severity, Place place, std::string sentence,
                             Duration interval, TimePoint now) {
    if (told_.size() >= kMaxTold) told_.clear();
    const auto [last, first] = told_.try_emplace({id, place}, now);
    if (!first && now - last->second < interval) return;
    last->second = now;
    event(id, severity, place, std::move(sentence), now);
}

std::string GuardCore::name(PortId id) const {
    const Port* found = port(id);
    return found == nullptr ? "a port that is gone" : found->spec.name;
}

/// "our probes sent on ens5 came back on dc2 after 12 ms (multicast 2, broadcast 1)"
std::string GuardCore::evidence_text(const Trace& trace, std::uint16_t vid) const {
    std::string kinds;
    for (std::size_t i = 0; i < kProbeKindCount; ++i) {
        if (trace.returned[i] == 0) continue;
        if (!kinds.empty()) kinds += ", ";
        kinds += std::string(name_of(static_cast<ProbeKind>(i))) + " " + std::to_string(trace.returned[i]);
    }
    return "our probes of " + vlan_text(vid) + " sent on " + name(trace.from) + " came back on " +
           name(trace.to) + " after " + duration_text(trace.travelled) +
           (kinds.empty() ? "" : " (" + kinds + ")");
}

GuardStatus GuardCore::status(TimePoint now) const {
    GuardStatus out;
    out.self = self_;
    out.observe = options_.observe || observe_ordered_;
    std::map<PortId, AbsentStatus> absent;
    for (const auto& [place, edge] : edges_) {
        const Port& session = *port(place.port);
        if (edge.absent) {
            AbsentStatus& all =
                absent.try_emplace(place.port, AbsentStatus{place.port, {}, false}).first->second;
            if (const auto vlan = VlanId::parse(place.vid))
                all.vlans.insert(*vlan);
            else
                all.untagged = true;
            continue;
        }
        const auto entry = session.peer.entry(place.vid, now);
        const bool peer_blocks = entry && entry->has(VlanEntry::kBlocks);
        if (edge.phase == Phase::open && !edge.decide_by && !peer_blocks) {
            ++out.open_vlans;
            continue;
        }
        VlanStatus vlan;
        vlan.place = place;
        vlan.state = edge.published;
        vlan.cause = edge.cause;
        vlan.since = edge.since;
        if (edge.phase == Phase::blocked) vlan.held_until = edge.hold_until;
        if (edge.phase == Phase::held) vlan.held_until = edge.order_until;
        vlan.clean_rounds = edge.rounds.clean;
        vlan.waiting_for = session.up ? edge.rounds.waiting_for : "the session is down";
        vlan.trips = edge.backoff.trips(now);
        vlan.peer_blocks = peer_blocks;
        if (entry) vlan.peer_state = entry->state;
        vlan.evidence = edge.evidence.text;
        out.vlans.push_back(std::move(vlan));
    }
    for (auto& [id, all] : absent) out.not_at_peer.push_back(std::move(all));
    std::sort(out.vlans.begin(), out.vlans.end(),
              [](const VlanStatus& a, const VlanStatus& b) { return a.place < b.place; });
    for (const auto& [place, block] : lan_blocks_)
        if (block.active)
            out.lan_blocks.push_back({place, block.since, block.hold_until, block.evidence.text});
    for (const auto& [id, session] : ports_)
        if (!session.is_lan())
            out.peers.push_back({id, session.peer.present(now), session.peer.refused(),
                                 session.peer.identity(), session.peer.heard_at()});
    for (const auto& [place, root] : roots_) out.roots.push_back(root);
    out.probes = {scheduler_.active_places(),
                  scheduler_.idle_places(),
                  scheduler_.active_round(),
                  scheduler_.full_round(),
                  ledger_.sent(),
                  own_returned_,
                  refusals_};
    out.mac_moves = mac_moves_.moves();
    out.duplicate_macs = mac_moves_.duplicates();
    out.refused_messages = refused_messages_;
    out.hosts_asked = hosts_asked_;
    out.siblings = election_.siblings();
    return out;
}

}  // namespace isthmus::stp_guard
