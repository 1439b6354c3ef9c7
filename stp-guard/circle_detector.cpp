#include "stp-guard/circle_detector.h"

#include <algorithm>

#include "stp-guard/mix.h"

namespace isthmus::stp_guard {

namespace {

constexpr std::uint64_t kCountMask = 0xff;
constexpr std::uint64_t kLimitShift = 8;
constexpr std::uint64_t kTagMask = ~std::uint64_t{0xffff};
constexpr auto kPauseTime =
    static_cast<std::uint64_t>(std::chrono::nanoseconds(CircleDetector::kPause).count());

constexpr std::uint64_t word_of(std::uint64_t tag, std::uint64_t limit, std::uint64_t count) noexcept {
    return tag | limit / CircleDetector::kFirstRounds << kLimitShift | count;
}

}  // namespace

bool CircleDetector::comes_round(SessionIndex session, Bytes frame, TimePoint now, Duration pause) noexcept {
    const std::uint64_t key = hash(session, frame);
    const std::uint64_t tag = key & kTagMask;
    const auto time = static_cast<std::uint64_t>(now.time_since_epoch().count());
    for (std::size_t way = 0; way < kWays; ++way) {
        const Entry known = entry(key % kSets, way);
        if (known.what() == 0 || ((known.what() ^ tag) & kTagMask) != 0) continue;
        const bool fresh = time - known.last() > static_cast<std::uint64_t>(pause.count());
        const std::uint64_t limit =
            fresh ? kFirstRounds : (known.what() >> kLimitShift & 0xff) * kFirstRounds;
        const std::uint64_t count = fresh ? 1 : (known.what() & kCountMask) + 1;
        known.last() = time;
        const bool once_too_often = count >= limit;
        known.what() = once_too_often ? word_of(tag, std::min<std::uint64_t>(limit * 2, kMostRounds), 0)
                                      : word_of(tag, limit, count);
        return once_too_often;
    }
    if (std::uint64_t* const room = room_for(key, time)) {
        room[0] = word_of(tag, kFirstRounds, 1);
        room[1] = time;
    }
    return false;
}

std::uint64_t* CircleDetector::room_for(std::uint64_t key, std::uint64_t time) const noexcept {
    for (std::size_t way = 0; way < kWays; ++way) {
        const Entry old = entry(key % kSets, way);
        if (old.what() == 0 || time - old.last() > kPauseTime) return old.words;
    }
    // With more frames on their way than there is room for, each would be gone when it comes round if the newest always found a
    // place: few do, and none in place of one that came round already.
    const std::uint64_t dice = mix(key ^ time);
    const Entry old = entry(key % kSets, dice % kWays);
    const bool on_its_way_out = (old.what() & kCountMask) > 1;
    return !on_its_way_out && (dice >> 32) % 8 == 0 ? old.words : nullptr;
}

void CircleDetector::suspect(SessionIndex session, std::uint16_t vid, TimePoint now) noexcept {
    suspects_until_ = now + kSuspectFor;
    suspects_[slot_of(session, vid)] = {session, vid, suspects_until_};
}

std::uint64_t CircleDetector::hash(SessionIndex session, Bytes frame) const noexcept {
    return mix_in(mix(seed_ ^ (std::uint64_t{raw(session)} << 32 | frame.size())), frame, kHashed);
}

}  // namespace isthmus::stp_guard
