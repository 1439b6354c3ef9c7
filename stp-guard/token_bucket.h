// A rate with a burst in one word of state.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/time.h"

namespace isthmus::stp_guard {

/// Units (packets, bits) a second and bucket depth; rate 0 lets nothing through.
struct RateLimit {
    std::uint64_t per_second = 0;
    std::uint64_t burst = 0;
    friend constexpr bool operator==(RateLimit, RateLimit) = default;
};

/// Fills with `per_second` tokens a second up to `burst`, and starts full. Time that stands still or runs backwards fills nothing.
/// What is kept is the time at which the bucket will be full again (the generic cell rate algorithm, ITU-T I.371 annex A), in
/// sixteenths of a nanosecond: at 1,000 tokens a second off by less than one in a billion, at ten million by less than one in a
/// thousand. The limit is handed in, so that tables of thousands have eight bytes a bucket.
class TokenBucket {
  public:
    /// Takes `tokens`, all or none. More than the burst at once are never there.
    [[nodiscard]] constexpr bool take(const RateLimit& limit, std::uint64_t tokens, TimePoint now) noexcept {
        if (!has(limit, tokens, now)) return false;
        spend(limit, tokens, now);
        return true;
    }
    [[nodiscard]] constexpr bool has(const RateLimit& limit, std::uint64_t tokens,
                                     TimePoint now) const noexcept {
        if (limit.per_second == 0 || tokens > limit.burst) return false;
        const std::uint64_t time = ticks(now);
        const std::uint64_t owed = full_at_ > time ? full_at_ - time : 0;
        return owed + cost(limit, tokens) <= cost(limit, limit.burst);
    }
    /// After has() said yes.
    constexpr void spend(const RateLimit& limit, std::uint64_t tokens, TimePoint now) noexcept {
        full_at_ = std::max(full_at_, ticks(now)) + cost(limit, tokens);
    }
    /// How many tokens it is short of full, part of one not counted; the limit is not 0.
    [[nodiscard]] constexpr std::uint64_t missing(const RateLimit& limit, TimePoint now) const noexcept {
        const std::uint64_t time = ticks(now);
        return full_at_ > time ? (full_at_ - time) / std::max<std::uint64_t>(cost(limit, 1), 1) : 0;
    }
    /// Orders buckets by their last use; 0: never used.
    [[nodiscard]] constexpr std::uint64_t full_at() const noexcept { return full_at_; }

  private:
    static constexpr std::uint64_t kTicks = 16;  ///< a nanosecond
    static constexpr std::uint64_t kSecond = 1'000'000'000 * kTicks;
    /// 18 years of uptime and two of filling: their sum fits.
    static constexpr std::int64_t kLastNanosecond = std::int64_t{1} << 59;
    static constexpr std::uint64_t kMostSeconds = std::uint64_t{1} << 26;

    [[nodiscard]] static constexpr std::uint64_t ticks(TimePoint now) noexcept {
        return static_cast<std::uint64_t>(
                   std::clamp<std::int64_t>(now.time_since_epoch().count(), 0, kLastNanosecond)) *
               kTicks;
    }
    /// How long `tokens` take to fill.
    [[nodiscard]] static constexpr std::uint64_t cost(const RateLimit& limit, std::uint64_t tokens) noexcept {
        std::uint64_t rate = limit.per_second;
        const std::uint64_t seconds = std::min(tokens / rate, kMostSeconds);
        std::uint64_t rest = tokens % rate;
        // Above a billion tokens their last bits do not matter, but the product must fit.
        while (rest > UINT64_MAX / kSecond) {
            rest >>= 1;
            rate >>= 1;
        }
        return seconds * kSecond + rest * kSecond / rate;
    }

    std::uint64_t full_at_ = 0;
};

}  // namespace isthmus::stp_guard
