// Bounded queue from one thread to one other, without locks. Slots are made once and written in place.
#pragma once

#include <atomic>
#include <bit>
#include <cassert>
#include <cstddef>
#include <memory>

namespace isthmus {

template <class T>
class SpscRing {
  public:
    /// `capacity` must be a power of two.
    explicit SpscRing(std::size_t capacity) : slots_(std::make_unique<T[]>(capacity)), mask_(capacity - 1) {
        assert(std::has_single_bit(capacity));
    }

    /// Producer: the slot to write, or null if the ring is full; then publish().
    [[nodiscard]] T* claim() noexcept {
        const auto tail = tail_.load(std::memory_order_relaxed);
        if (tail - head_.load(std::memory_order_acquire) > mask_) return nullptr;
        return &slots_[tail & mask_];
    }
    void publish() noexcept {
        tail_.store(tail_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
    }

    /// Consumer: the oldest slot, or null if the ring is empty; then pop().
    [[nodiscard]] T* front() noexcept {
        const auto head = head_.load(std::memory_order_relaxed);
        if (head == tail_.load(std::memory_order_acquire)) return nullptr;
        return &slots_[head & mask_];
    }
    void pop() noexcept { head_.store(head_.load(std::memory_order_relaxed) + 1, std::memory_order_release); }

    [[nodiscard]] std::size_t capacity() const noexcept { return mask_ + 1; }

  private:
    std::unique_ptr<T[]> slots_;
    std::size_t mask_;
    alignas(64) std::atomic<std::size_t> head_{0};
    alignas(64) std::atomic<std::size_t> tail_{0};
};

}  // namespace isthmus
