// How often something may be done: a rate with a tolerance, by the next instant that is allowed (ITU-T I.371's GCRA).
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/time.h"

namespace isthmus::stp_guard {

class Pacer {
  public:
    /// `per_second` at least 1; up to `burst` at once after a pause.
    constexpr Pacer(std::uint32_t per_second, std::uint32_t burst) noexcept
        : interval_(std::chrono::nanoseconds(1'000'000'000) / std::max(per_second, 1U)),
          tolerance_(interval_ * (std::max(burst, 1U) - 1)) {}

    [[nodiscard]] constexpr bool ready(TimePoint now) const noexcept { return at() <= now; }
    constexpr void take(TimePoint now) noexcept { next_ = std::max(next_, now) + interval_; }
    /// When it is ready.
    [[nodiscard]] constexpr TimePoint at() const noexcept { return next_ - tolerance_; }

  private:
    Duration interval_;
    Duration tolerance_;
    TimePoint next_{};
};

}  // namespace isthmus::stp_guard
