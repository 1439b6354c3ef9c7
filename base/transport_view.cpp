#include "base/transport_view.h"

#include "base/checksum.h"
#include "base/ethernet.h"

namespace isthmus {

namespace {

constexpr std::size_t kMaxTags = 2;
constexpr int kMaxExtensionHeaders = 8;
constexpr std::uint8_t kHopByHop = 0;
constexpr std::uint8_t kRouting = 43;
constexpr std::uint8_t kFragment = 44;
constexpr std::uint8_t kAuthentication = 51;
constexpr std::uint8_t kDestinationOptions = 60;

constexpr bool is_extension(std::uint8_t next) noexcept {
    return next == kHopByHop || next == kRouting || next == kFragment || next == kAuthentication ||
           next == kDestinationOptions;
}

void find_ipv4(TransportView& view, Bytes frame) noexcept {
    if (frame.size() < view.l3 + kIpv4HeaderSize) return;
    const std::uint8_t* ip = frame.data() + view.l3;
    const std::size_t header = std::size_t{ip[0] & 0x0fU} * 4;
    if (ip[0] >> 4 != 4 || header < kIpv4HeaderSize || frame.size() < view.l3 + header) return;
    view.end = std::uint32_t{view.l3} + load_be16(ip + 2);
    view.fragment = (load_be16(ip + 6) & 0x3fff) != 0;
    if (view.fragment) return;
    view.protocol = ip[9];
    view.l4 = static_cast<std::uint16_t>(view.l3 + header);
}

/// RFC 8200 section 4; the authentication header counts its length in words of four (RFC 4302 section 2.2).
void find_ipv6(TransportView& view, Bytes frame) noexcept {
    if (frame.size() < view.l3 + kIpv6HeaderSize) return;
    const std::uint8_t* ip = frame.data() + view.l3;
    if (ip[0] >> 4 != 6) return;
    view.end = static_cast<std::uint32_t>(view.l3 + kIpv6HeaderSize) + load_be16(ip + 4);
    std::uint8_t next = ip[6];
    std::size_t at = view.l3 + kIpv6HeaderSize;
    for (int n = 0; is_extension(next); ++n) {
        if (n == kMaxExtensionHeaders || frame.size() < at + 8) return;
        if (next == kFragment) {
            view.fragment = true;
            return;
        }
        const std::size_t words = frame[at + 1];
        const std::size_t size = next == kAuthentication ? (words + 2) * 4 : (words + 1) * 8;
        next = frame[at];
        at += size;
        if (at > frame.size()) return;
    }
    view.protocol = next;
    view.l4 = static_cast<std::uint16_t>(at);
}

void find_payload(TransportView& view, Bytes frame) noexcept {
    if (view.protocol == kProtocolUdp) {
        if (frame.size() >= view.l4 + kUdpHeaderSize)
            view.payload = static_cast<std::uint16_t>(view.l4 + kUdpHeaderSize);
        return;
    }
    if (view.protocol != kProtocolTcp || frame.size() < view.l4 + kTcpHeaderSize) return;
    const std::size_t header = std::size_t{frame[view.l4 + 12U]} / 16 * 4;
    if (header < kTcpHeaderSize || frame.size() < view.l4 + header) return;
    view.payload = static_cast<std::uint16_t>(view.l4 + header);
}

}  // namespace

TransportView TransportView::of(Bytes frame) noexcept {
    TransportView view;
    if (frame.size() < kEthernetHeaderSize) return view;
    std::size_t at = 12;
    std::uint16_t type = load_be16(frame.data() + at);
    for (std::size_t tags = 0; is_vlan_tpid(type); ++tags) {
        at += kVlanTagSize;
        if (tags == kMaxTags || frame.size() < at + 2) return view;
        type = load_be16(frame.data() + at);
    }
    if (type != kEtherTypeIpv4 && type != kEtherTypeIpv6) return view;
    view.l3 = static_cast<std::uint16_t>(at + 2);
    view.ip_version = type == kEtherTypeIpv4 ? 4 : 6;
    if (view.ip_version == 4) {
        find_ipv4(view, frame);
    } else {
        find_ipv6(view, frame);
    }
    if (view.l4 != 0) find_payload(view, frame);
    return view;
}

std::uint16_t TransportView::pseudo_sum(Bytes frame, std::uint32_t length) const noexcept {
    const bool v4 = ip_version == 4;
    const Bytes addresses = v4 ? frame.subspan(l3 + 12U, 8) : frame.subspan(l3 + 8U, 32);
    return ones_complement_sum(addresses, (length >> 16) + (length & 0xffff) + protocol);
}

}  // namespace isthmus
