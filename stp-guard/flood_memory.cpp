#include "stp-guard/flood_memory.h"

#include <algorithm>
#include <atomic>

#include "stp-guard/mix.h"

namespace isthmus::stp_guard {

namespace {

constexpr std::uint64_t kTimeMask = (std::uint64_t{1} << 20) - 1;
constexpr std::uint64_t kOriginShift = 20;
constexpr std::uint64_t kTagMask = ~((std::uint64_t{1} << 36) - 1);
/// The two workers read the clock at different instants: what the other one noted may be of a moment ahead.
constexpr std::uint64_t kAhead = 16;

std::uint64_t milliseconds_of(TimePoint now) noexcept {
    return static_cast<std::uint64_t>(
               std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count()) &
           kTimeMask;
}

std::uint64_t age_of(std::uint64_t word, std::uint64_t time) noexcept {
    const std::uint64_t age = (time - word) & kTimeMask;
    return age > kTimeMask - kAhead ? 0 : age;
}

FrameOrigin origin_of(std::uint64_t word) noexcept {
    return FrameOrigin{static_cast<std::uint16_t>(word >> kOriginShift)};
}

}  // namespace

std::optional<FrameOrigin> FloodMemory::note(std::uint64_t domain, Bytes frame, FrameOrigin origin,
                                             TimePoint now) noexcept {
    constexpr auto kMostAge = static_cast<std::uint64_t>(kLasts.count());
    const std::uint64_t key = hash(domain, frame);
    const std::uint64_t time = milliseconds_of(now);
    const std::uint64_t word = (key & kTagMask) | static_cast<std::uint64_t>(origin) << kOriginShift | time;
    Set& set = *table_.at(key % kSets);
    std::size_t place = 0;
    std::uint64_t longest = 0;
    for (std::size_t i = 0; i < kWays; ++i) {
        const std::uint64_t old = std::atomic_ref(set[i]).load(std::memory_order_relaxed);
        const std::uint64_t age = old == 0 ? UINT64_MAX : age_of(old, time);
        if (age <= kMostAge && ((old ^ word) & kTagMask) == 0) {
            const FrameOrigin first = origin_of(old);
            if (first == origin) std::atomic_ref(set[i]).store(word, std::memory_order_relaxed);
            return first;
        }
        if (age <= longest) continue;
        place = i;
        longest = age;
    }
    std::atomic_ref(set[place]).store(word, std::memory_order_relaxed);
    return std::nullopt;
}

std::uint64_t FloodMemory::hash(std::uint64_t domain, Bytes frame) const noexcept {
    return mix_in(mix(mix(seed_ ^ domain) ^ frame.size()), frame, kHashed);
}

}  // namespace isthmus::stp_guard
