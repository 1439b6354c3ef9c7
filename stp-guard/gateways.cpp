#include "stp-guard/gateways.h"

#include <algorithm>
#include <array>

#include "stp-guard/frame_protocol.h"

namespace isthmus::stp_guard {

namespace {

constexpr std::size_t kSourceAt = 6;
// RFC 826, for Ethernet and IPv4: sender's hardware address at 8, protocol address at 14.
constexpr std::size_t kArpSenderMac = 8;
constexpr std::size_t kArpSenderIp = 14;
constexpr std::size_t kArpSize = 28;
// RFC 8200 section 3, RFC 4861 section 4.4.
constexpr std::size_t kIpv6Source = 8;
constexpr std::size_t kIpv6Size = 40;
constexpr std::size_t kTargetInAdvertisement = 8;

MacAddress mac_at(Bytes bytes, std::size_t offset) noexcept {
    MacAddress mac;
    std::copy_n(bytes.data() + offset, 6, mac.bytes.begin());
    return mac;
}

IpAddress v4_at(Bytes bytes, std::size_t offset) noexcept {
    std::array<std::uint8_t, 4> raw{};
    std::copy_n(bytes.data() + offset, raw.size(), raw.begin());
    return IpAddress::v4(raw);
}

IpAddress v6_at(Bytes bytes, std::size_t offset) noexcept {
    std::array<std::uint8_t, 16> raw{};
    std::copy_n(bytes.data() + offset, raw.size(), raw.begin());
    return IpAddress::v6(raw);
}

}  // namespace

bool GatewayFilter::keeps(Bytes frame, const FrameClass& kind) const noexcept {
    if (kind.virtual_source != VirtualMac::none) return true;
    switch (kind.protocol) {
        case FrameProtocol::hsrp:
        case FrameProtocol::vrrp:
        case FrameProtocol::glbp:
        case FrameProtocol::router_advertisement:
        case FrameProtocol::igmp_query:
        case FrameProtocol::mld_query: return true;
        case FrameProtocol::dhcp_server: return options_.keep_dhcp_servers;
        default: break;
    }
    if (is_gateway(kind.vid, mac_at(frame, kSourceAt))) return true;
    const Bytes packet = frame.subspan(kind.payload_offset);
    switch (kind.protocol) {
        case FrameProtocol::arp: return arp_speaks_for_gateway(packet, kind.vid);
        case FrameProtocol::neighbor_solicitation:
        case FrameProtocol::neighbor_advertisement: return neighbor_speaks_for_gateway(packet, kind);
        default: return false;
    }
}

/// Replies, announcements and requests alike: whoever hears any of them believes the sender's pair of addresses.
bool GatewayFilter::arp_speaks_for_gateway(Bytes arp, std::uint16_t vid) const noexcept {
    if (arp.size() < kArpSize) return false;
    const MacAddress sender = mac_at(arp, kArpSenderMac);
    return virtual_mac_of(sender) != VirtualMac::none || is_gateway(vid, sender) ||
           is_gateway(vid, v4_at(arp, kArpSenderIp));
}

/// An advertisement speaks for its target, a solicitation for its source (RFC 4861 sections 7.2.3 and 7.2.5).
bool GatewayFilter::neighbor_speaks_for_gateway(Bytes packet, const FrameClass& kind) const noexcept {
    if (packet.size() < kIpv6Size) return false;
    if (is_gateway(kind.vid, v6_at(packet, kIpv6Source))) return true;
    if (kind.protocol != FrameProtocol::neighbor_advertisement) return false;
    const std::size_t target = upper_layer_of_ipv6(packet).offset + kTargetInAdvertisement;
    return packet.size() >= target + 16 && is_gateway(kind.vid, v6_at(packet, target));
}

bool GatewayFilter::is_gateway(std::uint16_t vid, const IpAddress& address) const noexcept {
    return std::any_of(options_.gateways.begin(), options_.gateways.end(),
                       [&](const Gateway& g) { return g.vid == vid && g.address == address; });
}

bool GatewayFilter::is_gateway(std::uint16_t vid, const MacAddress& mac) const noexcept {
    return std::any_of(options_.gateways.begin(), options_.gateways.end(),
                       [&](const Gateway& g) { return g.vid == vid && g.mac == mac; });
}

}  // namespace isthmus::stp_guard
