// Which hosts were heard lately on one side of the gateway, by session and VLAN: what a bridge's table would say. A unicast frame
// for any other host is unknown unicast, which the kernel's bridge floods without saying so. Also counts hosts, for MAC limits.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "base/address.h"
#include "base/ids.h"
#include "base/time.h"
#include "stp-guard/lazy_zeros.h"

namespace isthmus::stp_guard {

/// How many hosts of a session may be known at once; 0: as many as there is room for.
struct MacLimits {
    std::uint32_t per_vlan = 2'000;
    std::uint32_t per_session = 4'000;
    friend constexpr bool operator==(const MacLimits&, const MacLimits&) = default;
};

/// Where a host is in a table, if it is: made once a frame and used for all that is asked of the frame's address.
enum class HostHash : std::uint64_t {};

/// A table of fixed size, written by the worker that hears the hosts, read by the other one, without locks. A set is a cache line.
/// Forgets after 300 s of silence, as bridges do (IEEE 802.1Q-2018 section 8.8.3), and the longest silent one when a set is full.
/// It keeps a keyed hash of each host, so that nobody can aim at a set; a wrong "heard" has a chance of about 2^-40.
class HostTable {
  public:
    static constexpr std::chrono::seconds kAgeing{300};

    enum class Heard : std::uint8_t {
        known,
        fresh,    ///< and known from now on
        refused,  ///< over a limit; not kept
        group,    ///< a group address is no host
    };

    static constexpr std::size_t kWays = 8;
    /// `seed`: random, new for each process. `sets` of kWays hosts each; a power of two. Memory is used as hosts are heard.
    explicit HostTable(std::uint64_t seed, std::size_t sets = 32'768);
    [[nodiscard]] std::uint64_t seed() const noexcept { return seed_; }

    [[nodiscard]] HostHash hash(SessionIndex session, std::uint16_t vid,
                                const MacAddress& host) const noexcept;
    /// A large table is not in the cache: to be called some frames ahead.
    void prefetch(HostHash hash) const noexcept { __builtin_prefetch(set_of(hash)); }

    /// The hearing worker, for each frame that it lets pass. `hash` is of `source`.
    Heard heard(HostHash hash, SessionIndex session, std::uint16_t vid, const MacAddress& source,
                const MacLimits& limits, TimePoint now) noexcept;
    Heard heard(SessionIndex session, std::uint16_t vid, const MacAddress& source, const MacLimits& limits,
                TimePoint now) noexcept {
        return heard(hash(session, vid, source), session, vid, source, limits, now);
    }
    /// Any thread.
    [[nodiscard]] bool knows(HostHash hash, TimePoint now) const noexcept;
    [[nodiscard]] bool knows(SessionIndex session, std::uint16_t vid, const MacAddress& host,
                             TimePoint now) const noexcept {
        return knows(hash(session, vid, host), now);
    }
    /// The hearing thread: it is not there any more.
    void forget(SessionIndex session, std::uint16_t vid, const MacAddress& host) noexcept;
    /// The hearing worker, between frames: counts those who fell silent out of the limits. Some sets at a time, at most each 10 ms:
    /// a round takes five seconds.
    void sweep(TimePoint now) noexcept;

    /// Known hosts of a session, and of a VLAN of it. Any thread. Sessions from kCountedSessions on are neither counted nor limited.
    [[nodiscard]] std::uint32_t count(SessionIndex session) const noexcept;
    [[nodiscard]] std::uint32_t count(SessionIndex session, std::uint16_t vid) const noexcept;
    [[nodiscard]] bool has_room(SessionIndex session, std::uint16_t vid,
                                const MacLimits& limits) const noexcept;
    static constexpr std::size_t kCountedSessions = 4'096;

    /// At most, and without the counts: of those, 16 KiB for each session that is used.
    [[nodiscard]] std::size_t memory() const noexcept { return sets_ * (sizeof(Set) + sizeof(Owners)); }

  private:
    /// Upper bits: of the hash; lower kTimeBits: seconds. 0: free.
    using Set = std::array<std::uint64_t, kWays>;
    /// Whose count an entry is in: session 20, VLAN 12, and 1 more; 0: nobody's.
    using Owners = std::array<std::uint32_t, kWays>;
    static constexpr std::uint64_t kTimeBits = 20;
    static constexpr std::uint64_t kTimeMask = (std::uint64_t{1} << kTimeBits) - 1;
    [[nodiscard]] Set* set_of(HostHash hash) const noexcept { return table_.at(place_of(hash)); }
    [[nodiscard]] std::size_t place_of(HostHash hash) const noexcept {
        return static_cast<std::size_t>(hash) & (sets_ - 1);
    }
    void count_in(std::uint32_t owner) noexcept;
    void count_out(std::uint32_t owner) noexcept;
    void adjust(std::uint32_t owner, std::uint32_t by) noexcept;

    std::uint64_t seed_;
    std::size_t sets_;
    LazyZeros<Set> table_;
    LazyZeros<Owners> owners_;
    LazyZeros<std::uint32_t> counts_{kCountedSessions * 4'096};  ///< by session and VLAN
    LazyZeros<std::uint32_t> sums_{kCountedSessions};
    std::size_t hand_ = 0;
    TimePoint swept_{};
};

}  // namespace isthmus::stp_guard
