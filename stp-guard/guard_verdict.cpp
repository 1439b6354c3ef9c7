// From probes that came back to blocks: witnesses, who decides, what is blocked.
#include <algorithm>

#include "stp-guard/guard_core.h"

namespace isthmus::stp_guard {

namespace {

constexpr auto kWitnessWindow = std::chrono::seconds(5);
constexpr auto kMemberWindow = std::chrono::seconds(5);
constexpr auto kProofLasts = std::chrono::milliseconds(1200);
constexpr auto kPendingProofLasts = std::chrono::milliseconds(500);
constexpr auto kSiblingPatience = std::chrono::seconds(2);
constexpr auto kCircleLasts = std::chrono::seconds(2);
constexpr std::uint32_t kReflectorAfter = 4;
constexpr auto kLookInterval = std::chrono::seconds(2);
constexpr auto kSignInterval = std::chrono::seconds(1);
constexpr auto kAlarmInterval = std::chrono::minutes(30);

}  // namespace

void GuardCore::on_own_return(Port& seen_at, const AcceptedProbe& accepted, TimePoint now) {
    ++own_returned_;
    const std::uint16_t vid = accepted.probe.vid;
    const Trace trace = evidence_.note(accepted.probe, seen_at.id(), seen_at.spec.kind, accepted.travelled,
                                       accepted.arrival_source, now);
    sign_of_loop(vid, now);
    const bool past_a_block = trace.last_open != now;
    if (past_a_block) return;  // shows that the way is still there: the rounds look at it
    const std::uint32_t seen_by = witnesses(vid, trace, now);
    if (trace.from == trace.to) return on_same_port(vid, seen_at, trace, seen_by, now);
    if (seen_by < 2) return suspect(vid, trace, now);
    const Proof proof{evidence_text(trace, vid), seen_by};
    switch (trace.meaning()) {
        case Meaning::lan_loop: block_lan({std::max(trace.from, trace.to), vid}, proof, now); break;
        case Meaning::backdoor: prove_backdoor(vid, trace, proof, now); break;
        case Meaning::sites_loop: prove_sites_loop(vid, trace, proof, now); break;
        case Meaning::outside_loop:
        case Meaning::far_loop: break;
    }
}

std::uint32_t GuardCore::witnesses(std::uint16_t vid, const Trace& trace, TimePoint now) const {
    std::uint32_t count = trace.kinds_since(now - kWitnessWindow);
    for (const PortId id : {trace.from, trace.to}) {
        const Port* session = port(id);
        if (session == nullptr || session->is_lan()) continue;
        const auto entry = session->peer.entry(vid, now);
        if (entry && entry->has(VlanEntry::kProven)) ++count;
    }
    return count;
}

void GuardCore::sign_of_loop(std::uint16_t vid, TimePoint now) {
    const auto [last, first] = signs_.try_emplace(vid, now);
    if (!first && now - last->second < kSignInterval) return;
    last->second = now;
    act(LoopSign{vid});
}

void GuardCore::look_closer(Place place, TimePoint now) {
    const auto [last, first] = looked_closer_.try_emplace(place, now);
    if (!first && now - last->second < kLookInterval) return;
    last->second = now;
    scheduler_.burst(place, options_.probes.burst, now);
}

/// One witness may lie. More probes, of all kinds, at once; if still only one kind comes back, somebody echoes that kind.
void GuardCore::suspect(std::uint16_t vid, const Trace& trace, TimePoint now) {
    look_closer({trace.from, vid}, now);
    if (trace.total() < kReflectorAfter || now - trace.first < std::chrono::seconds(1)) return;
    event_seldom(GuardEventId::suspected_reflector, Severity::warning, {trace.to, vid},
                 vlan_text(vid) + ": " + evidence_text(trace, vid) + ", but only of one kind, last from " +
                     trace.source.text() + ": somebody echoes them. Rates are limited, nothing was blocked.",
                 kAlarmInterval, now);
}

void GuardCore::on_same_port(std::uint16_t vid, const Port& at, const Trace& trace, std::uint32_t seen_by,
                             TimePoint now) {
    const Place place{at.id(), vid};
    if (!at.is_lan()) {
        event_seldom(GuardEventId::far_loop, Severity::warning, place,
                     vlan_text(vid) + ": probes that we send into " + at.spec.name +
                         " come back out of it: a loop, or a host that echoes frames, at the far side. Rates "
                         "are limited, nothing "
                         "was blocked here.",
                     kAlarmInterval, now);
        return;
    }
    const bool circles =
        trace.last_circle != TimePoint{} && now - trace.last_circle < kCircleLasts && seen_by >= 2;
    if (!circles) {
        look_closer(place, now);
        // The first of a circle is back before one of another kind is.
        if (trace.total() < kReflectorAfter || now - trace.first < std::chrono::seconds(1)) return;
        event_seldom(GuardEventId::suspected_reflector, Severity::warning, place,
                     vlan_text(vid) + ": probes that we send on " + at.spec.name +
                         " come back on it, last from " + trace.source.text() +
                         ": a host there echoes frames. Rates are limited, nothing was blocked.",
                     kAlarmInterval, now);
        return;
    }
    const std::string evidence = "probes that we send on " + at.spec.name +
                                 " come back on it again and again: there is a loop behind that port";
    event_seldom(GuardEventId::outside_loop, Severity::critical, place,
                 vlan_text(vid) + ": " + evidence + ". Rates are limited; if there is a storm, " +
                     vlan_text(vid) +
                     " is closed for broadcast, unknown unicast and multicast on all sessions.",
                 kAlarmInterval, now);
    if (storm_in(vid)) block_outside(vid, {evidence + ", and a storm", seen_by}, now);
}

bool GuardCore::storm_in(std::uint16_t vid) const {
    return std::any_of(storms_.begin(), storms_.end(),
                       [vid](const auto& entry) { return entry.first.vid == vid; });
}

bool GuardCore::proven_now(const Edge& edge, TimePoint now) const {
    return edge.proof_at && now - *edge.proof_at < kProofLasts;
}

void GuardCore::prove_backdoor(std::uint16_t vid, const Trace& trace, const Proof& proof, TimePoint now) {
    const PortId session = trace.to_kind == PortKind::tunnel ? trace.to : trace.from;
    if (!election_.alone(vid)) {
        // While a sibling takes over, both may forward for a moment: that is an election, until it lasts.
        elect_all(vid, now);
        if (now - trace.first < kSiblingPatience) return;
    }
    prove({session, vid}, Cause::backdoor, proof, decider(vid, {session}, now), now);
}

void GuardCore::prove_sites_loop(std::uint16_t vid, const Trace& trace, const Proof& proof, TimePoint now) {
    Edge* one = edge({trace.from, vid});
    Edge* other = edge({trace.to, vid});
    if (one == nullptr || other == nullptr || one->phase != Phase::open || other->phase != Phase::open)
        return;
    // Both sessions are on the way round. The one to the higher node is given up, so that it is the same one each time.
    const Port& a = *port(trace.from);
    const Port& b = *port(trace.to);
    const auto rank = [](const Port& of) { return std::pair(of.peer.identity().node, of.id()); };
    const bool a_is_given_up = rank(a) > rank(b);
    one->proof_at = other->proof_at = now;
    const NodeId who = decider(vid, {a.id(), b.id()}, now);
    const auto blocked_by_peer = [&](const Port& of) {
        const auto entry = of.peer.entry(vid, now);
        return entry && entry->has(VlanEntry::kBlocks);
    };
    if (blocked_by_peer(a) || blocked_by_peer(b)) return;
    prove({a_is_given_up ? a.id() : b.id(), vid}, Cause::sites_loop, proof, who, now);
}

/// The lowest node with several sessions among those that are on the way round, since a spoke sees only its own end of it;
/// without any the lowest of all.
NodeId GuardCore::decider(std::uint16_t vid, const std::vector<PortId>& sessions, TimePoint now) const {
    struct Member {
        NodeId node;
        bool many;
    };
    std::vector<Member> members{{self_.node, sessions_up() >= 2}};
    for (const PortId id : sessions) {
        const Port* session = port(id);
        if (session != nullptr && session->peer.present(now))
            members.push_back({session->peer.identity().node, session->peer.tunnel_count() >= 2});
    }
    for (const Sighting& other : sightings_.on_two_ports(vid, self_.site, now - kMemberWindow))
        members.push_back({other.node, (other.flags & ProbeFlags::kManySessions) != 0});
    const auto before = [](const Member& a, const Member& b) {
        return a.many != b.many ? a.many : a.node < b.node;
    };
    return std::min_element(members.begin(), members.end(), before)->node;
}

void GuardCore::prove(Place place, Cause cause, const Proof& proof, NodeId decider, TimePoint now) {
    Edge* found = edge(place);
    if (found == nullptr) return;
    Edge& edge = *found;
    edge.proof_at = now;
    if (edge.phase != Phase::open) return;
    const Port& session = *port(place.port);
    const auto entry = session.peer.entry(place.vid, now);
    busy_.insert(place);
    if (entry && entry->has(VlanEntry::kBlocks)) return;  // the rounds see whether that helps
    if (decider == self_.node || session.peer.without_guard(now))
        return block(place, edge, cause, proof, now);
    if (edge.decide_by) return;
    edge.decide_by = now + options_.block.decider_wait;
    edge.pending = cause;
    edge.evidence = proof;
    announce_all(now);
}

/// Who should decide had its time. If the loop is gone, it did; if not, we do.
void GuardCore::decide_pending(Place place, Edge& edge, TimePoint now) {
    if (!edge.decide_by) return;
    const auto entry = port(place.port)->peer.entry(place.vid, now);
    const bool decided = edge.phase != Phase::open || (entry && entry->has(VlanEntry::kBlocks));
    // We probe ten times a second meanwhile, so proof that is older is from before it decided.
    if (decided || now - *edge.proof_at >= kPendingProofLasts) {
        edge.decide_by.reset();
        return;
    }
    if (now >= *edge.decide_by) return block(place, edge, edge.pending, edge.evidence, now);
    scheduler_.burst(place, 1, now);
    each_lan(place.vid, [&](const Port& lan) { scheduler_.burst({lan.id(), place.vid}, 1, now); });
}

void GuardCore::block(Place place, Edge& edge, Cause cause, const Proof& proof, TimePoint now) {
    const Duration hold = begin_block(place, edge, cause, proof, now);
    publish(place, edge);
    event(GuardEventId::blocked, Severity::critical, place,
          vlan_text(place.vid) + " on " + name(place.port) + ": " + proof.text + ". " +
              (observes(place.port) ? "Observing only: nothing was blocked"
                                    : "Broadcast, unknown unicast and multicast are blocked") +
              "; tried again in " + duration_text(hold) + ", and open after three clean rounds of probes.",
          now, proof.witnesses);
    announce_all(now);
    act(PersistState{});
}

/// By the policy of whoever runs this gateway, and not for a proven loop: with the timer and the way back of a block.
void GuardCore::suspend(Place place, Cause cause, const std::string& why, TimePoint now) {
    Edge* found = edge(place);
    if (found == nullptr) return;
    Edge& edge = *found;
    if (edge.cause == cause) edge.broken_at = now;
    const bool looped = edge.phase == Phase::blocked;  // that stays why it is closed
    if (edge.suspended || (edge.phase != Phase::open && edge.phase != Phase::opening && !looped)) return;
    if (!looped) (void)begin_block(place, edge, cause, {why, 0}, now);
    const Duration hold = std::max(edge.hold_until - now, Duration{});
    edge.broken_at = now;
    edge.suspended = true;
    publish(place, edge);
    event(GuardEventId::suspended, Severity::critical, place,
          vlan_text(place.vid) + " on " + name(place.port) + ": " + why + ". " +
              (observes(place.port) ? "Observing only: nothing was blocked"
                                    : "The whole VLAN is suspended there, as the configuration asks for") +
              "; tried again in " + duration_text(hold) + ", and open after three clean rounds of probes.",
          now);
    announce_all(now);
    act(PersistState{});
}

Duration GuardCore::begin_block(Place place, Edge& edge, Cause cause, const Proof& proof, TimePoint now) {
    const Duration hold = edge.backoff.trip(now);
    edge.phase = Phase::blocked;
    edge.cause = cause;
    edge.since = now;
    edge.hold_until = now + hold;
    edge.evidence = proof;
    edge.suspended = false;
    edge.told_waiting = false;
    edge.absent = false;
    edge.decide_by.reset();
    edge.broken_at.reset();
    edge.proven_rounds = 0;
    edge.rounds.restart();
    busy_.insert(place);
    return hold;
}

void GuardCore::block_outside(std::uint16_t vid, const Proof& proof, TimePoint now) {
    for (auto& [id, session] : ports_) {
        Edge* affected = session.is_lan() ? nullptr : edge({id, vid});
        if (affected != nullptr && affected->phase == Phase::open)
            block({id, vid}, *affected, Cause::outside_loop, proof, now);
    }
}

/// The kernel takes no rules, so the frames go on round through our bridge. The other sites at least are spared.
void GuardCore::cannot_block_lan(Place place, const Proof& proof, TimePoint now) {
    event_seldom(
        GuardEventId::outside_loop, Severity::critical, place,
        vlan_text(place.vid) + ": " + proof.text +
            ": two LAN ports of this gateway are connected outside, and without nftables neither can be "
            "blocked. If there is a storm, " +
            vlan_text(place.vid) + " is closed for broadcast, unknown unicast and multicast on all sessions.",
        kAlarmInterval, now);
    if (storm_in(place.vid)) block_outside(place.vid, {proof.text + ", and a storm", proof.witnesses}, now);
}

void GuardCore::block_lan(Place place, const Proof& proof, TimePoint now) {
    if (!lan_rules_) return cannot_block_lan(place, proof, now);
    LanBlock& block = lan_blocks_.try_emplace(place, options_.block).first->second;
    if (block.active) return;
    const Duration hold = block.backoff.trip(now);
    block.active = true;
    block.flush_due = !observes(place.port);
    block.since = now;
    block.hold_until = now + hold;
    block.evidence = proof;
    block.rounds.restart();
    if (!observes(place.port)) act(BlockLanPort{place, true});
    event(GuardEventId::lan_port_blocked, Severity::critical, place,
          vlan_text(place.vid) + ": " + proof.text +
              ": two LAN ports of this gateway are connected outside. " +
              (observes(place.port) ? "Observing only: nothing was blocked"
                                    : vlan_text(place.vid) + " is blocked on " + name(place.port)) +
              "; tried again in " + duration_text(hold) + ".",
          now, proof.witnesses);
    act(PersistState{});
}

}  // namespace isthmus::stp_guard
