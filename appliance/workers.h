// The two workers and what they share.
#pragma once

#include <memory>
#include <string>

#include "appliance/datapath/doorbell.h"
#include "appliance/datapath/inbound_worker.h"
#include "appliance/datapath/outbound_worker.h"
#include "appliance/inventory.h"
#include "base/rng.h"
#include "base/shared_ids.h"
#include "stp-guard/frame_ring.h"
#include "stp-guard/known_hosts.h"
#include "tunnel/connection_ids.h"

namespace isthmus::appliance {

/// Memory for packets, fixed when the workers are made.
struct WorkerMemory {
    OutboundMemory outbound;
    InboundMemory inbound;
};

class Workers {
  public:
    /// Error: a sentence.
    [[nodiscard]] static Result<std::unique_ptr<Workers>, std::string> make(const WorkerMemory& memory,
                                                                            Rng& rng);

    ~Workers() { stop(); }

    void start(Patience patience = {});
    /// What was injected before goes out first.
    void stop();
    /// Tells the workers what has changed since the last call, if anything. Error: a sentence; they keep what they have.
    [[nodiscard]] Result<void, std::string> publish(const Tunnels& tunnels, const Sessions& sessions);

    [[nodiscard]] OutboundWorker& outbound() noexcept { return *outbound_; }
    [[nodiscard]] InboundWorker& inbound() noexcept { return *inbound_; }
    [[nodiscard]] const OutboundWorker& outbound() const noexcept { return *outbound_; }
    [[nodiscard]] const InboundWorker& inbound() const noexcept { return *inbound_; }
    /// Rung when either has punted something.
    [[nodiscard]] Doorbell& bell() noexcept { return bell_; }
    [[nodiscard]] const WorkerMemory& memory() const noexcept { return memory_; }

    /// The last frames that the guard judged, of each direction.
    [[nodiscard]] const stp_guard::FrameRing& frames(stp_guard::Direction direction) const noexcept {
        return direction == stp_guard::Direction::to_tunnel ? to_tunnel_frames_ : from_tunnel_frames_;
    }
    /// What the kernel's bridges know; control writes it.
    [[nodiscard]] stp_guard::KnownHosts& hosts() noexcept { return hosts_; }
    /// Of the control connections that live; control writes it.
    [[nodiscard]] tunnel::ConnectionIds& connection_ids() noexcept { return connection_ids_; }
    /// Inbound SPIs that IKE has given out, those of SAs to come too; control writes it.
    [[nodiscard]] SharedIds<Spi>& expected_spis() noexcept { return expected_spis_; }

  private:
    static constexpr std::size_t kRecordedFrames = 2'048;
    Workers(const WorkerMemory& memory, Rng& rng) : memory_(memory), hosts_(rng.u64()) {}

    WorkerMemory memory_;
    Doorbell bell_;
    stp_guard::KnownHosts hosts_;
    tunnel::ConnectionIds connection_ids_;
    SharedIds<Spi> expected_spis_;
    stp_guard::FrameRing to_tunnel_frames_{kRecordedFrames};
    stp_guard::FrameRing from_tunnel_frames_{kRecordedFrames};
    std::unique_ptr<OutboundWorker> outbound_;
    std::unique_ptr<InboundWorker> inbound_;
    std::string published_;  ///< what the workers were told, to see whether it changed
};

}  // namespace isthmus::appliance
