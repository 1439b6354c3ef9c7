// What the guard decided for each VLAN of a session, both directions alike. Control makes one and publishes it; workers only read.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "stp-guard/guard_states.h"

namespace isthmus::stp_guard {

/// One kilobyte: two bits a VLAN.
class VlanStates {
  public:
    explicit constexpr VlanStates(VlanState all = VlanState::closed) noexcept {
        packed_.fill(static_cast<std::uint8_t>(static_cast<unsigned>(all) * 0x55U));
    }

    /// `vid` as in FrameClass: 0 for untagged, otherwise 1 to 4095.
    [[nodiscard]] constexpr VlanState of(std::uint16_t vid) const noexcept {
        return static_cast<VlanState>((std::uint32_t{packed_[(vid & 0xfffU) / 4]} >> shift(vid)) & 3U);
    }
    constexpr void set(std::uint16_t vid, VlanState state) noexcept {
        std::uint8_t& four = packed_[(vid & 0xfffU) / 4];
        const unsigned others = four & ~(3U << shift(vid));
        four = static_cast<std::uint8_t>(others | (static_cast<unsigned>(state) << shift(vid)));
    }
    friend bool operator==(const VlanStates&, const VlanStates&) = default;

  private:
    [[nodiscard]] static constexpr unsigned shift(std::uint16_t vid) noexcept { return (vid & 3U) * 2U; }
    std::array<std::uint8_t, 1024> packed_{};
};

}  // namespace isthmus::stp_guard
