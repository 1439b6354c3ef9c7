#include "crypto/esp/replay_window.h"

#include <algorithm>
#include <bit>
#include <cassert>

#include "crypto/esp/options.h"

namespace isthmus::crypto::esp {

namespace {
// One word more than the window, so that the word being entered is never one still in use; a power of two to
// mask with.
std::size_t words_for(std::uint32_t size) {
    return std::bit_ceil(std::size_t{size} / 64 + 1);
}
}  // namespace

ReplayWindow::ReplayWindow(std::uint32_t size, std::uint64_t highest_seen)
    : size_(size),
      mask_(words_for(size) - 1),
      floor_(highest_seen),
      highest_(highest_seen),
      words_(words_for(size), 0) {
    assert(size >= kMinReplayWindow && size <= kMaxReplayWindow && size % 64 == 0);
}

void ReplayWindow::advance(std::uint64_t sequence) noexcept {
    const std::uint64_t steps = sequence / 64 - highest_ / 64;
    const std::uint64_t stale = std::min<std::uint64_t>(steps, words_.size());
    for (std::uint64_t i = 1; i <= stale; ++i) words_[(highest_ / 64 + i) & mask_] = 0;
    highest_ = sequence;
}

std::optional<std::uint64_t> ReplayWindow::extend(std::uint32_t low) const noexcept {
    const auto top_low = static_cast<std::uint32_t>(highest_);
    const auto top_high = highest_ >> 32;
    const std::uint32_t bottom_low = top_low - size_ + 1;  // modulo 2^32
    const auto with_high = [low](std::uint64_t high) { return (high << 32) | low; };

    if (top_low >= size_ - 1) {  // case A: the window lies in one subspace
        if (low >= bottom_low) return with_high(top_high);
        if (top_high == 0xffff'ffff) return std::nullopt;
        return with_high(top_high + 1);
    }
    if (low < bottom_low) return with_high(top_high);  // case B: it spans two
    if (top_high == 0) return std::nullopt;
    return with_high(top_high - 1);
}

}  // namespace isthmus::crypto::esp
