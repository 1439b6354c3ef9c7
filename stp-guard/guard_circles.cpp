// Frames that come round again and again. Flooded ones may be the first sign of a loop, long before the next probe is due.
//
// Known unicast is another matter. Blocking what is flooded leaves it a way, and what switches learned while the loop was whole may make
// a circle of it: frames for a host are handed on from one to the next and never reach it, so it is silent, and nothing puts that right.
// The workers drop what goes round; here the host is asked where it is, and its answer teaches the switches on its way.
//
// And what still passes a blocked session teaches gateways at its ends that a host is there, while flooded frames of that host teach others
// that it is elsewhere. Where split horizon keeps what comes out of one tunnel from going into another, that loses frames of third sites.
// So those hosts are asked too: once all know them by the way that flooded frames take, nothing passes the blocked session any more.
#include <algorithm>

#include "stp-guard/guard_core.h"

namespace isthmus::stp_guard {

namespace {

constexpr auto kTellInterval = std::chrono::minutes(1);
constexpr auto kLookInterval = std::chrono::seconds(2);
constexpr auto kAskWithin = std::chrono::seconds(5);
constexpr auto kLoopIsWhole = std::chrono::seconds(2);
constexpr auto kNothingUnderWay = std::chrono::milliseconds(250);
constexpr std::size_t kMostQuestions = 64;
/// No port has this number, so guard_source() of it is nobody's address.
constexpr PortId kNobody{0xffff'ffff};

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
    if (who.address) ask(place, who, QuestionPace::Need::lost, now);
}

void GuardCore::on_stray_unicast(Place place, Bytes frame, TimePoint now) {
    const Edge* at = edge(place);
    if (at == nullptr || observes(place.port)) return;
    const auto who = addressee_of(frame);
    if (!who) return;
    if (at->phase == Phase::open) return on_lost_unicast(place, *who, now);
    // Others have to be able to reach the host: a loop is proven, or a sibling forwards. A person's order says nothing of that.
    const bool another_way =
        at->phase == Phase::standby ||
        (at->phase == Phase::blocked && is_loop(at->cause) && at->cause != Cause::outside_loop);
    if (!another_way || !who->address) return;
    const bool passes = at->published == VlanState::bum_blocked;
    ask(place, *who, passes ? QuestionPace::Need::stale : QuestionPace::Need::lost, now);
}

/// The bridge has its host behind another session of the split-horizon group.
void GuardCore::on_lost_unicast(Place place, const Addressee& who, TimePoint now) {
    auto behind = mac_moves_.place_of({place.vid, who.host});
    if (!behind) behind = mac_moves_.place_of({0, who.host});  // its bridge filters no VLANs
    const Port* there = behind ? port(*behind) : nullptr;
    if (there == nullptr || !there->spec.isolated) return;  // it is known elsewhere by now
    event_seldom(
        GuardEventId::stray_unicast, Severity::warning, place,
        vlan_text(place.vid) + ": frames for host " + who.text() + " come out of " + name(place.port) +
            ", but the bridge learned that host behind " + there->spec.name +
            ", and split_horizon lets nothing pass from session to session. They are lost" +
            (who.address ? "; the host is asked where it is."
                         : " until it says something; they say no address that it could be asked by."),
        kTellInterval, now);
    if (!who.address) return;
    const bool loop_is_whole = !is_cut(place.vid, now) && looped_lately(place.vid, now);
    if (loop_is_whole) return remember_to_ask(place, who, now);
    ask(place, who, QuestionPace::Need::lost, now);
}

bool GuardCore::looped_lately(std::uint16_t vid, TimePoint now) const {
    const std::vector<Trace>& all = evidence_.traces(vid);
    return std::any_of(all.begin(), all.end(), [now](const Trace& trace) {
        return trace.from != trace.to && now - trace.last < kLoopIsWhole;
    });
}

/// What it said came by two ways, so switches may have learned it where it is not. Asked as soon as the loop is cut.
void GuardCore::remember_to_ask(Place place, const Addressee& who, TimePoint now) {
    if (!who.address || observes(place.port)) return;
    const auto same = [&](const Question& known) { return known.is_about(place, who); };
    if (std::any_of(to_ask_.begin(), to_ask_.end(), same)) return;
    if (to_ask_.size() >= kMostQuestions) to_ask_.pop_front();
    to_ask_.push_back({place, who, now});
}

void GuardCore::ask_remembered(TimePoint now) {
    std::erase_if(to_ask_, [&](const Question& question) {
        if (now - question.since >= kAskWithin) return true;
        return is_cut(question.place.vid, now) &&
               ask(question.place, question.who, QuestionPace::Need::lost, now);
    });
}

/// False: not now.
bool GuardCore::ask(Place about, const Addressee& who, QuestionPace::Need need, TimePoint now) {
    const auto times = questions_.may_ask(about.vid, who.host, need, now);
    if (!times) return false;
    say_question(about, who, *times, now);
    remember_to_repeat(about, who, now);
    return true;
}

/// Where flooded frames of ours would go: that is how all LANs are reached, and each once. The answer should be flooded too; every fourth
/// one is for us, since there are switches that flood no unicast.
void GuardCore::say_question(Place about, const Addressee& who, std::uint32_t times, TimePoint now) {
    ++hosts_asked_;
    for (const auto& [id, out] : ports_) {
        const Place place{id, about.vid};
        if (!edge_vids(out, about.vid) || !forwards(place)) continue;
        if (!out.is_lan() && is_blocked_by_peer(out, about.vid, now)) continue;
        const MacAddress from = guard_source(self_.node, id);
        const MacAddress answer_to = times % 4 != 3 ? guard_source(self_.node, kNobody) : from;
        act(SendProbe{place, question_for(who, from, answer_to)});
    }
}

/// A frame of the host that was under way by the other way may come after its answer, and teach a switch the old place again. If nobody
/// else sends it anything then, no gateway sees that frames for it are lost.
void GuardCore::remember_to_repeat(Place about, const Addressee& who, TimePoint now) {
    const auto known = std::find_if(to_repeat_.begin(), to_repeat_.end(),
                                    [&](const Question& question) { return question.is_about(about, who); });
    if (known != to_repeat_.end()) return void(known->since = now);
    if (to_repeat_.size() >= kMostQuestions) to_repeat_.pop_front();
    to_repeat_.push_back({about, who, now});
}

void GuardCore::repeat_questions(TimePoint now) {
    std::erase_if(to_repeat_, [&](const Question& question) {
        if (now - question.since < kNothingUnderWay) return false;
        const bool over = now - question.since >= kAskWithin || !is_cut(question.place.vid, now);
        if (over || observes(question.place.port)) return true;
        if (!questions_.may_repeat(question.place.vid, now)) return false;
        say_question(question.place, question.who, 0, now);
        return true;
    });
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
