// The Control Connection IDs that we have given out (RFC 3931 section 5.4.3) and that are in use, half-open ones too. The
// control thread changes the set while workers look into it: a message for one of them is of a connection that lives, any
// other is one that anybody may send.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/ids.h"

namespace isthmus::tunnel {

/// Ids have to be random, as those of tunnel/control_ids.h are: their low bits choose where they are kept.
class ConnectionIds {
  public:
    ConnectionIds() : buckets_(kBuckets) {}

    /// Control thread. False: there is no room for it, or it is 0; its messages are then treated as those of strangers.
    /// With some thousand ids that is out of all likelihood.
    bool insert(ControlConnectionId id) noexcept {
        return raw(id) != 0 && (contains(id) || replace(id, 0, raw(id)));
    }
    /// Control thread.
    void erase(ControlConnectionId id) noexcept {
        if (raw(id) != 0) (void)replace(id, raw(id), 0);
    }
    /// Any thread.
    [[nodiscard]] bool contains(ControlConnectionId id) const noexcept {
        if (raw(id) == 0) return false;
        for (const auto& slot : home(id))
            if (slot.load(std::memory_order_relaxed) == raw(id)) return true;
        return false;
    }

  private:
    static constexpr std::size_t kBuckets = 1024;
    /// One cache line: a look costs the same whoever asks, and what is taken out leaves nothing behind.
    struct alignas(64) Bucket {
        std::array<std::atomic<std::uint32_t>, 16> slots{};
    };

    [[nodiscard]] const std::array<std::atomic<std::uint32_t>, 16>& home(
        ControlConnectionId id) const noexcept {
        return buckets_[raw(id) % kBuckets].slots;
    }
    /// The first slot with `before` gets `after`.
    bool replace(ControlConnectionId id, std::uint32_t before, std::uint32_t after) noexcept {
        for (auto& slot : buckets_[raw(id) % kBuckets].slots) {
            if (slot.load(std::memory_order_relaxed) != before) continue;
            slot.store(after, std::memory_order_relaxed);
            return true;
        }
        return false;
    }

    std::vector<Bucket> buckets_;
};

}  // namespace isthmus::tunnel
