#include "stp-guard/host_table.h"

#include <atomic>
#include <bit>
#include <cassert>

#include "stp-guard/mix.h"

namespace isthmus::stp_guard {

namespace {

std::uint64_t seconds_of(TimePoint now) noexcept {
    // From 1: the word of a host heard in the first second must not look like a free place.
    return static_cast<std::uint64_t>(
               std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count()) +
           1;
}

constexpr std::chrono::milliseconds kBetweenSweeps{10};
constexpr std::size_t kSetsPerSweep = 64;
constexpr std::uint32_t kVlanBits = 12;
constexpr std::uint32_t kNoOwner = 0;

std::uint32_t owner_of(SessionIndex session, std::uint16_t vid) noexcept {
    if (raw(session) >= HostTable::kCountedSessions) return kNoOwner;
    return (raw(session) << kVlanBits | (vid & 0xfffU)) + 1;
}

// Of what one thread writes and others read.
template <class T>
T read(const T& value) noexcept {
    return std::atomic_ref(const_cast<T&>(value)).load(std::memory_order_relaxed);
}
template <class T>
void write(T& value, T to) noexcept {
    std::atomic_ref(value).store(to, std::memory_order_relaxed);
}

}  // namespace

HostTable::HostTable(std::uint64_t seed, std::size_t sets)
    : seed_(seed), sets_(sets), table_(sets), owners_(sets) {
    static_assert(sizeof(Set) == 64);
    assert(std::has_single_bit(sets));
}

HostTable::Heard HostTable::heard(HostHash hash, SessionIndex session, std::uint16_t vid,
                                  const MacAddress& source, const MacLimits& limits, TimePoint now) noexcept {
    if (source.is_group()) return Heard::group;
    const std::uint64_t time = seconds_of(now) & kTimeMask;
    const std::uint64_t word = (static_cast<std::uint64_t>(hash) & ~kTimeMask) | time;
    Set& set = *set_of(hash);
    std::size_t place = 0;
    std::uint64_t longest = 0;
    for (std::size_t i = 0; i < kWays; ++i) {
        const std::uint64_t old = read(set[i]);
        if (old == word) return Heard::known;
        if (old != 0 && ((old ^ word) & ~kTimeMask) == 0) {
            write(set[i], word);
            return Heard::known;
        }
        const std::uint64_t silence = old == 0 ? UINT64_MAX : (time - old) & kTimeMask;
        if (i > 0 && silence <= longest) continue;
        place = i;
        longest = silence;
    }
    if (!has_room(session, vid, limits)) return Heard::refused;
    std::uint32_t& owner = (*owners_.at(place_of(hash)))[place];
    count_out(owner);
    owner = owner_of(session, vid);
    count_in(owner);
    write(set[place], word);
    return Heard::fresh;
}

bool HostTable::knows(HostHash hash, TimePoint now) const noexcept {
    const std::uint64_t time = seconds_of(now) & kTimeMask;
    for (const std::uint64_t& entry : *set_of(hash)) {
        const std::uint64_t old = read(entry);
        if (old == 0 || ((old ^ static_cast<std::uint64_t>(hash)) & ~kTimeMask) != 0) continue;
        // The two workers read the clock at different instants: a host heard "in the future" was heard just now.
        const std::uint64_t silence = (time - old) & kTimeMask;
        return silence <= static_cast<std::uint64_t>(kAgeing.count()) || silence == kTimeMask;
    }
    return false;
}

void HostTable::forget(SessionIndex session, std::uint16_t vid, const MacAddress& host) noexcept {
    const HostHash gone = hash(session, vid, host);
    Set& set = *set_of(gone);
    for (std::size_t i = 0; i < kWays; ++i) {
        const std::uint64_t old = read(set[i]);
        if (old == 0 || ((old ^ static_cast<std::uint64_t>(gone)) & ~kTimeMask) != 0) continue;
        write(set[i], std::uint64_t{0});
        std::uint32_t& owner = (*owners_.at(place_of(gone)))[i];
        count_out(owner);
        owner = kNoOwner;
    }
}

bool HostTable::has_room(SessionIndex session, std::uint16_t vid, const MacLimits& limits) const noexcept {
    if (limits.per_session != 0 && count(session) >= limits.per_session) return false;
    return limits.per_vlan == 0 || count(session, vid) < limits.per_vlan;
}

void HostTable::sweep(TimePoint now) noexcept {
    if (now - swept_ < kBetweenSweeps) return;
    swept_ = now;
    const std::uint64_t time = seconds_of(now) & kTimeMask;
    for (std::size_t n = 0; n < kSetsPerSweep && n < sets_; ++n) {
        hand_ = (hand_ + 1) & (sets_ - 1);
        Set& set = *table_.at(hand_);
        for (std::size_t i = 0; i < kWays; ++i) {
            const std::uint64_t old = read(set[i]);
            if (old == 0) continue;
            const std::uint64_t silence = (time - old) & kTimeMask;
            if (silence <= static_cast<std::uint64_t>(kAgeing.count()) || silence == kTimeMask) continue;
            write(set[i], std::uint64_t{0});
            std::uint32_t& owner = (*owners_.at(hand_))[i];
            count_out(owner);
            owner = kNoOwner;
        }
    }
}

std::uint32_t HostTable::count(SessionIndex session) const noexcept {
    return raw(session) < kCountedSessions ? read(*sums_.at(raw(session))) : 0;
}

std::uint32_t HostTable::count(SessionIndex session, std::uint16_t vid) const noexcept {
    const std::uint32_t owner = owner_of(session, vid);
    return owner != kNoOwner ? read(*counts_.at(owner - 1)) : 0;
}

void HostTable::count_in(std::uint32_t owner) noexcept {
    if (owner != kNoOwner) adjust(owner, 1);
}

void HostTable::count_out(std::uint32_t owner) noexcept {
    if (owner != kNoOwner) adjust(owner, UINT32_MAX);
}

void HostTable::adjust(std::uint32_t owner, std::uint32_t by) noexcept {
    for (std::uint32_t* count : {counts_.at(owner - 1), sums_.at((owner - 1) >> kVlanBits)})
        write(*count, read(*count) + by);
}

HostHash HostTable::hash(SessionIndex session, std::uint16_t vid, const MacAddress& host) const noexcept {
    const std::uint64_t address =
        std::uint64_t{load_be16(host.bytes.data())} << 32 | load_be32(host.bytes.data() + 2);
    const std::uint64_t where = std::uint64_t{raw(session)} << 16 | vid;
    return HostHash{mix(mix(address ^ seed_) ^ mix(where + seed_))};
}

}  // namespace isthmus::stp_guard
