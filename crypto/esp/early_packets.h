// Keeps ESP packets that overtook the answer that makes their SA. Whoever answers a CREATE_CHILD_SA or IKE_AUTH request has both
// SAs and may send at once (RFC 7296 section 2.8), while we make them out of that answer.
#pragma once

#include <array>
#include <cstddef>

#include "base/counters.h"
#include "base/packet_batch.h"
#include "base/shared_ids.h"
#include "base/time.h"
#include "crypto/esp/open_stage.h"

namespace isthmus::crypto::esp {

/// Belongs to the worker that receives. Only packets of SPIs that we have given out and that nobody else can know before the
/// peer uses them are kept, so strangers find no room here, and take none. All memory is fixed.
class EarlyPackets {
  public:
    /// An answer that takes longer was lost: what came that long before its repetition is not worth to be delivered.
    static constexpr std::chrono::milliseconds kPatience{200};
    static constexpr std::size_t kMost = 256;
    /// Of one SPI: a peer that floods does not take all.
    static constexpr std::size_t kMostOfOne = 192;
    static constexpr std::size_t kBlockSize = 65'536;
    static constexpr std::size_t kBlocks = 4;

    /// `expected`: inbound SPIs that we have given out; control writes it, and it outlives this.
    explicit EarlyPackets(const SharedIds<Spi>& expected) : expected_(expected) {}
    ~EarlyPackets() { clear(); }
    EarlyPackets(const EarlyPackets&) = delete;
    EarlyPackets& operator=(const EarlyPackets&) = delete;

    /// Whether its SA may be on its way.
    [[nodiscard]] bool expects(Spi spi) const noexcept { return expected_.contains(spi); }
    /// A copy is kept if there is room; false: there is none.
    [[nodiscard]] bool keep(const PacketBuffer& packet, Spi spi, TimePoint now) noexcept;
    [[nodiscard]] bool empty() const noexcept { return size_ == 0; }

    /// After `table` has changed: packets whose SA is there now are appended to `batch`, which is empty, in the order they
    /// came. Their paths live until the next call.
    void take(const InboundTable& table, PacketBatch& batch, TimePoint now, DropLedger& ledger) noexcept;
    /// Books esp_unknown_spi for those that waited too long.
    void expire(TimePoint now, DropLedger& ledger) noexcept;

  private:
    static_assert(kMost <= PacketBatch::kCapacity);
    struct Kept {
        PacketBuffer packet;
        Path path;
        Spi spi{};
        TimePoint came;
    };
    [[nodiscard]] PacketBuffer copy_of(const PacketBuffer& packet) noexcept;
    [[nodiscard]] std::size_t kept_of(Spi spi) const noexcept;
    void clear() noexcept;

    const SharedIds<Spi>& expected_;
    PacketPool blocks_{kBlockSize, kBlocks};
    PacketBuffer filling_;  ///< its data is what is shared out already
    std::array<Kept, kMost> kept_;
    std::size_t size_ = 0;
    std::array<Path, kMost> paths_;  ///< of those that were taken
};

}  // namespace isthmus::crypto::esp
