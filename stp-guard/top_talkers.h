// Who sends most of what storm control drops: the space-saving sketch (Metwally, Agrawal, El Abbadi 2005) over a few places.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/address.h"
#include "stp-guard/storm_limits.h"

namespace isthmus::stp_guard {

struct Talker {
    MacAddress source;
    std::uint16_t vid = 0;
    StormClass storm_class = StormClass::broadcast;
    std::uint64_t frames = 0;  ///< at most so many; whoever sent more than a 16th of all is among them
};

/// note() is for the owning worker, the rest for one other thread.
class TopTalkers {
  public:
    static constexpr std::size_t kPlaces = 16;

    void note(const MacAddress& source, std::uint16_t vid, StormClass c, std::uint32_t frames) noexcept;

    /// Most frames first.
    [[nodiscard]] std::vector<Talker> ranking() const;
    /// From the worker's next note on all counts start anew.
    void forget() noexcept { forget_.store(true, std::memory_order_relaxed); }

  private:
    struct Place {
        std::atomic<std::uint64_t> who{
            0};  ///< class 4 | VLAN 12 | MAC 48; the class from 1, so that 0 is free
        std::atomic<std::uint64_t> frames{0};
    };
    std::array<Place, kPlaces> places_;
    std::atomic<bool> forget_{false};
};

}  // namespace isthmus::stp_guard
