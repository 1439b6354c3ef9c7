#include "stp-guard/probe_scheduler.h"

#include <algorithm>

namespace isthmus::stp_guard {

namespace {

constexpr std::uint32_t kBudgetBurst = 16;
constexpr std::size_t kFewBursts = 16;
constexpr std::size_t kMaxBursts = 4'096;
/// With more bursts than that under way, places that carry nothing wait for their turn in the steady rounds. Else thousands of
/// VLANs that open one after the other would keep two gateways busy for minutes.
constexpr std::size_t kMostIdleBursts = 64;
/// Turns while something waits for an answer, and at most while there are only steady rounds.
constexpr Duration kTurn = std::chrono::milliseconds(20);
constexpr Duration kSteadyTurn = std::chrono::milliseconds(100);

/// What a steady turn and a fifth more may hold.
constexpr std::uint32_t burst_of(std::uint32_t per_second) noexcept {
    return std::max(kBudgetBurst, per_second / 8);
}

}  // namespace

ProbeScheduler::ProbeScheduler(const ProbeOptions& options, Rng& rng)
    : options_(options),
      rng_(rng),
      budget_(options.per_second, burst_of(options.per_second)),
      opening_budget_(options.opening_per_second, kBudgetBurst) {}

void ProbeScheduler::add(Place place, TimePoint now) {
    if (where_.contains(place)) return;
    put(place, is_active(place.vid, now));
    if (active_.due < now) active_.due = now;
    if (idle_.due < now) idle_.due = now;
}

void ProbeScheduler::remove(Place place) {
    const auto found = where_.find(place);
    if (found == where_.end()) return;
    take_out(found->second);
    where_.erase(place);
    if (bursts_.erase(place) > 0) forget_bursts();
    if (is_requested_.erase(place) > 0) std::erase(requested_, place);
}

void ProbeScheduler::remove_port(PortId port) {
    const auto of_port = [port](Place place) { return place.port == port; };
    for (Lane* lane : {&active_, &idle_}) {
        std::erase_if(lane->places, of_port);
        lane->cursor = 0;
        for (std::size_t i = 0; i < lane->places.size(); ++i) where_[lane->places[i]].index = i;
    }
    std::erase_if(where_, [&](const auto& entry) { return of_port(entry.first); });
    if (std::erase_if(bursts_, [&](const auto& entry) { return of_port(entry.first); }) > 0) forget_bursts();
    std::erase_if(requested_, of_port);
    std::erase_if(is_requested_, of_port);
}

void ProbeScheduler::set_active(std::uint16_t vid, TimePoint now) {
    TimePoint& until = active_until_[vid];
    const bool was = until > now;
    until = now + options_.active_for;
    if (was) return;
    std::vector<Place> moving;
    for (const Place place : idle_.places)
        if (place.vid == vid) moving.push_back(place);
    for (const Place place : moving) {
        take_out(where_.at(place));
        put(place, true);
        if (!is_requested_.contains(place)) continue;
        std::erase(requested_, place);
        requested_.push_front(place);
    }
}

void ProbeScheduler::burst(Place place, std::uint32_t count, TimePoint now) {
    const auto found = where_.find(place);
    if (count == 0 || found == where_.end()) return;
    if (bursts_.size() >= (found->second.active ? kMaxBursts : kMostIdleBursts)) return;
    const auto [burst, fresh] = bursts_.try_emplace(place, count);
    burst->second = std::max(burst->second, count);
    if (fresh) first_.push_back({place, now});
}

void ProbeScheduler::request(Place place) {
    const auto found = where_.find(place);
    if (found == where_.end() || !is_requested_.insert(place).second) return;
    // VLANs that carry something do not wait for thousands that do not.
    if (found->second.active)
        requested_.push_front(place);
    else
        requested_.push_back(place);
}

std::optional<Place> ProbeScheduler::next(TimePoint now) {
    const bool turn = now >= turn_at();
    auto place = turn ? next_requested(now) : std::nullopt;
    if (!place) place = next_budgeted(now, turn);
    if (!turn) return place;
    if (!place && in_turn_) {
        last_turn_ = now;
        steady_turn_ = jittered(kSteadyTurn * 5 / 6);
    }
    in_turn_ = place.has_value();
    return place;
}

TimePoint ProbeScheduler::turn_at() const noexcept {
    const bool steady = bursts_.empty() && requested_.empty();
    return last_turn_ + (steady ? steady_turn_ : kTurn);
}

std::optional<Place> ProbeScheduler::next_budgeted(TimePoint now, bool turn) {
    if (!turn) return many_bursts() ? std::nullopt : next_burst(now);
    if (steady_is_owed_) {
        steady_is_owed_ = false;
        if (const auto place = next_steady(now)) return place;
    }
    if (const auto place = next_burst(now)) {
        steady_is_owed_ = true;
        return place;
    }
    return next_steady(now);
}

std::optional<Place> ProbeScheduler::next_steady(TimePoint now) {
    retire_inactive(now);
    if (const auto place = next_steady(active_, now)) return place;
    return next_steady(idle_, now);
}

bool ProbeScheduler::many_bursts() const noexcept {
    return bursts_.size() > kFewBursts;
}

std::optional<TimePoint> ProbeScheduler::next_at() const {
    std::optional<TimePoint> soonest;
    const auto at = [&](TimePoint due, const Pacer& pacer) {
        const TimePoint when = std::max(due, pacer.at());
        if (!soonest || when < *soonest) soonest = when;
    };
    const TimePoint bursts_at = many_bursts() ? turn_at() : TimePoint{};
    if (!first_.empty()) at(std::max(first_.front().due, bursts_at), budget_);
    if (!further_.empty()) at(std::max(further_.front().due, bursts_at), budget_);
    if (!requested_.empty()) at(turn_at(), opening_budget_);
    if (!active_.places.empty()) at(std::max(active_.due, turn_at()), budget_);
    if (!idle_.places.empty()) at(std::max(idle_.due, turn_at()), budget_);
    return soonest;
}

std::optional<Place> ProbeScheduler::next_burst(TimePoint now) {
    if (!budget_.ready(now)) return std::nullopt;
    // All places get their first before any a second.
    std::deque<Next>& queue = first_.empty() ? further_ : first_;
    if (queue.empty() || queue.front().due > now) return std::nullopt;
    budget_.take(now);
    const Place place = queue.front().place;
    queue.pop_front();
    const auto burst = bursts_.find(place);
    if (--burst->second == 0)
        bursts_.erase(burst);
    else
        further_.push_back({place, now + options_.burst_spacing});
    return place;
}

std::optional<Place> ProbeScheduler::next_requested(TimePoint now) {
    if (requested_.empty() || !opening_budget_.ready(now)) return std::nullopt;
    opening_budget_.take(now);
    const Place place = requested_.front();
    requested_.pop_front();
    is_requested_.erase(place);
    return place;
}

std::optional<Place> ProbeScheduler::next_steady(Lane& lane, TimePoint now) {
    if (lane.places.empty() || lane.due > now || !budget_.ready(now)) return std::nullopt;
    budget_.take(now);
    // What was due since the last turn is sent in this one. What was missed before is not made up for: after a pause there is
    // no run of probes.
    lane.due = std::max(lane.due, now - kSteadyTurn) + jittered(interval_of(lane));
    if (lane.cursor >= lane.places.size()) lane.cursor = 0;
    return lane.places[lane.cursor++];
}

Duration ProbeScheduler::interval_of(const Lane& lane) const {
    if (lane.places.empty()) return options_.period;
    const auto second = std::chrono::duration_cast<Duration>(std::chrono::seconds(1));
    const std::int64_t budget = std::max(options_.per_second, 1U);
    const auto wanted = [&](const Lane& of) {
        return static_cast<std::int64_t>(of.places.size()) * second / std::max(options_.period, Duration(1));
    };
    const std::int64_t active_share =
        std::min(wanted(active_), idle_.places.empty() ? budget : budget - budget / 10);
    const std::int64_t share = &lane == &active_ ? active_share : budget - active_share;
    return std::max(options_.period / static_cast<std::int64_t>(lane.places.size()),
                    second / std::max<std::int64_t>(share, 1));
}

Duration ProbeScheduler::jittered(Duration interval) {
    return interval * (800 + rng_.u32() % 401) / 1000;
}

Duration ProbeScheduler::active_round() const {
    return interval_of(active_) * static_cast<std::int64_t>(active_.places.size());
}

Duration ProbeScheduler::full_round() const {
    return std::max(active_round(), interval_of(idle_) * static_cast<std::int64_t>(idle_.places.size()));
}

/// What is left in the queues of bursts that ended early.
void ProbeScheduler::forget_bursts() {
    for (std::deque<Next>* queue : {&first_, &further_})
        std::erase_if(*queue, [&](const Next& next) { return !bursts_.contains(next.place); });
}

bool ProbeScheduler::is_active(std::uint16_t vid, TimePoint now) const {
    const auto found = active_until_.find(vid);
    return found != active_until_.end() && found->second > now;
}

void ProbeScheduler::put(Place place, bool active) {
    Lane& lane = active ? active_ : idle_;
    where_[place] = {active, lane.places.size()};
    lane.places.push_back(place);
}

/// The last one takes its place.
void ProbeScheduler::take_out(const Where& where) {
    Lane& lane = where.active ? active_ : idle_;
    const std::size_t index = where.index;
    lane.places[index] = lane.places.back();
    where_[lane.places[index]].index = index;
    lane.places.pop_back();
}

void ProbeScheduler::retire_inactive(TimePoint now) {
    // One a call is enough: each place comes by once a round.
    if (active_.places.empty() || active_.due > now) return;
    if (active_.cursor >= active_.places.size()) active_.cursor = 0;
    const Place place = active_.places[active_.cursor];
    if (is_active(place.vid, now)) return;
    take_out(Where(where_.at(place)));
    put(place, false);
}

}  // namespace isthmus::stp_guard
