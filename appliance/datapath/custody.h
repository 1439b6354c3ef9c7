// Which thread runs a worker: its own, or another one that does it on the side while there is little to do.
// docs/adr/0013 says why.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/time.h"

namespace isthmus::appliance {

/// All that the worker owns goes with it: what one holder wrote, the next one sees.
class Custody {
  public:
    /// Quiet for so long, in both directions, before a worker is lent.
    static constexpr Duration kLull = std::chrono::milliseconds(50);

    // The worker's own thread:
    void lend() noexcept { holder_.store(Holder::helper, std::memory_order_release); }
    void wait_until_back() const noexcept { holder_.wait(Holder::helper, std::memory_order_acquire); }
    /// Whether the helper has had nothing but single packets for a while.
    [[nodiscard]] bool helper_is_quiet(TimePoint now) const noexcept {
        return now - TimePoint(Duration(helper_busy_at_.load(std::memory_order_relaxed))) > kLull;
    }

    // The helper's thread:
    [[nodiscard]] bool is_lent() const noexcept {
        return holder_.load(std::memory_order_acquire) == Holder::helper;
    }
    void give_back() noexcept {
        holder_.store(Holder::own, std::memory_order_release);
        holder_.notify_one();
    }
    void helper_was_busy(TimePoint now) noexcept {
        helper_busy_at_.store(now.time_since_epoch().count(), std::memory_order_relaxed);
    }

  private:
    enum class Holder : std::uint8_t { own, helper };
    std::atomic<Holder> holder_{Holder::own};
    std::atomic<Duration::rep> helper_busy_at_{0};
};

}  // namespace isthmus::appliance
