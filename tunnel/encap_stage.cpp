#include "tunnel/encap_stage.h"

#include "base/ethernet.h"
#include "tunnel/control_first.h"
#include "tunnel/pseudowire_frame.h"
#include "tunnel/qos.h"

namespace isthmus::tunnel {

void EncapStage::set_sessions(std::shared_ptr<const SessionTable> table) {
    sequences_.adopt(*table);
    table_ = std::move(table);
}

void EncapStage::process(PacketBatch& batch, TimePoint) noexcept {
    control_first(batch);
    for (PacketBuffer& packet : batch) {
        const DropReason reason = encapsulate(packet);
        if (reason != DropReason::none) packet.meta.drop = reason;
    }
}

DropReason EncapStage::encapsulate(PacketBuffer& packet) noexcept {
    const PacketMeta& meta = packet.meta;
    if (meta.control && meta.session == kNoSession && meta.next_header != 0) return DropReason::none;
    if (meta.control && meta.channel) return encapsulate_channel(packet);
    const SessionRow* session = table_->by_index(packet.meta.session);
    if (session == nullptr || !session->up) return DropReason::session_down;
    const TunnelRow& tunnel = *session->tunnel;
    packet.meta.tunnel = tunnel.index;
    if (packet.size() < kEthernetHeaderSize) return DropReason::malformed_frame;

    packet.meta.traffic_class =
        packet.meta.control ? tunnel.control_traffic_class
                            : outer_traffic_class(std::as_const(packet).data(), tunnel.dscp, tunnel.ecn);
    const DropReason misfit = shape_towards_tunnel(packet, session->type, session->access_vlan);
    if (misfit != DropReason::none) return misfit;
    if (packet.size() > session->max_frame) return DropReason::exceeds_path_mtu;

    if (session->out != nullptr) session->out->passed(packet.size());
    put_header(packet, *session);
    packet.meta.next_header = tunnel.encapsulation == Encapsulation::udp ? kIpProtocolUdp : kIpProtocolL2tp;
    if (tunnel.out != nullptr) tunnel.out->passed(packet.size());
    return DropReason::none;
}

DropReason EncapStage::encapsulate_channel(PacketBuffer& packet) const noexcept {
    const SessionRow* session = table_->by_index(packet.meta.session);
    if (session == nullptr || !session->channel) return DropReason::session_down;
    if (packet.size() > session->max_frame) return DropReason::exceeds_path_mtu;
    const TunnelRow& tunnel = *session->tunnel;
    packet.meta.tunnel = tunnel.index;
    packet.meta.traffic_class = tunnel.control_traffic_class;
    packet.meta.next_header = tunnel.encapsulation == Encapsulation::udp ? kIpProtocolUdp : kIpProtocolL2tp;
    session->channel_header.copy_to(packet.prepend(session->channel_header.size()).data());
    if (tunnel.out != nullptr) tunnel.out->passed(packet.size());
    return DropReason::none;
}

void EncapStage::put_header(PacketBuffer& packet, const SessionRow& session) noexcept {
    std::uint8_t* at = packet.prepend(session.header.size()).data();
    if (session.send_sequence) {
        session.header.copy_to(at, sequences_[session.index].take());
    } else {
        session.header.copy_to(at);
    }
}

}  // namespace isthmus::tunnel
