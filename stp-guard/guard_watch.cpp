// Storms, BPDUs, hosts and people: what makes the probes look closer, and what people order.
#include <algorithm>

#include "stp-guard/guard_core.h"

namespace isthmus::stp_guard {

namespace {

constexpr auto kTellChangeFor = std::chrono::seconds(3);

}  // namespace

void GuardCore::on_bum(std::uint16_t vid, TimePoint now) {
    scheduler_.set_active(vid, now);
}

void GuardCore::on_lan_frame(PortId id, TimePoint now) {
    if (Port* at = port(id)) at->readiness.on_frame(now);
}

void GuardCore::on_storm(Place place, bool active, TimePoint now) {
    if (!active) {
        storms_.erase(place);
        return;
    }
    const bool fresh = storms_.insert_or_assign(place, now).second;
    if (fresh) burst_vid(place.vid, now);
}

void GuardCore::on_bpdu(PortId id, const BpduFrame& frame, TimePoint now) {
    Port* at = port(id);
    if (at == nullptr || !at->is_lan()) return;
    at->readiness.on_bpdu(frame.bpdu, now);
    const std::uint16_t vid = frame.pvst ? frame.vid : std::uint16_t{0};
    if (frame.bpdu.kind != BpduKind::topology_change) {
        const auto [place, fresh] = roots_.try_emplace({id, vid}, RootStatus{id, vid, frame.bpdu.root, now});
        const bool changed = !fresh && place->second.root != frame.bpdu.root;
        place->second = {id, vid, frame.bpdu.root, now};
        if (changed && vid != 0) burst_vid(vid, now);
        if (changed && vid == 0) burst_port(*at, now);
    }
    if (!frame.bpdu.tells_of_topology_change()) return;

    const auto [last, first] = flushed_.try_emplace(vid, now);
    if (!first && now - last->second < options_.topology_flush_interval) return;
    last->second = now;
    const auto lans =
        std::count_if(ports_.begin(), ports_.end(), [](const auto& entry) { return entry.second.is_lan(); });
    const bool several_ways = lans >= 2 || sessions_up() >= 2 || !election_.siblings().empty();
    if (several_ways) {
        act(FlushRemoteMacs{vid == 0 ? std::nullopt : std::optional(vid), false});
        event_seldom(
            GuardEventId::topology_change, Severity::info, {id, vid},
            vlan_text(vid) + ": a topology change on " + at->spec.name + "; remote hosts are learned anew.",
            std::chrono::minutes(1), now);
    }
    // The peer must not take the flood that follows for a storm. A tree that is no VLAN's own is all VLANs'.
    std::erase_if(changes_to_tell_, [now](const auto& change) { return change.second <= now; });
    if (vid == 0) changes_to_tell_.clear();
    if (changes_to_tell_.size() < kMaxVlansPerMessage)
        changes_to_tell_.emplace_back(vid == 0 ? kAllVlans : vid, now + kTellChangeFor);
    announce_all(now);
    if (vid != 0)
        burst_vid(vid, now);
    else
        burst_port(*at, now);
}

void GuardCore::on_tunnel_bpdu(Place place, TimePoint now) {
    suspend(place, Cause::bpdu_guard,
            "a BPDU came out of the tunnel, so the peer does not keep its spanning tree in", now);
}

void GuardCore::on_heavy_storm(Place place, TimePoint now) {
    suspend(place, Cause::storm, "a storm is ten times over its limit, and there are signs of a loop", now);
}

void GuardCore::on_host(Place place, const MacAddress& mac, TimePoint now) {
    if (is_guard_source(mac) || mac.is_group() || port(place.port) == nullptr) return;
    const MacMoves::Outcome outcome = mac_moves_.on_host({place.vid, mac}, place.port, now);
    if (!outcome.moved) return;
    note_stray(place, mac, outcome.from);
    const bool vlan_known = filters_vlans_ || place.vid != 0;
    const std::string host = mac.text() + (vlan_known ? " in " + vlan_text(place.vid) : "");
    const std::string between = name(outcome.from) + " and " + name(place.port);
    if (outcome.duplicate && is_first_hop_gateway(mac)) {
        event_seldom(GuardEventId::gateway_at_both_sites, Severity::warning, place,
                     host + " moves between " + between +
                         ": the same first-hop gateway is active at both sites. Consider "
                         "dual-gateway mode; nothing was blocked.",
                     std::chrono::minutes(5), now);
    } else if (outcome.duplicate) {
        const bool pin = options_.mac_moves.pin && !observes(outcome.first_port);
        if (pin) act(PinMac{{outcome.first_port, place.vid}, mac, true});
        event(GuardEventId::duplicate_mac, Severity::warning, place,
              host + " moved " + std::to_string(options_.mac_moves.duplicate_moves) + " times within " +
                  duration_text(options_.mac_moves.duplicate_window) + ", between " + between +
                  (is_load_balancing(mac) ? ": network load balancing floods by design"
                                          : ": two hosts with one address?") +
                  (pin ? " It is kept on " + name(outcome.first_port) + "." : " Nothing was blocked."),
              now);
    }
    if (outcome.flap_storm) {
        sign_of_loop(place.vid, now);
        event_seldom(GuardEventId::flap_storm, Severity::warning, place,
                     "many hosts move between ports at once, lately " + host + " between " + between +
                         ": it may be a loop, so the probes look closer. Nothing was blocked.",
                     std::chrono::seconds(30), now);
        const bool carried = place.vid != 0 || edge_vids(*port(place.port), 0);
        if (vlan_known && carried) return burst_vid(place.vid, now);
        for (const auto& [id, of] : ports_)
            if (of.up) burst_port(of, now);
    }
}

void GuardCore::on_host_gone(std::uint16_t vid, const MacAddress& mac) {
    mac_moves_.on_gone({vid, mac});
    const bool any_isolated = std::any_of(ports_.begin(), ports_.end(),
                                          [](const auto& entry) { return entry.second.spec.isolated; });
    if (any_isolated) act(StrayHost{{PortId{}, vid}, mac, false});
}

/// Those who heard it here send frames for it here, and not where it is now.
void GuardCore::note_stray(Place place, const MacAddress& mac, PortId from) {
    const Port* before = port(from);
    const bool isolated = port(place.port)->spec.isolated;
    if (isolated && before != nullptr && before->is_lan()) act(StrayHost{place, mac, true});
    if (!isolated && before != nullptr && before->spec.isolated) act(StrayHost{place, mac, false});
}

void GuardCore::on_fdb_overrun(TimePoint now) {
    if (!mac_moves_.on_overrun(now)) return;
    event_seldom(GuardEventId::flap_storm, Severity::warning, {},
                 "hosts move faster than the kernel can tell: it may be a loop, so the probes look closer. "
                 "Nothing was blocked.",
                 std::chrono::seconds(30), now);
    for (const auto& [id, of] : ports_)
        if (of.up) burst_port(of, now);
}

std::size_t GuardCore::on_command(const GuardCommand& command, TimePoint now) {
    const auto meant = [&](Place place) {
        return (!command.port || *command.port == place.port) && (!command.vid || *command.vid == place.vid);
    };
    if (command.what == GuardCommand::What::observe || command.what == GuardCommand::What::enforce) {
        observe_ordered_ = command.what == GuardCommand::What::observe;
        for (auto& [place, edge] : edges_) publish(place, edge);
        for (const auto& [place, block] : lan_blocks_)
            if (block.active) act(BlockLanPort{place, !observes(place.port)});
        event(observe_ordered_ ? GuardEventId::cleared : GuardEventId::held, Severity::warning, {},
              observe_ordered_
                  ? "The guard only observes from now on, by order of a person: nothing is blocked."
              : options_.observe ? "The order to observe is taken back by a person. The configuration has it "
                                   "too, so still nothing is "
                                   "blocked: take observe = true out of it."
                                 : "The guard blocks loops from now on, by order of a person.",
              now);
        act(PersistState{});
        return edges_.size();
    }
    std::size_t done = 0;
    bool some_observe = false;
    for (auto& [place, edge] : edges_) {
        if (!meant(place)) continue;
        some_observe = some_observe || observes(place.port);
        if (command.what == GuardCommand::What::hold) {
            // Of what neither unicast may cross, none does because of an order to close.
            edge.suspended = edge.suspended || edge.phase == Phase::standby || edge.phase == Phase::refused;
            edge.absent = false;
            edge.phase = Phase::held;
            edge.cause = Cause::operator_hold;
            edge.since = now;
            edge.decide_by.reset();
            edge.order_until =
                command.hold_for > Duration{} ? std::optional(now + command.hold_for) : std::nullopt;
            busy_.insert(place);
            publish(place, edge);
            ++done;
            continue;
        }
        const bool closed =
            edge.phase == Phase::blocked || edge.phase == Phase::held || edge.phase == Phase::opening;
        if (!closed || edge.absent) continue;
        ++done;
        edge.backoff.reset();
        if (command.what == GuardCommand::What::clear_force)
            open(place, edge, now);
        else
            begin_opening(place, edge, Cause::starting, now);
    }
    for (auto& [place, block] : lan_blocks_) {
        if (!meant(place) || !block.active || command.what == GuardCommand::What::hold) continue;
        ++done;
        block.backoff.reset();
        block.hold_until = now;
        if (command.what != GuardCommand::What::clear_force) continue;
        block.active = false;
        if (!observes(place.port)) act(BlockLanPort{place, false});
    }
    if (done == 0 && command.what == GuardCommand::What::hold) return done;
    const Place about{command.port.value_or(PortId{}), command.vid.value_or(std::uint16_t{0})};
    const std::string where = (command.vid ? vlan_text(*command.vid) : "all VLANs") + " on " +
                              (command.port ? name(*command.port) : "all sessions");
    if (command.what == GuardCommand::What::hold)
        event(
            GuardEventId::held, Severity::warning, about,
            where + ": blocked for broadcast, unknown unicast and multicast by order of a person, " +
                (command.hold_for > Duration{} ? "for " + duration_text(command.hold_for) : "until cleared") +
                (some_observe ? ". Where the guard only observes nothing is blocked." : "."),
            now);
    else
        event(GuardEventId::cleared, Severity::warning, about,
              where + ": " + std::to_string(done) + (done == 1 ? " block" : " blocks") +
                  " cleared by order of a person" +
                  (command.what == GuardCommand::What::clear_force
                       ? ", at once."
                       : "; open after three clean rounds of probes."),
              now);
    act(PersistState{});
    return done;
}

}  // namespace isthmus::stp_guard
