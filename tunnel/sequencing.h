// Sequence numbers of the Default L2-Specific Sublayer (RFC 3931 sections 4.6.1 and 4.6): 24 bits, from 0,
// wrapping.
#pragma once

#include <cstdint>
#include <optional>

namespace isthmus::tunnel {

inline constexpr std::uint32_t kSequenceModulus = 1U << 24;

class SequenceSender {
  public:
    /// The number of the next packet: 0, 1, ... 2^24 - 1, 0, ...
    [[nodiscard]] std::uint32_t take() noexcept {
        const auto now = next_;
        next_ = (next_ + 1) % kSequenceModulus;
        return now;
    }
    [[nodiscard]] std::uint32_t next() const noexcept { return next_; }

  private:
    std::uint32_t next_ = 0;
};

/// Lets pass what is in order and drops the rest, as Linux does without a reorder queue
/// (net/l2tp/l2tp_core.c, nr_oos_count_max = 4): a stray packet at a new position and five more that follow
/// it one by one make the new position the current one; the last of the six passes. So a peer that restarted
/// or a long gap is survived. Two things differ from Linux. Where we start is where the first packet is, so
/// that joining a running peer loses nothing. And a position behind is treated as one ahead, so that a peer
/// that restarted at 0 is always found again.
class SequenceReceiver {
  public:
    static constexpr std::uint32_t kResyncAfter = 5;

    /// True: in order, deliver. `sequence` below 2^24.
    [[nodiscard]] bool accept(std::uint32_t sequence) noexcept {
        if (!expected_ || sequence == *expected_) {
            settle(sequence);
            return true;
        }
        followers_ = stray_ && sequence == after(*stray_) ? followers_ + 1 : 0;
        stray_ = sequence;
        if (followers_ < kResyncAfter) return false;
        settle(sequence);
        return true;
    }
    /// The number that is in order next; nullopt before the first packet.
    [[nodiscard]] std::optional<std::uint32_t> expected() const noexcept { return expected_; }

  private:
    [[nodiscard]] static constexpr std::uint32_t after(std::uint32_t sequence) noexcept {
        return (sequence + 1) % kSequenceModulus;
    }
    void settle(std::uint32_t sequence) noexcept {
        expected_ = after(sequence);
        stray_.reset();
        followers_ = 0;
    }

    std::optional<std::uint32_t> expected_;
    std::optional<std::uint32_t> stray_;
    std::uint32_t followers_ = 0;
};

}  // namespace isthmus::tunnel
