// L2TPv3 data message to Ethernet frame (RFC 3931 section 4.1, RFC 4719), and control messages to the control
// thread.
#pragma once

#include <memory>

#include "base/pipeline.h"
#include "base/punt.h"
#include "tunnel/connection_ids.h"
#include "tunnel/rate_limit.h"
#include "tunnel/sequence_receivers.h"
#include "tunnel/session_table.h"

namespace isthmus::tunnel {

/// In: L2TPv3 messages with meta.next_header (17: over UDP, the UDP header already gone; 115: over IP), and
/// either meta.tunnel, set by the ESP stage to the tunnel whose SA vouches for the packet, or none and
/// meta.path. Out: frames with meta.session and meta.tunnel; meta.traffic_class stays the outer header's.
/// Control messages are offered to the rings as they are (over IP with their leading zero word); their path has the
/// ports of the L2TP packet, inside ESP too. Those of connections that live are of class l2tp_control; all others, which
/// anybody can send, are l2tp_request or l2tp_stranger, and limited, so that a flood of them keeps nobody else waiting.
/// Messages of a session's channel (tunnel/vccv.h) are offered from their word on, class channel, also while the session
/// is down. Drops: all l2tp_* reasons, clear_packet_refused, inner_protocol, session_down, malformed_frame,
/// ecn_congestion, punt_overflow (of which class, the rings count). meta.session is set on drops too as soon as the
/// session is known to be this peer's.
class DecapStage final : public Stage {
  public:
    /// Control messages of one class that are let through for connections that nobody has yet.
    static constexpr std::uint32_t kRequestsPerSecond = 4000;

    /// `rings` outlives the stage; this worker is their producer. So does `connections`; null: none lives.
    DecapStage(std::shared_ptr<const SessionTable> table, PuntRings& rings,
               const ConnectionIds* connections = nullptr)
        : rings_(rings), connections_(connections) {
        set_sessions(std::move(table));
    }

    /// Between batches, by the owning worker. Expected sequence numbers of sessions that stay go on. Never
    /// null.
    void set_sessions(std::shared_ptr<const SessionTable> table);

    [[nodiscard]] std::string_view name() const noexcept override { return "l2tp-decap"; }
    /// A tag that is added takes the room of the header that went.
    [[nodiscard]] Overhead overhead() const noexcept override { return {}; }
    void process(PacketBatch& batch, TimePoint now) noexcept override;

  private:
    [[nodiscard]] DropReason decapsulate(PacketBuffer& packet, TimePoint now) noexcept;
    [[nodiscard]] DropReason punt(PacketBuffer& packet, Encapsulation encapsulation, TimePoint now) noexcept;
    [[nodiscard]] PuntClass class_of(const PacketBuffer& packet, Encapsulation encapsulation) const noexcept;
    [[nodiscard]] DropReason check_peer(const PacketMeta& meta, Encapsulation encapsulation,
                                        const TunnelRow& tunnel) noexcept;
    /// nullopt: a frame is left. Else the packet's end: a reason to drop it, or none where it was a message of the channel.
    /// `id`: the local Session ID that it came with.
    [[nodiscard]] std::optional<DropReason> strip_header(PacketBuffer& packet, const SessionRow& session,
                                                         SessionId id) noexcept;
    [[nodiscard]] DropReason bad_cookie(PacketBuffer& packet, const SessionRow& session,
                                        std::uint64_t cookie) noexcept;
    /// `header`: bytes in front of the channel word.
    [[nodiscard]] DropReason punt_channel(PacketBuffer& packet, const SessionRow& session,
                                          std::size_t header) noexcept;
    [[nodiscard]] DropReason check_sequence(const SessionRow& session, SessionId id,
                                            std::uint32_t sublayer) noexcept;
    [[nodiscard]] const TunnelRow* clear_tunnel(const PacketMeta& meta,
                                                Encapsulation encapsulation) const noexcept;

    PuntRings& rings_;
    const ConnectionIds* connections_;
    RateLimit requests_{kRequestsPerSecond, PuntRings::kDepth};
    RateLimit strangers_{kRequestsPerSecond, PuntRings::kDepth};
    std::shared_ptr<const SessionTable> table_;
    SequenceReceivers sequences_;
    /// The last path that was found to be a tunnel's, within one batch: most packets of a batch came the same
    /// way.
    const Path* matched_path_ = nullptr;
    const TunnelRow* matched_tunnel_ = nullptr;
};

}  // namespace isthmus::tunnel
