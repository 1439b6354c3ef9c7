// Remembers for a moment which flooded frames were here, and by which way each came first. The same frame by another way went round a
// loop: who lets only the first one pass has a tree, whatever cables there are, until the loop is proven and blocked. Else each frame
// would go round meanwhile, and teach every switch on its way that its sender is where it is not.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/time.h"
#include "stp-guard/lazy_zeros.h"

namespace isthmus::stp_guard {

/// How a frame came to the gateway: from its LAN, or out of a session's tunnel.
enum class FrameOrigin : std::uint16_t { lan = 1 };
[[nodiscard]] constexpr FrameOrigin out_of(SessionIndex session) noexcept {
    return FrameOrigin{static_cast<std::uint16_t>(2 + raw(session) % 65'000)};
}

/// Of what came out of a tunnel; the same for sessions 65,000 apart.
[[nodiscard]] constexpr SessionIndex session_of(FrameOrigin origin) noexcept {
    return SessionIndex{static_cast<std::uint32_t>(origin) - 2U};
}

/// Both workers', without locks: one that overwrites the other's entry costs a memory of one frame. Fixed size (256 KiB of address
/// space, used as frames are flooded), no allocation. A frame is known by a keyed hash of its length and first 128 bytes; a wrong "seen"
/// has a chance of about 2^-36.
class FloodMemory {
  public:
    static constexpr std::chrono::milliseconds kLasts{250};  ///< no way round is longer
    static constexpr std::size_t kHashed = 128;

    /// `seed`: random, new for each process: nobody can make his frames look like another's.
    explicit FloodMemory(std::uint64_t seed) : seed_(seed) {}

    /// By which way the frame came first, if it was here within kLasts; if not, `origin` is kept. By the same way it lasts anew, by
    /// another it does not: a host that moved is believed soon. Frames of different `domain`s have nothing to do with one another.
    [[nodiscard]] std::optional<FrameOrigin> note(std::uint64_t domain, Bytes frame, FrameOrigin origin,
                                                  TimePoint now) noexcept;

  private:
    static constexpr std::size_t kSets = 4'096;
    static constexpr std::size_t kWays = 8;
    /// A word a frame: of its hash the upper 28 bits, FrameOrigin 16, milliseconds 20. 0: free.
    using Set = std::array<std::uint64_t, kWays>;

    [[nodiscard]] std::uint64_t hash(std::uint64_t domain, Bytes frame) const noexcept;

    std::uint64_t seed_;
    LazyZeros<Set> table_{kSets};
};

}  // namespace isthmus::stp_guard
