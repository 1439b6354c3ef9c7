// Datapath stage: opens each ESP packet under the inbound SA that its SPI names.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "base/pipeline.h"
#include "crypto/esp/inbound_sa.h"

namespace isthmus::crypto::esp {

/// Snapshot that control publishes. Several SAs may lead to one tunnel: during a rekey the old one lives on.
class InboundTable {
  public:
    struct Entry {
        std::shared_ptr<InboundSa> sa;
        TunnelIndex tunnel = kNoTunnel;
    };
    /// SPIs must differ; of two with the same SPI the first is found.
    explicit InboundTable(std::vector<Entry> entries);

    [[nodiscard]] const Entry* find(Spi spi) const noexcept;

  private:
    std::vector<Entry> slots_;  ///< open addressing, power of two, at most half full
};

/// In: a packet that begins with the SPI (IP and UDP headers are off; classify_udp4500 said esp). Out: the
/// payload, meta.next_header, and meta.tunnel set from the SA whatever it was before: what the packet may
/// reach is decided by the key that authenticated it. Drops: esp_truncated, esp_unknown_spi and what
/// InboundSa::open drops.
class OpenStage final : public Stage {
  public:
    [[nodiscard]] std::string_view name() const noexcept override { return "esp-open"; }
    [[nodiscard]] Overhead overhead() const noexcept override { return {}; }
    void process(PacketBatch& batch, TimePoint now) noexcept override;

    /// Called by the owning worker between batches.
    void set_sas(std::shared_ptr<const InboundTable> table) noexcept { table_ = std::move(table); }

  private:
    [[nodiscard]] const InboundTable::Entry* entry_for(PacketBuffer& packet) const noexcept;

    std::shared_ptr<const InboundTable> table_;
    std::unique_ptr<JobScratch> scratch_ = std::make_unique<JobScratch>();
};

}  // namespace isthmus::crypto::esp
