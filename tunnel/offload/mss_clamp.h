// The MSS option of TCP SYN and SYN-ACK, lowered to what fits the tunnel, so that hosts with an MTU of 1,500
// need no path MTU discovery through a bridge that cannot answer (RFC 9293 section 3.7.1; as the TCPMSS
// target of netfilter does).
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/counters.h"
#include "base/packet_buffer.h"
#include "base/pipeline.h"

namespace isthmus::tunnel {

/// Largest MSS that a host may announce; 0: any.
struct MssLimits {
    std::uint16_t tcp4 = 0;
    std::uint16_t tcp6 = 0;

    /// What fits into IP packets of `mtu` bytes, headers without options included.
    [[nodiscard]] static constexpr MssLimits for_mtu(std::uint32_t mtu) noexcept {
        return {below(mtu, 40), below(mtu, 60)};
    }
    friend constexpr bool operator==(const MssLimits&, const MssLimits&) = default;

  private:
    [[nodiscard]] static constexpr std::uint16_t below(std::uint32_t mtu, std::uint32_t headers) noexcept {
        if (mtu <= headers) return 0;
        return static_cast<std::uint16_t>(mtu - headers < 0xffff ? mtu - headers : 0xffff);
    }
};

/// Lowers the option in a frame that is a SYN or SYN-ACK, through up to two tags, and keeps its checksum's
/// state as it was: a good one stays good, a bad one bad, and one that `offload` leaves to be completed is
/// not touched, as it does not cover the options yet. Never raises, never adds an option (without one the
/// peer sends 536 or 1,220 at most). Says whether it changed the frame.
[[nodiscard]] bool clamp_mss(MutableBytes frame, const Offload& offload, MssLimits limits) noexcept;

class MssClampStage final : public Stage {
  public:
    using Table = std::vector<MssLimits>;  ///< by SessionIndex; sessions beyond its end are left alone

    /// Called by the owning worker between batches.
    void set_limits(std::shared_ptr<const Table> limits) noexcept { limits_ = std::move(limits); }

    [[nodiscard]] std::string_view name() const noexcept override { return "mss-clamp"; }
    [[nodiscard]] Overhead overhead() const noexcept override { return {}; }
    void process(PacketBatch& batch, TimePoint now) noexcept override;

    /// Options rewritten.
    [[nodiscard]] const Counter& clamped() const noexcept { return clamped_; }

  private:
    std::shared_ptr<const Table> limits_;
    Counter clamped_;
};

}  // namespace isthmus::tunnel
