// The worker from WAN to LAN: receives, opens, decapsulates, admits, coalesces, writes TAPs. Owns the inbound SAs' replay
// windows and the sessions' expected sequence numbers.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "appliance/datapath/doorbell.h"
#include "appliance/datapath/outbound_worker.h"
#include "appliance/datapath/published.h"
#include "appliance/datapath/views.h"
#include "appliance/datapath/worker_thread.h"
#include "base/punt.h"
#include "base/shared_ids.h"
#include "crypto/esp/early_packets.h"
#include "tunnel/decap_stage.h"
#include "tunnel/io/wan_receiver.h"
#include "tunnel/offload/coalescer.h"

namespace isthmus::appliance {

/// Memory of one worker: fixed when it is made.
struct InboundMemory {
    std::size_t blocks = 160;  ///< messages on their way, each up to 64 KiB of packets
};

/// What control has given out to peers, and changes as it goes.
struct IdsGivenOut {
    const tunnel::ConnectionIds& connections;
    const SharedIds<Spi>& spis;
};

class InboundWorker {
  public:
    /// `hosts`, the sets in `given_out` and `bell`, rung when something was punted, outlive the worker. Error: a sentence, if a
    /// pipeline cannot be built.
    [[nodiscard]] static Result<std::unique_ptr<InboundWorker>, std::string> make(
        InboundMemory memory, stp_guard::KnownHosts& hosts, const IdsGivenOut& given_out, Doorbell& bell);
    ~InboundWorker() { stop(); }

    void start(Patience patience = {}) {
        patience_ = patience;
        thread_.start("isthmus-in", [this] { run(); });
    }
    void stop() { thread_.stop(); }

    /// Before start(): where the guard records what it judges. It outlives the worker.
    void record_into(stp_guard::FrameRing* ring) noexcept {
        for (Lane& lane : lanes_) lane.admission->record_into(ring);
    }

    /// Before start() of both: runs `other` on the side while there is little to do. It stops before this one.
    void help(OutboundWorker& other) noexcept {
        other_ = &other;
        other.may_be_lent_to(events_, kOtherKey);
    }

    // Control thread:
    void publish(std::shared_ptr<const InboundView> view) {
        view_.publish(std::move(view));
        thread_.wakeup().ring();
    }
    /// Packets for the control planes.
    [[nodiscard]] PuntRings& punted() noexcept { return punted_; }
    [[nodiscard]] const DropLedger& drops() const noexcept { return ledger_; }
    /// Of packets that came in ESP, and of those in the clear.
    [[nodiscard]] const stp_guard::AdmissionCounters& admission(bool in_esp) const noexcept {
        return lanes_[in_esp ? 1 : 0].admission->counters();
    }
    [[nodiscard]] std::uint64_t mss_clamped() const noexcept {
        return lanes_[0].mss->clamped().read() + lanes_[1].mss->clamped().read();
    }
    [[nodiscard]] std::size_t memory() const noexcept { return blocks_.memory(); }

  private:
    /// Everything behind the socket, for packets in the clear (0) or in ESP (1).
    struct Lane {
        std::optional<Pipeline> pipeline;
        tunnel::DecapStage* decap = nullptr;
        tunnel::InnerIpDecapStage* inner_ip = nullptr;
        tunnel::InnerUdpDecapStage* inner_udp = nullptr;
        crypto::esp::OpenStage* open = nullptr;
        stp_guard::AdmissionStage* admission = nullptr;
        tunnel::MssClampStage* mss = nullptr;
    };
    struct Receiver {
        std::shared_ptr<tunnel::io::WanSocket> socket;
        std::unique_ptr<tunnel::io::WanReceiver> receiver;
    };
    /// Writes merged frames to the session's TAP.
    class TapSink final : public tunnel::FrameSink {
      public:
        explicit TapSink(InboundWorker& worker) : worker_(worker) {}
        void on_frame(const tunnel::GatheredFrame& frame) noexcept override;

      private:
        InboundWorker& worker_;
    };

    static constexpr std::uint32_t kOtherKey = kWakeupKey - 1;

    InboundWorker(InboundMemory memory, const IdsGivenOut& given_out, Doorbell& bell);
    [[nodiscard]] Result<void, std::string> build_pipelines(stp_guard::KnownHosts& hosts,
                                                            const tunnel::ConnectionIds& connections);

    void run();
    [[nodiscard]] bool on_ready(std::uint32_t key, TimePoint now);  ///< whether more may wait
    void help_other(TimePoint now);
    void adopt(std::shared_ptr<const InboundView> view, TimePoint now);
    void deliver_early(TimePoint now);
    void adopt_receivers();
    void adopt_coalescer();
    [[nodiscard]] bool receive(std::size_t wan, TimePoint now);  ///< whether more may wait
    void classify_udp4500() noexcept;

    PacketPool blocks_;
    DropLedger ledger_;
    PuntRings punted_;
    Doorbell& bell_;
    Published<InboundView> view_;
    std::shared_ptr<const InboundView> current_;

    crypto::esp::EarlyPackets early_;
    PacketBatch batch_;
    std::array<Lane, 2> lanes_;
    std::vector<Receiver> receivers_;  // as long as current_->wan
    std::unique_ptr<tunnel::Coalescer> coalescer_;
    TapSink sink_{*this};

    EventSet events_;
    TurnMemory memory_;
    std::size_t packets_ = 0;  // received in this turn
    TimePoint received_at_{};  // the last time
    OutboundWorker* other_ = nullptr;
    Patience patience_;
    WorkerThread thread_;
};

}  // namespace isthmus::appliance
