#include "stp-guard/frame_protocol.h"

#include "base/ethernet.h"
#include "stp-guard/guard_frame.h"

namespace isthmus::stp_guard {

namespace {

constexpr std::uint16_t kTypeRarp = 0x8035;

constexpr std::uint8_t kIgmp = 2;
constexpr std::uint8_t kTcp = 6;
constexpr std::uint8_t kUdp = 17;
constexpr std::uint8_t kIcmpv6 = 58;
constexpr std::uint8_t kNoNextHeader = 59;
constexpr std::uint8_t kVrrp = 112;

constexpr std::size_t kIpv4Size = 20;
constexpr std::size_t kIpv6Size = 40;
constexpr int kMostExtensions = 8;

FrameProtocol protocol_of_udp(Bytes udp, bool to_group) noexcept {
    if (udp.size() < 4) return FrameProtocol::other;
    const std::uint16_t from = load_be16(udp.data());
    const std::uint16_t to = load_be16(udp.data() + 2);
    if ((from == 68 && to == 67) || (from == 546 && to == 547)) return FrameProtocol::dhcp_client;
    if ((from == 67 && to == 68) || (from == 547 && to == 546)) return FrameProtocol::dhcp_server;
    if (!to_group) return FrameProtocol::other;
    if (to == 1985 || to == 2029) return FrameProtocol::hsrp;
    if (to == 3222) return FrameProtocol::glbp;
    return FrameProtocol::other;
}

FrameProtocol protocol_of_icmpv6(Bytes icmp) noexcept {
    if (icmp.empty()) return FrameProtocol::other;
    switch (icmp[0]) {
        case 130: return FrameProtocol::mld_query;
        case 133: return FrameProtocol::router_solicitation;
        case 134: return FrameProtocol::router_advertisement;
        case 135: return FrameProtocol::neighbor_solicitation;
        case 136: return FrameProtocol::neighbor_advertisement;
        default: return FrameProtocol::other;
    }
}

FrameProtocol protocol_of_guard(Bytes payload) noexcept {
    if (payload.size() < kGuardHeaderSize || load_be32(payload.data()) != kGuardMagic ||
        payload[4] != kGuardVersion)
        return FrameProtocol::other;
    switch (static_cast<GuardFrameType>(payload[5])) {
        case GuardFrameType::probe: return FrameProtocol::loop_probe;
        case GuardFrameType::message: return FrameProtocol::guard_message;
    }
    return FrameProtocol::other;
}

ProtocolClass protocol_of_ipv4(Bytes packet, bool to_group) noexcept {
    ProtocolClass out;
    if (packet.size() < kIpv4Size || packet[0] >> 4 != 4) return out;
    out.to_local_group = load_be24(packet.data() + 16) == 0xe0'0000;
    const std::uint8_t protocol = packet[9];
    if (protocol == kTcp) return out;
    const std::size_t header = std::size_t{packet[0]} % 16 * 4;
    const bool first = (load_be16(packet.data() + 6) & 0x1fff) == 0;
    if (header < kIpv4Size || packet.size() < header) return out;
    if (protocol == kVrrp) out.protocol = FrameProtocol::vrrp;
    if (!first) return out;
    const Bytes inside = packet.subspan(header);
    if (protocol == kUdp) out.protocol = protocol_of_udp(inside, to_group);
    if (protocol == kIgmp && !inside.empty() && inside[0] == 0x11) out.protocol = FrameProtocol::igmp_query;
    return out;
}

ProtocolClass protocol_of_ipv6(Bytes packet, bool to_group) noexcept {
    ProtocolClass out;
    if (packet.size() < kIpv6Size || packet[0] >> 4 != 6) return out;
    out.to_local_group = load_be16(packet.data() + 24) == 0xff02;
    const UpperLayer upper = upper_layer_of_ipv6(packet);
    const Bytes inside = packet.subspan(upper.offset);
    switch (upper.protocol) {
        case kVrrp: out.protocol = FrameProtocol::vrrp; break;
        case kUdp: out.protocol = protocol_of_udp(inside, to_group); break;
        case kIcmpv6: out.protocol = protocol_of_icmpv6(inside); break;
        default: break;
    }
    return out;
}

}  // namespace

ProtocolClass protocol_of(std::uint16_t type, Bytes payload, bool to_group) noexcept {
    switch (type) {
        case kEtherTypeIpv4: return protocol_of_ipv4(payload, to_group);
        case kEtherTypeIpv6: return protocol_of_ipv6(payload, to_group);
        case kEtherTypeArp: return {FrameProtocol::arp, false};
        case kTypeRarp: return {FrameProtocol::rarp, false};
        case kEtherTypeGuard: return {protocol_of_guard(payload), false};
        default: return {};
    }
}

VirtualMac virtual_mac_of(const MacAddress& source) noexcept {
    const std::uint32_t high = load_be24(source.bytes.data());
    const std::uint16_t middle = load_be16(source.bytes.data() + 3);
    switch (high) {
        case 0x00000c:
            return middle == 0x07ac || (middle & 0xfff0) == 0x9ff0 ? VirtualMac::hsrp : VirtualMac::none;
        case 0x000573: return (middle & 0xfff0) == 0xa000 ? VirtualMac::hsrp : VirtualMac::none;
        case 0x00005e: return middle == 0x0001 || middle == 0x0002 ? VirtualMac::vrrp : VirtualMac::none;
        case 0x0007b4: return middle >> 8 == 0 ? VirtualMac::glbp : VirtualMac::none;
        default: return VirtualMac::none;
    }
}

UpperLayer upper_layer_of_ipv6(Bytes packet) noexcept {
    if (packet.size() < kIpv6Size) return {};
    UpperLayer out{packet[6], kIpv6Size};
    for (int i = 0; i < kMostExtensions; ++i) {
        const bool fragment = out.protocol == 44;
        const bool options = out.protocol == 0 || out.protocol == 43 || out.protocol == 60;
        if (!fragment && !options) return out;
        if (packet.size() < out.offset + 8) return {};
        const std::uint8_t* header = packet.data() + out.offset;
        if (fragment && (load_be16(header + 2) & 0xfff8) != 0) return {};
        out.protocol = header[0];
        out.offset += fragment ? 8 : (std::size_t{header[1]} + 1) * 8;
        if (out.offset > packet.size()) return {};
    }
    return {kNoNextHeader, 0};
}

}  // namespace isthmus::stp_guard
