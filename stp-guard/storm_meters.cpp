#include "stp-guard/storm_meters.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>

namespace isthmus::stp_guard {

namespace {

/// Counts are written by one worker and read by anybody.
void add(std::uint64_t* count, std::uint64_t n) noexcept {
    std::atomic_ref ref(*count);
    ref.store(ref.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
}
std::uint64_t read(std::uint64_t* count) noexcept {
    return std::atomic_ref(*count).load(std::memory_order_relaxed);
}

std::uint64_t mix(std::uint64_t z) noexcept {
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

/// A bucket in a cell is a word, as the bucket itself is.
static_assert(sizeof(TokenBucket) == sizeof(std::uint64_t));
TokenBucket load(const std::uint64_t* word) noexcept {
    TokenBucket bucket;
    std::memcpy(static_cast<void*>(&bucket), word, sizeof(bucket));
    return bucket;
}
void store(std::uint64_t* word, const TokenBucket& bucket) noexcept {
    std::memcpy(word, static_cast<const void*>(&bucket), sizeof(bucket));
}

/// At least one at a time: where the whole is nothing, the whole says so.
RateLimit part_of(const RateLimit& limit, std::uint64_t parts) noexcept {
    return {std::max<std::uint64_t>(limit.per_second / parts, 1),
            std::max<std::uint64_t>(limit.burst / parts, 1)};
}
/// Of strangers together, and of those among them that were never seen before.
RateLimit for_strangers(const RateLimit& limit) noexcept {
    return part_of(limit, 2);
}
RateLimit for_the_unseen(const RateLimit& limit) noexcept {
    return part_of(limit, 4);
}
/// What a known source asks at most to count as one that asks little: 2 a second by default, 10 at once.
RateLimit little_of(const RateLimit& per_source) noexcept {
    return {part_of(per_source, 10).per_second, part_of(per_source, 4).burst};
}

/// Where strangers are remembered: upper bits of the hash, and when in sixteenths of a second.
constexpr std::uint64_t kWhenMask = 0xff'ffff;
/// A host asks again after a second or so; copies of one frame, and a flooder, come sooner.
constexpr std::uint64_t kSoonest = 6;
constexpr std::uint64_t kLatest = 8 * 16;
/// For so long nobody takes its place: else a storm would wipe out each stranger before it comes back.
constexpr std::uint64_t kKept = 2 * 16;

std::uint64_t sixteenths(TimePoint now) noexcept {
    const auto count =
        std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count() * 16 / 1000;
    return static_cast<std::uint64_t>(count) & kWhenMask;
}

}  // namespace

struct StormMeters::Cell {
    std::uint64_t* words;

    [[nodiscard]] std::uint64_t* bucket(StormClass c) const noexcept { return words + index(c); }
    [[nodiscard]] std::uint64_t* bucket_of_all() const noexcept { return words + kStormClassCount; }
    [[nodiscard]] std::uint64_t* bucket_of_strangers() const noexcept { return words + kStormClassCount + 1; }
    [[nodiscard]] std::uint64_t* bucket_of_the_unseen() const noexcept {
        return words + kStormClassCount + 2;
    }
    [[nodiscard]] std::uint64_t* offered(StormClass c) const noexcept { return words + 8 + index(c); }
    [[nodiscard]] std::uint64_t* offered_bytes(StormClass c) const noexcept { return words + 13 + index(c); }
    [[nodiscard]] std::uint64_t* dropped(StormClass c) const noexcept { return words + 18 + index(c); }

    static std::size_t index(StormClass c) noexcept { return static_cast<std::size_t>(c); }
};

bool StormMeters::admit(const StormLimits& limits, const FloodedFrame& frame, TimePoint now) noexcept {
    const Cell cell = cell_of(frame.vid);
    mark_active(frame.vid);
    add(cell.offered(frame.storm_class), frame.frames);
    add(cell.offered_bytes(frame.storm_class), frame.bytes);
    if (within_limits(limits, frame, cell, now)) return true;
    add(cell.dropped(frame.storm_class), frame.frames);
    talkers_.note(frame.source, frame.vid, frame.storm_class, frame.frames);
    return false;
}

// First ask all buckets, then take from all: a frame that dies of one limit leaves the others' tokens to its betters.

bool StormMeters::within_limits(const StormLimits& limits, const FloodedFrame& frame, Cell cell,
                                TimePoint now) noexcept {
    const auto& limit = limits.of(frame.storm_class);
    TokenBucket of_all = load(cell.bucket_of_all());
    const std::uint64_t weight_in_all = limits.all ? limits.all->weight(frame.frames, frame.bytes) : 0;
    if (limits.all && !of_all.has(limits.all->bucket(), weight_in_all, now)) return false;
    if (frame.storm_class == StormClass::address_resolution) {
        const bool fair = frame.source_known ? admit_known(limits, frame, cell, now)
                                             : admit_stranger(limits, frame, cell, now);
        if (!fair) return false;
    } else if (limit) {
        TokenBucket of_class = load(cell.bucket(frame.storm_class));
        if (!of_class.take(limit->bucket(), limit->weight(frame.frames, frame.bytes), now)) return false;
        store(cell.bucket(frame.storm_class), of_class);
    }
    if (limits.all) {
        of_all.spend(limits.all->bucket(), weight_in_all, now);
        store(cell.bucket_of_all(), of_all);
    }
    return true;
}

bool StormMeters::admit_known(const StormLimits& limits, const FloodedFrame& frame, Cell cell,
                              TimePoint now) noexcept {
    const auto& limit = limits.of(StormClass::address_resolution);
    const RateLimit little = little_of(limits.per_source);
    Source& source = source_of(frame);
    if (!source.bucket.has(limits.per_source, frame.frames, now)) return false;
    if (limit) {
        const RateLimit rate = limit->bucket();
        const std::uint64_t weight = limit->weight(frame.frames, frame.bytes);
        TokenBucket of_class = load(cell.bucket(StormClass::address_resolution));
        // The more it has asked lately, the more it leaves to those who have not: half of the burst in the end.
        const std::uint64_t asked = std::min(source.little.missing(little, now), little.burst);
        if (!of_class.has(rate, weight + rate.burst / 2 * asked / little.burst, now)) return false;
        of_class.spend(rate, weight, now);
        store(cell.bucket(StormClass::address_resolution), of_class);
    }
    source.bucket.spend(limits.per_source, frame.frames, now);
    (void)source.little.take(little, frame.frames, now);
    return true;
}

bool StormMeters::admit_stranger(const StormLimits& limits, const FloodedFrame& frame, Cell cell,
                                 TimePoint now) noexcept {
    const auto& limit = limits.of(StormClass::address_resolution);
    if (!limit) return true;
    const RateLimit rate = limit->bucket();
    const std::uint64_t weight = limit->weight(frame.frames, frame.bytes);
    const bool unseen = !comes_back(frame, now);
    TokenBucket of_class = load(cell.bucket(StormClass::address_resolution));
    TokenBucket of_strangers = load(cell.bucket_of_strangers());
    TokenBucket of_unseen = load(cell.bucket_of_the_unseen());
    if (unseen && !of_unseen.has(for_the_unseen(rate), weight, now)) return false;
    if (!of_strangers.has(for_strangers(rate), weight, now)) return false;
    // A quarter of the burst is left to those who are known.
    if (!of_class.has(rate, weight + rate.burst / 4, now)) return false;
    if (unseen) {
        of_unseen.spend(for_the_unseen(rate), weight, now);
        store(cell.bucket_of_the_unseen(), of_unseen);
    }
    of_strangers.spend(for_strangers(rate), weight, now);
    store(cell.bucket_of_strangers(), of_strangers);
    of_class.spend(rate, weight, now);
    store(cell.bucket(StormClass::address_resolution), of_class);
    return true;
}

bool StormMeters::is_calm(const StormLimits& limits, const FloodedFrame& frame,
                          TimePoint now) const noexcept {
    const auto& limit = limits.of(frame.storm_class);
    if (!limit) return true;
    const Cell cell = cell_of(frame.vid);
    const auto has_half = [&](std::uint64_t* bucket, const RateLimit& rate) {
        return load(bucket).has(rate, rate.burst / 2, now);
    };
    const RateLimit rate = limit->bucket();
    if (frame.storm_class != StormClass::address_resolution)
        return has_half(cell.bucket(frame.storm_class), rate);
    return has_half(cell.bucket_of_strangers(), for_strangers(rate)) &&
           has_half(cell.bucket_of_the_unseen(), for_the_unseen(rate));
}

std::uint64_t StormMeters::hash(const FloodedFrame& frame) const noexcept {
    const std::uint8_t* mac = frame.source.bytes.data();
    const std::uint64_t address = std::uint64_t{load_be16(mac)} << 32 | load_be32(mac + 2);
    return mix((address << 12 | frame.vid) ^ seed_);
}

StormMeters::Source& StormMeters::source_of(const FloodedFrame& frame) noexcept {
    const std::uint64_t key = hash(frame);
    const std::uint64_t tag = key | 1;
    auto& set = *sources_.at((key >> 1) % kSourceSets);
    Source* oldest = &set[0];
    for (Source& source : set) {
        if (source.tag == tag) return source;
        if (source.bucket.full_at() < oldest->bucket.full_at()) oldest = &source;
    }
    *oldest = {tag, {}, {}};
    return *oldest;
}

bool StormMeters::comes_back(const FloodedFrame& frame, TimePoint now) noexcept {
    const std::uint64_t key = hash(frame);
    const std::uint64_t when = sixteenths(now);
    std::uint64_t& place = *strangers_.at(key % kStrangers);
    const std::uint64_t age = (when - place) & kWhenMask;
    const bool same = ((place ^ key) & ~kWhenMask) == 0;
    if (place != 0 && age < (same ? kSoonest : kKept)) return false;
    const bool back = place != 0 && same && age <= kLatest;
    place = (key & ~kWhenMask) | when;
    return back;
}

StormMeters::Cell StormMeters::cell_of(std::uint16_t vid) const noexcept {
    return {cells_.at((vid & 0xfffU) * (kCellSize / 8))};
}

void StormMeters::mark_active(std::uint16_t vid) noexcept {
    std::atomic_ref word(active_[(vid & 0xfffU) / 64]);
    const std::uint64_t bit = std::uint64_t{1} << (vid % 64);
    const std::uint64_t old = word.load(std::memory_order_relaxed);
    if ((old & bit) == 0) word.store(old | bit, std::memory_order_relaxed);
}

StormTotals StormMeters::totals(std::uint16_t vid, StormClass c) const noexcept {
    const Cell cell = cell_of(vid);
    StormTotals out;
    // What was dropped is read first: never more than what was offered.
    out.dropped = read(cell.dropped(c));
    out.offered = read(cell.offered(c));
    out.offered_bytes = read(cell.offered_bytes(c));
    return out;
}

namespace {

/// The VLANs of the word with that number.
void add_vlans(std::bitset<4096>& out, std::size_t number, std::uint64_t word) noexcept {
    for (std::size_t bit = 0; word != 0 && bit < 64; ++bit)
        if ((word >> bit & 1) != 0) out.set(number * 64 + bit);
}

}  // namespace

std::bitset<4096> StormMeters::active() const noexcept {
    std::bitset<4096> out;
    for (std::size_t i = 0; i < active_.size(); ++i) {
        const std::uint64_t word =
            std::atomic_ref(const_cast<std::uint64_t&>(active_[i])).load(std::memory_order_relaxed);
        add_vlans(out, i, word);
    }
    return out;
}

void StormMeters::want(std::uint16_t vid) noexcept {
    std::atomic<std::uint64_t>& word = wanted_[vid / 64U];
    const std::uint64_t bit = std::uint64_t{1} << vid % 64U;
    // Written once a look of control's, not with each frame of a flood.
    if ((word.load(std::memory_order_relaxed) & bit) == 0) word.fetch_or(bit, std::memory_order_relaxed);
}

std::bitset<4096> StormMeters::take_wanted() noexcept {
    std::bitset<4096> out;
    for (std::size_t i = 0; i < wanted_.size(); ++i)
        add_vlans(out, i, wanted_[i].exchange(0, std::memory_order_relaxed));
    return out;
}

}  // namespace isthmus::stp_guard
