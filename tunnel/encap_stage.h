// Ethernet frame to L2TPv3 data message (RFC 3931 section 4.1, RFC 4719): tag handling of the pseudowire,
// size check, outer traffic class, header.
#pragma once

#include <memory>

#include "base/pipeline.h"
#include "tunnel/sequencing.h"
#include "tunnel/session_table.h"

namespace isthmus::tunnel {

/// In: frames with meta.session; with meta.channel, messages of the session's channel (tunnel/vccv.h), which pass also
/// while the session is down. Out: L2TPv3 messages with meta.tunnel, meta.next_header (17: a UDP header is still to
/// come; 115) and meta.traffic_class. Control messages (meta.control, no session, and all that comes out of here set
/// already) pass as they are. Control traffic moves to the front of the batch. Drops: session_down, malformed_frame,
/// vlan_not_allowed, untagged_not_allowed, l2tp_missing_tag,
/// exceeds_path_mtu.
class EncapStage final : public Stage {
  public:
    explicit EncapStage(std::shared_ptr<const SessionTable> table) { set_sessions(std::move(table)); }

    /// Between batches, by the owning worker. Sequence numbers of sessions that stay go on. Never null.
    void set_sessions(std::shared_ptr<const SessionTable> table);

    [[nodiscard]] std::string_view name() const noexcept override { return "l2tp-encap"; }
    [[nodiscard]] Overhead overhead() const noexcept override { return {kMaxDataHeaderSize, 0}; }
    void process(PacketBatch& batch, TimePoint now) noexcept override;

  private:
    [[nodiscard]] DropReason encapsulate(PacketBuffer& packet) noexcept;
    [[nodiscard]] DropReason encapsulate_channel(PacketBuffer& packet) const noexcept;
    void put_header(PacketBuffer& packet, const SessionRow& session) noexcept;

    std::shared_ptr<const SessionTable> table_;
    SessionStates<SequenceSender> sequences_;
};

}  // namespace isthmus::tunnel
