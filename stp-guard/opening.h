// When a LAN can carry a loop at all, and how long a block lasts.
#pragma once

#include <cstdint>
#include <optional>

#include "base/time.h"
#include "stp-guard/bpdu.h"
#include "stp-guard/guard_options.h"

namespace isthmus::stp_guard {

/// Rounds count from when the LAN behind a port carries frames. A switch's port that still listens or learns (802.1D-2004
/// section 17.9) would swallow our probes, and let the loop come up right after we opened.
class LanReadiness {
  public:
    explicit LanReadiness(const OpeningOptions& options) : options_(options) {}

    void on_link(bool up, TimePoint now);
    /// This very link carried frames before a restart of ours, and was not interrupted since.
    void resume(TimePoint now);
    void on_frame(TimePoint now);
    void on_bpdu(const Bpdu& bpdu, TimePoint now);

    [[nodiscard]] bool has_link() const noexcept { return link_since_.has_value(); }
    /// nullopt: no link. Once passed, it stays until the link goes.
    [[nodiscard]] std::optional<TimePoint> ready_at() const;
    [[nodiscard]] bool ready(TimePoint now) const;

  private:
    OpeningOptions options_;
    std::optional<TimePoint> link_since_;
    std::optional<TimePoint> first_frame_;
    std::optional<TimePoint> first_bpdu_;
    std::optional<TimePoint> forwarding_;  ///< the neighbour's port says so
    Duration forward_delay_{};
    mutable bool was_ready_ = false;
};

/// 30 s, doubled for each block within an hour of the one before, halved for each quiet hour; at most an hour.
class Backoff {
  public:
    explicit Backoff(const BlockOptions& options) : options_(options) {}

    /// A block now: how long it holds.
    Duration trip(TimePoint now);
    [[nodiscard]] std::uint32_t trips(TimePoint now) const;
    void reset() { trips_ = 0; }

    [[nodiscard]] std::uint32_t raw_trips() const noexcept { return trips_; }
    [[nodiscard]] TimePoint last() const noexcept { return last_; }
    void restore(std::uint32_t trips, TimePoint last) {
        trips_ = trips;
        last_ = last;
    }

  private:
    BlockOptions options_;
    std::uint32_t trips_ = 0;
    TimePoint last_{};
};

}  // namespace isthmus::stp_guard
