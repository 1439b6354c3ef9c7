// Knows a frame that was just there, and comes round again and again. In a loop, switches that learned a host at the wrong port may
// hand unicast frames for it on to each other for ever, and no loop probe sees that, since probes are flooded.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/time.h"
#include "stp-guard/lazy_zeros.h"

namespace isthmus::stp_guard {

/// One worker's. Fixed memory (256 KiB of address space, used only where frames are looked at), no allocation.
///
/// A frame is known by a keyed hash of its length and first 256 bytes: no two packets of a flow have the same ones, but for those that
/// say the same thing again. Whoever sends it again (TCP three times at most in so short a time, keepalives each second) is told from a
/// circle by number and pace: the fourth one is the first to be dropped, if none came later than a pause after the one before. That ends
/// a frame that goes round. Should it go on all the same, somebody sends the same thing over and over: then it takes twice as many each
/// time until one is dropped, up to kMostRounds. So a frame never goes round more often than that, and who repeats himself loses
/// one in 64 at most in the long run.
class CircleDetector {
  public:
    static constexpr std::chrono::milliseconds kPause{250};  ///< no way round is longer
    /// Where no loop is proven yet: there only a circle that is fast enough to do harm meanwhile is worth a mistake.
    static constexpr std::chrono::milliseconds kShortPause{10};
    static constexpr std::uint32_t kFirstRounds = 4;
    static constexpr std::uint32_t kMostRounds = 64;
    static constexpr std::size_t kHashed = 256;

    /// `seed`: random, new for each process: nobody can make his frames look like another's.
    explicit CircleDetector(std::uint64_t seed) : seed_(seed) {}

    /// The frame came by. True: once too often. `pause`: one of the above.
    [[nodiscard]] bool comes_round(SessionIndex session, Bytes frame, TimePoint now, Duration pause) noexcept;

    /// Something came back that should not, though no loop is proven yet: the VLAN is worth looking at for some seconds.
    void suspect(SessionIndex session, std::uint16_t vid, TimePoint now) noexcept;
    [[nodiscard]] bool is_suspect(SessionIndex session, std::uint16_t vid, TimePoint now) const noexcept {
        if (now >= suspects_until_) return false;  // almost always, and all that it costs then
        const Suspect& place = suspects_[slot_of(session, vid)];
        return place.session == session && place.vid == vid && now < place.until;
    }

  private:
    static constexpr std::size_t kSets = 4'096;
    static constexpr std::size_t kWays = 4;
    static constexpr std::size_t kSuspects = 64;
    static constexpr std::chrono::seconds kSuspectFor{2};

    /// Two words a frame. What: of its hash the upper 48 bits, how many it takes / 4 in 8, how many came in 8; 0: free. Then when the
    /// last one came, in nanoseconds.
    struct Entry {
        std::uint64_t* words;
        [[nodiscard]] std::uint64_t& what() const noexcept { return words[0]; }
        [[nodiscard]] std::uint64_t& last() const noexcept { return words[1]; }
    };
    struct Suspect {
        SessionIndex session = kNoSession;
        std::uint16_t vid = 0;
        TimePoint until{};
    };

    [[nodiscard]] static constexpr std::size_t slot_of(SessionIndex session, std::uint16_t vid) noexcept {
        return (std::size_t{raw(session)} * 31 + vid) % kSuspects;
    }
    [[nodiscard]] std::uint64_t hash(SessionIndex session, Bytes frame) const noexcept;
    [[nodiscard]] Entry entry(std::size_t set, std::size_t way) const noexcept {
        return {table_.at((set * kWays + way) * 2)};
    }
    /// Where a frame that was not there is kept; nullptr: nowhere.
    [[nodiscard]] std::uint64_t* room_for(std::uint64_t key, std::uint64_t time) const noexcept;

    std::uint64_t seed_;
    LazyZeros<std::uint64_t> table_{kSets * kWays * 2};
    std::array<Suspect, kSuspects> suspects_{};
    TimePoint suspects_until_{};
};

}  // namespace isthmus::stp_guard
