#include "tunnel/decap_stage.h"

#include "base/ethernet.h"
#include "tunnel/pseudowire_frame.h"
#include "tunnel/qos.h"
#include "tunnel/vccv.h"

namespace isthmus::tunnel {

namespace {

std::optional<Encapsulation> encapsulation_of(std::uint8_t next_header) noexcept {
    if (next_header == kIpProtocolUdp) return Encapsulation::udp;
    if (next_header == kIpProtocolL2tp) return Encapsulation::ip;
    return std::nullopt;
}

}  // namespace

void DecapStage::set_sessions(std::shared_ptr<const SessionTable> table) {
    sequences_.adopt(*table);
    table_ = std::move(table);
}

void DecapStage::process(PacketBatch& batch, TimePoint now) noexcept {
    matched_path_ = nullptr;
    for (PacketBuffer& packet : batch) {
        const DropReason reason = decapsulate(packet, now);
        if (reason != DropReason::none) packet.meta.drop = reason;
    }
}

DropReason DecapStage::decapsulate(PacketBuffer& packet, TimePoint now) noexcept {
    const auto encapsulation = encapsulation_of(packet.meta.next_header);
    if (!encapsulation) return DropReason::inner_protocol;
    const auto front = parse_front(*encapsulation, std::as_const(packet).data());
    if (front && front->is_control) return punt(packet, *encapsulation, now);

    const SessionRow* session = front ? table_->by_local_id(front->session) : nullptr;
    const DropReason stranger = session == nullptr
                                    ? (front ? DropReason::l2tp_unknown_session : front.error())
                                    : check_peer(packet.meta, *encapsulation, *session->tunnel);
    if (stranger != DropReason::none) {
        // Booked on the tunnel that it came from, if from any.
        const TunnelRow* tunnel = clear_tunnel(packet.meta, *encapsulation);
        if (tunnel != nullptr) packet.meta.tunnel = tunnel->index;
        return stranger;
    }
    packet.meta.tunnel = session->tunnel->index;
    packet.meta.session = session->index;
    const std::size_t message_size = packet.size();
    if (const auto end = strip_header(packet, *session, front->session)) return *end;
    if (!session->up) return DropReason::session_down;
    if (packet.size() < kEthernetHeaderSize) return DropReason::l2tp_no_frame;
    if (!apply_outer_ecn(packet.data(), packet.meta.traffic_class)) return DropReason::ecn_congestion;

    const std::size_t frame_size = packet.size();
    if (const auto misfit = shape_from_tunnel(packet, session->type, session->access_vlan);
        misfit != DropReason::none)
        return misfit;
    if (session->in != nullptr) session->in->passed(frame_size);
    if (session->tunnel->in != nullptr) session->tunnel->in->passed(message_size);
    return DropReason::none;
}

DropReason DecapStage::punt(PacketBuffer& packet, Encapsulation encapsulation, TimePoint now) noexcept {
    if (packet.meta.tunnel == kNoTunnel) {
        // A peer that is not known yet may be one that asks for a control connection: control decides.
        const TunnelRow* tunnel = clear_tunnel(packet.meta, encapsulation);
        if (tunnel != nullptr) packet.meta.tunnel = tunnel->index;
        if (tunnel != nullptr && tunnel->is_protected) return DropReason::clear_packet_refused;
    }
    const PuntClass c = class_of(packet, encapsulation);
    const bool too_many = (c == PuntClass::l2tp_request && !requests_.take(now)) ||
                          (c == PuntClass::l2tp_stranger && !strangers_.take(now));
    if (too_many) {
        rings_.refuse(c);
        return DropReason::punt_overflow;
    }
    Path path = packet.meta.path != nullptr ? *packet.meta.path : Path{};
    if (packet.meta.inner_source_port != 0) {
        path.local.port = packet.meta.inner_destination_port;
        path.remote.port = packet.meta.inner_source_port;
    }
    const Bytes message = std::as_const(packet).data();
    if (!rings_.offer(c, packet.meta.tunnel, kNoSession, path, message)) return DropReason::punt_overflow;
    packet = PacketBuffer();
    return DropReason::none;
}

PuntClass DecapStage::class_of(const PacketBuffer& packet, Encapsulation encapsulation) const noexcept {
    // RFC 3931 section 3.2.1: behind flags, version and Length; over IP the zero word is in front of them.
    const std::size_t at = encapsulation == Encapsulation::ip ? 8 : 4;
    const Bytes message = packet.data();
    const bool lives = connections_ != nullptr && message.size() >= at + 4 &&
                       connections_->contains(ControlConnectionId{load_be32(message.data() + at)});
    if (lives) return PuntClass::l2tp_control;
    return packet.meta.tunnel != kNoTunnel ? PuntClass::l2tp_request : PuntClass::l2tp_stranger;
}

DropReason DecapStage::check_peer(const PacketMeta& meta, Encapsulation encapsulation,
                                  const TunnelRow& tunnel) noexcept {
    if (meta.tunnel != kNoTunnel) {
        if (meta.tunnel != tunnel.index) return DropReason::l2tp_wrong_peer;
        return encapsulation == tunnel.encapsulation ? DropReason::none : DropReason::inner_protocol;
    }
    if (meta.path == nullptr || encapsulation != tunnel.encapsulation) return DropReason::l2tp_wrong_peer;
    if (meta.path != matched_path_ || &tunnel != matched_tunnel_) {
        if (!matches(tunnel, *meta.path)) return DropReason::l2tp_wrong_peer;
        matched_path_ = meta.path;
        matched_tunnel_ = &tunnel;
    }
    return tunnel.is_protected ? DropReason::clear_packet_refused : DropReason::none;
}

std::optional<DropReason> DecapStage::strip_header(PacketBuffer& packet, const SessionRow& session,
                                                   SessionId id) noexcept {
    const std::size_t front = front_size(session.tunnel->encapsulation);
    const std::size_t sublayer = session.receive_sublayer == Sublayer::standard ? kSublayerSize : 0;
    const std::size_t size = front + session.cookie_size + sublayer;
    const Bytes message = std::as_const(packet).data();
    if (message.size() < size) return DropReason::l2tp_truncated;

    // Both differences are looked at whatever the first says: the time tells nothing about the cookie.
    const std::uint64_t cookie = load_cookie(message.data() + front, session.cookie_size);
    const std::uint64_t difference = cookie ^ session.cookie;
    const std::uint64_t other_difference = cookie ^ session.other_cookie;
    if (((difference == 0) | (other_difference == 0)) == 0) return bad_cookie(packet, session, cookie);

    if (sublayer != 0) {
        const std::uint32_t word = load_be32(message.data() + size - kSublayerSize);
        if ((word & kChannelBit) != 0) {
            // Never a frame: where nobody announced that it takes them, it is discarded (RFC 5085 section 6.3).
            if (!session.channel) return DropReason::l2tp_bad_channel;
            return punt_channel(packet, session, size - kSublayerSize);
        }
        const auto wrong = check_sequence(session, id, word);
        if (wrong != DropReason::none) return wrong;
    }
    packet.trim_front(size);
    return std::nullopt;
}

DropReason DecapStage::bad_cookie(PacketBuffer& packet, const SessionRow& session,
                                  std::uint64_t cookie) noexcept {
    if (!session.channel || session.receive_sublayer != Sublayer::none || session.cookie_size == 0)
        return DropReason::l2tp_bad_cookie;
    const std::uint64_t all = session.cookie_size == 8 ? ~std::uint64_t{0} : std::uint64_t{0xffff'ffff};
    const std::uint64_t difference = cookie ^ session.cookie ^ all;
    const std::uint64_t other_difference = cookie ^ session.other_cookie ^ all;
    if (((difference == 0) | (other_difference == 0)) == 0) return DropReason::l2tp_bad_cookie;
    return punt_channel(packet, session, front_size(session.tunnel->encapsulation) + session.cookie_size);
}

DropReason DecapStage::punt_channel(PacketBuffer& packet, const SessionRow& session,
                                    std::size_t header) noexcept {
    const std::size_t message_size = packet.size();
    packet.trim_front(header);
    const Bytes message = std::as_const(packet).data();
    if (!ChannelMessage::parse(message)) return DropReason::l2tp_bad_channel;
    const Path path = packet.meta.path != nullptr ? *packet.meta.path : Path{};
    if (!rings_.offer(PuntClass::channel, session.tunnel->index, session.index, path, message))
        return DropReason::punt_overflow;
    if (session.tunnel->in != nullptr) session.tunnel->in->passed(message_size);
    packet = PacketBuffer();
    return DropReason::none;
}

DropReason DecapStage::check_sequence(const SessionRow& session, SessionId id,
                                      std::uint32_t sublayer) noexcept {
    if (session.receive_sequencing == ReceiveSequencing::ignore) return DropReason::none;
    const auto word = SublayerWord::parse(sublayer);
    if (!word.sequence) return DropReason::l2tp_sequence_missing;
    return sequences_.of(session, id).accept(*word.sequence) ? DropReason::none
                                                             : DropReason::l2tp_out_of_sequence;
}

const TunnelRow* DecapStage::clear_tunnel(const PacketMeta& meta,
                                          Encapsulation encapsulation) const noexcept {
    if (meta.tunnel != kNoTunnel || meta.path == nullptr) return nullptr;
    return table_->by_path(encapsulation, *meta.path);
}

}  // namespace isthmus::tunnel
