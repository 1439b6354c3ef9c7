#include "stp-guard/storm_meters.h"

#include <atomic>
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

/// Strangers may use half of the address resolution class, so that addresses made up for each frame leave the rest to hosts that
/// are known.
RateLimit half_of(const RateLimit& limit) noexcept {
    return {limit.per_second / 2, limit.burst / 2};
}

}  // namespace

struct StormMeters::Cell {
    std::uint64_t* words;

    [[nodiscard]] std::uint64_t* bucket(StormClass c) const noexcept { return words + index(c); }
    [[nodiscard]] std::uint64_t* bucket_of_all() const noexcept { return words + kStormClassCount; }
    [[nodiscard]] std::uint64_t* bucket_of_strangers() const noexcept { return words + kStormClassCount + 1; }
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

bool StormMeters::within_limits(const StormLimits& limits, const FloodedFrame& frame, Cell cell,
                                TimePoint now) noexcept {
    const auto& limit = limits.of(frame.storm_class);
    const bool resolution = frame.storm_class == StormClass::address_resolution;
    TokenBucket of_class = load(cell.bucket(frame.storm_class));
    TokenBucket of_all = load(cell.bucket_of_all());
    TokenBucket of_strangers = load(cell.bucket_of_strangers());
    TokenBucket* const of_source = resolution ? &bucket_of(frame) : nullptr;
    const bool stranger = resolution && limit && !frame.source_known;

    // First ask all, then take from all: a frame that dies of one limit leaves the others' tokens to its betters.
    const std::uint64_t weight = limit ? limit->weight(frame.frames, frame.bytes) : 0;
    const std::uint64_t weight_in_all = limits.all ? limits.all->weight(frame.frames, frame.bytes) : 0;
    if (of_source != nullptr && !of_source->has(limits.per_source, frame.frames, now)) return false;
    if (stranger && !of_strangers.has(half_of(limit->bucket()), weight, now)) return false;
    if (limit && !of_class.has(limit->bucket(), weight, now)) return false;
    if (limits.all && !of_all.has(limits.all->bucket(), weight_in_all, now)) return false;

    if (of_source != nullptr) of_source->spend(limits.per_source, frame.frames, now);
    if (stranger) {
        of_strangers.spend(half_of(limit->bucket()), weight, now);
        store(cell.bucket_of_strangers(), of_strangers);
    }
    if (limit) {
        of_class.spend(limit->bucket(), weight, now);
        store(cell.bucket(frame.storm_class), of_class);
    }
    if (limits.all) {
        of_all.spend(limits.all->bucket(), weight_in_all, now);
        store(cell.bucket_of_all(), of_all);
    }
    return true;
}

TokenBucket& StormMeters::bucket_of(const FloodedFrame& frame) noexcept {
    const std::uint8_t* mac = frame.source.bytes.data();
    const std::uint64_t address = std::uint64_t{load_be16(mac)} << 32 | load_be32(mac + 2);
    const std::uint64_t hash = mix((address << 12 | frame.vid) ^ seed_);
    const std::uint64_t tag = hash | 1;
    auto& set = sources_[(hash >> 1) % kSourceSets];
    Source* oldest = &set[0];
    for (Source& source : set) {
        if (source.tag == tag) return source.bucket;
        if (source.bucket.full_at() < oldest->bucket.full_at()) oldest = &source;
    }
    *oldest = {tag, {}};
    return oldest->bucket;
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

std::bitset<4096> StormMeters::active() const noexcept {
    std::bitset<4096> out;
    for (std::size_t i = 0; i < active_.size(); ++i) {
        const std::uint64_t word =
            std::atomic_ref(const_cast<std::uint64_t&>(active_[i])).load(std::memory_order_relaxed);
        for (std::size_t bit = 0; word != 0 && bit < 64; ++bit)
            if ((word >> bit & 1) != 0) out.set(i * 64 + bit);
    }
    return out;
}

}  // namespace isthmus::stp_guard
