// Storm control's state machine: reads the meters once a second and says what is normal, what is being cut and what is a storm.
//
//   ok --dropped in 2 samples running--> suppressing --in 5--> storm --(opt-in) drops > 10 x rate for 30 s, and evidence--> suspended
//   and from each back to ok once less than `falling` was offered for 10 s, with nothing dropped.
#pragma once

#include <compare>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/time.h"
#include "stp-guard/direction.h"
#include "stp-guard/storm_limits.h"
#include "stp-guard/storm_meters.h"

namespace isthmus::stp_guard {

enum class StormLevel : std::uint8_t { ok, suppressing, storm, suspended };
[[nodiscard]] std::string_view name_of(StormLevel level) noexcept;

/// What is watched: a class of a VLAN, in one direction of a session or arriving at a LAN port.
struct StormKey {
    PortId port{};
    Direction direction = Direction::to_tunnel;  ///< of a session; LAN ports have this one
    std::uint16_t vid = 0;
    StormClass storm_class = StormClass::broadcast;
    friend constexpr auto operator<=>(const StormKey&, const StormKey&) = default;
};

/// Rates are in the limit's own unit.
struct StormState {
    StormLevel level = StormLevel::ok;
    std::uint64_t offered_per_second = 0;
    std::uint64_t passed_per_second = 0;   ///< packets
    std::uint64_t dropped_per_second = 0;  ///< packets
    StormLimit limit;
    TimePoint since{};  ///< of the level
};

struct StormEvent {
    StormKey key;
    StormLevel before = StormLevel::ok;
    StormState now;
};

struct StormWatchOptions {
    bool suspend = false;  ///< storms with evidence of a loop ask for the VLAN's suspension
};

class StormWatch {
  public:
    explicit StormWatch(StormWatchOptions options = {}) : options_(options) {}

    void set_options(StormWatchOptions options) noexcept { options_ = options; }
    /// Once a second for everything that the meters call active. `totals` may go back to 0 (a new meter).
    void on_sample(const StormKey& key, const StormLimit& limit, const StormTotals& totals, TimePoint now);
    /// A probe came back or MACs flap in that VLAN: what may turn a storm into a suspension. VID 4,095: in one that is not known.
    void on_evidence(Place place, TimePoint now);
    /// A spanning tree changed, so that hosts are looked for anew: until then much unknown unicast is no storm there. Its limit holds
    /// all the same. VID 4,095: in all VLANs of the port.
    void expect_flood(Place place, TimePoint until) { expected_[place] = until; }
    /// Frames a second that somebody else drops on their way to that session's meters, of all VLANs together: a storm that is cut
    /// before it comes to us is as heavy as it was.
    void set_cut_before(PortId port, StormClass storm_class, std::uint64_t per_second) {
        cut_before_[{port, storm_class}] = per_second;
    }
    /// The session or port went away.
    void forget(PortId port);

    /// Changes of level, in order.
    [[nodiscard]] std::optional<StormEvent> poll_event();

    /// The worst level of any class and direction of that VLAN.
    [[nodiscard]] StormLevel level(Place place) const;
    /// All but what is `ok` and quiet.
    [[nodiscard]] const std::map<StormKey, StormState>& states() const noexcept { return states_; }

  private:
    struct Track {
        StormTotals last;
        TimePoint sampled{};
        std::uint32_t dropping = 0;  ///< samples running
        Duration heavy{};            ///< for how long drops are above 10 times the rate
        std::optional<TimePoint> quiet_since;
    };
    void judge(const StormKey& key, Track& track, StormState& state, TimePoint now);
    [[nodiscard]] StormLevel next_level(const StormKey& key, const Track& track, const StormState& state,
                                        TimePoint now) const;
    [[nodiscard]] bool has_evidence(const StormKey& key, TimePoint now) const;
    [[nodiscard]] bool is_expected(const StormKey& key, TimePoint now) const;
    [[nodiscard]] std::uint64_t cut_before(const StormKey& key, const StormLimit& limit) const;

    StormWatchOptions options_;
    std::map<StormKey, Track> tracks_;
    std::map<StormKey, StormState> states_;
    std::map<Place, TimePoint> evidence_;
    std::map<Place, TimePoint> expected_;  ///< and until when
    std::map<std::pair<PortId, StormClass>, std::uint64_t> cut_before_;
    std::deque<StormEvent> events_;
};

}  // namespace isthmus::stp_guard
