#include "tunnel/inner_udp.h"

#include "base/checksum.h"
#include "tunnel/data_header.h"

namespace isthmus::tunnel {

namespace {

constexpr std::uint16_t kL2tpPort = 1701;

const InnerUdp* find(const InnerUdpTable& table, TunnelIndex tunnel) noexcept {
    if (raw(tunnel) >= table.size() || !table[raw(tunnel)]) return nullptr;
    return &*table[raw(tunnel)];
}

/// Over pseudo header and datagram: 0xffff if the checksum in it is right.
std::uint16_t datagram_sum(const IpAddress& source, const IpAddress& destination, Bytes datagram) noexcept {
    const auto pseudo = pseudo_header_sum(source.bytes(), destination.bytes(), kIpProtocolUdp,
                                          static_cast<std::uint32_t>(datagram.size()));
    return ones_complement_sum(datagram, pseudo);
}

void add_header(PacketBuffer& packet, const InnerUdp& udp) noexcept {
    packet.prepend(UdpHeader::kSize);
    const MutableBytes datagram = packet.data();
    UdpHeader header;
    header.source_port = udp.local_port;
    header.destination_port = udp.remote_port != 0 ? udp.remote_port : kL2tpPort;
    header.length = static_cast<std::uint16_t>(datagram.size());
    header.emit(datagram.data());
    if (!udp.send_checksum && udp.local.is_v4()) return;
    const auto sum = static_cast<std::uint16_t>(~datagram_sum(udp.local, udp.remote, datagram));
    header.checksum = sum != 0 ? sum : 0xffff;  // 0 would say that there is none (RFC 768)
    header.emit(datagram.data());
}

DropReason check_checksum(const InnerUdp& udp, std::uint16_t checksum, Bytes datagram) noexcept {
    if (checksum == 0) {
        const bool fine = udp.local.is_v4() || udp.accept_zero_checksum;
        return fine ? DropReason::none : DropReason::inner_udp_bad_checksum;
    }
    if (!udp.verify_checksum) return DropReason::none;
    return datagram_sum(udp.remote, udp.local, datagram) == 0xffff ? DropReason::none
                                                                   : DropReason::inner_udp_bad_checksum;
}

DropReason remove_header(PacketBuffer& packet, const InnerUdp& udp) noexcept {
    if (packet.size() < UdpHeader::kSize) return DropReason::inner_udp_malformed;
    const UdpHeader header = UdpHeader::parse(packet.data().data());
    if (header.length < UdpHeader::kSize || header.length > packet.size())
        return DropReason::inner_udp_malformed;
    if (header.destination_port != udp.local_port) return DropReason::inner_udp_malformed;
    if (udp.remote_port != 0 && header.source_port != udp.remote_port) return DropReason::inner_udp_malformed;
    packet.meta.inner_source_port = header.source_port;
    packet.meta.inner_destination_port = header.destination_port;
    packet.trim_back(packet.size() - header.length);
    const auto wrong = check_checksum(udp, header.checksum, std::as_const(packet).data());
    packet.trim_front(UdpHeader::kSize);
    return wrong;
}

}  // namespace

UdpHeader UdpHeader::parse(const std::uint8_t* at) noexcept {
    return {load_be16(at), load_be16(at + 2), load_be16(at + 4), load_be16(at + 6)};
}

void UdpHeader::emit(std::uint8_t* at) const noexcept {
    store_be16(at, source_port);
    store_be16(at + 2, destination_port);
    store_be16(at + 4, length);
    store_be16(at + 6, checksum);
}

void InnerUdpEncapStage::process(PacketBatch& batch, TimePoint) noexcept {
    for (PacketBuffer& packet : batch) {
        if (packet.meta.next_header != kIpProtocolUdp) continue;
        const InnerUdp* udp = find(*table_, packet.meta.tunnel);
        if (udp != nullptr) add_header(packet, *udp);
    }
}

void InnerUdpDecapStage::process(PacketBatch& batch, TimePoint) noexcept {
    for (PacketBuffer& packet : batch) {
        if (packet.meta.next_header != kIpProtocolUdp || packet.meta.tunnel == kNoTunnel) continue;
        const InnerUdp* udp = find(*table_, packet.meta.tunnel);
        packet.meta.drop = udp != nullptr ? remove_header(packet, *udp) : DropReason::inner_protocol;
    }
}

}  // namespace isthmus::tunnel
