#include "stp-guard/frame_ring.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace isthmus::stp_guard {

FrameRing::FrameRing(std::size_t frames)
    : slots_count_(std::bit_ceil(std::max<std::size_t>(frames, 1))),
      slots_(std::make_unique<Slot[]>(slots_count_)) {}

void FrameRing::record(TimePoint at, SessionIndex session, Direction direction, DropReason drop,
                       Bytes frame) noexcept {
    constexpr auto kRelaxed = std::memory_order_relaxed;
    const std::uint64_t number = next_.load(kRelaxed);
    Slot& slot = slots_[number & (slots_count_ - 1)];
    std::array<std::uint64_t, kWords> head{};
    const std::size_t kept = std::min(frame.size(), kHeadSize);
    if (kept != 0) std::memcpy(head.data(), frame.data(), kept);

    // Whoever reads a word of this frame sees the 0 too: each store of a word releases it.
    constexpr auto kRelease = std::memory_order_release;
    slot.number.store(0, kRelaxed);
    slot.at.store(static_cast<std::uint64_t>(at.time_since_epoch().count()), kRelease);
    slot.what.store(std::uint64_t{raw(session)} << 32 | std::uint64_t{kept} << 16 |
                        std::uint64_t{static_cast<std::uint8_t>(drop)} << 8 |
                        std::uint64_t{static_cast<std::uint8_t>(direction)},
                    kRelease);
    slot.size.store(frame.size(), kRelease);
    for (std::size_t i = 0; i < kWords; ++i) slot.words[i].store(head[i], kRelease);
    slot.number.store(number + 1, kRelease);
    next_.store(number + 1, kRelease);
}

std::vector<RecordedFrame> FrameRing::since(std::uint64_t first) const {
    constexpr auto kAcquire = std::memory_order_acquire;
    std::vector<RecordedFrame> out;
    const std::uint64_t end = count();
    const std::uint64_t oldest = end > slots_count_ ? end - slots_count_ : 0;
    for (std::uint64_t number = std::max(first, oldest); number < end; ++number) {
        const Slot& slot = slots_[number & (slots_count_ - 1)];
        if (slot.number.load(kAcquire) != number + 1) continue;
        RecordedFrame frame;
        frame.at = TimePoint{Duration{static_cast<std::int64_t>(slot.at.load(kAcquire))}};
        const std::uint64_t what = slot.what.load(kAcquire);
        frame.session = SessionIndex{static_cast<std::uint32_t>(what >> 32)};
        frame.direction = static_cast<Direction>(what & 1);
        frame.drop = static_cast<DropReason>(what >> 8 & 0xff);
        frame.size = static_cast<std::uint32_t>(slot.size.load(kAcquire));
        std::array<std::uint64_t, kWords> head{};
        for (std::size_t i = 0; i < kWords; ++i) head[i] = slot.words[i].load(kAcquire);
        if (slot.number.load(std::memory_order_relaxed) != number + 1) continue;
        const std::size_t kept = std::min<std::size_t>(what >> 16 & 0xffff, kHeadSize);
        const auto* bytes = reinterpret_cast<const std::uint8_t*>(head.data());
        frame.head.assign(bytes, bytes + kept);
        out.push_back(std::move(frame));
    }
    return out;
}

}  // namespace isthmus::stp_guard
