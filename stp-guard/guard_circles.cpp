// Frames that come round again and again. Flooded ones may be the first sign of a loop, long before the next probe is due.
//
// Known unicast is another matter. Blocking what is flooded leaves it a way, and what switches learned while the loop was whole may make
// a circle of it: frames for a host are handed on from one to the next and never reach it, so it is silent, and nothing puts that right.
// The workers drop what goes round; here the host is asked where it is, and its answer teaches the switches on its way.
#include <algorithm>

#include "stp-guard/guard_core.h"

namespace isthmus::stp_guard {

namespace {

constexpr auto kTellInterval = std::chrono::minutes(1);
constexpr auto kLookInterval = std::chrono::seconds(2);
constexpr auto kAskWithin = std::chrono::seconds(5);
constexpr std::size_t kMostQuestions = 64;

}  // namespace

void GuardCore::on_circling_frame(Place place, Bytes frame, TimePoint now) {
    const Edge* at = edge(place);
    if (at == nullptr) return;
    const auto who = addressee_of(frame);
    if (who) return on_circling_unicast(place, *who, now);
    if (const auto sender = sender_of(frame)) remember_to_ask(place, *sender, now);
    if (at->phase != Phase::open) return;
    const auto [last, first] = looked_closer_.try_emplace(place, now);
    if (!first && now - last->second < kLookInterval) return;
    last->second = now;
    burst_vid(place.vid, now);
}

void GuardCore::on_circling_unicast(Place place, const Addressee& who, TimePoint now) {
    // As long as the loop is whole, question and answer would go round as well, and be mislearned at once.
    if (observes(place.port) || !is_cut(place.vid, now)) return;
    event_seldom(GuardEventId::circling_unicast, Severity::warning, place,
                 vlan_text(place.vid) + ": frames for host " + who.text() + " go round through " +
                     name(place.port) + ", since switches learned in the loop that it is where it is not. " +
                     (who.address ? "They are dropped, and the host is asked where it is."
                                  : "They are dropped; they say no address that it could be asked by."),
                 kTellInterval, now);
    if (who.address && questions_.may_ask(place.vid, *who.address, now)) ask(place, who, now);
}

/// What it said came by two ways, so switches may have learned it where it is not. Asked as soon as the loop is cut.
void GuardCore::remember_to_ask(Place place, const Addressee& who, TimePoint now) {
    if (!who.address || observes(place.port)) return;
    const auto same = [&](const Question& known) {
        return known.place.vid == place.vid && known.who.address == who.address;
    };
    if (std::any_of(to_ask_.begin(), to_ask_.end(), same)) return;
    if (to_ask_.size() >= kMostQuestions) to_ask_.pop_front();
    to_ask_.push_back({place, who, now});
}

void GuardCore::ask_remembered(TimePoint now) {
    std::erase_if(to_ask_, [&](const Question& question) {
        if (now - question.since >= kAskWithin) return true;
        if (!is_cut(question.place.vid, now) ||
            !questions_.may_ask(question.place.vid, *question.who.address, now))
            return false;
        ask(question.place, question.who, now);
        return true;
    });
}

/// Where flooded frames of ours would go: that is how all LANs are reached, and each once.
void GuardCore::ask(Place circled, const Addressee& who, TimePoint now) {
    for (const auto& [id, out] : ports_) {
        const Place place{id, circled.vid};
        if (!edge_vids(out, circled.vid) || !forwards(place)) continue;
        if (!out.is_lan() && is_blocked_by_peer(out, circled.vid, now)) continue;
        act(SendProbe{place, question_for(who, guard_source(self_.node, id))});
    }
}

/// Some end that we know of is closed for what is flooded, or a LAN port.
bool GuardCore::is_cut(std::uint16_t vid, TimePoint now) const {
    const bool in_lan = std::any_of(lan_blocks_.begin(), lan_blocks_.end(), [vid](const auto& entry) {
        return entry.first.vid == vid && entry.second.active;
    });
    if (in_lan) return true;
    return std::any_of(ports_.begin(), ports_.end(), [&](const auto& entry) {
        const Port& session = entry.second;
        if (session.is_lan() || !edge_vids(session, vid)) return false;
        return vlan_state({session.id(), vid}) != VlanState::open || is_blocked_by_peer(session, vid, now);
    });
}

bool GuardCore::is_blocked_by_peer(const Port& session, std::uint16_t vid, TimePoint now) const {
    const auto entry = session.peer.entry(vid, now);
    return entry && entry->has(VlanEntry::kBlocks);
}

}  // namespace isthmus::stp_guard
