// So many at once, then so many in a time: for what strangers can make us do.
#pragma once

#include <cstdint>

#include "base/time.h"

namespace isthmus::crypto::ike {

class RateLimit {
  public:
    constexpr RateLimit(std::uint32_t most, Duration in) noexcept : most_(most), in_(in), left_(most) {}

    /// May it be done now? If so, it counts.
    [[nodiscard]] bool allows(TimePoint now) noexcept {
        if (now - since_ >= in_) {
            since_ = now;
            left_ = most_;
        }
        if (left_ == 0) return false;
        --left_;
        return true;
    }

  private:
    std::uint32_t most_;
    Duration in_;
    std::uint32_t left_;
    TimePoint since_{};
};

}  // namespace isthmus::crypto::ike
