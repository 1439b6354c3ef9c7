// Storm control in the datapath: the buckets and counts of one session and direction, one cell a VLAN.
//
// A cell has 192 bytes: 5 classes and their sum. All 4,096 cells are 768 KiB of address space, of which the kernel backs only
// the pages that are used: a VLAN that never carried a flooded frame costs nothing.
#pragma once

#include <array>
#include <bitset>
#include <cstddef>
#include <cstdint>

#include "base/address.h"
#include "base/time.h"
#include "stp-guard/lazy_zeros.h"
#include "stp-guard/storm_limits.h"
#include "stp-guard/top_talkers.h"

namespace isthmus::stp_guard {

/// Frames since the meters were made, those of a large frame that will be cut counting as many.
struct StormTotals {
    std::uint64_t offered = 0;
    std::uint64_t offered_bytes = 0;
    std::uint64_t dropped = 0;  ///< over a limit; with `observe` they passed
    friend constexpr bool operator==(const StormTotals&, const StormTotals&) = default;
};

/// One frame as the meters see it.
struct FloodedFrame {
    StormClass storm_class = StormClass::broadcast;
    std::uint16_t vid = 0;
    MacAddress source;
    bool source_known = true;  ///< heard before: strangers get half of the address resolution class at most
    std::uint32_t frames = 1;  ///< segments that it will become
    std::uint64_t bytes = 0;
};

/// admit() is for the one worker that owns the direction; all else for any thread.
class StormMeters {
  public:
    /// `seed`: random, new for each process.
    explicit StormMeters(std::uint64_t seed) : seed_(seed) {}
    StormMeters(const StormMeters&) = delete;
    StormMeters& operator=(const StormMeters&) = delete;

    /// Whether the frame is within all of its limits. Counted either way; a frame over one limit uses up none of the others.
    [[nodiscard]] bool admit(const StormLimits& limits, const FloodedFrame& frame, TimePoint now) noexcept;

    [[nodiscard]] StormTotals totals(std::uint16_t vid, StormClass c) const noexcept;
    /// VLANs (0: untagged) that ever carried a flooded frame.
    [[nodiscard]] std::bitset<4096> active() const noexcept;
    /// Who sent what was dropped.
    [[nodiscard]] const TopTalkers& talkers() const noexcept { return talkers_; }
    [[nodiscard]] TopTalkers& talkers() noexcept { return talkers_; }

    static constexpr std::size_t kCellSize = 192;

  private:
    /// Of one VLAN, in 64-bit words: all zeros is a cell that was never used.
    struct Cell;
    /// A bucket of one source's address resolution.
    struct Source {
        std::uint64_t tag = 0;  ///< whose; 0: nobody's
        TokenBucket bucket;
    };
    static constexpr std::size_t kSourceSets = 256;
    static constexpr std::size_t kSourceWays = 4;

    [[nodiscard]] bool within_limits(const StormLimits& limits, const FloodedFrame& frame, Cell cell,
                                     TimePoint now) noexcept;
    [[nodiscard]] TokenBucket& bucket_of(const FloodedFrame& frame) noexcept;
    [[nodiscard]] Cell cell_of(std::uint16_t vid) const noexcept;
    void mark_active(std::uint16_t vid) noexcept;

    std::uint64_t seed_;
    LazyZeros<std::uint64_t> cells_{std::size_t{4'096} * kCellSize / 8};
    std::array<std::uint64_t, 64> active_{};  ///< a bit a VLAN
    std::array<std::array<Source, kSourceWays>, kSourceSets> sources_{};
    TopTalkers talkers_;
};

}  // namespace isthmus::stp_guard
