// The sending half of an SA: numbers packets and seals them (RFC 4303 section 3.3).
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "base/counters.h"
#include "base/packet_buffer.h"
#include "base/result.h"
#include "base/rng.h"
#include "crypto/esp/iv_source.h"
#include "crypto/esp/job_scratch.h"
#include "crypto/esp/options.h"
#include "crypto/packet_cipher.h"

namespace isthmus::crypto::esp {

/// Sequence numbers that an SA may use.
struct SequenceRange {
    std::uint64_t first = 1;           ///< the next packet's
    std::uint64_t limit = UINT64_MAX;  ///< the last one reserved; UINT64_MAX: keys that die with the process
};

/// The last number there is; it may be used, and then the SA is exhausted.
[[nodiscard]] constexpr std::uint64_t last_sequence_of(bool extended) noexcept {
    return extended ? UINT64_MAX : 0xffff'ffffU;
}

/// Owned by one worker, which alone calls seal(). The control thread may call all that is marked so.
class OutboundSa {
  public:
    /// The packets' data is the payload, their meta.next_header its protocol; afterwards the data is the ESP
    /// packet. Drops: esp_sequence_exhausted, esp_not_reserved, esp_sa_expired, esp_internal. At most
    /// kJobsAtOnce packets.
    void seal(std::span<PacketBuffer* const> packets, JobScratch& scratch) noexcept;

    [[nodiscard]] Spi spi() const noexcept { return spi_; }
    [[nodiscard]] Suite suite() const noexcept { return suite_; }
    [[nodiscard]] bool extended_sequence() const noexcept { return extended_; }

    // Control thread:
    /// Packets up to `limit` may be sent from now on. Never shrinks.
    void raise_limit(std::uint64_t limit) noexcept;
    /// Hard lifetime reached: nothing is sealed any more.
    void expire() noexcept { expired_.store(true, std::memory_order_relaxed); }
    /// The largest number used so far; range.first - 1 if none.
    [[nodiscard]] std::uint64_t last_sequence() const noexcept {
        return last_.load(std::memory_order_relaxed);
    }
    [[nodiscard]] std::uint64_t limit() const noexcept { return limit_.load(std::memory_order_relaxed); }
    /// A check that must never fire did: a number was about to be used twice, or two threads sealed at once.
    /// The SA is dead and every packet is dropped as esp_internal; the daemon should say so loudly.
    [[nodiscard]] bool stopped_by_bug() const noexcept { return stopped_.load(std::memory_order_relaxed); }
    /// Packets and payload bytes sealed, drops.
    [[nodiscard]] const TrafficCounters& counters() const noexcept { return counters_; }

    /// Error: which option is wrong (SPI 0 to 255, key length, range), or what the provider refused.
    [[nodiscard]] static Result<std::unique_ptr<OutboundSa>, std::string> create(const SaOptions& options,
                                                                                 SequenceRange range,
                                                                                 CipherProvider& provider,
                                                                                 Rng& rng);
    /// For known answers: IVs from `ivs` with every suite. Unique nonces are then its business: never in
    /// production.
    [[nodiscard]] static Result<std::unique_ptr<OutboundSa>, std::string> create_with_ivs(
        const SaOptions& options, SequenceRange range, CipherProvider& provider,
        std::unique_ptr<IvSource> ivs);

  private:
    OutboundSa(const SaOptions& options, SequenceRange range, std::unique_ptr<PacketCipher> cipher,
               std::unique_ptr<IvSource> ivs);

    [[nodiscard]] DropReason refusal(const PacketBuffer& packet) const noexcept;
    [[nodiscard]] std::size_t claim_numbers(std::span<PacketBuffer* const> packets,
                                            JobScratch& scratch) noexcept;
    [[nodiscard]] bool all_fresh(std::span<const std::uint64_t> sequences) const noexcept;
    void build(std::size_t index, JobScratch& scratch) noexcept;
    void seal_owned(std::span<PacketBuffer* const> packets, JobScratch& scratch) noexcept;
    void drop(PacketBuffer& packet, DropReason reason) noexcept;

    const Spi spi_;
    const Suite suite_;
    const SuiteShape shape_;
    const bool extended_;
    std::array<std::uint8_t, 4> salt_{};
    std::unique_ptr<PacketCipher> cipher_;
    std::unique_ptr<IvSource> ivs_;  ///< null: the IV is the sequence number
    std::uint64_t next_;             ///< meaningless once exhausted_
    bool exhausted_ = false;

    std::atomic<std::uint64_t> last_;
    std::atomic<std::uint64_t> limit_;
    std::atomic<bool> expired_{false};
    std::atomic<bool> stopped_{false};
    std::atomic<bool> sealing_{false};
    TrafficCounters counters_;
};

}  // namespace isthmus::crypto::esp
