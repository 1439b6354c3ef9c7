// Datapath stage: seals each packet under its tunnel's outbound SA.
#pragma once

#include <memory>
#include <vector>

#include "base/pipeline.h"
#include "crypto/esp/outbound_sa.h"

namespace isthmus::crypto::esp {

/// Snapshot that control publishes; the SAs' counters are read through control's own pointers.
struct OutboundTable {
    std::vector<std::shared_ptr<OutboundSa>>
        by_tunnel;  ///< index: TunnelIndex. Null: no SA yet, packets are dropped
};

/// Looks the SA up by meta.tunnel. In: payload and meta.next_header. Out: the ESP packet, SPI first. Drops:
/// esp_no_sa and what OutboundSa::seal drops. Packets keep their order.
class SealStage final : public Stage {
  public:
    [[nodiscard]] std::string_view name() const noexcept override { return "esp-seal"; }
    /// Enough for the fattest suite: the table may change later.
    [[nodiscard]] Overhead overhead() const noexcept override { return largest_overhead(); }
    void process(PacketBatch& batch, TimePoint now) noexcept override;

    /// Called by the owning worker between batches.
    void set_sas(std::shared_ptr<const OutboundTable> table) noexcept { table_ = std::move(table); }

  private:
    [[nodiscard]] OutboundSa* sa_for(TunnelIndex tunnel) const noexcept;

    std::shared_ptr<const OutboundTable> table_;
    std::unique_ptr<JobScratch> scratch_ = std::make_unique<JobScratch>();
};

}  // namespace isthmus::crypto::esp
