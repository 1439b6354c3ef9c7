// Which hosts were heard lately on one side of the gateway, by session and VLAN: what a bridge's table would say. A unicast frame
// for any other host is unknown unicast, which the kernel's bridge floods without saying so. Also counts hosts, for MAC limits.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>

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

/// A table of fixed size, written by the worker that hears the hosts, read by the other one, without locks.
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

    /// `seed`: random, new for each process. `sets` of kWays hosts each; a power of two.
    explicit HostTable(std::uint64_t seed, std::size_t sets = 32'768);
    [[nodiscard]] std::uint64_t seed() const noexcept { return seed_; }

    /// The hearing worker, for each frame that it lets pass.
    Heard heard(SessionIndex session, std::uint16_t vid, const MacAddress& source, const MacLimits& limits,
                TimePoint now) noexcept;
    /// Any thread.
    [[nodiscard]] bool knows(SessionIndex session, std::uint16_t vid, const MacAddress& host,
                             TimePoint now) const noexcept;
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

    /// Without the counts: of those, 16 KiB for each session that is used.
    [[nodiscard]] std::size_t memory() const noexcept { return sets_ * (sizeof(Set) + sizeof(Owners)); }

  private:
    static constexpr std::size_t kWays = 4;
    /// Upper bits: of the hash; lower kTimeBits: seconds. 0: free.
    using Entry = std::atomic<std::uint64_t>;
    using Set = std::array<Entry, kWays>;
    using Owners = std::array<std::uint32_t, kWays>;  ///< session 20, VLAN 12: whose count an entry is in
    static constexpr std::uint64_t kTimeBits = 20;
    static constexpr std::uint64_t kTimeMask = (std::uint64_t{1} << kTimeBits) - 1;
    [[nodiscard]] std::uint64_t hash(SessionIndex session, std::uint16_t vid,
                                     const MacAddress& mac) const noexcept;
    void count_in(std::uint32_t owner) noexcept;
    void count_out(std::uint32_t owner) noexcept;

    std::uint64_t seed_;
    std::size_t sets_;
    std::unique_ptr<Set[]> table_;
    std::unique_ptr<Owners[]> owners_;
    LazyZeros<std::uint32_t> counts_{kCountedSessions * 4'096};  ///< by session and VLAN
    LazyZeros<std::uint32_t> sums_{kCountedSessions};
    std::size_t hand_ = 0;
    TimePoint swept_{};
};

/// All that a gateway's workers know of hosts.
struct KnownHosts {
    explicit KnownHosts(std::uint64_t seed) : lan(seed), tunnel(seed + 1), bridge(seed + 2) {}
    HostTable lan;     ///< heard from TAPs, by the worker towards the WAN
    HostTable tunnel;  ///< heard from tunnels, by the worker towards the LAN
    HostTable
        bridge;  ///< control's copy of the kernel bridges' tables: a bridge's number in place of a session
};

}  // namespace isthmus::stp_guard
