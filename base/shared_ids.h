// A set of ids that one thread changes while others look into it: what control has given out, and workers meet in packets.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/ids.h"

namespace isthmus {

/// `Id`: a strong id of 32 bits that is chosen at random: its low bits choose where it is kept.
template <class Id>
class SharedIds {
  public:
    SharedIds() : buckets_(kBuckets) {}

    /// Control thread. False: there is no room for it, or it is 0. With some thousand ids that is out of all likelihood.
    bool insert(Id id) noexcept { return raw(id) != 0 && (contains(id) || replace(id, 0, raw(id))); }
    /// Control thread.
    void erase(Id id) noexcept {
        if (raw(id) != 0) (void)replace(id, raw(id), 0);
    }
    /// Any thread.
    [[nodiscard]] bool contains(Id id) const noexcept {
        if (raw(id) == 0) return false;
        for (const auto& slot : buckets_[raw(id) % kBuckets].slots)
            if (slot.load(std::memory_order_relaxed) == raw(id)) return true;
        return false;
    }

  private:
    static constexpr std::size_t kBuckets = 1024;
    /// One cache line: a look costs the same whoever asks, and what is taken out leaves nothing behind.
    struct alignas(64) Bucket {
        std::array<std::atomic<std::uint32_t>, 16> slots{};
    };

    /// The first slot with `before` gets `after`.
    bool replace(Id id, std::uint32_t before, std::uint32_t after) noexcept {
        for (auto& slot : buckets_[raw(id) % kBuckets].slots) {
            if (slot.load(std::memory_order_relaxed) != before) continue;
            slot.store(after, std::memory_order_relaxed);
            return true;
        }
        return false;
    }

    std::vector<Bucket> buckets_;
};

}  // namespace isthmus
