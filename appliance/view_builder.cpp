#include "appliance/view_builder.h"

#include <algorithm>
#include <sstream>

#include "base/ethernet.h"
#include "tunnel/data_header.h"

namespace isthmus::appliance {

namespace {

/// How the packets' memory is divided, in parts of 20: received messages come in blocks of 64 KiB.
constexpr std::size_t kParts = 20;
constexpr std::size_t kInboundParts = 11;
constexpr std::size_t kLargeParts = 2;
constexpr std::size_t kSlotParts = 7;
constexpr std::size_t kBlock = 66U << 10;
/// What surrounds the data in a slot: headroom, tailroom, and the pool's own words.
constexpr std::size_t kSlotOverhead = 512;
constexpr std::size_t kMostSlots = 2'048;
/// Room for a full batch and what waits behind it.
constexpr std::size_t kFewestSlots = 384;

constexpr std::size_t part_of(const config::Configuration& config, std::size_t parts) {
    return (std::size_t{config.datapath.packet_memory} << 20) / kParts * parts;
}

std::uint32_t tags_inside(const tunnel::SessionOptions& session) {
    // A one-VLAN session of type Ethernet takes its tag off; all others may carry one.
    return session.access_vlan && session.type == tunnel::PseudowireType::ethernet ? 0 : 1;
}

Result<std::shared_ptr<const tunnel::SessionTable>, std::string> session_table(const Tunnels& tunnels,
                                                                               const Sessions& sessions) {
    std::vector<tunnel::TunnelEntry> tunnel_entries;
    for (const TunnelControl& t : tunnels) {
        tunnel::TunnelEntry entry;
        entry.index = t.index();
        entry.options = t.options();
        entry.is_protected = t.is_protected();
        entry.out = t.out.get();
        entry.in = t.in.get();
        tunnel_entries.push_back(entry);
    }
    std::vector<tunnel::SessionEntry> session_entries;
    for (const SessionControl& s : sessions) {
        if (!s.options()) continue;
        tunnel::SessionEntry entry;
        entry.index = s.index();
        entry.tunnel = s.tunnel();
        entry.options = *s.options();
        if (s.also_accepted()) {
            if (s.also_accepted()->local_id != s.options()->local_id)
                entry.other_local_id = s.also_accepted()->local_id;
            entry.other_local_cookie = s.also_accepted()->local_cookie;
        }
        entry.incarnation = s.incarnation();
        entry.max_frame = budget_of(tunnels[s.tunnel()], s).max_frame;
        entry.out = s.out.get();
        entry.in = s.in.get();
        session_entries.push_back(entry);
    }
    return tunnel::SessionTable::build(tunnel_entries, session_entries);
}

/// In transport mode inside UDP a NAT may have rewritten the addresses that an inner checksum covers.
bool addresses_are_intact(const TunnelControl& t) {
    const auto& outbound = t.sas().outbound();
    if (outbound && !outbound->way.in_udp) return true;
    const auto& inbound = t.sas().inbound();
    return std::all_of(inbound.begin(), inbound.end(),
                       [](const InboundUse& u) { return u.mode == crypto::esp::Mode::tunnel; });
}

std::shared_ptr<const tunnel::InnerUdpTable> inner_udp_table(const Tunnels& tunnels) {
    auto table = std::make_shared<tunnel::InnerUdpTable>(tunnels.index_end());
    for (const TunnelControl& t : tunnels) {
        const tunnel::TunnelOptions& options = t.options();
        if (!t.is_protected() || options.encapsulation != tunnel::Encapsulation::udp) continue;
        tunnel::InnerUdp inner;
        inner.local_port = options.local_port;
        inner.remote_port = options.remote_port;
        inner.local = options.local;
        inner.remote = options.remote;
        inner.verify_checksum = addresses_are_intact(t);
        (*table)[raw(t.index())] = inner;
    }
    return table;
}

/// Tunnels that send in tunnel mode, or receive in it, by `wants(tunnel)`.
template <class Wants>
std::shared_ptr<tunnel::InnerIpTable> inner_ip_table(const Tunnels& tunnels, Wants wants) {
    auto table = std::make_shared<tunnel::InnerIpTable>(tunnels.index_end());
    for (const TunnelControl& t : tunnels)
        if (t.is_protected() && wants(t))
            (*table)[raw(t.index())] = tunnel::InnerIp{t.options().local, t.options().remote};
    return table;
}

std::shared_ptr<const tunnel::InnerIpTable> inner_ip_out(const Tunnels& tunnels) {
    return inner_ip_table(tunnels, [](const TunnelControl& t) {
        return t.sas().outbound() && t.sas().outbound()->mode == crypto::esp::Mode::tunnel;
    });
}

std::shared_ptr<const tunnel::InnerIpTable> inner_ip_in(const Tunnels& tunnels) {
    const auto in_tunnel_mode = [](const InboundUse& u) { return u.mode == crypto::esp::Mode::tunnel; };
    auto table = inner_ip_table(tunnels, [&](const TunnelControl& t) {
        return std::any_of(t.sas().inbound().begin(), t.sas().inbound().end(), in_tunnel_mode);
    });
    for (const TunnelControl& t : tunnels)
        if (auto& entry = (*table)[raw(t.index())])
            entry->always = std::all_of(t.sas().inbound().begin(), t.sas().inbound().end(), in_tunnel_mode);
    return table;
}

std::shared_ptr<const stp_guard::AdmissionTable> admission_table(const Sessions& sessions) {
    auto table = std::make_shared<stp_guard::AdmissionTable>(sessions.index_end());
    for (const SessionControl& s : sessions) {
        stp_guard::SessionAdmission admission;
        admission.options = s.config().admission;
        admission.state = s.condition.is_up() ? stp_guard::PortState::open : stp_guard::PortState::blocked;
        admission.meters = s.meters;
        admission.vlans = s.guard().vlans;
        admission.node = s.guard().node;
        admission.protected_roots = s.guard().protected_roots;
        if (s.guard().bridge != IfIndex{}) admission.bridge = SessionIndex{raw(s.guard().bridge)};
        admission.bridge_filters_vlans = s.guard().bridge_filters_vlans;
        admission.isolated = s.config().split_horizon.has_value();
        const stp_guard::GatewayOptions& gateways = s.config().guard.gateways;
        if (gateways != stp_guard::GatewayOptions{})
            admission.gateways = std::make_shared<const stp_guard::GatewayFilter>(gateways);
        (*table)[raw(s.index())] = admission;
    }
    return table;
}

std::shared_ptr<const tunnel::MssClampStage::Table> mss_table(const Tunnels& tunnels,
                                                              const Sessions& sessions) {
    auto table = std::make_shared<tunnel::MssClampStage::Table>(sessions.index_end());
    for (const SessionControl& s : sessions)
        (*table)[raw(s.index())] = tunnel::MssLimits::for_mtu(budget_of(tunnels[s.tunnel()], s).ip_mtu);
    return table;
}

/// What both directions share; drops are scoped by the caller.
Result<CommonView, std::string> common_view(const Tunnels& tunnels, const Sessions& sessions) {
    CommonView view;
    auto table = session_table(tunnels, sessions);
    if (!table) return Unexpected(table.error());
    view.sessions = *table;
    view.inner_udp = inner_udp_table(tunnels);
    view.admission = admission_table(sessions);
    view.mss_limits = mss_table(tunnels, sessions);
    for (const TunnelControl& t : tunnels) view.owners.insert(view.owners.end(), {t.out, t.in});
    for (const SessionControl& s : sessions) view.owners.insert(view.owners.end(), {s.out, s.in});
    view.tunnel_drops.resize(tunnels.index_end());
    view.session_drops.resize(sessions.index_end());
    return view;
}

using Socket = std::shared_ptr<tunnel::io::WanSocket>;

/// Sockets in use, each once, with the peers behind it.
std::vector<WanPort> wan_ports(const Tunnels& tunnels) {
    std::vector<WanPort> ports;
    for (const TunnelControl& t : tunnels)
        for (const Socket& socket : t.sockets())
            if (std::none_of(ports.begin(), ports.end(),
                             [&](const WanPort& p) { return p.socket == socket; }))
                ports.push_back({socket, nullptr});
    for (WanPort& port : ports) {
        std::vector<std::optional<Endpoint>> peers(tunnels.index_end());
        for (const TunnelControl& t : tunnels)
            if (t.outbound_socket() == port.socket) peers[raw(t.index())] = t.way()->remote;
        port.peers = std::make_shared<tunnel::io::PeerTable>(peers);
    }
    return ports;
}

std::optional<std::size_t> place_of(const Socket& socket, const std::vector<WanPort>& ports) {
    const auto found =
        std::find_if(ports.begin(), ports.end(), [&](const WanPort& p) { return p.socket == socket; });
    if (!socket || found == ports.end()) return std::nullopt;
    return static_cast<std::size_t>(found - ports.begin());
}

TunnelWay way_of(const TunnelControl& t, const std::vector<WanPort>& ports) {
    TunnelWay way;
    way.wan = place_of(t.outbound_socket(), ports);
    way.is_protected = t.is_protected();
    way.l2tp_next_header = t.options().encapsulation == tunnel::Encapsulation::udp ? tunnel::kIpProtocolUdp
                                                                                   : tunnel::kIpProtocolL2tp;
    way.control_traffic_class = static_cast<std::uint8_t>(t.options().control_dscp << 2);
    return way;
}

std::shared_ptr<const OutboundView> outbound_view(const CommonView& common, const Tunnels& tunnels,
                                                  const Sessions& sessions, const std::vector<WanPort>& wan) {
    auto view = std::make_shared<OutboundView>();
    static_cast<CommonView&>(*view) = common;
    view->wan = wan;
    view->inner_ip = inner_ip_out(tunnels);
    view->tunnels.resize(tunnels.index_end());
    auto sas = std::make_shared<crypto::esp::OutboundTable>();
    sas->by_tunnel.resize(tunnels.index_end());
    for (const TunnelControl& t : tunnels) {
        const auto at = raw(t.index());
        view->tunnels[at] = way_of(t, wan);
        view->tunnel_drops[at] = t.out.get();
        if (t.sas().outbound()) sas->by_tunnel[at] = t.sas().outbound()->sa;
    }
    view->sas = std::move(sas);
    for (const SessionControl& s : sessions) {
        view->session_drops[raw(s.index())] = s.out.get();
        if (s.tap()) view->lan.push_back({s.tap(), s.index(), s.tunnel()});
    }
    return view;
}

void add_inbound_sas(const TunnelControl& t, std::vector<crypto::esp::InboundTable::Entry>& entries) {
    for (const InboundUse& use : t.sas().inbound()) {
        crypto::esp::InboundTable::Entry entry{use.sa, t.index(), use.mode, {}, use.tell_first};
        if (use.follow_peer && t.sas().outbound()) entry.peer = t.sas().outbound()->way.remote;
        entries.push_back(std::move(entry));
    }
}

std::shared_ptr<const InboundView> inbound_view(const CommonView& common, const Tunnels& tunnels,
                                                const Sessions& sessions, const std::vector<WanPort>& wan) {
    auto view = std::make_shared<InboundView>();
    static_cast<CommonView&>(*view) = common;
    view->wan = wan;
    view->inner_ip = inner_ip_in(tunnels);
    view->wan_is_protected.assign(wan.size(), true);
    std::vector<crypto::esp::InboundTable::Entry> sas;
    for (const TunnelControl& t : tunnels) {
        view->tunnel_drops[raw(t.index())] = t.in.get();
        add_inbound_sas(t, sas);
        if (t.is_protected()) continue;
        for (const Socket& socket : t.sockets())
            if (const auto at = place_of(socket, wan)) view->wan_is_protected[*at] = false;
    }
    view->sas = std::make_shared<crypto::esp::InboundTable>(std::move(sas));
    view->taps.resize(sessions.index_end());
    for (const SessionControl& s : sessions) {
        view->session_drops[raw(s.index())] = s.in.get();
        view->taps[raw(s.index())] = s.tap();
    }
    return view;
}

}  // namespace

Result<Views, std::string> build_views(const Tunnels& tunnels, const Sessions& sessions) {
    const auto common = common_view(tunnels, sessions);
    if (!common) return Unexpected(common.error());
    const auto wan = wan_ports(tunnels);
    return Views{outbound_view(*common, tunnels, sessions, wan),
                 inbound_view(*common, tunnels, sessions, wan)};
}

std::string publication_key(const Tunnels& tunnels, const Sessions& sessions) {
    std::ostringstream key;
    for (const TunnelControl& t : tunnels) {
        key << raw(t.index()) << ' ' << t.out.get() << ' ' << t.path_mtu() << ' ' << t.revision();
        for (const auto& socket : t.sockets()) key << ' ' << socket.get();
        key << '\n';
    }
    for (const SessionControl& s : sessions)
        key << raw(s.index()) << ' ' << s.out.get() << ' ' << s.tap().get() << ' ' << s.revision() << ' '
            << s.condition.is_up() << '\n';
    return key.str();
}

namespace {

EspOverhead esp_overhead(const TunnelControl& tunnel) {
    const auto& outbound = tunnel.sas().outbound();
    const auto& manual = tunnel.config().esp;
    const auto suite = outbound ? outbound->sa->suite()
                       : manual ? manual->out.suite
                                : crypto::esp::Suite::aes256_gcm16;
    const auto mode = outbound ? outbound->mode : manual ? manual->mode : crypto::esp::Mode::transport;
    const bool in_udp =
        outbound ? outbound->way.in_udp : !manual || manual->encapsulation == config::EspEncapsulation::udp;
    const crypto::esp::SuiteShape shape = crypto::esp::shape_of(suite);
    EspOverhead overhead;
    overhead.in_udp = in_udp;
    overhead.iv = static_cast<std::uint32_t>(shape.iv);
    overhead.block = static_cast<std::uint32_t>(shape.alignment);
    overhead.icv = static_cast<std::uint32_t>(shape.icv);
    overhead.tunnel_mode = mode == crypto::esp::Mode::tunnel;
    overhead.inner_v6 = tunnel.options().local.is_v6();
    return overhead;
}

}  // namespace

MtuBudget budget_of(const TunnelControl& tunnel, const SessionControl& session) {
    const tunnel::SessionOptions& pseudowire = session.options_or_wish();
    MtuBudgetInput input;
    input.path_mtu = tunnel.path_mtu();
    const auto sockets = tunnel.wanted_sockets();
    input.outer_v6 = sockets.empty() ? tunnel.options().local.is_v6() : sockets.front().local.address.is_v6();
    input.l2tp_over_udp = tunnel.options().encapsulation == tunnel::Encapsulation::udp;
    input.cookie = session.options() ? pseudowire.remote_cookie.size : tunnel::kMaxCookieSize;
    input.sublayer = pseudowire.send_sublayer == tunnel::Sublayer::standard;
    input.tags = tags_inside(pseudowire);
    if (tunnel.is_protected()) input.esp = esp_overhead(tunnel);
    return mtu_budget(input);
}

OutboundMemory outbound_memory(const config::Configuration& config) {
    std::size_t largest = 1'500;
    for (const auto& bridge : config.bridges) largest = std::max<std::size_t>(largest, bridge.options.mtu);
    OutboundMemory memory;
    memory.largest_frame = largest + kEthernetHeaderSize + 2 * kVlanTagSize;
    const std::size_t most = kMostSlots * std::max<std::size_t>(1, config.datapath.packet_memory / kParts);
    memory.slots =
        std::clamp(part_of(config, kSlotParts) / (memory.largest_frame + kSlotOverhead), kFewestSlots, most);
    memory.large_blocks = part_of(config, kLargeParts) / kBlock;
    return memory;
}

InboundMemory inbound_memory(const config::Configuration& config) {
    return {part_of(config, kInboundParts) / kBlock};
}

}  // namespace isthmus::appliance
