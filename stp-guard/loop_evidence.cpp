#include "stp-guard/loop_evidence.h"

#include <algorithm>
#include <numeric>

namespace isthmus::stp_guard {

std::string_view name_of(Meaning meaning) noexcept {
    switch (meaning) {
        case Meaning::outside_loop: return "outside_loop";
        case Meaning::lan_loop: return "lan_loop";
        case Meaning::backdoor: return "backdoor";
        case Meaning::far_loop: return "far_loop";
        case Meaning::sites_loop: return "sites_loop";
    }
    return "unknown";
}

std::uint32_t Trace::kinds_since(TimePoint since) const noexcept {
    std::uint32_t kinds = 0;
    for (std::size_t i = 0; i < kProbeKindCount; ++i)
        if (returned[i] > 0 && last_of_kind[i] >= since) ++kinds;
    return kinds;
}

std::uint32_t Trace::total() const noexcept {
    return std::accumulate(returned.begin(), returned.end(), 0U);
}

void Trace::count_copy(std::uint64_t seq, TimePoint now) noexcept {
    constexpr std::uint32_t kCircles = 3;
    Copies& copies = copies_[seq % copies_.size()];
    if (seq < copies.seq) return;  // a newer one has its place
    copies = {seq, seq == copies.seq ? copies.seen + 1 : 1};
    if (copies.seen >= kCircles) last_circle = now;
}

const Trace& LoopEvidence::note(const LoopProbe& probe, PortId to, PortKind to_kind, Duration travelled,
                                const MacAddress& source, TimePoint now) {
    std::vector<Trace>& traces = by_vid_[probe.vid];
    auto found = std::find_if(traces.begin(), traces.end(),
                              [&](const Trace& trace) { return trace.from == probe.port && trace.to == to; });
    if (found == traces.end()) {
        Trace fresh;
        fresh.from = probe.port;
        fresh.to = to;
        fresh.from_kind = probe.port_kind;
        fresh.to_kind = to_kind;
        fresh.first = now;
        traces.push_back(fresh);
        found = traces.end() - 1;
    }
    Trace& trace = *found;
    trace.last = now;
    trace.travelled = travelled;
    trace.source = source;
    trace.count_copy(probe.seq, now);
    // What went into a tunnel past our own block shows that the way is still there, not that frames take it.
    if ((probe.flags & ProbeFlags::kBlocked) != 0) return trace;
    const auto kind = static_cast<std::size_t>(kind_of(probe.destination));
    ++trace.returned[kind];
    trace.last_of_kind[kind] = now;
    trace.last_open = now;
    return trace;
}

const std::vector<Trace>& LoopEvidence::traces(std::uint16_t vid) const {
    static const std::vector<Trace> kNone;
    const auto found = by_vid_.find(vid);
    return found == by_vid_.end() ? kNone : found->second;
}

void LoopEvidence::forget_port(PortId port) {
    for (auto& [vid, traces] : by_vid_)
        std::erase_if(traces, [port](const Trace& trace) { return trace.touches(port); });
}

void LoopEvidence::expire(TimePoint before) {
    for (auto& [vid, traces] : by_vid_)
        std::erase_if(traces, [before](const Trace& trace) { return trace.last < before; });
    std::erase_if(by_vid_, [](const auto& entry) { return entry.second.empty(); });
}

}  // namespace isthmus::stp_guard
