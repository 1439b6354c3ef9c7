// What the gateways at both ends of a session tell each other.
#include <algorithm>
#include <utility>

#include "stp-guard/guard_core.h"

namespace isthmus::stp_guard {

namespace {

constexpr auto kMessageSpacing = std::chrono::milliseconds(100);
constexpr auto kSaidLately = std::chrono::milliseconds(1200);
constexpr auto kOldNews = std::chrono::seconds(2);
constexpr auto kProofIsNow = std::chrono::seconds(1);
constexpr auto kShapeIsNews = std::chrono::seconds(5);
constexpr std::size_t kMaxShapes = 256;
constexpr std::size_t kMaxRootsPerMessage = 16;
constexpr auto kFloodExpected = std::chrono::seconds(10);
constexpr auto kStillAsks = std::chrono::milliseconds(2500);

}  // namespace

// ------------------------------------------------------------------------------------------------------- receiving

void GuardCore::on_message(Port& at, Bytes frame, TimePoint now) {
    const auto received = parse_guard_message(frame);
    if (received && received->message.sender.domain != self_.domain) {
        ++refused_messages_;  // of gateways that are none of ours, or without a shared key
        return;
    }
    if (!received || !is_authentic(received->sealed, received->mac, authenticator_)) {
        ++refused_messages_;
        if (received)
            event_seldom(
                GuardEventId::forged_probe, Severity::warning, {at.id(), 0},
                at.spec.name +
                    ": a message of a guard is not sealed with the domain's key: it is forged or damaged, or "
                    "the peer has another key. It was ignored.",
                std::chrono::minutes(1), now);
        return;
    }
    GuardMessage message = received->message;
    const auto not_ours = renumber(at, message);
    const bool was_present = at.peer.present(now);
    switch (at.peer.on_message(message, now)) {
        case PeerLink::Outcome::believed:
            for (const std::uint16_t vid : not_ours) at.asked[vid] = now;
            if (!was_present) greet_peer(at, now);
            return accept_peer(at, message, now);
        case PeerLink::Outcome::refused: return refuse_peer(at, message, now);
        case PeerLink::Outcome::answer_it:
            if (!at.message_sent || now - *at.message_sent >= kMessageSpacing)
                send_message(at, message.boot_nonce, now);
            else
                announce(at.id(), now);
            return;
        case PeerLink::Outcome::not_fresh:
        case PeerLink::Outcome::our_own:
        case PeerLink::Outcome::other_domain: ++refused_messages_; return;
    }
}

std::optional<std::uint16_t> GuardCore::our_number(const Port& at, std::uint16_t wire_vid, bool one_vlan) {
    if (!at.spec.renumbers) return edge_vids(at, wire_vid) ? std::optional(wire_vid) : std::nullopt;
    const bool meant = at.vids.size() == 1 && (one_vlan || wire_vid == at.spec.wire_vid);
    return meant ? std::optional(at.vids.front()) : std::nullopt;
}

std::vector<std::uint16_t> GuardCore::renumber(const Port& at, GuardMessage& message) {
    const bool one_vlan = (message.flags & GuardMessage::kOneVlan) != 0;
    std::vector<std::uint16_t> not_ours;
    std::vector<VlanEntry> entries;
    for (VlanEntry entry : message.vlans) {
        const auto vid = our_number(at, entry.vid, one_vlan);
        if (vid) {
            entry.vid = *vid;
            entries.push_back(entry);
        } else if (!entry.has(VlanEntry::kNotHere)) {
            not_ours.push_back(entry.vid);
        }
    }
    message.vlans = std::move(entries);
    for (std::uint16_t& changed : message.topology_changes)
        if (changed != kAllVlans) changed = our_number(at, changed, one_vlan).value_or(changed);
    if (at.spec.renumbers && one_vlan && at.vids.size() == 1)
        for (RootEntry& root : message.roots)
            if (root.vid != 0) root.vid = at.vids.front();
    return not_ours;
}

void GuardCore::refuse_peer(Port& at, const GuardMessage& message, TimePoint now) {
    const bool same_node = message.sender.node == self_.node;
    at.refused = true;
    for (const std::uint16_t vid : at.vids) {
        Edge& affected = *edge({at.id(), vid});
        if (affected.phase == Phase::refused || affected.phase == Phase::held) continue;
        affected.phase = Phase::refused;
        affected.cause = Cause::refused;
        affected.since = now;
        affected.decide_by.reset();
        busy_.insert({at.id(), vid});
        publish({at.id(), vid}, affected);
    }
    event_seldom(
        GuardEventId::identity_refused, Severity::critical, {at.id(), 0},
        at.spec.name + ": the peer has our own " + (same_node ? "node" : "site") + " identifier (" +
            to_hex(ByteWriter().u64(same_node ? raw(self_.node) : raw(self_.site)).view()) +
            "). Is it a cloned image? Nothing crosses this session until one of the two gets another.",
        std::chrono::minutes(1), now);
}

/// It has our nonce, but may wait for its own to come back. And a round that began before it was heard would count for nothing.
void GuardCore::greet_peer(Port& at, TimePoint now) {
    announce(at.id(), now);
    for (const std::uint16_t vid : at.vids) {
        Edge& affected = *edge({at.id(), vid});
        if (affected.phase == Phase::opening && affected.rounds.clean == 0) affected.rounds.restart();
    }
    tick_at_ = std::min(tick_at_, now);
}

void GuardCore::accept_peer(Port& at, const GuardMessage& message, TimePoint now) {
    ledger_.know_peer(message.sender.node, message.boot_nonce, now);
    if (std::exchange(at.refused, false)) {
        for (const std::uint16_t vid : at.vids) {
            Edge& affected = *edge({at.id(), vid});
            if (affected.phase == Phase::refused)
                begin_opening({at.id(), vid}, affected, Cause::starting, now);
        }
    }
    note_peer(at, now);
    for (const VlanEntry& entry : message.vlans) on_peer_entry(at, entry, now);
    on_shapes(at, message.shapes, now);
    on_peer_roots(at, message.roots, now);
    on_peer_changes(at, message.topology_changes, now);
}

void GuardCore::note_peer(Port& at, TimePoint now) {
    if (!at.up) return;
    const bool present = at.peer.present(now);
    if (!present) wake_all(at);  // who does not speak carries what it will
    if (present && !at.told_guard) {
        at.told_guard = true;
        event(GuardEventId::peer_with_guard, Severity::info, {at.id(), 0},
              at.spec.name + ": the peer has a guard too; both ends agree on what to block.", now);
    } else if (!present && at.peer.without_guard(now) && (at.told_guard || !at.peer.ever_heard())) {
        at.told_guard = false;
        event_seldom(
            GuardEventId::peer_without_guard, Severity::warning, {at.id(), 0},
            at.spec.name + ": the peer has no guard, or it is silent; only this side looks for loops.",
            std::chrono::hours(1), now);
    }
}

void GuardCore::on_peer_entry(Port& at, const VlanEntry& entry, TimePoint now) {
    const Place place{at.id(), entry.vid};
    Edge* found = edge(place);
    if (found == nullptr) return;
    if (entry.has(VlanEntry::kNotHere)) return set_absent(at, place, *found, now);
    wake(place, *found);
    const bool special =
        entry.state != VlanState::open || entry.has(VlanEntry::kBlocks) || entry.has(VlanEntry::kProven);
    if (special && found->phase == Phase::open) busy_.insert(place);
    // It waits for our word about this VLAN.
    if (special && (!at.message_sent || now - *at.message_sent >= kSaidLately / 2)) announce(at.id(), now);
    // It proved a loop and leaves it to us. Among gateways with several sessions everybody has to have its own proof, since
    // each would pick another session.
    const bool ours = entry.has(VlanEntry::kProven) && !entry.has(VlanEntry::kBlocks) &&
                      found->phase == Phase::open && at.peer.tunnel_count() < 2 &&
                      decider(entry.vid, {at.id()}, now) == self_.node;
    if (ours && !blocked_lately(entry.vid, now))
        block(place, *found, Cause::peer_proof,
              {"the peer's probes came back, so the two sites are connected elsewhere", 2}, now);
}

/// Nothing that we would wait for comes: it stays closed without probes and words, until the peer has it too or is no more.
void GuardCore::set_absent(Port& at, Place place, Edge& edge, TimePoint now) {
    if (edge.phase != Phase::opening || edge.absent) return;
    edge.absent = at.absent = true;
    edge.rounds.restart();
    busy_.erase(place);
    event(GuardEventId::vlan_not_at_peer, Severity::info, place,
          vlan_text(place.vid) + " is not carried by the peer of " + at.spec.name +
              ", only here. It stays closed; is it missing in the configuration of one end?",
          now);
}

void GuardCore::wake(Place place, Edge& edge) {
    if (!std::exchange(edge.absent, false)) return;
    edge.rounds.restart();
    busy_.insert(place);
}

void GuardCore::wake_all(Port& at) {
    if (!std::exchange(at.absent, false)) return;
    for (const std::uint16_t vid : at.vids)
        if (Edge* found = edge({at.id(), vid})) wake({at.id(), vid}, *found);
}

/// What is told of a loop in that VLAN may be older than our block.
bool GuardCore::blocked_lately(std::uint16_t vid, TimePoint now) const {
    return std::any_of(busy_.begin(), busy_.end(), [&](Place place) {
        const auto found = place.vid == vid ? edges_.find(place) : edges_.end();
        return found != edges_.end() && found->second.phase == Phase::blocked &&
               now - found->second.since < kOldNews;
    });
}

void GuardCore::on_shapes(const Port& from, const std::vector<ShapeEntry>& shapes, TimePoint now) {
    bool news = false;
    for (const ShapeEntry& heard : shapes) {
        if (heard.node == self_.node) continue;
        const auto [place, fresh] = shapes_.try_emplace(heard.node, Shape{heard.count, now, {}});
        Shape& known = place->second;
        known.heard_at = now;
        if (fresh && shapes_.size() > kMaxShapes) {
            shapes_.erase(place);
            continue;
        }
        // Serial numbers: half of their range lies ahead.
        if (fresh || heard.count - known.count == 0 || heard.count - known.count >= 0x8000'0000) continue;
        known.count = heard.count;
        known.changed_at = now;
        news = true;
    }
    if (!news) return;
    cut_short(now);
    for (const auto& [id, session] : ports_)
        if (!session.is_lan() && id != from.id()) announce(id, now);
}

void GuardCore::on_peer_roots(const Port& at, const std::vector<RootEntry>& roots, TimePoint now) {
    if (at.spec.one_tree) return;
    for (const RootEntry& theirs : roots) {
        const auto ours = std::find_if(roots_.begin(), roots_.end(), [&](const auto& entry) {
            return entry.first.vid == theirs.vid && entry.second.root == theirs.root;
        });
        if (ours == roots_.end()) continue;
        event_seldom(GuardEventId::backdoor_suspected, Severity::warning, {at.id(), theirs.vid},
                     (theirs.vid == 0 ? std::string("the spanning tree")
                                      : "the spanning tree of " + vlan_text(theirs.vid)) +
                         " has the same root " + theirs.root.text() + " on " + name(ours->first.port) +
                         " and at the site behind " + at.spec.name +
                         ", although BPDUs do not cross: the sites are connected elsewhere. Probing.",
                     std::chrono::minutes(5), now);
        if (theirs.vid != 0)
            burst_vid(theirs.vid, now);
        else
            burst_port(at, now);
    }
}

void GuardCore::on_peer_changes(const Port& at, const std::vector<std::uint16_t>& vids, TimePoint now) {
    for (const std::uint16_t vid : vids)
        if (vid == kAllVlans || edge_vids(at, vid)) act(ExpectFlood{{at.id(), vid}, now + kFloodExpected});
}

// --------------------------------------------------------------------------------------------------------- sending

void GuardCore::shape_changed(TimePoint now) {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count();
    const auto [place, fresh] =
        shapes_.try_emplace(self_.node, Shape{static_cast<std::uint32_t>(seconds), now, {}});
    ++place->second.count;
    place->second.changed_at = now;
    cut_short(now);
    announce_all(now);
}

void GuardCore::announce(PortId session, TimePoint now) {
    Port* to = port(session);
    if (to == nullptr) return;
    const TimePoint soon = to->message_sent ? std::max(now, *to->message_sent + kMessageSpacing) : now;
    to->message_due = std::min(to->message_due, soon);
}

void GuardCore::announce_all(TimePoint now) {
    for (const auto& [id, session] : ports_)
        if (!session.is_lan()) announce(id, now);
}

void GuardCore::send_messages(TimePoint now) {
    for (auto& [id, session] : ports_) {
        if (session.is_lan() || !session.up || session.message_due > now) continue;
        send_message(session, session.peer.nonce_to_echo(), now);
        if (session.say_again == 0) continue;
        --session.say_again;
        session.message_due = now + kMessageSpacing;
    }
}

void GuardCore::send_message(Port& to, std::uint64_t echo, TimePoint now) {
    to.message_due = now + options_.message_interval;
    to.message_sent = now;
    GuardMessage message;
    message.sender = self_;
    message.boot_nonce = ledger_.boot_nonce();
    message.nonce_echo = echo;
    message.tunnel_count = static_cast<std::uint16_t>(sessions_up());
    message.flags = to.spec.renumbers ? GuardMessage::kOneVlan : std::uint16_t{0};
    message.port = to.id();
    // Our own shape always, so that it is known before it changes; others' while they are news.
    shapes_.try_emplace(
        self_.node,
        Shape{static_cast<std::uint32_t>(
                  std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count()),
              now,
              {}});
    for (const auto& [node, shape] : shapes_) {
        const bool news = shape.changed_at != TimePoint{} && now - shape.changed_at < kShapeIsNews;
        if ((node == self_.node || news) && message.shapes.size() < kMaxShapesPerMessage)
            message.shapes.push_back({node, shape.count});
    }
    add_roots(to, message);
    for (const auto& [vid, until] : changes_to_tell_) {
        if (until <= now) continue;
        if (vid == kAllVlans) message.topology_changes.push_back(vid);
        if (edge_vids(to, vid)) message.topology_changes.push_back(on_wire(to, vid));
    }

    bool any_sent = false;
    const auto flush = [&] {
        any_sent = true;
        message.seq = to.peer.next_seq();
        auto frame = emit(message, guard_source(self_.node, to.id()), authenticator_);
        if (to.spec.message_tag) tag_guard_frame(frame, *to.spec.message_tag);
        act(SendPeer{to.id(), std::move(frame)});
        message.vlans.clear();
        message.shapes.clear();
        message.roots.clear();
        message.topology_changes.clear();
    };
    add_entries(to, message, now, flush);
    if (!message.vlans.empty() || !any_sent) flush();
}

/// Of what is not simply open, here or there, and of what the peer waits for in vain. `full`: as often as no more fit.
void GuardCore::add_entries(Port& to, GuardMessage& message, TimePoint now,
                            const std::function<void()>& full) {
    std::unordered_set<std::uint16_t> vids;
    for (const Place place : busy_)
        if (place.port == to.id()) vids.insert(place.vid);
    to.peer.each_entry(now, [&](const VlanEntry& entry) {
        const bool closed = entry.state != VlanState::open && !entry.has(VlanEntry::kNotHere);
        if (closed && edge_vids(to, entry.vid)) vids.insert(entry.vid);
    });
    const auto add = [&](VlanEntry entry) {
        message.vlans.push_back(entry);
        if (message.vlans.size() == kMaxVlansPerMessage) full();
    };
    for (const std::uint16_t vid : vids) add(entry_for(to, vid, now));
    std::erase_if(to.asked, [now](const auto& asked) { return now - asked.second >= kStillAsks; });
    for (const auto& [wire_vid, at] : to.asked)
        add({wire_vid, VlanState::closed, Cause::starting, VlanEntry::kNotHere, 0});
}

/// Some of those that the session is concerned by; the next message goes on where this one ends.
void GuardCore::add_roots(Port& to, GuardMessage& message) {
    auto next = roots_.upper_bound(to.root_told);
    for (std::size_t i = 0; i < roots_.size() && message.roots.size() < kMaxRootsPerMessage; ++i, ++next) {
        if (next == roots_.end()) next = roots_.begin();
        const auto& [place, root] = *next;
        to.root_told = place;
        if (place.vid == 0 || edge_vids(to, place.vid)) message.roots.push_back({place.vid, root.root});
    }
}

VlanEntry GuardCore::entry_for(const Port& to, std::uint16_t vid, TimePoint now) const {
    VlanEntry out;
    out.vid = on_wire(to, vid);
    const auto found = edges_.find({to.id(), vid});
    if (found == edges_.end()) return out;
    const Edge& edge = found->second;
    out.state = edge.published;
    out.cause = edge.cause;
    const auto flag = [&out](std::uint16_t bit, bool set) {
        if (set) out.flags |= bit;
    };
    flag(VlanEntry::kBlocks, edge.phase == Phase::blocked && !observes(to.id()));
    flag(VlanEntry::kProven,
         edge.published == VlanState::open && edge.proof_at && now - *edge.proof_at < kProofIsNow);
    flag(VlanEntry::kListening, listening(vid, now));
    if (to.peer.present(now)) {
        const NodeId peer = to.peer.identity().node;
        flag(VlanEntry::kElsewhere, seen_elsewhere(to, vid, now - kSaidLately));
        flag(VlanEntry::kHears, sightings_.heard(vid, peer, to.id(), now - kSaidLately));
    }
    for (const Trace& trace : evidence_.traces(vid))
        flag(VlanEntry::kFarLoop,
             trace.from == to.id() && trace.to == to.id() && now - trace.last < kSaidLately);
    flag(VlanEntry::kStorm, storm_in(vid));
    if (edge.phase == Phase::blocked && edge.hold_until > now) {
        const auto left = std::chrono::duration_cast<std::chrono::seconds>(edge.hold_until - now).count();
        out.held_seconds = static_cast<std::uint16_t>(std::min<std::int64_t>(left, 65'535));
    }
    return out;
}

}  // namespace isthmus::stp_guard
