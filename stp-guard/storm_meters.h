// Storm control in the datapath: the buckets and counts of one session and direction, one cell a VLAN.
//
// A cell has 192 bytes: 5 classes and their sum. All 4,096 cells are 768 KiB of address space, of which the kernel backs only
// the pages that are used: a VLAN that never carried a flooded frame costs nothing.
//
// Who gets what of address resolution, so that no storm takes it from honest hosts (docs/adr/0012-fair-address-resolution.md):
//   known hosts that ask little    all of the class
//   known hosts that ask a lot     what leaves half of the burst to the others; none more than its own limit
//   strangers that come back       half of the class
//   strangers never seen before    half of that: a storm whose addresses are made up has no other
#pragma once

#include <array>
#include <atomic>
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
    bool source_known = true;  ///< heard while there was no storm, or in a conversation
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

    /// Whether the class has at least half of what it takes at once: what is flooded then shows who is there. In a storm it shows
    /// what a storm makes up.
    [[nodiscard]] bool is_calm(const StormLimits& limits, const FloodedFrame& frame,
                               TimePoint now) const noexcept;

    [[nodiscard]] StormTotals totals(std::uint16_t vid, StormClass c) const noexcept;
    /// VLANs (0: untagged) that ever carried a flooded frame.
    [[nodiscard]] std::bitset<4096> active() const noexcept;

    /// A flooded frame of a closed VLAN: somebody waits for it to open. For the owning worker.
    void want(std::uint16_t vid) noexcept;
    /// Those VLANs since the last call.
    [[nodiscard]] std::bitset<4096> take_wanted() noexcept;
    /// Who sent what was dropped.
    [[nodiscard]] const TopTalkers& talkers() const noexcept { return talkers_; }
    [[nodiscard]] TopTalkers& talkers() noexcept { return talkers_; }

    static constexpr std::size_t kCellSize = 192;

  private:
    /// Of one VLAN, in 64-bit words: all zeros is a cell that was never used.
    struct Cell;
    /// The buckets of one known source's address resolution; all zeros: nobody's.
    struct Source {
        std::uint64_t tag = 0;  ///< whose
        TokenBucket bucket;
        TokenBucket little;  ///< has some left: it asks little
    };
    /// 24 KiB of address space.
    static constexpr std::size_t kSourceSets = 256;
    static constexpr std::size_t kSourceWays = 4;
    /// Strangers of the last seconds: 512 KiB of address space, used only in storms.
    static constexpr std::size_t kStrangers = 65'536;

    [[nodiscard]] bool within_limits(const StormLimits& limits, const FloodedFrame& frame, Cell cell,
                                     TimePoint now) noexcept;
    [[nodiscard]] bool admit_known(const StormLimits& limits, const FloodedFrame& frame, Cell cell,
                                   TimePoint now) noexcept;
    [[nodiscard]] bool admit_stranger(const StormLimits& limits, const FloodedFrame& frame, Cell cell,
                                      TimePoint now) noexcept;
    [[nodiscard]] Source& source_of(const FloodedFrame& frame) noexcept;
    /// Whether the stranger was seen some moments ago, as a host is that asks again; it is remembered either way, if there is room.
    [[nodiscard]] bool comes_back(const FloodedFrame& frame, TimePoint now) noexcept;
    [[nodiscard]] std::uint64_t hash(const FloodedFrame& frame) const noexcept;
    [[nodiscard]] Cell cell_of(std::uint16_t vid) const noexcept;
    void mark_active(std::uint16_t vid) noexcept;

    std::uint64_t seed_;
    LazyZeros<std::uint64_t> cells_{std::size_t{4'096} * kCellSize / 8};
    std::array<std::uint64_t, 64> active_{};  ///< a bit a VLAN
    std::array<std::atomic<std::uint64_t>, 64> wanted_{};
    LazyZeros<std::array<Source, kSourceWays>> sources_{kSourceSets};
    LazyZeros<std::uint64_t> strangers_{kStrangers};
    TopTalkers talkers_;
};

}  // namespace isthmus::stp_guard
