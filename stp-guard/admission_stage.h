// The guard's stage in the datapath: decides, frame by frame, what crosses a session's tunnel.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/counters.h"
#include "base/ids.h"
#include "base/pipeline.h"
#include "base/punt.h"
#include "stp-guard/bpdu.h"
#include "stp-guard/circle_detector.h"
#include "stp-guard/direction.h"
#include "stp-guard/flood_memory.h"
#include "stp-guard/frame_class.h"
#include "stp-guard/frame_ring.h"
#include "stp-guard/gateways.h"
#include "stp-guard/known_hosts.h"
#include "stp-guard/options.h"
#include "stp-guard/said_lately.h"
#include "stp-guard/storm_meters.h"
#include "stp-guard/token_bucket.h"
#include "stp-guard/vlan_states.h"

namespace isthmus::stp_guard {

/// Whether a session carries anything at all. Sessions come up blocked: whoever owns them opens them, once it knows that this is safe.
enum class PortState : std::uint8_t { blocked, open };

/// The buckets and counts of a session: made with it, kept as long as it lives, one for each Direction.
struct SessionMeters {
    explicit SessionMeters(std::uint64_t seed) : to_tunnel(seed), from_tunnel(~seed) {}
    [[nodiscard]] StormMeters& of(Direction d) noexcept {
        return d == Direction::to_tunnel ? to_tunnel : from_tunnel;
    }
    StormMeters to_tunnel;
    StormMeters from_tunnel;
    /// Unicast frames out of the tunnel for hosts that the bridge has behind another session of the split-horizon group. They were
    /// handed to the bridge, which hands them on to nobody unless it knows better by then.
    Counter strays;
    /// Unicast frames dropped because their host was just heard by another way than this, blocked one. By Direction.
    std::array<Counter, 2> stale;
};

struct SessionAdmission {
    std::shared_ptr<const VlanStates> vlans;        ///< null: all closed
    std::shared_ptr<SessionMeters> meters;          ///< null: nothing flooded crosses
    std::shared_ptr<const GatewayFilter> gateways;  ///< null: no VLAN in dual-gateway mode
    PortState state = PortState::blocked;
    bool bridge_filters_vlans = false;
    bool isolated = false;  ///< split horizon: the bridge hands no frame on from one such session to another
    /// Where to look for LAN hosts in the kernel's table (HostTables::bridge): its number in place of a session, VLAN 0 for all unless
    /// the bridge filters VLANs. kNoSession: not known, and unicast from the tunnel counts as known.
    SessionIndex bridge = kNoSession;
    AdmissionOptions options;
    /// Root guard, by VLAN as in TreeKey: a BPDU from the tunnel with a better root does not pass. For `transparent` only.
    std::vector<std::pair<std::uint16_t, BridgeId>> protected_roots;
    /// Ours as it stands in loop probes: where our own come back they end.
    NodeId node{};
};

/// By SessionIndex; nullopt where there is no session. Immutable once a stage has it.
using AdmissionTable = std::vector<std::optional<SessionAdmission>>;

/// Who was heard where. All outlive the stages; null: not known.
struct HostTables {
    HostTable* here = nullptr;         ///< on the side where this stage's frames come from: it writes it
    const HostTable* there = nullptr;  ///< on the side where they go
    const HostTable* bridge =
        nullptr;                    ///< for frames from the tunnel: LAN hosts that the kernel's bridge knows
    FloodMemory* floods = nullptr;  ///< what was flooded lately, on whichever side
    const StrayHosts* strays = nullptr;  ///< for frames from the tunnel
    HeardElsewhere* elsewhere = nullptr;
};

/// Written by the worker, read by anybody.
struct AdmissionCounters {
    std::array<Counter, kLinkLocalKindCount> link_local;         ///< seen, by LinkLocalKind
    std::array<Counter, kLinkLocalKindCount> link_local_passed;  ///< of those
    std::array<Counter, kStormClassCount> flooded;  ///< passed, a frame of many segments counting as many
    Counter probes;                                 ///< seen
    Counter observed;                               ///< passed only because the session observes

    [[nodiscard]] std::uint64_t of(LinkLocalKind kind) const noexcept {
        return link_local[static_cast<std::size_t>(kind)].read();
    }
    [[nodiscard]] std::uint64_t of(StormClass c) const noexcept {
        return flooded[static_cast<std::size_t>(c)].read();
    }
    [[nodiscard]] std::uint64_t bpdus() const noexcept;
};

/// Drops, in this order:
///   session_down (no such session), malformed_frame, guard_frame (a message of the peer's guard), link_local_protocol,
///   port_blocked (the session is), untagged_not_allowed and vlan_not_allowed, port_blocked or vlan_suspended (the VLAN is),
///   vlan_bum_blocked for what is flooded and for probes, guard_frame (a probe of ours, back), gateway_isolation, circling_unicast
///   for what is not flooded, mac_limit for new hosts, storm_limit for what is flooded, and flooded_copy for what of that was here
///   already by another way.
/// Frames are never altered.
///
/// Loop probes are copied up to control whatever the VLAN's state. They cross where BUM crosses, with a limit of their own and a narrow
/// one for those that come by again and again, and end at the node that sent them. A VLAN that is blocked is probed by frames that control puts in behind this stage.
///
/// Flooded is what goes to a group, and unicast to hosts that HostTables do not know, or to a guard. Without tables unicast counts as known.
///
/// Known unicast is looked at for going round where the VLAN's BUM is blocked, and where a probe of ours came back lately: copies of
/// what is dropped as circling_unicast go up to control, which asks for the host. Elsewhere that costs one comparison. Copies of
/// what goes to a group and comes round go up as well, since that may be the first sign of a loop.
///
/// Known unicast that meets a block, whether it passes or not, takes a way that flooded frames do not, and so teaches bridges another
/// place of its sender than they teach: other sites' frames may be lost where the two meet. Copies go up as stray_unicast, and control
/// asks for the host. Once a flooded frame of it, or its answer, came from the LAN, what a blocked VLAN carries of it is dropped for a
/// moment as circling_unicast, or frames under way would teach all the old place again. Copies also go up of frames for hosts that are behind
/// another session of a split-horizon group.
class AdmissionStage final : public Stage {
  public:
    /// `punt`, if given, outlives the stage: copies of spanning trees' frames, loop probes and gateways' frames go there, with a limit for
    /// each session, so that none starves another.
    explicit AdmissionStage(Direction direction, PuntRings* punt = nullptr, HostTables hosts = {})
        : direction_(direction),
          punt_(punt),
          hosts_(hosts),
          circles_(hosts.here != nullptr ? hosts.here->seed() : 0) {}

    [[nodiscard]] std::string_view name() const noexcept override { return "admission"; }
    [[nodiscard]] Overhead overhead() const noexcept override { return {}; }
    void process(PacketBatch& batch, TimePoint now) noexcept override;

    /// Frames that are flooded, kept in or limited are recorded there, if given; it outlives the stage. Before the worker starts.
    void record_into(FrameRing* ring) noexcept { ring_ = ring; }
    /// Between batches, by the owning worker.
    void set_sessions(std::shared_ptr<const AdmissionTable> table);

    [[nodiscard]] const AdmissionCounters& counters() const noexcept { return counters_; }

  private:
    /// A session's limits on what concerns control more than hosts.
    struct Buckets {
        TokenBucket probes;
        TokenBucket topology_changes;
        std::array<TokenBucket, kPuntClassCount> copies;
    };

    /// What is found out of a batch's frames before they are judged, so that what judging needs is on its way to the cache.
    struct Glance {
        FrameClass frame;
        HostHash source{};       ///< in HostTables::here
        HostHash destination{};  ///< in HostTables::there
    };

    void look_at(const PacketBatch& batch) noexcept;
    void find_hosts(const PacketBuffer& packet, Glance& glance) const noexcept;
    void prefetch_session(SessionIndex session) const noexcept;
    [[nodiscard]] DropReason judge(const PacketBuffer& packet, const Glance& glance, TimePoint now) noexcept;
    [[nodiscard]] DropReason verdict(const PacketBuffer& packet, const SessionAdmission& session,
                                     const Glance& glance, TimePoint now) noexcept;
    [[nodiscard]] DropReason link_local_verdict(const PacketBuffer& packet, const SessionAdmission& session,
                                                const FrameClass& frame, TimePoint now) noexcept;
    [[nodiscard]] bool passes_bpdu(const PacketBuffer& packet, const SessionAdmission& session,
                                   const FrameClass& frame, TimePoint now) noexcept;
    [[nodiscard]] DropReason probe_verdict(const PacketBuffer& packet, const SessionAdmission& session,
                                           const FrameClass& frame, TimePoint now) noexcept;
    [[nodiscard]] DropReason message_verdict(const PacketBuffer& packet, TimePoint now) noexcept;
    [[nodiscard]] DropReason customer_verdict(const PacketBuffer& packet, const SessionAdmission& session,
                                              const Glance& glance, TimePoint now) noexcept;
    [[nodiscard]] DropReason flood_verdict(const PacketBuffer& packet, const SessionAdmission& session,
                                           const Glance& glance, TimePoint now) noexcept;
    [[nodiscard]] DropReason known_unicast_verdict(const PacketBuffer& packet,
                                                   const SessionAdmission& session, const Glance& glance,
                                                   TimePoint now) noexcept;
    [[nodiscard]] bool is_flooded(const PacketBuffer& packet, const SessionAdmission& session,
                                  const Glance& glance, TimePoint now) const noexcept;
    [[nodiscard]] bool goes_round(const PacketBuffer& packet, const SessionAdmission& session,
                                  const FrameClass& frame, bool blocked, TimePoint now) noexcept;
    [[nodiscard]] bool is_stray(const PacketBuffer& packet, const SessionAdmission& session,
                                const FrameClass& frame, TimePoint now) const noexcept;
    void show_stray(const PacketBuffer& packet, const SessionAdmission& session, const Glance& glance,
                    TimePoint now) noexcept;
    [[nodiscard]] std::optional<FrameOrigin> copied_from(const PacketBuffer& packet,
                                                         const SessionAdmission& session,
                                                         TimePoint now) noexcept;
    [[nodiscard]] bool stays_where_it_was(const PacketBuffer& packet, const SessionAdmission& session,
                                          const Glance& glance, FrameOrigin first, TimePoint now) noexcept;
    void note_heard_on_lan(const PacketBuffer& packet, const FrameClass& frame, TimePoint now) noexcept;
    [[nodiscard]] bool is_isolated(FrameOrigin origin) const noexcept;
    [[nodiscard]] bool is_looped_probe(const PacketBuffer& packet, std::uint16_t vid, TimePoint now) noexcept;
    void copy_up(PuntClass c, const PacketBuffer& packet, TimePoint now,
                 std::size_t most = PuntMessage::kMaxSize + 1) noexcept;
    [[nodiscard]] Buckets& buckets_of(const PacketBuffer& packet) noexcept {
        return buckets_[raw(packet.meta.session)];
    }

    Direction direction_;
    PuntRings* punt_;
    HostTables hosts_;
    FrameRing* ring_ = nullptr;
    std::shared_ptr<const AdmissionTable> table_;
    std::vector<Buckets> buckets_;  ///< as long as the table
    static constexpr std::size_t kLoopedProbeSlots = 256;
    std::array<TokenBucket, kLoopedProbeSlots> looped_probes_;  ///< by session and VLAN
    CircleDetector circles_;
    SaidLately strays_shown_;
    std::array<Glance, PacketBatch::kCapacity> glances_;
    AdmissionCounters counters_;
};

}  // namespace isthmus::stp_guard
