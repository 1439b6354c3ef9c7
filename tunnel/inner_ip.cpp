#include "tunnel/inner_ip.h"

#include <algorithm>

#include "base/checksum.h"
#include "tunnel/data_header.h"
#include "tunnel/qos.h"

namespace isthmus::tunnel {

namespace {

constexpr std::uint16_t kDontFragment = 0x4000;
constexpr std::uint16_t kFragmentMask = 0x3fff;  // MF and offset

template <std::size_t N>
std::array<std::uint8_t, N> take(const std::uint8_t* at) noexcept {
    std::array<std::uint8_t, N> out;
    std::memcpy(out.data(), at, N);
    return out;
}

Result<InnerIpHeader, DropReason> parse_v4(Bytes packet) noexcept {
    const Unexpected malformed(DropReason::inner_ip_malformed);
    if (packet.size() < InnerIpHeader::kIpv4Size) return malformed;
    const std::size_t header_size = (packet[0] & 0x0fU) * 4U;
    const std::size_t total = load_be16(packet.data() + 2);
    if (header_size < InnerIpHeader::kIpv4Size || total < header_size || total > packet.size())
        return malformed;
    if ((load_be16(packet.data() + 6) & kFragmentMask) != 0) return malformed;
    if (internet_checksum(packet.first(header_size)) != 0) return malformed;
    InnerIpHeader header;
    header.source = IpAddress::v4(take<4>(packet.data() + 12));
    header.destination = IpAddress::v4(take<4>(packet.data() + 16));
    header.protocol = packet[9];
    header.traffic_class = packet[1];
    header.header_size = static_cast<std::uint16_t>(header_size);
    header.payload_size = static_cast<std::uint16_t>(total - header_size);
    return header;
}

Result<InnerIpHeader, DropReason> parse_v6(Bytes packet) noexcept {
    const Unexpected malformed(DropReason::inner_ip_malformed);
    if (packet.size() < InnerIpHeader::kIpv6Size) return malformed;
    const std::size_t payload = load_be16(packet.data() + 4);
    if (payload > packet.size() - InnerIpHeader::kIpv6Size) return malformed;
    InnerIpHeader header;
    header.source = IpAddress::v6(take<16>(packet.data() + 8));
    header.destination = IpAddress::v6(take<16>(packet.data() + 24));
    header.protocol = packet[6];
    header.traffic_class = static_cast<std::uint8_t>(load_be16(packet.data()) >> 4);
    header.header_size = InnerIpHeader::kIpv6Size;
    header.payload_size = static_cast<std::uint16_t>(payload);
    return header;
}

void emit_v4(const InnerIpHeader& header, std::uint8_t* at) noexcept {
    at[0] = 0x45;
    at[1] = header.traffic_class;
    store_be16(at + 2, static_cast<std::uint16_t>(InnerIpHeader::kIpv4Size + header.payload_size));
    store_be16(at + 4, 0);
    store_be16(at + 6, kDontFragment);
    at[8] = InnerIpHeader::kHopLimit;
    at[9] = header.protocol;
    store_be16(at + 10, 0);
    std::memcpy(at + 12, header.source.bytes().data(), 4);
    std::memcpy(at + 16, header.destination.bytes().data(), 4);
    store_be16(at + 10, internet_checksum({at, InnerIpHeader::kIpv4Size}));
}

void emit_v6(const InnerIpHeader& header, std::uint8_t* at) noexcept {
    store_be32(at, 0x6000'0000U | (std::uint32_t{header.traffic_class} << 20));
    store_be16(at + 4, header.payload_size);
    at[6] = header.protocol;
    at[7] = InnerIpHeader::kHopLimit;
    std::memcpy(at + 8, header.source.bytes().data(), 16);
    std::memcpy(at + 24, header.destination.bytes().data(), 16);
}

const InnerIp* find(const InnerIpTable& table, TunnelIndex tunnel) noexcept {
    if (raw(tunnel) >= table.size() || !table[raw(tunnel)]) return nullptr;
    return &*table[raw(tunnel)];
}

void add_header(PacketBuffer& packet, const InnerIp& ip) noexcept {
    InnerIpHeader header;
    header.source = ip.local;
    header.destination = ip.remote;
    header.protocol = packet.meta.next_header;
    header.traffic_class = packet.meta.traffic_class;
    header.payload_size = static_cast<std::uint16_t>(packet.size());
    header.emit(packet.prepend(header.wire_size()).data());
    packet.meta.next_header = ip.local.is_v6() ? kIpProtocolIpv6 : kIpProtocolIpv4;
}

DropReason remove_header(PacketBuffer& packet, const InnerIp& ip) noexcept {
    const auto header = InnerIpHeader::parse(std::as_const(packet).data());
    if (!header) return header.error();
    const bool v6 = packet.meta.next_header == kIpProtocolIpv6;
    if (header->source.is_v6() != v6) return DropReason::inner_ip_malformed;
    if (header->source != ip.remote || header->destination != ip.local) return DropReason::inner_ip_malformed;
    if (header->protocol != kIpProtocolUdp && header->protocol != kIpProtocolL2tp)
        return DropReason::inner_protocol;
    const auto ecn = combine_ecn(ecn_of(header->traffic_class), ecn_of(packet.meta.traffic_class));
    if (!ecn) return DropReason::ecn_congestion;
    packet.meta.traffic_class =
        static_cast<std::uint8_t>((header->traffic_class & 0xfc) | static_cast<std::uint8_t>(*ecn));
    packet.meta.next_header = header->protocol;
    packet.trim_back(packet.size() - header->header_size - header->payload_size);
    packet.trim_front(header->header_size);
    return DropReason::none;
}

}  // namespace

Result<InnerIpHeader, DropReason> InnerIpHeader::parse(Bytes packet) noexcept {
    if (packet.empty()) return Unexpected(DropReason::inner_ip_malformed);
    if (packet[0] >> 4 == 4) return parse_v4(packet);
    if (packet[0] >> 4 == 6) return parse_v6(packet);
    return Unexpected(DropReason::inner_ip_malformed);
}

void InnerIpHeader::emit(std::uint8_t* at) const noexcept {
    if (source.is_v6()) {
        emit_v6(*this, at);
    } else {
        emit_v4(*this, at);
    }
}

void InnerIpEncapStage::process(PacketBatch& batch, TimePoint) noexcept {
    for (PacketBuffer& packet : batch) {
        const InnerIp* ip = find(*table_, packet.meta.tunnel);
        if (ip != nullptr) add_header(packet, *ip);
    }
}

void InnerIpDecapStage::process(PacketBatch& batch, TimePoint) noexcept {
    for (PacketBuffer& packet : batch) {
        if (packet.meta.tunnel == kNoTunnel) continue;
        const bool is_ip =
            packet.meta.next_header == kIpProtocolIpv4 || packet.meta.next_header == kIpProtocolIpv6;
        const InnerIp* ip = find(*table_, packet.meta.tunnel);
        if (!is_ip && (ip == nullptr || !ip->always)) continue;
        packet.meta.drop = ip != nullptr && is_ip ? remove_header(packet, *ip) : DropReason::inner_protocol;
    }
}

}  // namespace isthmus::tunnel
