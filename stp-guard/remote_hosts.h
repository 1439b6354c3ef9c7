// Which hosts were heard through a session's tunnel lately: what a bridge's table would say of its tunnel port. A unicast frame
// towards the tunnel for any other host is unknown unicast, flooded by the kernel's bridge without saying so.
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

namespace isthmus::stp_guard {

/// A table of fixed size, written by the worker that receives from tunnels, read by the one that sends into them, without locks.
/// Forgets after 300 s of silence, as bridges do (IEEE 802.1Q-2018 section 8.8.3), and the longest silent one when a set is full.
/// It keeps a keyed hash of each host, so that nobody can aim at a set; a wrong "heard" has a chance of about 2^-40.
class RemoteHosts {
  public:
    static constexpr std::chrono::seconds kAgeing{300};

    /// `seed`: random, new for each process. `sets` of kWays hosts each; a power of two.
    explicit RemoteHosts(std::uint64_t seed, std::size_t sets = 32'768);

    /// The receiving worker, for each frame that leaves the tunnel. Group addresses are not hosts.
    void heard(SessionIndex session, std::uint16_t vid, const MacAddress& source, TimePoint now) noexcept;
    /// The sending worker.
    [[nodiscard]] bool knows(SessionIndex session, std::uint16_t vid, const MacAddress& destination,
                             TimePoint now) const noexcept;

    [[nodiscard]] std::size_t memory() const noexcept { return sets_ * sizeof(Set); }

  private:
    static constexpr std::size_t kWays = 4;
    /// Upper bits: of the hash; lower kTimeBits: seconds. 0: free.
    using Entry = std::atomic<std::uint64_t>;
    using Set = std::array<Entry, kWays>;
    static constexpr std::uint64_t kTimeBits = 20;
    static constexpr std::uint64_t kTimeMask = (std::uint64_t{1} << kTimeBits) - 1;

    [[nodiscard]] std::uint64_t hash(SessionIndex session, std::uint16_t vid,
                                     const MacAddress& mac) const noexcept;
    [[nodiscard]] Set& set_of(std::uint64_t hash) const noexcept;

    std::uint64_t seed_;
    std::size_t sets_;
    std::unique_ptr<Set[]> table_;
};

}  // namespace isthmus::stp_guard
