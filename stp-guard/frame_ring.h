// The last frames that were flooded, kept in or limited, so that what led to an event can be looked at afterwards.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/bytes.h"
#include "base/drop_reason.h"
#include "base/ids.h"
#include "base/time.h"
#include "stp-guard/direction.h"

namespace isthmus::stp_guard {

struct RecordedFrame {
    TimePoint at{};
    SessionIndex session = kNoSession;
    Direction direction = Direction::to_tunnel;
    DropReason drop = DropReason::none;  ///< none: it passed
    std::uint32_t size = 0;              ///< of the whole frame
    std::vector<std::uint8_t> head;      ///< its first bytes
};

/// Fixed memory: a slot is 128 bytes. record() is for one worker, the rest for any thread; a frame that is being replaced while it is
/// read is left out.
class FrameRing {
  public:
    static constexpr std::size_t kHeadSize = 96;

    /// Keeps at least `frames`.
    explicit FrameRing(std::size_t frames);

    void record(TimePoint at, SessionIndex session, Direction direction, DropReason drop,
                Bytes frame) noexcept;
    /// How many were ever recorded: also the number of the next one.
    [[nodiscard]] std::uint64_t count() const noexcept { return next_.load(std::memory_order_acquire); }
    /// Those from number `first` on that are still there, oldest first.
    [[nodiscard]] std::vector<RecordedFrame> since(std::uint64_t first) const;
    [[nodiscard]] std::size_t capacity() const noexcept { return slots_count_; }

  private:
    static constexpr std::size_t kWords = kHeadSize / 8;
    struct Slot {
        std::atomic<std::uint64_t> number{0};  ///< its frame's number + 1; 0: being written, or empty
        std::atomic<std::uint64_t> at{0};
        std::atomic<std::uint64_t> what{
            0};  ///< session 32, direction 1, drop 7 bits from 8, bytes kept 16 from 16
        std::atomic<std::uint64_t> size{0};
        std::array<std::atomic<std::uint64_t>, kWords> words{};
    };

    std::size_t slots_count_;
    std::unique_ptr<Slot[]> slots_;
    std::atomic<std::uint64_t> next_{0};
};

}  // namespace isthmus::stp_guard
