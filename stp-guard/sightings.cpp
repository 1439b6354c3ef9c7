#include "stp-guard/sightings.h"

#include <algorithm>

namespace isthmus::stp_guard {

namespace {

constexpr std::size_t kMaxPerVlan = 256;

}  // namespace

void Sightings::note(const LoopProbe& probe, PortId seen_at, PortKind seen_kind, TimePoint now) {
    std::vector<Sighting>& all = by_vid_[probe.vid];
    auto found = std::find_if(all.begin(), all.end(), [&](const Sighting& s) {
        return s.node == probe.sender.node && s.sent_on == probe.port && s.seen_at == seen_at;
    });
    if (found == all.end()) {
        if (all.size() >= kMaxPerVlan) return;
        all.emplace_back();
        found = all.end() - 1;
    }
    *found = {probe.sender.node, probe.sender.site, probe.port,  probe.port_kind,
              seen_at,           seen_kind,         probe.flags, now};
}

const std::vector<Sighting>& Sightings::of(std::uint16_t vid) const {
    static const std::vector<Sighting> kNone;
    const auto found = by_vid_.find(vid);
    return found == by_vid_.end() ? kNone : found->second;
}

std::vector<Sighting> Sightings::on_two_ports(std::uint16_t vid, SiteId self_site, TimePoint since) const {
    std::vector<Sighting> out;
    const std::vector<Sighting>& all = of(vid);
    const auto counts = [&](const Sighting& s) {
        return s.last >= since && s.site != self_site && (s.flags & ProbeFlags::kBlocked) == 0;
    };
    for (const Sighting& one : all) {
        if (!counts(one)) continue;
        const bool known =
            std::any_of(out.begin(), out.end(), [&](const Sighting& s) { return s.node == one.node; });
        const bool twice = std::any_of(all.begin(), all.end(), [&](const Sighting& s) {
            return counts(s) && s.node == one.node && s.seen_at != one.seen_at;
        });
        if (!known && twice) out.push_back(one);
    }
    return out;
}

std::vector<PortId> Sightings::elsewhere(std::uint16_t vid, NodeId peer, PortId session, PortId peers_port,
                                         TimePoint since) const {
    std::vector<PortId> out;
    for (const Sighting& s : of(vid))
        if (s.node == peer && s.last >= since && s.seen_at != session && s.sent_on != peers_port &&
            (s.flags & ProbeFlags::kBlocked) == 0)
            out.push_back(s.seen_at);
    return out;
}

bool Sightings::heard(std::uint16_t vid, NodeId peer, PortId session, TimePoint since) const {
    const std::vector<Sighting>& all = of(vid);
    return std::any_of(all.begin(), all.end(), [&](const Sighting& s) {
        return s.node == peer && s.last >= since && s.seen_at == session;
    });
}

void Sightings::forget_port(PortId port) {
    for (auto& [vid, all] : by_vid_)
        std::erase_if(all, [port](const Sighting& s) { return s.seen_at == port; });
}

void Sightings::expire(TimePoint before) {
    for (auto& [vid, all] : by_vid_)
        std::erase_if(all, [before](const Sighting& s) { return s.last < before; });
    std::erase_if(by_vid_, [](const auto& entry) { return entry.second.empty(); });
}

}  // namespace isthmus::stp_guard
