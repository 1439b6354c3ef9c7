// The guard's stage in the datapath: decides, frame by frame, what crosses a session's tunnel.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/counters.h"
#include "base/ids.h"
#include "base/pipeline.h"
#include "base/punt.h"
#include "stp-guard/frame_class.h"
#include "stp-guard/options.h"
#include "stp-guard/remote_hosts.h"
#include "stp-guard/token_bucket.h"

namespace isthmus::stp_guard {

enum class Direction : std::uint8_t { to_tunnel, from_tunnel };

/// Sessions come up blocked: whoever owns them opens them, once it knows that this is safe.
enum class PortState : std::uint8_t {
    blocked,       ///< nothing crosses
    flood_closed,  ///< known unicast crosses; broadcast, unknown unicast and multicast do not
    open,
};

struct SessionAdmission {
    AdmissionOptions options;
    PortState state = PortState::blocked;
};

/// By SessionIndex; nullopt where there is no session. Immutable once a stage has it.
using AdmissionTable = std::vector<std::optional<SessionAdmission>>;

/// Written by the worker, read by anybody.
struct AdmissionCounters {
    std::array<Counter, kLinkLocalKindCount> link_local;  ///< dropped, by LinkLocalKind
    Counter broadcast;  ///< passed, a frame of many segments counting as many
    Counter multicast;
    Counter unknown_unicast;

    [[nodiscard]] std::uint64_t of(LinkLocalKind kind) const noexcept {
        return link_local[static_cast<std::size_t>(kind)].read();
    }
    [[nodiscard]] std::uint64_t bpdus() const noexcept;
};

/// Drops, in this order: session_down (no such session), malformed_frame, link_local_protocol, port_blocked,
/// untagged_not_allowed and vlan_not_allowed, and towards the tunnel storm_limit. Frames are never altered.
///
/// The flood limit knows broadcast and multicast by their address, and unknown unicast by who was heard
/// through the tunnel (RemoteHosts). Without that table unknown unicast is not limited.
class AdmissionStage final : public Stage {
  public:
    /// `punt` and `hosts`, if given, outlive the stage. Spanning trees' frames are copied to `punt` before they
    /// are dropped. `hosts` is filled by the stages from the tunnel and read by the one towards it.
    explicit AdmissionStage(Direction direction, PuntRings* punt = nullptr, RemoteHosts* hosts = nullptr)
        : direction_(direction), punt_(punt), hosts_(hosts) {}

    [[nodiscard]] std::string_view name() const noexcept override { return "admission"; }
    [[nodiscard]] Overhead overhead() const noexcept override { return {}; }
    void process(PacketBatch& batch, TimePoint now) noexcept override;

    /// Between batches, by the owning worker. Sessions whose limit is the same as before go on with their
    /// bucket as it is.
    void set_sessions(std::shared_ptr<const AdmissionTable> table);

    [[nodiscard]] const AdmissionCounters& counters() const noexcept { return counters_; }

  private:
    [[nodiscard]] DropReason verdict(const PacketBuffer& packet, TimePoint now) noexcept;
    [[nodiscard]] DropReason unicast_verdict(const PacketBuffer& packet, const SessionAdmission& session,
                                             std::uint16_t vid, TimePoint now) noexcept;
    [[nodiscard]] DropReason flood_verdict(const PacketBuffer& packet, Counter& passed,
                                           TimePoint now) noexcept;
    void note_link_local(const PacketBuffer& packet, LinkLocalKind kind) noexcept;

    Direction direction_;
    PuntRings* punt_;
    RemoteHosts* hosts_;
    std::shared_ptr<const AdmissionTable> table_;
    std::vector<TokenBucket> buckets_;  ///< as long as the table
    AdmissionCounters counters_;
};

}  // namespace isthmus::stp_guard
