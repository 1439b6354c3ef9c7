// The worker from LAN to WAN: reads TAPs, admits, segments, encapsulates, seals, sends. Owns the outbound SAs and the
// sessions' send sequence numbers.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "appliance/datapath/custody.h"
#include "appliance/datapath/doorbell.h"
#include "appliance/datapath/published.h"
#include "appliance/datapath/views.h"
#include "appliance/datapath/worker_thread.h"
#include "base/inject.h"
#include "base/punt.h"
#include "tunnel/encap_stage.h"
#include "tunnel/io/wan_sender.h"
#include "tunnel/offload/segmenter.h"

namespace isthmus::appliance {

/// Memory of one worker: fixed when it is made.
struct OutboundMemory {
    std::size_t largest_frame = 1'522;  ///< that is carried in one piece
    std::size_t slots = 1'024;          ///< frames on their way
    std::size_t large_blocks = 24;      ///< 64 KiB frames on their way
};

class OutboundWorker {
  public:
    /// `hosts` and `bell`, rung when something was punted, outlive the worker. Error: a sentence, if the stages need more
    /// room than buffers have.
    [[nodiscard]] static Result<std::unique_ptr<OutboundWorker>, std::string> make(
        OutboundMemory memory, stp_guard::KnownHosts& hosts, Doorbell& bell);
    ~OutboundWorker() { stop(); }

    void start(Patience patience = {}) {
        patience_ = patience;
        thread_.start("isthmus-out", [this] { run(); });
    }
    void stop() { thread_.stop(); }

    /// Before start(): whoever may run this worker's turns while there is little to do. It gives back what was lent before it
    /// ends, and outlives this worker's thread.
    void may_be_lent_to(EventSet& helpers_events, std::uint32_t key) noexcept {
        helpers_events_ = &helpers_events;
        helpers_key_ = key;
    }
    // The helper's thread:
    [[nodiscard]] Custody& custody() noexcept { return custody_; }
    /// While the worker is lent: a turn when `key` is readable, and a look at the ports when frames were written to them, which
    /// the LAN may have answered within that call. Whether it has to go back: there is more to do than on the side.
    [[nodiscard]] bool take_lent_turn(TimePoint now);
    [[nodiscard]] bool look_for_answers(TimePoint now);
    void give_back();

    /// Before start(): where the guard records what it judges. It outlives the worker.
    void record_into(stp_guard::FrameRing* ring) noexcept { admission_->record_into(ring); }

    // Control thread:
    void publish(std::shared_ptr<const OutboundView> view) {
        view_.publish(std::move(view));
        thread_.wakeup().ring();
    }
    /// Copies of what the guard wants to see of the LAN side: BPDUs.
    [[nodiscard]] PuntRings& punted() noexcept { return punted_; }
    /// Sends a packet of the control planes, in order behind what was published before: l2tp_control to a tunnel's peer,
    /// sealed if the tunnel is protected; the others as frames of a session that no admission looks at. False: no room in
    /// that class, or larger than this worker carries.
    /// It leaves with the next turn, which call_for_injected() makes come.
    [[nodiscard]] bool inject(InjectClass c, TunnelIndex tunnel, SessionIndex session, Bytes packet) noexcept;
    void call_for_injected() noexcept { thread_.wakeup().ring(); }
    [[nodiscard]] const InjectRings& injected() const noexcept { return injected_; }
    [[nodiscard]] const DropLedger& drops() const noexcept { return ledger_; }
    [[nodiscard]] const stp_guard::AdmissionCounters& admission() const noexcept {
        return admission_->counters();
    }
    [[nodiscard]] std::size_t memory() const noexcept { return slots_.memory() + large_.memory(); }
    [[nodiscard]] std::uint64_t mss_clamped() const noexcept { return mss_->clamped().read(); }

  private:
    /// Everything behind the segmenter, for tunnels in the clear or for those in ESP.
    struct Lane {
        PacketBatch batch;
        std::optional<Pipeline> pipeline;
        tunnel::EncapStage* encap = nullptr;
        tunnel::InnerUdpEncapStage* inner_udp = nullptr;
        tunnel::InnerIpEncapStage* inner_ip = nullptr;
        crypto::esp::SealStage* seal = nullptr;
    };
    /// One socket's sender and what it needs to outlive.
    struct Sender {
        std::shared_ptr<tunnel::io::WanSocket> socket;
        std::unique_ptr<tunnel::io::WanSender> sender;
    };

    /// How many frames a port may give in a turn, from what it gave before: a read that finds nothing costs as much as
    /// one that brings a frame.
    struct Hope {
        int frames = 1;
        bool fulfilled = false;  ///< in the turn before
    };

    OutboundWorker(OutboundMemory memory, Overhead room, Doorbell& bell);
    [[nodiscard]] static Overhead room_needed();
    [[nodiscard]] Result<void, std::string> build_pipelines(Overhead room, stp_guard::KnownHosts& hosts);

    void run();
    std::optional<TimePoint> turn(bool sleeps);
    void finish_turn(TimePoint now);
    [[nodiscard]] bool read_few_ports(TimePoint now);
    void lend_if_quiet(TimePoint now);
    void move_ports(bool lent);
    void watch_ports();
    void unwatch_ports() noexcept;
    void adopt(std::shared_ptr<const OutboundView> view);
    void adopt_senders();
    [[nodiscard]] bool read_port(std::size_t port, TimePoint now);  ///< whether more may wait
    [[nodiscard]] bool arm_buffers();
    void process_front(TimePoint now);
    void segment(PacketBuffer frame, Lane& lane, TimePoint now);
    void take_injected(TimePoint now);
    void send_injected(InjectClass c, const InjectMessage& message, TimePoint now);
    [[nodiscard]] std::optional<PacketBuffer> slot_for_injected(TimePoint now);
    void flush_lanes(TimePoint now);
    void flush(Lane& lane, TimePoint now);
    void send(PacketBatch& batch);
    void send_with(tunnel::io::WanSender* sender, PacketBatch& batch);
    [[nodiscard]] tunnel::io::WanSender* sender_of(const PacketBuffer& packet) noexcept;
    [[nodiscard]] Lane& lane_of(TunnelIndex tunnel) noexcept;

    Overhead room_;
    PacketPool slots_;
    PacketPool large_;
    DropLedger ledger_;
    PuntRings punted_;
    Doorbell& bell_;
    InjectRings injected_;
    std::size_t largest_frame_;
    Published<OutboundView> view_;
    std::shared_ptr<const OutboundView> current_;

    PacketBuffer slot_;   // armed for the next read
    PacketBuffer block_;  // armed for the next read
    PacketBatch front_;
    std::optional<Pipeline> front_pipeline_;
    stp_guard::AdmissionStage* admission_ = nullptr;
    tunnel::MssClampStage* mss_ = nullptr;
    tunnel::Segmenter segmenter_;
    Lane clear_;
    Lane protected_;
    PacketBatch scratch_;
    std::vector<Sender> senders_;  // as long as current_->wan
    std::vector<Hope> hopes_;      // as long as current_->lan

    EventSet events_;
    TurnMemory memory_;
    bool was_busy_ = false;  // in its last turn
    TimePoint busy_at_{};    // the last turn of that kind
    int lent_turns_ = 0;
    int vain_looks_ = 0;  // for answers, in a row
    int looks_left_out_ = 0;
    Custody custody_;
    bool lent_ = false;                // as custody_ says, for whoever has this worker
    EventSet* watched_by_ = &events_;  // the ports
    EventSet* helpers_events_ = nullptr;
    std::uint32_t helpers_key_ = 0;
    Patience patience_;
    WorkerThread thread_;
};

}  // namespace isthmus::appliance
