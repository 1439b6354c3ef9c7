#include "stp-guard/guard_engine.h"

#include <algorithm>

#include "stp-guard/guard_core.h"

namespace isthmus::stp_guard {

namespace {

constexpr auto kTick = std::chrono::milliseconds(100);
constexpr auto kHousekeeping = std::chrono::seconds(1);
constexpr auto kEvidenceLasts = std::chrono::seconds(60);
constexpr auto kRootLasts = std::chrono::seconds(40);  // the longest max age there is
constexpr std::size_t kBurstsForAllKinds =
    16;  ///< with more places than these at once, each gets fewer probes

std::vector<std::uint16_t> vids_of(const GuardPort& spec) {
    std::vector<std::uint16_t> out;
    if (spec.untagged) out.push_back(0);
    for (std::uint16_t vid = 1; vid < 4095; ++vid)
        if (spec.vlans.contains_vid(vid)) out.push_back(vid);
    return out;
}

}  // namespace

// ------------------------------------------------------------------------------------------------- the public face

GuardEngine::GuardEngine(Identity self, GuardOptions options, const FrameAuthenticator& authenticator,
                         Rng& rng)
    : core_(std::make_unique<GuardCore>(self, options, authenticator, rng)) {}
GuardEngine::~GuardEngine() = default;

Result<void, std::string> GuardEngine::restore(Bytes saved, std::uint64_t boot, TimePoint now) {
    return core_->restore(saved, boot, core_->steady(now));
}
std::vector<std::uint8_t> GuardEngine::save(std::uint64_t boot, TimePoint now) const {
    return core_->save(boot, now);
}
void GuardEngine::on_port(const GuardPort& port, TimePoint now) {
    core_->on_port(port, core_->steady(now));
}
void GuardEngine::on_port_gone(PortId port, TimePoint now) {
    core_->on_port_gone(port, core_->steady(now));
}
void GuardEngine::on_link(PortId port, bool up, TimePoint now, std::uint64_t link) {
    core_->on_link(port, up, core_->steady(now), link);
}
void GuardEngine::on_bum(std::uint16_t vid, TimePoint now) {
    core_->on_bum(vid, core_->steady(now));
}
void GuardEngine::on_lan_frame(PortId port, TimePoint now) {
    core_->on_lan_frame(port, core_->steady(now));
}
void GuardEngine::on_guard_frame(PortId port, std::uint16_t vid, Bytes frame, TimePoint now) {
    core_->on_guard_frame(port, vid, frame, core_->steady(now));
}
void GuardEngine::on_storm(Place place, bool active, TimePoint now) {
    core_->on_storm(place, active, core_->steady(now));
}
void GuardEngine::on_circling_frame(Place place, Bytes frame, TimePoint now) {
    core_->on_circling_frame(place, frame, core_->steady(now));
}
void GuardEngine::on_stray_unicast(Place place, Bytes frame, TimePoint now) {
    core_->on_stray_unicast(place, frame, core_->steady(now));
}
void GuardEngine::on_bpdu(PortId port, const BpduFrame& frame, TimePoint now) {
    core_->on_bpdu(port, frame, core_->steady(now));
}
void GuardEngine::on_tunnel_bpdu(Place place, TimePoint now) {
    core_->on_tunnel_bpdu(place, core_->steady(now));
}
void GuardEngine::on_heavy_storm(Place place, TimePoint now) {
    core_->on_heavy_storm(place, core_->steady(now));
}
void GuardEngine::on_lan_rules(bool in_force) {
    core_->on_lan_rules(in_force);
}
void GuardEngine::on_host(Place place, const MacAddress& mac, TimePoint now) {
    core_->on_host(place, mac, core_->steady(now));
}
void GuardEngine::on_host_gone(std::uint16_t vid, const MacAddress& mac, TimePoint /*now*/) {
    core_->on_host_gone(vid, mac);
}
void GuardEngine::on_fdb_overrun(TimePoint now) {
    core_->on_fdb_overrun(core_->steady(now));
}
void GuardEngine::on_bridge(bool filters_vlans) {
    core_->on_bridge(filters_vlans);
}
std::size_t GuardEngine::on_command(const GuardCommand& command, TimePoint now) {
    return core_->on_command(command, core_->steady(now));
}
void GuardEngine::on_timeout(TimePoint now) {
    core_->on_timeout(core_->steady(now));
}
std::optional<TimePoint> GuardEngine::next_timeout() const {
    return core_->next_timeout();
}
std::optional<GuardAction> GuardEngine::poll_action() {
    return core_->poll_action();
}
VlanState GuardEngine::vlan_state(Place place) const {
    return core_->vlan_state(place);
}
bool GuardEngine::lan_blocked(Place place) const {
    return core_->lan_blocked(place);
}
GuardStatus GuardEngine::status(TimePoint now) const {
    return core_->status(now);
}

// ----------------------------------------------------------------------------------------------------------- ports

GuardCore::GuardCore(Identity self, const GuardOptions& options, const FrameAuthenticator& authenticator,
                     Rng& rng)
    : self_(self),
      options_(options),
      authenticator_(authenticator),
      rng_(rng),
      scheduler_(options.probes, rng),
      ledger_(self, options.probes, rng),
      election_(self.node),
      mac_moves_(options.mac_moves) {}

TimePoint GuardCore::steady(TimePoint now) {
    latest_ = std::max(latest_, now);
    return latest_;
}

void GuardCore::on_port(const GuardPort& spec, TimePoint now) {
    const auto [place, fresh] =
        ports_.try_emplace(spec.id, spec, options_.opening, self_, ledger_.boot_nonce());
    Port& changed = place->second;
    changed.spec = spec;
    if (fresh) changed.opened_before = opened_before_.contains(spec.name);
    changed.asked.clear();
    const std::vector<std::uint16_t> before = std::move(changed.vids);
    changed.vids = vids_of(spec);
    for (const std::uint16_t vid : before)
        if (!edge_vids(changed, vid)) drop_place(changed, vid);
    note_numbering();
    add_places(changed, now);
    if (changed.is_lan()) return;
    for (const std::uint16_t vid : changed.vids)
        publish({spec.id, vid}, *edge({spec.id, vid}));  // it may observe now, or not any more
}

void GuardCore::note_numbering() {
    renumbered_.clear();
    for (const auto& [id, session] : ports_)
        if (session.spec.renumbers) renumbered_.insert(session.vids.begin(), session.vids.end());
}

bool GuardCore::observes(PortId id) const {
    if (observe_ordered_) return true;
    const Port* at = port(id);
    const bool session = at != nullptr && !at->is_lan();
    return session ? at->spec.observe.value_or(options_.observe) : options_.observe;
}

void GuardCore::on_port_gone(PortId id, TimePoint now) {
    Port* gone = port(id);
    if (gone == nullptr) return;
    on_link(id, false, now);
    for (const std::uint16_t vid : gone->vids) drop_place(*gone, vid);
    mac_moves_.forget_port(id);
    ledger_.forget_port(id);
    std::erase_if(roots_, [id](const auto& entry) { return entry.first.port == id; });
    std::erase_if(storms_, [id](const auto& entry) { return entry.first.port == id; });
    ports_.erase(id);
    note_numbering();
}

/// Places that are there already stay as they are.
void GuardCore::add_places(Port& of, TimePoint now) {
    for (const std::uint16_t vid : of.vids) {
        const Place place{of.id(), vid};
        if (of.up) scheduler_.add(place, now);
        const auto saved = saved_.extract({of.spec.name, vid, of.is_lan()});
        if (of.is_lan()) {
            if (saved.empty()) continue;
            LanBlock& block = lan_blocks_.try_emplace(place, options_.block).first->second;
            block.active = true;
            block.since = saved.mapped().since;
            block.hold_until = saved.mapped().held_until;
            block.backoff.restore(saved.mapped().trips, saved.mapped().last_trip);
            block.evidence.text = "found before a restart";
            if (!observes(place.port)) act(BlockLanPort{place, true});
            continue;
        }
        const auto [added, fresh] = edges_.try_emplace(place, options_.block);
        if (!fresh) continue;
        Edge& edge = added->second;
        edge.since = now;
        edge.opened_before = of.opened_before;
        busy_.insert(place);
        if (!saved.empty()) {
            const SavedRecord& record = saved.mapped();
            edge.phase = record.kind == SavedRecord::Kind::held ? Phase::held : Phase::blocked;
            edge.cause = record.cause;
            edge.since = record.since;
            edge.hold_until = record.held_until;
            edge.suspended = record.suspended;
            edge.backoff.restore(record.trips, record.last_trip);
            if (record.order_until != TimePoint{}) edge.order_until = record.order_until;
            edge.evidence.text = "found before a restart";
        }
        edge.published = wanted_state(place, edge);
        act(SetVlanState{place, edge.published});
        elect(place, edge, now);
    }
}

void GuardCore::drop_place(Port& of, std::uint16_t vid) {
    const Place place{of.id(), vid};
    scheduler_.remove(place);
    const Edge* gone = edge(place);
    // Else a restart would bring back a block or an order of the past.
    if (gone != nullptr && (gone->phase == Phase::blocked || gone->phase == Phase::held)) act(PersistState{});
    edges_.erase(place);
    busy_.erase(place);
    const auto block = lan_blocks_.find(place);
    if (block == lan_blocks_.end()) return;
    if (block->second.active) act(PersistState{});
    if (block->second.active && !observes(place.port)) act(BlockLanPort{place, false});
    lan_blocks_.erase(block);
}

void GuardCore::on_link(PortId id, bool up, TimePoint now, std::uint64_t link) {
    Port* changed = port(id);
    if (changed == nullptr || changed->up == up) return;
    changed->up = up;
    changed->readiness.on_link(up, now);
    changed->link = up ? link : 0;
    changed->told_ready = false;
    if (up && link != 0 && ready_before_.contains({changed->spec.name, link})) changed->readiness.resume(now);
    changed->peer.on_link(up, now);
    if (up) {
        for (const std::uint16_t vid : changed->vids) scheduler_.add({id, vid}, now);
        burst_port(*changed, now);
        changed->message_due = now;
    } else {
        scheduler_.remove_port(id);
        evidence_.forget_port(id);
        sightings_.forget_port(id);
        shape_changed(now);
    }
    if (changed->is_lan()) return;
    changed->asked.clear();
    wake_all(*changed);
    for (const std::uint16_t vid : changed->vids) {
        const Place place{id, vid};
        Edge& affected = *edge(place);
        affected.rounds.restart();
        affected.decide_by.reset();
        affected.proof_at.reset();
        if (affected.phase == Phase::open) begin_opening(place, affected, Cause::starting, now);
        if (up && affected.phase == Phase::opening && !options_.opening.checked) open(place, affected, now);
    }
    for (auto& [place, affected] : edges_) elect(place, affected, now);
    // What was behind the session is reached another way from now on, or not at all.
    if (!up) act(FlushRemoteMacs{std::nullopt, false});
}

void GuardCore::begin_opening(Place place, Edge& edge, Cause cause, TimePoint now) {
    edge.phase = Phase::opening;
    edge.cause = cause;
    edge.since = now;
    edge.suspended = false;
    edge.on_our_own = false;
    edge.told_waiting = false;
    edge.absent = false;
    edge.decide_by.reset();
    edge.proven_rounds = 0;
    edge.rounds.restart();
    busy_.insert(place);
    publish(place, edge);
    elect(place, edge, now);  // a sibling may have taken over meanwhile
}

Port* GuardCore::port(PortId id) {
    const auto found = ports_.find(id);
    return found == ports_.end() ? nullptr : &found->second;
}
const Port* GuardCore::port(PortId id) const {
    const auto found = ports_.find(id);
    return found == ports_.end() ? nullptr : &found->second;
}
Edge* GuardCore::edge(Place place) {
    const auto found = edges_.find(place);
    return found == edges_.end() ? nullptr : &found->second;
}

std::size_t GuardCore::sessions_up() const {
    return static_cast<std::size_t>(std::count_if(ports_.begin(), ports_.end(), [](const auto& entry) {
        return !entry.second.is_lan() && entry.second.up;
    }));
}

bool GuardCore::could_forward(std::uint16_t vid) const {
    return std::any_of(ports_.begin(), ports_.end(), [vid](const auto& entry) {
        return !entry.second.is_lan() && entry.second.up && edge_vids(entry.second, vid);
    });
}

VlanState GuardCore::vlan_state(Place place) const {
    const auto found = edges_.find(place);
    return found == edges_.end() ? VlanState::closed : found->second.published;
}

bool GuardCore::lan_blocked(Place place) const {
    const auto found = lan_blocks_.find(place);
    return found != lan_blocks_.end() && found->second.active && !observes(place.port);
}

// ---------------------------------------------------------------------------------------------------------- timers

void GuardCore::on_timeout(TimePoint now) {
    send_probes(now);
    if (tick_at_ <= now) {
        tick_at_ = now + kTick;
        tick(now);
        send_probes(now);
    }
    if (housekeeping_at_ <= now) {
        housekeeping_at_ = now + kHousekeeping;
        housekeeping(now);
    }
    send_messages(now);
}

std::optional<TimePoint> GuardCore::next_timeout() const {
    if (ports_.empty()) return std::nullopt;
    TimePoint soonest = housekeeping_at_;
    if (!busy_.empty() || !lan_blocks_.empty() || !to_ask_.empty() || !to_repeat_.empty())
        soonest = std::min(soonest, tick_at_);
    if (const auto probe = scheduler_.next_at()) soonest = std::min(soonest, *probe);
    for (const auto& [id, session] : ports_)
        if (!session.is_lan() && session.up) soonest = std::min(soonest, session.message_due);
    return soonest;
}

std::optional<GuardAction> GuardCore::poll_action() {
    if (actions_.empty()) return std::nullopt;
    GuardAction action = std::move(actions_.front());
    actions_.pop_front();
    return action;
}

void GuardCore::send_probes(TimePoint now) {
    const std::size_t sessions = sessions_up();
    while (const auto place = scheduler_.next(now)) {
        const Port* out = port(place->port);
        if (out == nullptr) continue;
        std::uint16_t flags = 0;
        if (sessions >= 2) flags |= ProbeFlags::kManySessions;
        if (could_forward(place->vid)) flags |= ProbeFlags::kAble;
        const bool blocked = out->is_lan() ? lan_blocked(*place) : vlan_state(*place) != VlanState::open;
        if (blocked) flags |= ProbeFlags::kBlocked;
        if (renumbered_.contains(place->vid)) flags |= ProbeFlags::kRenumbered;
        act(SendProbe{*place, emit(ledger_.next(*place, out->spec.kind, flags, now), authenticator_)});
    }
}

void GuardCore::burst_port(const Port& of, TimePoint now) {
    const std::uint32_t count = of.vids.size() <= kBurstsForAllKinds ? options_.probes.burst : 2;
    for (const std::uint16_t vid : of.vids) scheduler_.burst({of.id(), vid}, count, now);
}

void GuardCore::burst_vid(std::uint16_t vid, TimePoint now) {
    for (const auto& [id, of] : ports_)
        if (of.up && edge_vids(of, vid)) scheduler_.burst({id, vid}, options_.probes.burst, now);
}

void GuardCore::housekeeping(TimePoint now) {
    const Duration round = 3 * scheduler_.full_round();
    evidence_.expire(now - kEvidenceLasts);
    sightings_.expire(now - std::max<Duration>(round, std::chrono::seconds(10)));
    if (election_.expire(std::max<Duration>(round, std::chrono::seconds(4)), now))
        for (auto& [place, edge] : edges_) elect(place, edge, now);
    for (auto& [id, session] : ports_) {
        if (session.is_lan()) continue;
        session.peer.expire(now);
        note_peer(session, now);
    }
    for (auto& [id, lan] : ports_) {
        if (!lan.is_lan() || lan.told_ready || lan.link == 0 || !lan.readiness.ready(now)) continue;
        lan.told_ready = true;
        act(PersistState{});
    }
    // A bridge that is alive says so every two seconds, and is forgotten after its max age.
    std::erase_if(roots_, [now](const auto& entry) { return now - entry.second.seen_at >= kRootLasts; });
    std::erase_if(told_, [now](const auto& entry) { return now - entry.second >= std::chrono::hours(1); });
    std::erase_if(looked_closer_,
                  [now](const auto& entry) { return now - entry.second >= std::chrono::minutes(1); });
    questions_.expire(now);
    std::erase_if(shapes_, [&](const auto& entry) {
        return entry.first != self_.node && now - entry.second.heard_at >= std::chrono::minutes(1);
    });
    std::erase_if(lan_blocks_, [now](const auto& entry) {
        return !entry.second.active && entry.second.backoff.trips(now) == 0;
    });
}

// --------------------------------------------------------------------------------------------------- what arrives

void GuardCore::on_guard_frame(PortId id, std::uint16_t vid, Bytes frame, TimePoint now) {
    Port* at = port(id);
    if (at == nullptr || !at->up) return;
    const auto view = peek_guard_frame(frame);
    if (view && view->header.type == GuardFrameType::message) {
        if (!at->is_lan())
            on_message(*at, frame, now);
        else
            ++refused_messages_;
        return;
    }
    on_probe(*at, vid, frame, now);
}

void GuardCore::on_probe(Port& at, std::uint16_t vid, Bytes frame, TimePoint now) {
    const auto received = parse_loop_probe(frame);
    if (!received) {
        ++refusals_[static_cast<std::size_t>(received.error())];
        return;
    }
    const Numbering numbering = at.spec.renumbers           ? Numbering::any
                                : renumbered_.contains(vid) ? Numbering::others_other
                                                            : Numbering::same;
    const auto accepted = ledger_.judge(*received, vid, authenticator_, now, numbering);
    if (!accepted) {
        ++refusals_[static_cast<std::size_t>(accepted.error())];
        on_refused_probe(at, vid, *received, accepted.error(), now);
        return;
    }
    if (!edge_vids(at, vid)) return;
    if (accepted->own)
        on_own_return(at, *accepted, now);
    else
        on_foreign_probe(at, accepted->probe, now);
}

void GuardCore::on_refused_probe(Port& at, std::uint16_t vid, const ReceivedProbe& received, ProbeRefusal why,
                                 TimePoint now) {
    constexpr auto kSeldom = std::chrono::minutes(1);
    const Place place{at.id(), vid};
    const std::string from = received.arrival_source.text();
    if (why == ProbeRefusal::bad_mac)
        event_seldom(GuardEventId::forged_probe, Severity::warning, place,
                     vlan_text(vid) + " on " + at.spec.name + ": a probe from " + from +
                         " is not sealed with the domain's key: it is forged or damaged, or that gateway has "
                         "another key. "
                         "It was ignored.",
                     kSeldom, now);
    if (why == ProbeRefusal::vlan_leak)
        event_seldom(
            GuardEventId::vlan_leak, Severity::warning, place,
            vlan_text(received.probe.vid) + " and " + vlan_text(vid) +
                " are connected: a probe sent in the one came to " + at.spec.name +
                " in the other. Look for an access port or trunk with another VLAN at its other end.",
            kSeldom, now);
    if (why == ProbeRefusal::altered)
        event_seldom(GuardEventId::suspected_reflector, Severity::warning, place,
                     vlan_text(vid) + " on " + at.spec.name + ": " + from +
                         " sends our probes on with other addresses. That is a relaying host, not a bridge; "
                         "nothing was blocked.",
                     kSeldom, now);
}

void GuardCore::on_foreign_probe(Port& at, const LoopProbe& probe, TimePoint now) {
    if (probe.sender.site != self_.site) {
        sightings_.note(probe, at.id(), at.spec.kind, now);
        return;
    }
    // A gateway of our own site. On the LAN: it lives, and carries this VLAN. Out of a tunnel: both of us forward.
    const bool able = (probe.flags & ProbeFlags::kAble) != 0;
    if (!election_.on_sibling(probe.vid, probe.sender.node, able, now) && at.is_lan()) return;
    event_seldom(GuardEventId::sibling_seen, Severity::info, {at.id(), probe.vid},
                 vlan_text(probe.vid) + ": another gateway of this site is on " + at.spec.name +
                     "; one of the two forwards this VLAN.",
                 std::chrono::hours(1), now);
    elect_all(probe.vid, now);
}

}  // namespace isthmus::stp_guard
