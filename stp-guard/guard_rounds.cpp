// Clean rounds: what is closed opens after three of them, and what is blocked is watched by them.
#include <algorithm>

#include "stp-guard/guard_core.h"

namespace isthmus::stp_guard {

namespace {

/// A probe has this long to come back before its round ends.
constexpr auto kSettle = std::chrono::milliseconds(250);
constexpr auto kBlockTakesEffect = std::chrono::seconds(2);
constexpr auto kLanBlockTakesEffect =
    std::chrono::milliseconds(200);  // the kernel has taken its rules by then
constexpr std::uint32_t kSayAgain = 3;
constexpr auto kCutShortInterval = std::chrono::seconds(10);
constexpr auto kLongestHello = std::chrono::seconds(10);  // IEEE 802.1D-2004 section 17.14

}  // namespace

void GuardCore::tick(TimePoint now) {
    const std::vector<Place> busy(busy_.begin(), busy_.end());
    for (const Place place : busy)
        if (Edge* found = edge(place)) tick_edge(place, *found, now);
    for (auto& [place, block] : lan_blocks_)
        if (block.active) tick_lan_block(place, block, now);
    ask_remembered(now);
    repeat_questions(now);
}

void GuardCore::tick_edge(Place place, Edge& edge, TimePoint now) {
    const Port& session = *port(place.port);
    if (edge.phase == Phase::held && edge.order_until && now >= *edge.order_until)
        begin_opening(place, edge, Cause::starting, now);
    if (!session.up || edge.phase == Phase::held || edge.phase == Phase::refused ||
        edge.phase == Phase::standby)
        return;
    if (edge.phase == Phase::opening && !options_.opening.checked) return open(place, edge, now);
    decide_pending(place, edge, now);

    std::vector<Place> places{place};
    each_lan(place.vid, [&](const Port& lan) {
        if (lan.up) places.push_back({lan.id(), place.vid});
    });
    const auto since = edge.rounds.start;
    if (run_round(edge.rounds, places, now) == RoundResult::running) return;
    const RoundResult result = judge_edge(place, edge, *since, edge.rounds.waiting_for, now);
    if (result == RoundResult::clean) ++edge.rounds.clean;
    if (result == RoundResult::dirty) edge.rounds.clean = 0;
    after_round(place, edge, result, now);
}

/// Running until every place was probed since its start, and the probes had time to return. Then the next one begins.
GuardCore::RoundResult GuardCore::run_round(Rounds& rounds, const std::vector<Place>& places, TimePoint now) {
    bool probed = rounds.start.has_value();
    for (const Place place : places) {
        const auto sent = ledger_.last_sent(place);
        if (!rounds.start || (sent && *sent >= *rounds.start)) continue;
        probed = false;
        scheduler_.request(place);
    }
    if (probed && !rounds.all_probed) rounds.all_probed = now;
    const bool over =
        probed && now - *rounds.start >= options_.opening.round && now - *rounds.all_probed >= kSettle;
    if (rounds.start && !over) return RoundResult::running;
    const bool first = !rounds.start;
    rounds.start = now;
    rounds.all_probed.reset();
    for (const Place place : places) scheduler_.request(place);
    return first ? RoundResult::running : RoundResult::clean;
}

GuardCore::RoundResult GuardCore::judge_edge(Place place, const Edge& edge, TimePoint since, std::string& why,
                                             TimePoint now) const {
    why = why_dirty(place, edge, since, now);
    if (!why.empty()) return RoundResult::dirty;
    why = why_blind(place, now);
    return why.empty() ? RoundResult::clean : RoundResult::blind;
}

std::string GuardCore::why_dirty(Place place, const Edge& edge, TimePoint since, TimePoint now) const {
    for (const Trace& trace : evidence_.traces(place.vid)) {
        if (trace.last < since) continue;
        if (closes_circle(trace, place)) return evidence_text(trace, place.vid);
        if (edge.cause != Cause::outside_loop) continue;
        if (trace.meaning() == Meaning::outside_loop && trace.last_circle >= since)
            return "the loop behind " + name(trace.from) + " is still there";
        if (trace.meaning() == Meaning::lan_loop && !lan_rules_)
            return name(trace.from) + " and " + name(trace.to) + " are still connected outside";
    }
    if (edge.cause == Cause::outside_loop && storm_in(place.vid)) return "the storm goes on";
    if (edge.broken_at && edge.cause == Cause::bpdu_guard && now - *edge.broken_at < kLongestHello)
        return "BPDUs still come out of the tunnel";
    const Port& session = *port(place.port);
    if (!session.peer.present(now)) return {};
    if (seen_elsewhere(session, place.vid, since))
        return "the peer's probes reach us by another way than " + session.spec.name;
    const auto entry = session.peer.entry(place.vid, now);
    if (entry && entry->has(VlanEntry::kElsewhere))
        return "our probes reach the peer by another way than " + session.spec.name;
    return {};
}

/// With that place open, frames could take the way that the probe took. A way that ends at another closed place of ours is none:
/// whoever of the two opens first makes the other one wait.
bool GuardCore::closes_circle(const Trace& trace, Place place) const {
    if (trace.from == trace.to || !trace.touches(place.port)) return false;
    return forwards({trace.from == place.port ? trace.to : trace.from, place.vid});
}

bool GuardCore::forwards(Place place) const {
    const Port* at = port(place.port);
    if (at == nullptr || !at->up) return false;
    return at->is_lan() ? !lan_blocked(place) : vlan_state(place) == VlanState::open;
}

bool GuardCore::seen_elsewhere(const Port& session, std::uint16_t vid, TimePoint since) const {
    const auto all =
        sightings_.elsewhere(vid, session.peer.identity().node, session.id(), session.peer.port(), since);
    return std::any_of(all.begin(), all.end(), [&](PortId at) { return forwards({at, vid}); });
}

/// After `opened` is open: what waited at the other end of a way that was closed at both ends starts to count anew.
void GuardCore::recount(Place opened) {
    for (const Trace& trace : evidence_.traces(opened.vid)) {
        if (trace.from == trace.to || !trace.touches(opened.port)) continue;
        const Place other{trace.from == opened.port ? trace.to : trace.from, opened.vid};
        if (Edge* found = edge(other)) found->rounds.restart();
        if (const auto block = lan_blocks_.find(other); block != lan_blocks_.end())
            block->second.rounds.restart();
    }
    for (const Sighting& sighting : sightings_.of(opened.vid)) {
        if (sighting.seen_at != opened.port) continue;
        for (const auto& [id, session] : ports_) {
            if (session.is_lan() || id == opened.port || session.peer.identity().node != sighting.node)
                continue;
            if (Edge* found = edge({id, opened.vid})) found->rounds.restart();
        }
    }
}

std::string GuardCore::why_blind(Place place, TimePoint now) const {
    const Port& session = *port(place.port);
    bool any = false;
    bool link = false;
    std::string not_ready;
    each_lan(place.vid, [&](const Port& lan) {
        any = true;
        link = link || lan.up;
        if (lan.up && !lan.readiness.ready(now)) not_ready = lan.spec.name;
    });
    if (any && !link) return "no LAN port of this VLAN has a link";
    if (!not_ready.empty()) return not_ready + " may not carry frames yet";
    if (session.peer.undecided(now)) return "the peer has not spoken yet";
    if (!session.peer.present(now)) return {};  // it has no guard: our own probes have to do
    const auto entry = session.peer.entry(place.vid, now);
    if (!entry) return "the peer has not said how it is there";
    if (!entry->has(VlanEntry::kListening)) return "the peer's LAN may not carry frames yet";
    return {};
}

bool GuardCore::listening(std::uint16_t vid, TimePoint now) const {
    bool any = false;
    bool ready = false;
    each_lan(vid, [&](const Port& lan) {
        any = true;
        ready = ready || lan.readiness.ready(now);
    });
    return !any || ready;
}

void GuardCore::after_round(Place place, Edge& edge, RoundResult result, TimePoint now) {
    if (edge.phase == Phase::open) return watch_open(place, edge, now);
    if (edge.phase == Phase::blocked) watch_blocked(place, edge, now);
    const auto entry = port(place.port)->peer.entry(place.vid, now);
    if (edge.phase == Phase::opening && entry && entry->has(VlanEntry::kBlocks) && listening(place.vid, now))
        return open(place, edge, now);  // the peer guards this one: one block is enough
    if (edge.phase != Phase::opening && edge.phase != Phase::blocked) return;
    const bool held = edge.phase == Phase::blocked && now < edge.hold_until;
    if (edge.rounds.clean >= options_.opening.clean_rounds && !held) return open(place, edge, now);
    if (result != RoundResult::dirty || held || edge.told_waiting) return;
    edge.told_waiting = true;
    event(GuardEventId::still_blocked, Severity::warning, place,
          vlan_text(place.vid) + " on " + name(place.port) + " stays closed: " + edge.rounds.waiting_for +
              ". It opens after three clean rounds of probes.",
          now);
}

/// The loop is proven although we block: by the peer, whose probes get no exemption. And one block of two is given up.
void GuardCore::watch_blocked(Place place, Edge& edge, TimePoint now) {
    const auto entry = port(place.port)->peer.entry(place.vid, now);
    const bool in_force = now - edge.since >= kBlockTakesEffect;
    edge.proven_rounds = entry && entry->has(VlanEntry::kProven) && in_force ? edge.proven_rounds + 1 : 0;
    if (edge.proven_rounds >= options_.block.rounds_before_suspend && !edge.suspended) {
        edge.suspended = true;
        publish(place, edge);
        event(GuardEventId::suspended, Severity::critical, place,
              vlan_text(place.vid) + " on " + name(place.port) +
                  ": the peer still proves the loop although broadcast, unknown unicast and multicast are "
                  "blocked. " +
                  (observes(place.port)
                       ? "Observing only: nothing was blocked."
                       : "The whole VLAN is suspended there until three rounds of probes are clean."),
              now);
        act(PersistState{});
    }
    const bool both = entry && entry->has(VlanEntry::kBlocks) && !edge.on_our_own && in_force;
    const bool shared =
        edge.cause == Cause::backdoor || edge.cause == Cause::sites_loop || edge.cause == Cause::peer_proof;
    if (both && shared && port(place.port)->peer.identity().node < self_.node) open(place, edge, now);
}

/// The peer blocks. If the loop goes on nevertheless, we block too.
void GuardCore::watch_open(Place place, Edge& edge, TimePoint now) {
    const Port& session = *port(place.port);
    const auto entry = session.peer.entry(place.vid, now);
    const bool blocks = entry && entry->has(VlanEntry::kBlocks);
    if (blocks && !edge.peer_blocked) {
        edge.peer_blocked = true;
        edge.since = now;
        event_seldom(
            GuardEventId::peer_blocks, Severity::warning, place,
            vlan_text(place.vid) + " on " + session.spec.name +
                (entry->state == VlanState::suspended
                     ? ": the peer has suspended it ("
                     : ": the peer blocks broadcast, unknown unicast and multicast because of a loop (") +
                std::string(name_of(entry->cause)) + "); it tries again in " +
                duration_text(std::chrono::seconds(entry->held_seconds)) + ".",
            std::chrono::seconds(30), now);
    }
    if (!blocks) {
        if (edge.peer_blocked) act(FlushRemoteMacs{place.vid, true});
        edge.peer_blocked = false;
        if (!edge.decide_by) busy_.erase(place);
        return;
    }
    const bool in_force = now - edge.since >= kBlockTakesEffect;
    edge.proven_rounds = proven_now(edge, now) && in_force ? edge.proven_rounds + 1 : 0;
    if (edge.proven_rounds < options_.block.rounds_before_suspend) return;
    block(place, edge, Cause::peer_proof, {"the loop goes on although the peer blocks", 2}, now);
    edge.on_our_own = true;
}

void GuardCore::open(Place place, Edge& edge, TimePoint now) {
    // A sibling may have taken over while it was closed.
    if (!is_forwarder(place.vid)) return stand_by(place, edge, now);
    const bool worth_telling = edge.phase == Phase::blocked || edge.told_waiting;
    if (edge.phase == Phase::blocked && is_loop(edge.cause)) act(FlushRemoteMacs{place.vid, true});
    const std::string after = edge.phase == Phase::blocked ? " after " + duration_text(now - edge.since) : "";
    edge.phase = Phase::open;
    edge.cause = Cause::none;
    edge.since = now;
    edge.suspended = false;
    edge.on_our_own = false;
    edge.told_waiting = false;
    edge.peer_blocked = false;
    edge.absent = false;
    edge.proof_at.reset();
    edge.broken_at.reset();
    edge.proven_rounds = 0;
    edge.rounds.restart();
    if (!edge.opened_before) act(PersistState{});
    edge.opened_before = true;
    port(place.port)->opened_before = true;
    publish(place, edge);
    if (worth_telling) {
        event(GuardEventId::opened, Severity::info, place,
              vlan_text(place.vid) + " on " + name(place.port) + " is open again" + after +
                  ": nothing speaks of a loop any more.",
              now);
        act(PersistState{});
    }
    recount(place);
    announce(place.port, now);
    scheduler_.burst(place, options_.probes.burst, now);
    each_lan(place.vid, [&](const Port& lan) {
        scheduler_.burst({lan.id(), place.vid}, options_.probes.burst, now);
    });
}

void GuardCore::tick_lan_block(Place place, LanBlock& block, TimePoint now) {
    if (block.flush_due && now - block.since >= kLanBlockTakesEffect) {
        block.flush_due = false;
        act(FlushRemoteMacs{place.vid, true});
    }
    std::vector<Place> places;
    bool has_link = false;
    each_lan(place.vid, [&](const Port& lan) {
        if (lan.up) places.push_back({lan.id(), place.vid});
        if (lan.id() == place.port) has_link = lan.up && lan.readiness.ready(now);
    });
    const auto since = block.rounds.start;
    if (run_round(block.rounds, places, now) == RoundResult::running) return;
    bool dirty = false;
    for (const Trace& trace : evidence_.traces(place.vid))
        dirty = dirty ||
                (trace.last >= *since && trace.meaning() == Meaning::lan_loop && closes_circle(trace, place));
    block.rounds.clean = dirty ? 0 : block.rounds.clean + (has_link ? 1U : 0U);
    if (block.rounds.clean < options_.opening.clean_rounds || now < block.hold_until) return;
    block.active = false;
    if (!observes(place.port)) act(BlockLanPort{place, false});
    event(GuardEventId::lan_port_opened, Severity::info, place,
          vlan_text(place.vid) + " is open again on " + name(place.port) + " after " +
              duration_text(now - block.since) +
              ": that port is not connected to another one of ours any more.",
          now);
    act(PersistState{});
    recount(place);
    burst_vid(place.vid, now);
}

// -------------------------------------------------------------------------------------------------------- siblings

void GuardCore::elect_all(std::uint16_t vid, TimePoint now) {
    for (const auto& [id, session] : ports_)
        if (Edge* found = session.is_lan() ? nullptr : edge({id, vid})) elect({id, vid}, *found, now);
}

void GuardCore::elect(Place place, Edge& edge, TimePoint now) {
    const bool ours = is_forwarder(place.vid);
    const bool forwards = edge.phase == Phase::open || edge.phase == Phase::opening;
    if (ours && edge.phase == Phase::standby) {
        begin_opening(place, edge, Cause::starting, now);
        event_seldom(
            GuardEventId::sibling_elected, Severity::info, place,
            vlan_text(place.vid) +
                ": this gateway forwards it from now on, as soon as three rounds of probes are clean.",
            std::chrono::seconds(10), now);
    } else if (!ours && forwards) {
        stand_by(place, edge, now);
    }
}

bool GuardCore::is_forwarder(std::uint16_t vid) const {
    return election_.alone(vid) || election_.forwarder(vid, could_forward(vid)) == self_.node;
}

void GuardCore::stand_by(Place place, Edge& edge, TimePoint now) {
    if (edge.phase == Phase::blocked || edge.phase == Phase::held) act(PersistState{});
    edge.phase = Phase::standby;
    edge.cause = Cause::sibling;
    edge.since = now;
    edge.absent = false;
    edge.decide_by.reset();
    publish(place, edge);
    event_seldom(GuardEventId::sibling_elected, Severity::info, place,
                 vlan_text(place.vid) + ": another gateway of this site forwards it; this one stands by.",
                 std::chrono::seconds(10), now);
}

// ----------------------------------------------------------------------------------------------------------- states

VlanState GuardCore::wanted_state(Place place, const Edge& edge) const {
    if (observes(place.port)) return VlanState::open;
    switch (edge.phase) {
        case Phase::open: return VlanState::open;
        case Phase::standby:
        case Phase::refused: return VlanState::suspended;
        case Phase::held:  // no order to close may open what was closed further
        case Phase::opening:
        case Phase::blocked: break;
    }
    if (edge.suspended) return VlanState::suspended;
    return edge.opened_before ? VlanState::bum_blocked : VlanState::closed;
}

void GuardCore::publish(Place place, Edge& edge) {
    const VlanState wanted = wanted_state(place, edge);
    if (wanted == edge.published) return;
    edge.published = wanted;
    act(SetVlanState{place, wanted});
    announce(place.port, latest_);
    if (wanted != VlanState::open || edge.phase == Phase::open) return;
    // It was closed for a reason, and is open because nothing may be blocked any more: the peer has to know at once, and do it instead.
    port(place.port)->say_again = kSayAgain;
    burst_vid(place.vid, latest_);
}

/// A way elsewhere went down: a ring may be no ring any more, and need what we block.
void GuardCore::cut_short(TimePoint now) {
    for (const Place place : busy_) {
        Edge* found = edge(place);
        if (found == nullptr || found->phase != Phase::blocked || found->cause != Cause::sites_loop) continue;
        if (now - found->cut_short < kCutShortInterval && found->cut_short != TimePoint{}) continue;
        found->cut_short = now;
        found->hold_until = std::min(found->hold_until, now);
        found->rounds.restart();
    }
}

}  // namespace isthmus::stp_guard
