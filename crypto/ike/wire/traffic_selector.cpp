#include "crypto/ike/wire/traffic_selector.h"

#include <algorithm>

namespace isthmus::crypto::ike {

namespace {

constexpr std::uint8_t kIpv4Range = 7;
constexpr std::uint8_t kIpv6Range = 8;
constexpr std::size_t kSelectorHeader = 4;
constexpr std::uint8_t kUdp = 17;
constexpr std::uint8_t kTcp = 6;

IpAddress address_of(Bytes raw) {
    if (raw.size() == 4) {
        std::array<std::uint8_t, 4> v4{};
        std::ranges::copy(raw, v4.begin());
        return IpAddress::v4(v4);
    }
    std::array<std::uint8_t, 16> v6{};
    std::ranges::copy(raw, v6.begin());
    return IpAddress::v6(v6);
}

bool is_opaque(const TrafficSelector& selector) noexcept {
    return selector.first_port == 0xffff && selector.last_port == 0;
}

Result<TrafficSelector, std::string> parse_range(std::uint8_t protocol, Bytes body, std::size_t address) {
    if (body.size() != 4 + 2 * address)
        return Unexpected("length " + std::to_string(body.size() + kSelectorHeader) + " is not " +
                          std::to_string(4 + 2 * address + kSelectorHeader));
    ByteReader in(body);
    TrafficSelector selector;
    selector.protocol = protocol;
    selector.first_port = *in.u16();
    selector.last_port = *in.u16();
    selector.first = address_of(*in.bytes(address));
    selector.last = address_of(*in.bytes(address));
    if (selector.first_port > selector.last_port && !is_opaque(selector))
        return Unexpected(std::string("the start port is above the end port"));
    if (selector.first > selector.last)
        return Unexpected(std::string("the starting address is above the ending address"));
    return selector;
}

}  // namespace

TrafficSelector TrafficSelector::host(const IpAddress& address, std::uint8_t protocol, std::uint16_t port) {
    TrafficSelector selector;
    selector.protocol = protocol;
    selector.first = selector.last = address;
    if (port != 0) selector.first_port = selector.last_port = port;
    return selector;
}

TrafficSelector TrafficSelector::everything(bool v6) {
    TrafficSelector selector;
    if (v6) {
        std::array<std::uint8_t, 16> ones{};
        selector.first = IpAddress::v6(ones);
        ones.fill(0xff);
        selector.last = IpAddress::v6(ones);
    } else {
        selector.last = IpAddress::v4({0xff, 0xff, 0xff, 0xff});
    }
    return selector;
}

bool TrafficSelector::contains(const TrafficSelector& other) const noexcept {
    const bool ports = is_opaque(*this) || is_opaque(other)
                           ? first_port == other.first_port && last_port == other.last_port
                           : first_port <= other.first_port && other.last_port <= last_port;
    const bool all_ports = first_port == 0 && last_port == 0xffff;
    return (protocol == 0 || protocol == other.protocol) && (ports || all_ports) &&
           first.is_v6() == other.first.is_v6() && first <= other.first && other.last <= last;
}

std::optional<TrafficSelector> TrafficSelector::common(const TrafficSelector& other) const noexcept {
    if (first.is_v6() != other.first.is_v6()) return std::nullopt;
    if (protocol != 0 && other.protocol != 0 && protocol != other.protocol) return std::nullopt;
    TrafficSelector both;
    both.protocol = protocol != 0 ? protocol : other.protocol;
    both.first = std::max(first, other.first);
    both.last = std::min(last, other.last);
    if (both.first > both.last) return std::nullopt;
    const bool opaque = is_opaque(*this) || is_opaque(other);
    if (opaque && !contains(other) && !other.contains(*this)) {
        const bool mine = is_opaque(*this);
        const TrafficSelector& open = mine ? other : *this;
        const bool all_ports = open.first_port == 0 && open.last_port == 0xffff;
        if (!all_ports && !is_opaque(open)) return std::nullopt;
    }
    if (opaque) {
        both.first_port = 0xffff;
        both.last_port = 0;
        return both;
    }
    both.first_port = std::max(first_port, other.first_port);
    both.last_port = std::min(last_port, other.last_port);
    if (both.first_port > both.last_port) return std::nullopt;
    return both;
}

std::string TrafficSelector::text() const {
    std::string out = first.text();
    if (!is_one_address()) out += "-" + last.text();
    if (protocol == kUdp)
        out += " UDP";
    else if (protocol == kTcp)
        out += " TCP";
    else if (protocol != 0)
        out += " protocol " + std::to_string(protocol);
    if (is_opaque(*this)) return out + " without ports";
    if (first_port == 0 && last_port == 0xffff) return out;
    out += " " + std::to_string(first_port);
    if (last_port != first_port) out += "-" + std::to_string(last_port);
    return out;
}

Result<std::vector<TrafficSelector>, std::string> parse_selectors(Bytes body) {
    ByteReader in(body);
    const auto count = in.u8();
    const auto reserved = in.u24();
    if (!count || !reserved) return Unexpected(std::string("the number of selectors is cut short"));
    if (*count == 0) return Unexpected(std::string("there is no selector"));
    std::vector<TrafficSelector> selectors;
    for (std::size_t i = 1; i <= *count; ++i) {
        const std::string where = "selector " + std::to_string(i) + ": ";
        const auto type = in.u8();
        const auto protocol = in.u8();
        const auto length = in.u16();
        if (!type || !protocol || !length) return Unexpected(where + "cut short");
        const auto range = *length < kSelectorHeader ? std::nullopt : in.bytes(*length - kSelectorHeader);
        if (!range) return Unexpected(where + "length " + std::to_string(*length) + " does not fit");
        if (*type != kIpv4Range && *type != kIpv6Range) continue;
        auto selector = parse_range(*protocol, *range, *type == kIpv4Range ? 4 : 16);
        if (!selector) return Unexpected(where + selector.error());
        selectors.push_back(*selector);
    }
    if (in.remaining() != 0) return Unexpected(std::string("bytes are left behind the last selector"));
    return selectors;
}

void emit_selectors(ByteWriter& out, const std::vector<TrafficSelector>& selectors) {
    out.u8(static_cast<std::uint8_t>(selectors.size())).u24(0);
    for (const TrafficSelector& selector : selectors) {
        const std::size_t size = kSelectorHeader + 4 + 2 * selector.first.bytes().size();
        out.u8(selector.first.is_v6() ? kIpv6Range : kIpv4Range).u8(selector.protocol);
        out.u16(static_cast<std::uint16_t>(size)).u16(selector.first_port).u16(selector.last_port);
        out.bytes(selector.first.bytes()).bytes(selector.last.bytes());
    }
}

std::string text_of(const std::vector<TrafficSelector>& selectors) {
    std::string out;
    for (const TrafficSelector& selector : selectors) {
        if (!out.empty()) out += ", ";
        out += selector.text();
    }
    return out.empty() ? "nothing" : out;
}

}  // namespace isthmus::crypto::ike
