// Hands immutable snapshots from the control thread to one worker. The worker pays one relaxed load a batch;
// the lock is taken only when something was published.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>

namespace isthmus::appliance {

template <class T>
class Published {
  public:
    /// Control thread. The old snapshot dies when its worker lets go of it.
    void publish(std::shared_ptr<const T> snapshot) {
        {
            const std::lock_guard lock(mutex_);
            latest_ = std::move(snapshot);
        }
        generation_.fetch_add(1, std::memory_order_release);
    }

    /// Worker: the newest snapshot if one came since the last call, else null.
    [[nodiscard]] std::shared_ptr<const T> take_if_new() {
        const auto generation = generation_.load(std::memory_order_acquire);
        if (generation == seen_) return nullptr;
        seen_ = generation;
        const std::lock_guard lock(mutex_);
        return latest_;
    }

  private:
    std::mutex mutex_;
    std::shared_ptr<const T> latest_;
    std::atomic<std::uint64_t> generation_{0};
    std::uint64_t seen_ = 0;  // the worker's own
};

}  // namespace isthmus::appliance
