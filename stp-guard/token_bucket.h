// A rate with a burst, in whole numbers: no drift, however long it runs.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/time.h"
#include "stp-guard/options.h"

namespace isthmus::stp_guard {

/// Fills with `packets_per_second` tokens a second up to `burst`, and starts full.
/// Time that stands still or runs backwards fills nothing.
class TokenBucket {
  public:
    explicit constexpr TokenBucket(RateLimit limit = {}) noexcept
        : limit_(limit), credit_(std::uint64_t{limit.burst} * kToken) {}

    /// Takes `tokens`, all or none. More than the burst at once are never there.
    [[nodiscard]] constexpr bool take(std::uint32_t tokens, TimePoint now) noexcept {
        fill(now);
        const std::uint64_t cost = std::uint64_t{tokens} * kToken;
        if (limit_.packets_per_second == 0 || cost > credit_) return false;
        credit_ -= cost;
        return true;
    }
    [[nodiscard]] constexpr RateLimit limit() const noexcept { return limit_; }

  private:
    static constexpr std::uint64_t kToken =
        1'000'000'000;  ///< one token: a second's nanoseconds at 1 packet/s

    constexpr void fill(TimePoint now) noexcept {
        if (!started_) {
            started_ = true;
            last_ = now;
            return;
        }
        if (now <= last_) return;
        const auto elapsed = static_cast<std::uint64_t>((now - last_).count());
        last_ = now;
        const std::uint64_t full = std::uint64_t{limit_.burst} * kToken;
        // Past the time that fills any bucket the product could overflow: compare before multiplying.
        const std::uint64_t rate = limit_.packets_per_second;
        if (rate == 0) return;
        if (elapsed >= full / rate + 1) {
            credit_ = full;
            return;
        }
        credit_ = std::min(full, credit_ + elapsed * rate);
    }

    RateLimit limit_;
    std::uint64_t credit_;
    TimePoint last_{};
    bool started_ = false;
};

}  // namespace isthmus::stp_guard
