// Which place is probed next: events first, then what waits to be opened, then steady rounds over all places.
#pragma once

#include <bitset>
#include <deque>
#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/rng.h"
#include "base/time.h"
#include "stp-guard/guard_ids.h"
#include "stp-guard/guard_options.h"
#include "stp-guard/pacer.h"
#include "stp-guard/place_hash.h"

namespace isthmus::stp_guard {

/// Steady rounds: each active place once a period (1 s), idle ones likewise as far as the budget goes; beyond, rounds stretch,
/// and a tenth of the budget is the idle ones' in any case. Instants vary by a fifth, so that nobody can foresee them.
/// Many probes a second leave in turns, a few at once: each turn wakes threads at both ends, not each probe.
class ProbeScheduler {
  public:
    ProbeScheduler(const ProbeOptions& options, Rng& rng);

    void add(Place place, TimePoint now);
    void remove(Place place);
    void remove_port(PortId port);
    /// Its places are probed first until `active_for` has passed without another call, and what waits to be opened among them
    /// goes ahead of the others.
    void set_active(std::uint16_t vid, TimePoint now);

    /// `count` probes, spaced, ahead of steady rounds, which still get half when thousands of bursts are under way. A burst
    /// that is under way is not doubled. Places that are not active get none beyond 64 bursts.
    void burst(Place place, std::uint32_t count, TimePoint now);
    /// One probe soon, from the budget of what waits to be opened.
    void request(Place place);

    /// The place to send a probe on now; nullopt: none is due. Call until it says so.
    [[nodiscard]] std::optional<Place> next(TimePoint now);
    [[nodiscard]] std::optional<TimePoint> next_at() const;

    [[nodiscard]] std::size_t active_places() const noexcept { return active_.places.size(); }
    [[nodiscard]] std::size_t idle_places() const noexcept { return idle_.places.size(); }
    [[nodiscard]] Duration active_round() const;
    [[nodiscard]] Duration full_round() const;

  private:
    struct Lane {
        std::vector<Place> places;
        std::size_t cursor = 0;
        TimePoint due{};
    };
    /// One more probe of a burst. All are spaced alike, so each of the two queues is in the order of time.
    struct Next {
        Place place;
        TimePoint due{};
    };
    struct Where {
        bool active = false;
        std::size_t index = 0;
    };

    [[nodiscard]] std::optional<Place> next_burst(TimePoint now);
    [[nodiscard]] std::optional<Place> next_budgeted(TimePoint now, bool turn);
    [[nodiscard]] std::optional<Place> next_steady(TimePoint now);
    [[nodiscard]] bool many_bursts() const noexcept;
    [[nodiscard]] std::optional<Place> next_requested(TimePoint now);
    [[nodiscard]] std::optional<Place> next_steady(Lane& lane, TimePoint now);
    /// When all but a few bursts may leave.
    [[nodiscard]] TimePoint turn_at() const noexcept;
    [[nodiscard]] Duration interval_of(const Lane& lane) const;
    [[nodiscard]] Duration jittered(Duration interval);
    [[nodiscard]] bool is_active(std::uint16_t vid, TimePoint now) const;
    void forget_bursts();
    void put(Place place, bool active);
    void take_out(const Where& where);
    void retire_inactive(TimePoint now);

    ProbeOptions options_;
    Rng& rng_;
    Pacer budget_;
    Pacer opening_budget_;
    Lane active_;
    Lane idle_;
    TimePoint last_turn_{};
    Duration steady_turn_{};  ///< until the next one, while there are only steady rounds
    bool in_turn_ = false;
    bool steady_is_owed_ = false;  ///< a burst had the last of the budget that both share
    std::unordered_map<Place, Where> where_;
    std::unordered_map<std::uint16_t, TimePoint> active_until_;
    std::unordered_map<Place, std::uint32_t> bursts_;  ///< probes left of each
    std::deque<Next> first_;
    std::deque<Next> further_;
    std::deque<Place> requested_;
    std::unordered_set<Place> is_requested_;
};

}  // namespace isthmus::stp_guard
