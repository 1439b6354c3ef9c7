// Datapath stage: opens each ESP packet under the inbound SA that its SPI names.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/pipeline.h"
#include "base/punt.h"
#include "crypto/esp/inbound_sa.h"

namespace isthmus::crypto::esp {

class EarlyPackets;

/// Snapshot that control publishes. Several SAs may lead to one tunnel: during a rekey the old one lives on.
class InboundTable {
  public:
    struct Entry {
        std::shared_ptr<InboundSa> sa;
        TunnelIndex tunnel = kNoTunnel;
        /// What the payload must be: an IP packet in tunnel mode, and none in transport mode. nullopt: not looked at.
        std::optional<Mode> mode = {};
        /// Where its packets are known to come from; authentic ones from elsewhere are told to control. nullopt: not told.
        std::optional<Endpoint> peer = {};
        bool tell_first = false;  ///< the first authentic packet is told to control
    };
    /// SPIs must differ; of two with the same SPI the first is found.
    explicit InboundTable(std::vector<Entry> entries);

    [[nodiscard]] const Entry* find(Spi spi) const noexcept;

  private:
    std::vector<Entry> slots_;  ///< open addressing, power of two, at most half full
};

/// In: a packet that begins with the SPI (IP and UDP headers are off; classify_udp4500 said esp). Out: the
/// payload, meta.next_header, and meta.tunnel set from the SA whatever it was before: what the packet may
/// reach is decided by the key that authenticated it. Drops: esp_truncated, esp_unknown_spi, inner_protocol and what
/// InboundSa::open drops.
///
/// Tells control through `punt`, if given: first_packet of an SA; peer_moved, when the newest packet of an SA came from elsewhere than its
/// peer is known to be, at most every kReportInterval for one SA; unknown_spi, at most every kHintInterval for one
/// sender, as far as a small table can tell them apart. A packet whose SA may be on its way is kept, and not told.
class OpenStage final : public Stage {
  public:
    static constexpr std::chrono::milliseconds kReportInterval{100};
    static constexpr std::chrono::seconds kHintInterval{1};
    /// Bytes of the packet that an unknown_spi report has: the ESP header.
    static constexpr std::size_t kHintSize = 8;

    /// `punt` outlives the stage; this worker is its producer.
    explicit OpenStage(PuntRings* punt = nullptr) : punt_(punt) {}

    [[nodiscard]] std::string_view name() const noexcept override { return "esp-open"; }
    [[nodiscard]] Overhead overhead() const noexcept override { return {}; }
    void process(PacketBatch& batch, TimePoint now) noexcept override;

    /// Before the first packet. It outlives the stage; whoever owns both delivers what it has kept.
    void keep_early(EarlyPackets* early) noexcept { early_ = early; }

    /// Called by the owning worker between batches.
    void set_sas(std::shared_ptr<const InboundTable> table) noexcept { table_ = std::move(table); }

  private:
    using Run = std::span<PacketBuffer* const>;
    [[nodiscard]] const InboundTable::Entry* entry_for(PacketBuffer& packet, TimePoint now) noexcept;
    void open(const InboundTable::Entry& entry, Run run, TimePoint now) noexcept;
    void watch(const InboundTable::Entry& entry, Run run, bool first, TimePoint now) noexcept;
    void refuse_unknown(PacketBuffer& packet, Spi spi, TimePoint now) noexcept;
    void hint_unknown(const PacketBuffer& packet, Spi spi, TimePoint now) noexcept;

    PuntRings* punt_;
    EarlyPackets* early_ = nullptr;
    std::array<TimePoint, 64> next_hint_{};
    std::shared_ptr<const InboundTable> table_;
    std::unique_ptr<JobScratch> scratch_ = std::make_unique<JobScratch>();
};

}  // namespace isthmus::crypto::esp
