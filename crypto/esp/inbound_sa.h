// The receiving half of an SA: authenticates, decrypts and refuses replays (RFC 4303 section 3.4).
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
#include "base/time.h"
#include "crypto/esp/job_scratch.h"
#include "crypto/esp/options.h"
#include "crypto/esp/replay_window.h"
#include "crypto/packet_cipher.h"

namespace isthmus::crypto::esp {

/// Owned by one worker, which alone calls open(). The control thread may call all that is marked so.
class InboundSa {
  public:
    /// The packets' data is an ESP packet with this SA's SPI; afterwards the data is the payload and
    /// meta.next_header its protocol. Drops: esp_truncated, esp_replayed, esp_outside_window, esp_bad_icv,
    /// esp_bad_padding, esp_dummy, esp_sa_expired, esp_internal. At most kJobsAtOnce packets. What was in a
    /// dropped packet is undefined.
    void open(std::span<PacketBuffer* const> packets, JobScratch& scratch) noexcept;

    /// Whoever opens says when something new came.
    void note_heard(TimePoint now) noexcept {
        heard_.store(now.time_since_epoch().count(), std::memory_order_relaxed);
    }
    /// True at most once in `interval`.
    [[nodiscard]] bool may_report(TimePoint now, Duration interval) noexcept {
        if (now < next_report_) return false;
        next_report_ = now + interval;
        return true;
    }

    [[nodiscard]] Spi spi() const noexcept { return spi_; }
    [[nodiscard]] Suite suite() const noexcept { return suite_; }
    [[nodiscard]] bool extended_sequence() const noexcept { return extended_; }
    [[nodiscard]] std::uint32_t replay_window() const noexcept { return window_.size(); }

    // Control thread:
    /// Hard lifetime reached: nothing is opened any more.
    void expire() noexcept { expired_.store(true, std::memory_order_relaxed); }
    /// The largest sequence number that was authentic.
    [[nodiscard]] std::uint64_t highest_sequence() const noexcept {
        return highest_.load(std::memory_order_relaxed);
    }
    /// When the last authentic packet with a new highest number came; nullopt: none yet.
    [[nodiscard]] std::optional<TimePoint> last_heard() const noexcept {
        const auto heard = heard_.load(std::memory_order_relaxed);
        if (heard == kNever) return std::nullopt;
        return TimePoint(Duration(heard));
    }
    /// Two threads opened at once: a bug; the SA is dead and every packet is dropped as esp_internal.
    [[nodiscard]] bool stopped_by_bug() const noexcept { return stopped_.load(std::memory_order_relaxed); }
    /// Packets and payload bytes opened, drops.
    [[nodiscard]] const TrafficCounters& counters() const noexcept { return counters_; }

    /// `highest_seen`: numbers up to it count as seen (manual keys after a restart; otherwise 0). With
    /// extended sequence numbers it also says in which stretch of 2^32 the peer is. Error: which option is
    /// wrong (SPI 0 to 255, key length, window), or what the provider refused.
    [[nodiscard]] static Result<std::unique_ptr<InboundSa>, std::string> create(const SaOptions& options,
                                                                                std::uint64_t highest_seen,
                                                                                CipherProvider& provider);

  private:
    InboundSa(const SaOptions& options, std::uint64_t highest_seen, std::unique_ptr<PacketCipher> cipher);

    void open_owned(std::span<PacketBuffer* const> packets, JobScratch& scratch) noexcept;
    [[nodiscard]] DropReason prepare(PacketBuffer& packet, std::size_t index, JobScratch& scratch) noexcept;
    void finish(PacketBuffer& packet, std::size_t index, const JobScratch& scratch) noexcept;
    [[nodiscard]] DropReason strip(PacketBuffer& packet) const noexcept;
    [[nodiscard]] bool implausibly_far(std::uint64_t sequence) const noexcept;
    void drop(PacketBuffer& packet, DropReason reason) noexcept;

    const Spi spi_;
    const Suite suite_;
    const SuiteShape shape_;
    const bool extended_;
    std::array<std::uint8_t, 4> salt_{};
    std::unique_ptr<PacketCipher> cipher_;
    ReplayWindow window_;

    static constexpr Duration::rep kNever = INT64_MIN;
    std::atomic<Duration::rep> heard_{kNever};
    TimePoint next_report_{};  // the worker's own
    std::atomic<std::uint64_t> highest_;
    std::atomic<bool> expired_{false};
    std::atomic<bool> stopped_{false};
    std::atomic<bool> opening_{false};
    TrafficCounters counters_;
};

}  // namespace isthmus::crypto::esp
