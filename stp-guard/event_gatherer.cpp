#include "stp-guard/event_gatherer.h"

#include <algorithm>
#include <chrono>

namespace isthmus::stp_guard {

namespace {

constexpr Duration kFirstWindow = std::chrono::seconds(1);
constexpr Duration kLongestWindow = std::chrono::seconds(8);

/// Whether it says the same of each VLAN, but for what a probe's way looked like.
bool is_alike(GuardEventId id) {
    switch (id) {
        case GuardEventId::opened:
        case GuardEventId::blocked:
        case GuardEventId::peer_blocks:
        case GuardEventId::suspended:
        case GuardEventId::still_blocked:
        case GuardEventId::lan_port_blocked:
        case GuardEventId::lan_port_opened:
        case GuardEventId::outside_loop:
        case GuardEventId::far_loop:
        case GuardEventId::suspected_reflector:
        case GuardEventId::forged_probe:
        case GuardEventId::sibling_seen:
        case GuardEventId::sibling_elected:
        case GuardEventId::topology_change: return true;
        default: return false;
    }
}

void add_vid(GatheredEvent& to, std::uint16_t vid) {
    if (const auto vlan = VlanId::parse(vid))
        to.vlans.insert(*vlan);
    else
        to.untagged = true;
}

GatheredEvent alone(GuardEvent event) {
    GatheredEvent out;
    add_vid(out, event.place.vid);
    out.event = std::move(event);
    return out;
}

}  // namespace

std::string vlans_text(const VlanSet& vlans, bool untagged) {
    if (vlans.empty()) return vlan_text(0);
    return (vlans.size() == 1 ? "VLAN " : "VLANs ") + vlans.text() + (untagged ? " and " + vlan_text(0) : "");
}

void EventGatherer::add(GuardEvent event, TimePoint now) {
    const Key key{event.id, event.place.port};
    if (!is_alike(event.id)) return tell(alone(std::move(event)));
    const auto [at, first] = groups_.try_emplace(key);
    Group& group = at->second;
    if (first) {
        group.window = kFirstWindow;
        group.until = now + group.window;
        return tell(alone(std::move(event)));
    }
    if (!group.waiting)
        group.waiting = alone(std::move(event));
    else
        add_vid(*group.waiting, event.place.vid);
}

void EventGatherer::on_timeout(TimePoint now) {
    for (auto at = groups_.begin(); at != groups_.end();) {
        Group& group = at->second;
        if (now < group.until) {
            ++at;
        } else if (!group.waiting) {
            at = groups_.erase(at);
        } else {
            tell(*std::exchange(group.waiting, std::nullopt));
            group.window = std::min(group.window * 2, kLongestWindow);
            group.until = now + group.window;
            ++at;
        }
    }
}

std::optional<TimePoint> EventGatherer::next_timeout() const {
    std::optional<TimePoint> soonest;
    for (const auto& [key, group] : groups_)
        if (!soonest || group.until < *soonest) soonest = group.until;
    return soonest;
}

std::optional<GatheredEvent> EventGatherer::poll_event() {
    if (told_.empty()) return std::nullopt;
    GatheredEvent event = std::move(told_.front());
    told_.pop_front();
    return event;
}

void EventGatherer::flush() {
    for (auto& [key, group] : std::exchange(groups_, {}))
        if (group.waiting) tell(std::move(*group.waiting));
}

void EventGatherer::tell(GatheredEvent event) {
    const std::size_t places = event.vlans.size() + (event.untagged ? 1 : 0);
    if (places > 1)
        event.event.sentence =
            vlans_text(event.vlans, event.untagged) + ", each like this one: " + event.event.sentence;
    told_.push_back(std::move(event));
}

}  // namespace isthmus::stp_guard
