#include "stp-guard/remote_hosts.h"

#include <bit>
#include <cassert>

namespace isthmus::stp_guard {

namespace {

/// Steele, Lea and Flood's 64-bit mixer (as in splitmix64): every input bit reaches every output bit.
constexpr std::uint64_t mix(std::uint64_t z) noexcept {
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

std::uint64_t seconds_of(TimePoint now) noexcept {
    // From 1: the word of a host heard in the first second must not look like a free place.
    return static_cast<std::uint64_t>(
               std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count()) +
           1;
}

}  // namespace

RemoteHosts::RemoteHosts(std::uint64_t seed, std::size_t sets)
    : seed_(seed), sets_(sets), table_(std::make_unique<Set[]>(sets)) {
    assert(std::has_single_bit(sets));
}

void RemoteHosts::heard(SessionIndex session, std::uint16_t vid, const MacAddress& source,
                        TimePoint now) noexcept {
    if (source.is_group()) return;
    const std::uint64_t key = hash(session, vid, source);
    const std::uint64_t time = seconds_of(now) & kTimeMask;
    const std::uint64_t word = (key & ~kTimeMask) | time;
    Entry* place = nullptr;
    std::uint64_t longest = 0;
    for (Entry& entry : set_of(key)) {
        const std::uint64_t old = entry.load(std::memory_order_relaxed);
        if (old == word) return;
        const bool same = old != 0 && ((old ^ word) & ~kTimeMask) == 0;
        const std::uint64_t silence = old == 0 ? UINT64_MAX - 1 : (time - old) & kTimeMask;
        if (!same && place != nullptr && silence <= longest) continue;
        place = &entry;
        longest = silence;
        if (same) break;
    }
    place->store(word, std::memory_order_relaxed);
}

bool RemoteHosts::knows(SessionIndex session, std::uint16_t vid, const MacAddress& destination,
                        TimePoint now) const noexcept {
    const std::uint64_t key = hash(session, vid, destination);
    const std::uint64_t time = seconds_of(now) & kTimeMask;
    for (const Entry& entry : set_of(key)) {
        const std::uint64_t old = entry.load(std::memory_order_relaxed);
        if (old == 0 || ((old ^ key) & ~kTimeMask) != 0) continue;
        // The two workers read the clock at different instants: a host heard "in the future" was heard just now.
        const std::uint64_t silence = (time - old) & kTimeMask;
        return silence <= static_cast<std::uint64_t>(kAgeing.count()) || silence == kTimeMask;
    }
    return false;
}

std::uint64_t RemoteHosts::hash(SessionIndex session, std::uint16_t vid,
                                const MacAddress& mac) const noexcept {
    std::uint64_t address = 0;
    for (const std::uint8_t byte : mac.bytes) address = address << 8 | byte;
    const std::uint64_t where = std::uint64_t{raw(session)} << 16 | vid;
    return mix(mix(address ^ seed_) ^ mix(where + seed_));
}

RemoteHosts::Set& RemoteHosts::set_of(std::uint64_t hash) const noexcept {
    return table_[hash & (sets_ - 1)];
}

}  // namespace isthmus::stp_guard
