#include "stp-guard/storm_watch.h"

#include <algorithm>
#include <array>
#include <utility>

namespace isthmus::stp_guard {

namespace {

using namespace std::chrono_literals;

constexpr std::uint32_t kSuppressingAfter = 2;  ///< samples with drops, running
constexpr std::uint32_t kStormAfter = 5;
constexpr std::uint64_t kHeavy = 10;  ///< times the limit
constexpr Duration kHeavyFor = 30s;
constexpr Duration kQuietFor = 10s;
constexpr Duration kEvidenceHolds = 60s;
/// Samples closer than this are put together with the next.
constexpr Duration kShortestSample = 100ms;

std::uint64_t per_second(std::uint64_t count, Duration over) {
    return static_cast<std::uint64_t>(static_cast<double>(count) /
                                      std::chrono::duration<double>(over).count());
}

bool concerns(Place place, const StormKey& key) {
    constexpr std::uint16_t kAll = 4'095;
    return place.port == key.port && (place.vid == key.vid || place.vid == kAll);
}

}  // namespace

void StormWatch::on_sample(const StormKey& key, const StormLimit& limit, const StormTotals& totals,
                           TimePoint now) {
    const auto [at, first] = tracks_.try_emplace(key);
    Track& track = at->second;
    if (first || totals.offered < track.last.offered) {
        track.last = totals;
        track.sampled = now;
        return;
    }
    const Duration over = now - track.sampled;
    if (over < kShortestSample) return;
    const StormTotals seen{totals.offered - track.last.offered,
                           totals.offered_bytes - track.last.offered_bytes,
                           totals.dropped - track.last.dropped};
    track.last = totals;
    track.sampled = now;

    const auto known = states_.find(key);
    if (known == states_.end() && seen.offered == 0) return;
    StormState& state = states_[key];
    if (known == states_.end()) state.since = now;
    state.limit = limit;
    state.offered_per_second = per_second(limit.weight(seen.offered, seen.offered_bytes), over);
    state.dropped_per_second = per_second(seen.dropped, over);
    state.passed_per_second = per_second(seen.offered - std::min(seen.dropped, seen.offered), over);
    track.dropping = seen.dropped > 0 && !is_expected(key, now) ? track.dropping + 1 : 0;
    const std::uint64_t offered = state.offered_per_second + cut_before(key, limit);
    const bool heavy = seen.dropped > 0 && offered / kHeavy > limit.rate;
    track.heavy = heavy ? track.heavy + over : Duration{};
    const bool quiet = seen.dropped == 0 && state.offered_per_second <= limit.falling;
    if (!quiet) track.quiet_since.reset();
    if (quiet && !track.quiet_since) track.quiet_since = now - over;
    judge(key, track, state, now);
}

void StormWatch::judge(const StormKey& key, Track& track, StormState& state, TimePoint now) {
    const StormLevel before = state.level;
    const StormLevel next = next_level(key, track, state, now);
    if (next != before) {
        state.level = next;
        state.since = now;
        events_.push_back({key, before, state});
    }
    if (state.level == StormLevel::ok && state.offered_per_second == 0) states_.erase(key);
}

StormLevel StormWatch::next_level(const StormKey& key, const Track& track, const StormState& state,
                                  TimePoint now) const {
    if (track.quiet_since && now - *track.quiet_since >= kQuietFor) return StormLevel::ok;
    if (state.level == StormLevel::suspended) return state.level;
    if (options_.suspend && state.level == StormLevel::storm && track.heavy >= kHeavyFor &&
        has_evidence(key, now))
        return StormLevel::suspended;
    if (track.dropping >= kStormAfter) return StormLevel::storm;
    if (track.dropping >= kSuppressingAfter) return std::max(state.level, StormLevel::suppressing);
    return state.level;
}

std::uint64_t StormWatch::cut_before(const StormKey& key, const StormLimit& limit) const {
    constexpr std::uint64_t kSmallest = 60;  // bytes of a frame: how large they were nobody counted
    const auto found = cut_before_.find({key.port, key.storm_class});
    if (found == cut_before_.end() || key.direction != Direction::to_tunnel) return 0;
    return limit.weight(found->second, found->second * kSmallest);
}

bool StormWatch::has_evidence(const StormKey& key, TimePoint now) const {
    return std::any_of(evidence_.begin(), evidence_.end(), [&](const auto& entry) {
        return concerns(entry.first, key) && now - entry.second <= kEvidenceHolds;
    });
}

bool StormWatch::is_expected(const StormKey& key, TimePoint now) const {
    if (key.storm_class != StormClass::unknown_unicast) return false;
    return std::any_of(expected_.begin(), expected_.end(),
                       [&](const auto& entry) { return concerns(entry.first, key) && now < entry.second; });
}

void StormWatch::on_evidence(Place place, TimePoint now) {
    evidence_[place] = now;
}

void StormWatch::forget(PortId port) {
    const auto of_port = [port](const auto& entry) { return entry.first.port == port; };
    std::erase_if(tracks_, of_port);
    std::erase_if(states_, of_port);
    std::erase_if(evidence_, of_port);
    std::erase_if(expected_, of_port);
    std::erase_if(cut_before_, [port](const auto& entry) { return entry.first.first == port; });
}

std::optional<StormEvent> StormWatch::poll_event() {
    if (events_.empty()) return std::nullopt;
    StormEvent event = std::move(events_.front());
    events_.pop_front();
    return event;
}

StormLevel StormWatch::level(Place place) const {
    StormLevel worst = StormLevel::ok;
    for (const Direction direction : {Direction::to_tunnel, Direction::from_tunnel})
        for (std::size_t c = 0; c < kStormClassCount; ++c) {
            const auto found = states_.find({place.port, direction, place.vid, static_cast<StormClass>(c)});
            if (found != states_.end()) worst = std::max(worst, found->second.level);
        }
    return worst;
}

std::string_view name_of(StormLevel level) noexcept {
    constexpr std::array<std::string_view, 4> kNames{"ok", "suppressing", "storm", "suspended"};
    return kNames[static_cast<std::size_t>(level)];
}

}  // namespace isthmus::stp_guard
