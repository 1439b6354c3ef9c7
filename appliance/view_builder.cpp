#include "appliance/view_builder.h"

#include <algorithm>
#include <sstream>

#include "base/ethernet.h"

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
    for (const auto& t : tunnels) {
        tunnel::TunnelEntry entry;
        entry.index = t->index();
        entry.options = t->config().options;
        entry.is_protected = t->is_protected();
        entry.out = t->out.get();
        entry.in = t->in.get();
        tunnel_entries.push_back(entry);
    }
    std::vector<tunnel::SessionEntry> session_entries;
    for (const auto& s : sessions) {
        tunnel::SessionEntry entry;
        entry.index = s->index();
        entry.tunnel = s->tunnel();
        entry.options = s->config().options;
        entry.max_frame = budget_of(*tunnels[raw(s->tunnel())], *s).max_frame;
        entry.out = s->out.get();
        entry.in = s->in.get();
        session_entries.push_back(entry);
    }
    return tunnel::SessionTable::build(tunnel_entries, session_entries);
}

std::shared_ptr<const tunnel::InnerUdpTable> inner_udp_table(const Tunnels& tunnels) {
    auto table = std::make_shared<tunnel::InnerUdpTable>(tunnels.size());
    for (const auto& t : tunnels) {
        const tunnel::TunnelOptions& options = t->config().options;
        if (!t->is_protected() || options.encapsulation != tunnel::Encapsulation::udp) continue;
        tunnel::InnerUdp inner;
        inner.local_port = options.local_port;
        inner.remote_port = options.remote_port;
        inner.local = options.local;
        inner.remote = options.remote;
        // In transport mode inside UDP a NAT may have rewritten the addresses that the checksum covers.
        const config::EspConfig& esp = *t->config().esp;
        inner.verify_checksum =
            esp.mode == crypto::esp::Mode::tunnel || esp.encapsulation == config::EspEncapsulation::raw;
        (*table)[raw(t->index())] = inner;
    }
    return table;
}

std::shared_ptr<const tunnel::InnerIpTable> inner_ip_table(const Tunnels& tunnels) {
    auto table = std::make_shared<tunnel::InnerIpTable>(tunnels.size());
    for (const auto& t : tunnels) {
        if (!t->is_protected() || t->config().esp->mode != crypto::esp::Mode::tunnel) continue;
        (*table)[raw(t->index())] = tunnel::InnerIp{t->config().options.local, t->config().options.remote};
    }
    return table;
}

std::shared_ptr<const stp_guard::AdmissionTable> admission_table(const Sessions& sessions) {
    auto table = std::make_shared<stp_guard::AdmissionTable>();
    const auto open_vlans = std::make_shared<const stp_guard::VlanStates>(stp_guard::VlanState::open);
    for (const auto& s : sessions) {
        stp_guard::SessionAdmission admission;
        admission.options = s->config().admission;
        admission.state = s->condition.is_up() ? stp_guard::PortState::open : stp_guard::PortState::blocked;
        admission.meters = s->meters;
        admission.vlans = open_vlans;
        table->push_back(admission);
    }
    return table;
}

std::shared_ptr<const tunnel::MssClampStage::Table> mss_table(const Tunnels& tunnels,
                                                              const Sessions& sessions) {
    auto table = std::make_shared<tunnel::MssClampStage::Table>();
    for (const auto& s : sessions)
        table->push_back(tunnel::MssLimits::for_mtu(budget_of(*tunnels[raw(s->tunnel())], *s).ip_mtu));
    return table;
}

/// What both directions share; drops are scoped by the caller.
Result<CommonView, std::string> common_view(const Tunnels& tunnels, const Sessions& sessions) {
    CommonView view;
    auto table = session_table(tunnels, sessions);
    if (!table) return Unexpected(table.error());
    view.sessions = *table;
    view.inner_udp = inner_udp_table(tunnels);
    view.inner_ip = inner_ip_table(tunnels);
    view.admission = admission_table(sessions);
    view.mss_limits = mss_table(tunnels, sessions);
    for (const auto& t : tunnels) view.owners.insert(view.owners.end(), {t->out, t->in});
    for (const auto& s : sessions) view.owners.insert(view.owners.end(), {s->out, s->in});
    return view;
}

/// Sockets in use, each once, with the peers behind it; and each tunnel's place among them.
std::vector<WanPort> wan_ports(const Tunnels& tunnels, std::vector<std::optional<std::size_t>>& place) {
    std::vector<WanPort> ports;
    std::vector<std::vector<std::optional<Endpoint>>> peers;
    place.assign(tunnels.size(), std::nullopt);
    for (const auto& t : tunnels) {
        if (!t->socket()) continue;
        const auto known = std::find_if(ports.begin(), ports.end(),
                                        [&](const WanPort& p) { return p.socket == t->socket(); });
        const auto at = static_cast<std::size_t>(known - ports.begin());
        if (known == ports.end()) {
            ports.push_back({t->socket(), nullptr});
            peers.emplace_back(tunnels.size());
        }
        peers[at][raw(t->index())] = t->wan_remote();
        place[raw(t->index())] = at;
    }
    for (std::size_t i = 0; i < ports.size(); ++i)
        ports[i].peers = std::make_shared<tunnel::io::PeerTable>(peers[i]);
    return ports;
}

std::shared_ptr<const OutboundView> outbound_view(const CommonView& common, const Tunnels& tunnels,
                                                  const Sessions& sessions, const std::vector<WanPort>& wan,
                                                  const std::vector<std::optional<std::size_t>>& place) {
    auto view = std::make_shared<OutboundView>();
    static_cast<CommonView&>(*view) = common;
    view->wan = wan;
    auto sas = std::make_shared<crypto::esp::OutboundTable>();
    for (const auto& t : tunnels) {
        view->tunnels.push_back({place[raw(t->index())], t->is_protected()});
        view->tunnel_drops.push_back(t->out.get());
        sas->by_tunnel.push_back(t->outbound_sa());
    }
    view->sas = std::move(sas);
    for (const auto& s : sessions) {
        view->session_drops.push_back(s->out.get());
        if (s->tap()) view->lan.push_back({s->tap(), s->index(), s->tunnel()});
    }
    return view;
}

std::shared_ptr<const InboundView> inbound_view(const CommonView& common, const Tunnels& tunnels,
                                                const Sessions& sessions, const std::vector<WanPort>& wan,
                                                const std::vector<std::optional<std::size_t>>& place) {
    auto view = std::make_shared<InboundView>();
    static_cast<CommonView&>(*view) = common;
    view->wan = wan;
    view->wan_is_protected.assign(wan.size(), true);
    std::vector<crypto::esp::InboundTable::Entry> sas;
    for (const auto& t : tunnels) {
        view->tunnel_drops.push_back(t->in.get());
        if (t->inbound_sa()) sas.push_back({t->inbound_sa(), t->index()});
        if (const auto at = place[raw(t->index())]) view->wan_is_protected[*at] = t->is_protected();
    }
    view->sas = std::make_shared<crypto::esp::InboundTable>(std::move(sas));
    for (const auto& s : sessions) {
        view->session_drops.push_back(s->in.get());
        view->taps.push_back(s->tap());
    }
    return view;
}

}  // namespace

Result<Views, std::string> build_views(const Tunnels& tunnels, const Sessions& sessions) {
    const auto common = common_view(tunnels, sessions);
    if (!common) return Unexpected(common.error());
    std::vector<std::optional<std::size_t>> place;
    const auto wan = wan_ports(tunnels, place);
    return Views{outbound_view(*common, tunnels, sessions, wan, place),
                 inbound_view(*common, tunnels, sessions, wan, place)};
}

std::string publication_key(const Tunnels& tunnels, const Sessions& sessions) {
    std::ostringstream key;
    for (const auto& t : tunnels)
        key << t->socket().get() << ' ' << t->path_mtu() << ' ' << t->outbound_sa().get() << ' '
            << t->inbound_sa().get() << '\n';
    for (const auto& s : sessions) key << s->tap().get() << ' ' << s->condition.is_up() << '\n';
    return key.str();
}

MtuBudget budget_of(const TunnelControl& tunnel, const SessionControl& session) {
    const tunnel::TunnelOptions& options = tunnel.config().options;
    const tunnel::SessionOptions& pseudowire = session.config().options;
    MtuBudgetInput input;
    input.path_mtu = tunnel.path_mtu();
    input.outer_v6 = tunnel.wan_remote().address.is_v6();
    input.l2tp_over_udp = options.encapsulation == tunnel::Encapsulation::udp;
    input.cookie = pseudowire.remote_cookie.size;
    input.sublayer = pseudowire.send_sublayer == tunnel::Sublayer::standard;
    input.tags = tags_inside(pseudowire);
    if (tunnel.is_protected()) {
        const config::EspConfig& esp = *tunnel.config().esp;
        const crypto::esp::SuiteShape shape = crypto::esp::shape_of(esp.out.suite);
        EspOverhead overhead;
        overhead.in_udp = esp.encapsulation == config::EspEncapsulation::udp;
        overhead.iv = static_cast<std::uint32_t>(shape.iv);
        overhead.block = static_cast<std::uint32_t>(shape.alignment);
        overhead.icv = static_cast<std::uint32_t>(shape.icv);
        overhead.tunnel_mode = esp.mode == crypto::esp::Mode::tunnel;
        overhead.inner_v6 = options.remote.is_v6();
        input.esp = overhead;
    }
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
