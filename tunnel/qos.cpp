#include "tunnel/qos.h"

#include "base/ethernet.h"

namespace isthmus::tunnel {

namespace {

constexpr std::size_t kTypeOffset = 12;
constexpr std::size_t kMaxTags = 2;
constexpr std::size_t kIpv4HeaderSize = 20;
constexpr std::size_t kIpv6HeaderSize = 40;

enum class Family : std::uint8_t { none, v4, v6 };

/// Where a frame's IP header is. The checks are those that reading and writing its traffic class need.
struct InnerIp {
    Family family = Family::none;
    std::size_t offset = 0;
};

InnerIp find_ip(Bytes frame) noexcept {
    std::size_t at = kTypeOffset;
    for (std::size_t tags = 0;; ++tags) {
        if (frame.size() < at + 2) return {};
        if (tags == kMaxTags || !is_vlan_tpid(load_be16(frame.data() + at))) break;
        at += kVlanTagSize;
    }
    const auto type = load_be16(frame.data() + at);
    at += 2;
    if (type == kEtherTypeIpv4 && frame.size() >= at + kIpv4HeaderSize && frame[at] >> 4 == 4)
        return {Family::v4, at};
    if (type == kEtherTypeIpv6 && frame.size() >= at + kIpv6HeaderSize && frame[at] >> 4 == 6)
        return {Family::v6, at};
    return {};
}

std::uint8_t inner_traffic_class(Bytes frame) noexcept {
    const InnerIp ip = find_ip(frame);
    if (ip.family == Family::v4) return frame[ip.offset + 1];
    if (ip.family == Family::v6) return static_cast<std::uint8_t>(load_be16(frame.data() + ip.offset) >> 4);
    return 0;
}

std::uint8_t class_selector_of_pcp(Bytes frame) noexcept {
    if (frame.size() < kTypeOffset + kVlanTagSize || !is_vlan_tpid(load_be16(frame.data() + kTypeOffset)))
        return 0;
    return frame[kTypeOffset + 2] & 0xe0;  // PCP's three bits are where a Class Selector's are
}

}  // namespace

std::uint8_t outer_traffic_class(Bytes frame, DscpPolicy dscp, EcnMode ecn) noexcept {
    if (dscp != DscpPolicy::copy_inner && ecn == EcnMode::compatibility)
        return dscp == DscpPolicy::from_pcp ? class_selector_of_pcp(frame) : 0;
    const std::uint8_t inner = inner_traffic_class(frame);
    std::uint8_t outer = ecn == EcnMode::normal ? inner & 0x03 : 0;
    if (dscp == DscpPolicy::copy_inner) outer |= inner & 0xfc;
    if (dscp == DscpPolicy::from_pcp) outer |= class_selector_of_pcp(frame);
    return outer;
}

bool apply_outer_ecn(MutableBytes frame, std::uint8_t outer_traffic_class) noexcept {
    const Ecn outer = ecn_of(outer_traffic_class);
    if (outer == Ecn::not_ect || outer == Ecn::ect0)
        return true;  // figure 4: these two never change anything
    const InnerIp ip = find_ip(frame);
    const Ecn inner = ecn_of(inner_traffic_class(frame));
    const auto combined = combine_ecn(inner, outer);
    if (!combined) return false;
    if (*combined == inner) return true;
    if (ip.family == Family::v4) set_ipv4_ecn(frame.data() + ip.offset, *combined);
    if (ip.family == Family::v6) set_ipv6_ecn(frame.data() + ip.offset, *combined);
    return true;
}

void set_ipv4_ecn(std::uint8_t* header, Ecn ecn) noexcept {
    const std::uint16_t before = load_be16(header);
    const auto after = static_cast<std::uint16_t>((before & ~3U) | static_cast<std::uint16_t>(ecn));
    header[1] = static_cast<std::uint8_t>(after);
    // RFC 1624 equation 3: HC' = ~(~HC + ~m + m')
    std::uint32_t sum = static_cast<std::uint16_t>(~load_be16(header + 10));
    sum += static_cast<std::uint16_t>(~before);
    sum += after;
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    store_be16(header + 10, static_cast<std::uint16_t>(~sum));
}

void set_ipv6_ecn(std::uint8_t* header, Ecn ecn) noexcept {
    header[1] = static_cast<std::uint8_t>((header[1] & 0xcf) | (static_cast<std::uint8_t>(ecn) << 4));
}

}  // namespace isthmus::tunnel
