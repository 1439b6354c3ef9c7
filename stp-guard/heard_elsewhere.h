// Hosts that are known behind a session whose VLAN is blocked, and were heard from the LAN a moment ago: that is the way which flooded
// frames take from now on. What the session still carries of them would teach bridges and switches the old place again, as often as
// frames that were on their way arrive, and a flow in both directions would stay where it is for ever.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "base/time.h"
#include "stp-guard/host_table.h"
#include "stp-guard/lazy_zeros.h"

namespace isthmus::stp_guard {

/// Written by the worker towards the WAN, read by both, without locks. Fixed size (32 KiB of address space, used as hosts are heard), no
/// allocation. A place has room for one host: the latest. Hosts are named by their HostHash in KnownHosts::tunnel.
class HeardElsewhere {
  public:
    /// Longer than frames are on their way, and short enough if the other way is none.
    static constexpr std::chrono::milliseconds kLasts{1'000};

    void note(HostHash host, TimePoint now) noexcept {
        std::atomic_ref(*place_of(host)).store(word_of(host, now), std::memory_order_relaxed);
    }
    [[nodiscard]] bool knows(HostHash host, TimePoint now) const noexcept {
        const std::uint64_t heard = std::atomic_ref(*place_of(host)).load(std::memory_order_relaxed);
        const std::uint64_t word = word_of(host, now);
        if (heard == 0 || ((heard ^ word) & ~kTimeMask) != 0) return false;
        const std::uint64_t age = (word - heard) & kTimeMask;
        // The two workers read the clock at different instants.
        return age <= static_cast<std::uint64_t>(kLasts.count()) || age >= kTimeMask - kAhead;
    }

  private:
    static constexpr std::size_t kPlaces = 4'096;
    static constexpr std::uint64_t kTimeMask =
        (std::uint64_t{1} << 20) - 1;  ///< milliseconds; above: of the hash
    static constexpr std::uint64_t kAhead = 16;

    [[nodiscard]] std::uint64_t* place_of(HostHash host) const noexcept {
        return table_.at(static_cast<std::size_t>(host) % kPlaces);
    }
    [[nodiscard]] static std::uint64_t word_of(HostHash host, TimePoint now) noexcept {
        const auto time =
            std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count();
        return (static_cast<std::uint64_t>(host) & ~kTimeMask) |
               (static_cast<std::uint64_t>(time) & kTimeMask);
    }
    LazyZeros<std::uint64_t> table_{kPlaces};
};

}  // namespace isthmus::stp_guard
