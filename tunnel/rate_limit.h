// A token bucket in whole tokens, for control messages.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/time.h"

namespace isthmus::tunnel {

class RateLimit {
  public:
    RateLimit(std::uint32_t per_second, std::uint32_t burst)
        : gap_(std::chrono::duration_cast<Duration>(std::chrono::seconds(1)) / std::max(per_second, 1U)),
          reach_(gap_ * (std::max(burst, 1U) - 1)) {}

    /// Takes a token if there is one.
    [[nodiscard]] bool take(TimePoint now) noexcept {
        // The bucket as the time at which it is full again: nothing to refill, nothing to overflow.
        if (full_at_ > now + reach_) return false;
        full_at_ = std::max(full_at_, now) + gap_;
        return true;
    }

  private:
    Duration gap_;
    Duration reach_;
    TimePoint full_at_{};
};

}  // namespace isthmus::tunnel
