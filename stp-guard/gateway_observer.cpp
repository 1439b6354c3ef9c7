#include "stp-guard/gateway_observer.h"

#include <algorithm>
#include <array>
#include <utility>

#include "stp-guard/frame_protocol.h"

namespace isthmus::stp_guard {

namespace {

using namespace std::chrono_literals;

constexpr Duration kForgottenAfter = 1h;
constexpr std::size_t kMostAddresses = 20;  ///< of one VRRP advertisement
constexpr std::size_t kUdpSize = 8;

/// The addresses of an IP packet and what it carries.
struct IpPacket {
    bool v6 = false;
    IpAddress source;
    Bytes inside;
};

IpAddress address_at(Bytes bytes, std::size_t offset, bool v6) {
    if (v6) {
        std::array<std::uint8_t, 16> raw{};
        std::copy_n(bytes.data() + offset, raw.size(), raw.begin());
        return IpAddress::v6(raw);
    }
    std::array<std::uint8_t, 4> raw{};
    std::copy_n(bytes.data() + offset, raw.size(), raw.begin());
    return IpAddress::v4(raw);
}

std::optional<IpPacket> ip_packet(Bytes packet) {
    if (packet.size() >= 20 && packet[0] >> 4 == 4) {
        const std::size_t header = std::size_t{packet[0]} % 16 * 4;
        if (header < 20 || packet.size() < header) return std::nullopt;
        return IpPacket{false, address_at(packet, 12, false), packet.subspan(header)};
    }
    if (packet.size() >= 40 && packet[0] >> 4 == 6)
        return IpPacket{true, address_at(packet, 8, true),
                        packet.subspan(upper_layer_of_ipv6(packet).offset)};
    return std::nullopt;
}

std::optional<GatewayEvidence> evidence_of(FrameProtocol protocol) {
    switch (protocol) {
        case FrameProtocol::hsrp: return GatewayEvidence::hsrp;
        case FrameProtocol::vrrp: return GatewayEvidence::vrrp;
        case FrameProtocol::glbp: return GatewayEvidence::glbp;
        case FrameProtocol::router_advertisement: return GatewayEvidence::router_advertisement;
        case FrameProtocol::dhcp_server: return GatewayEvidence::dhcp_server;
        case FrameProtocol::igmp_query:
        case FrameProtocol::mld_query: return GatewayEvidence::querier;
        default: return std::nullopt;
    }
}

/// RFC 5798 section 5.1: version and type, virtual router, priority, count; addresses from 8 on.
std::vector<IpAddress> vrrp_addresses(const IpPacket& packet) {
    std::vector<IpAddress> out;
    const Bytes vrrp = packet.inside;
    const std::size_t size = packet.v6 ? 16 : 4;
    if (vrrp.size() < 8 || (vrrp[0] & 0x0f) != 1) return out;
    const std::size_t count = std::min<std::size_t>(vrrp[3], kMostAddresses);
    for (std::size_t i = 0; i < count && vrrp.size() >= 8 + (i + 1) * size; ++i)
        out.push_back(address_at(vrrp, 8 + i * size, packet.v6));
    return out;
}

/// Version 1, RFC 2281 section 5: 20 bytes, the virtual address at 16. Version 2 is a TLV of type 1 with it at 32, for IPv6 at 26
/// behind 8 more bytes; it has no published text, so only what version 1 says is read there.
std::vector<IpAddress> hsrp_addresses(const IpPacket& packet) {
    if (packet.v6 || packet.inside.size() < kUdpSize + 20) return {};
    const Bytes hsrp = packet.inside.subspan(kUdpSize);
    if (hsrp[0] != 0 || hsrp[1] > 2) return {};
    const IpAddress address = address_at(hsrp, 16, false);
    return address.is_unspecified() ? std::vector<IpAddress>{} : std::vector<IpAddress>{address};
}

std::vector<IpAddress> addresses_of(FrameProtocol protocol, const IpPacket& packet) {
    std::vector<IpAddress> named;
    if (protocol == FrameProtocol::vrrp) named = vrrp_addresses(packet);
    if (protocol == FrameProtocol::hsrp) named = hsrp_addresses(packet);
    // A router lifetime of 0: not a gateway (RFC 4861 section 4.2).
    const bool no_router = protocol == FrameProtocol::router_advertisement &&
                           (packet.inside.size() < 16 || load_be16(packet.inside.data() + 6) == 0);
    if (no_router) return {};
    if (named.empty() && !packet.source.is_unspecified()) named.push_back(packet.source);
    return named;
}

}  // namespace

std::vector<SeenGateway> gateways_in(Bytes frame, const FrameClass& kind) {
    std::vector<SeenGateway> out;
    const auto evidence = evidence_of(kind.protocol);
    if (!evidence || kind.malformed) return out;
    const auto packet = ip_packet(frame.subspan(kind.payload_offset));
    if (!packet) return out;
    for (const IpAddress& address : addresses_of(kind.protocol, *packet)) {
        SeenGateway gateway;
        gateway.vid = kind.vid;
        gateway.address = address;
        std::copy_n(frame.data() + 6, 6, gateway.mac.bytes.begin());
        gateway.evidence = *evidence;
        out.push_back(gateway);
    }
    return out;
}

void GatewayObserver::on_frame(const SeenAt& at, Bytes frame, TimePoint now) {
    for (SeenGateway& found : gateways_in(frame, classify(frame))) {
        const Key key{found.vid, found.address, found.evidence};
        auto known = seen_.find(key);
        if (known == seen_.end()) {
            if (seen_.size() >= kMost) return;
            known = seen_.emplace(key, found).first;
        }
        SeenGateway& gateway = known->second;
        const bool both_before = gateway.lan && gateway.tunnel;
        (at.kind == PortKind::tunnel ? gateway.tunnel : gateway.lan) = true;
        gateway.mac = found.mac;
        gateway.last_seen = now;
        const bool queries = gateway.evidence == GatewayEvidence::querier;
        if (gateway.lan && gateway.tunnel && !both_before && !queries)
            events_.push_back({gateway.vid, gateway.address});
    }
}

void GatewayObserver::on_timeout(TimePoint now) {
    std::erase_if(seen_, [&](const auto& entry) { return now - entry.second.last_seen >= kForgottenAfter; });
}

std::optional<TimePoint> GatewayObserver::next_timeout() const {
    std::optional<TimePoint> next;
    for (const auto& [key, gateway] : seen_) {
        const TimePoint due = gateway.last_seen + kForgottenAfter;
        if (!next || due < *next) next = due;
    }
    return next;
}

std::optional<TwoGateways> GatewayObserver::poll_event() {
    if (events_.empty()) return std::nullopt;
    const TwoGateways event = events_.front();
    events_.pop_front();
    return event;
}

std::vector<SeenGateway> GatewayObserver::seen() const {
    std::vector<SeenGateway> out;
    out.reserve(seen_.size());
    for (const auto& [key, gateway] : seen_) out.push_back(gateway);
    return out;
}

std::string_view name_of(GatewayEvidence evidence) noexcept {
    switch (evidence) {
        case GatewayEvidence::hsrp: return "HSRP";
        case GatewayEvidence::vrrp: return "VRRP";
        case GatewayEvidence::glbp: return "GLBP";
        case GatewayEvidence::router_advertisement: return "router advertisement";
        case GatewayEvidence::dhcp_server: return "DHCP server";
        case GatewayEvidence::querier: return "IGMP or MLD querier";
    }
    return "";
}

}  // namespace isthmus::stp_guard
