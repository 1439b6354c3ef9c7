#include "appliance/bridge_guard.h"

#include <ifaddrs.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <sys/socket.h>

#include <algorithm>

#include "appliance/bridge_guard_ports.h"
#include "appliance/guard_state_file.h"
#include "base/ethernet.h"

namespace isthmus::appliance {

namespace {

using stp_guard::GuardPort;
using stp_guard::Place;
using stp_guard::PortId;
using stp_guard::PortKind;

constexpr std::size_t kFramesAtOnce = 256;
constexpr stp_guard::RateLimit kGuardFrames{2'000, 1'000};  // of each LAN port
constexpr stp_guard::RateLimit kOtherFrames{500, 500};

std::uint16_t vid_of(Bytes frame) {
    const auto view = EthernetView::parse(frame);
    return view && view->tag_count > 0 ? view->tags[0].vid() : std::uint16_t{0};
}

/// Packets that an interface has received, by name.
std::map<std::string, std::uint64_t> received_packets() {
    std::map<std::string, std::uint64_t> out;
    ifaddrs* list = nullptr;
    if (getifaddrs(&list) != 0) return out;
    const std::unique_ptr<ifaddrs, void (*)(ifaddrs*)> owner(list, freeifaddrs);
    for (const ifaddrs* i = list; i != nullptr; i = i->ifa_next)
        if (i->ifa_addr != nullptr && i->ifa_addr->sa_family == AF_PACKET && i->ifa_data != nullptr)
            out[i->ifa_name] = static_cast<const rtnl_link_stats*>(i->ifa_data)->rx_packets;
    return out;
}

}  // namespace

BridgeGuard::BridgeGuard(ControlServices& services, GuardSetup setup, Bytes domain_key, GuardHelp help)
    : services_(services),
      setup_(std::move(setup)),
      domain_key_(domain_key),
      authenticator_(domain_key),
      help_(std::move(help)),
      rng_(services.rng),
      engine_(
          std::make_unique<stp_guard::GuardEngine>(setup_.identity, setup_.options, authenticator_, rng_)),
      observers_(setup_.bpdus, [this](PortId id) { return name_of(id); }),
      deadline_(services.io,
                [this](TimePoint now) {
                    engine_->on_timeout(now);
                    observers_.on_timeout(now);
                    gatherer_.on_timeout(now);
                    drain();
                }),
      save_soon_(services.io, [this](TimePoint now) { save(now); }) {
    auto netlink = bridge::NetlinkSocket::open();
    if (netlink) netlink_ = std::move(*netlink);
    const auto saved = load_guard_state(guard_state_file(services_.state_dir, setup_.bridge));
    if (!saved) {
        services_.log->error("guard of {}: {}", setup_.bridge, saved.error());
    } else if (!saved->empty()) {
        const auto restored = engine_->restore(*saved, this_boot(), boot_now());
        if (!restored) services_.log->error("guard of {}: {}", setup_.bridge, restored.error());
    }
}

BridgeGuard::~BridgeGuard() {
    for (const auto& [place, vlan] : blocked_in_bridge_)
        (void)set_in_bridge(place, vlan, bridge::PortState::forwarding);
    for (auto& [id, lan] : lans_)
        if (lan.readable) lan.readable->release();
    gatherer_.flush();
    while (const auto event = gatherer_.poll_event()) tell(*event);
}

bool BridgeGuard::is_still(const GuardSetup& setup, Bytes domain_key) const {
    const auto& ours = setup_.options;
    return setup.bridge == setup_.bridge && setup.identity == setup_.identity &&
           setup.options.observe == ours.observe && setup.options.opening.checked == ours.opening.checked &&
           setup.options.probes.per_second == ours.probes.per_second &&
           setup.options.mac_moves.pin == ours.mac_moves.pin && setup.bpdus == setup_.bpdus &&
           equal_constant_time(domain_key, domain_key_.reveal());
}

// ------------------------------------------------------------------------------------------------- ports, sessions

void BridgeGuard::look(const SessionList& sessions, TimePoint now) {
    const bridge::BridgeReport* report = services_.bridges.bridge(setup_.bridge);
    bridge_filters_vlans_ = report != nullptr && report->vlan_filtering;
    native_vid_ = bridge_filters_vlans_ && report->native ? report->native->value() : std::uint16_t{0};
    engine_->on_bridge(bridge_filters_vlans_);
    tree_ = report != nullptr && report->tree;
    bridge_index_ = IfIndex{if_nametoindex(setup_.bridge.c_str())};
    VlanSet dual;
    bool dual_untagged = false;
    for (const SessionControl* session : sessions) {
        dual = dual.united(session->config().guard.gateways.dual);
        dual_untagged = dual_untagged || session->config().guard.gateways.dual_untagged;
    }
    observers_.set_dual(std::move(dual), dual_untagged);
    look_at_lans(sessions, now);
    look_at_sessions(sessions, now);
    listen_for_first_frames(now);
    orders_changed_ = true;
    drain();
}

void BridgeGuard::look_at_lans(const SessionList& sessions, TimePoint now) {
    std::set<PortId> there;
    for (const bridge::PortReport& reported : reported_ports()) {
        const auto id = PortId{static_cast<std::uint32_t>(lan_ids_.size() + 1)};
        const PortId known = lan_ids_.try_emplace(reported.name, id).first->second;
        there.insert(known);
        Lan& lan = lans_[known];
        lan.name = reported.name;
        lan.vlans = reported.vlans;
        const GuardPort port = lan_port(known, reported, sessions);
        if (const auto told = told_.find(known); told == told_.end() || told->second != port) {
            engine_->on_port(port, now);
            told_.insert_or_assign(known, port);
        }
        // A port that the kernel's spanning tree keeps closed is no way for frames: a loop through it is cut already.
        const bool up = reported.state.word == bridge::StateWord::up && reported.forwards;
        const IfIndex index{if_nametoindex(lan.name.c_str())};
        if (lan.up && (!up || lan.index != index)) close_lan(known, lan, now);
        if (!lan.up && up && index != bridge::kNoInterface) open_lan(known, lan, index, now);
    }
    const auto all = lan_ids_;
    for (const auto& [name, id] : all)
        if (!there.contains(id) && lans_.contains(id)) drop_lan(id, now);
}

/// LAN ports, also those that an adopted bridge had before us.
std::vector<bridge::PortReport> BridgeGuard::reported_ports() const {
    const bridge::BridgeReport* report = services_.bridges.bridge(setup_.bridge);
    if (report == nullptr) return {};
    std::vector<bridge::PortReport> out = report->ports;
    std::erase_if(out, [](const bridge::PortReport& port) { return port.tap; });
    out.insert(out.end(), report->others.begin(), report->others.end());
    return out;
}

/// It is no port of the bridge any more.
void BridgeGuard::drop_lan(PortId id, TimePoint now) {
    Lan& lan = lans_.at(id);
    if (lan.up) close_lan(id, lan, now);
    engine_->on_port_gone(id, now);
    drain();  // before its name is forgotten
    told_.erase(id);
    lans_.erase(id);
}

/// All VLANs that some session of the bridge carries, and the bridge lets through the port: others are none of ours. One that is blocked
/// stays, also where somebody takes it from the port: it may come back.
GuardPort BridgeGuard::lan_port(PortId id, const bridge::PortReport& reported,
                                const SessionList& sessions) const {
    GuardPort port;
    port.id = id;
    port.kind = PortKind::lan;
    port.name = reported.name;
    for (const SessionControl* session : sessions) {
        const bridge::TapPort tap = session->tap_port();
        port.vlans = port.vlans.united(tap.vlans);
        port.untagged = port.untagged || tap.untagged;
    }
    const GuardPort all = port;
    port.vlans = reported.vlans.carried(port.vlans);
    port.untagged = port.untagged && reported.vlans.carries(0);
    for (auto blocked = blocked_.lower_bound({id, 0}); blocked != blocked_.end() && blocked->port == id;
         ++blocked) {
        const auto vlan = VlanId::parse(blocked->vid);
        if (vlan && all.vlans.contains(*vlan)) port.vlans.insert(*vlan);
        if (!vlan) port.untagged = all.untagged;
    }
    return port;
}

GuardPort BridgeGuard::tunnel_port(PortId id, const SessionControl& session) {
    const bridge::TapPort tap = session.tap_port();
    GuardPort port;
    port.id = id;
    port.kind = PortKind::tunnel;
    port.name = session.config().name;
    port.vlans = tap.vlans;
    port.untagged = tap.untagged;
    const tunnel::SessionOptions& options = session.config().options;
    port.renumbers = options.access_vlan.has_value();
    const bool tagged = options.type == tunnel::PseudowireType::ethernet_vlan;
    if (options.access_vlan)
        port.message_tag = options.access_vlan->value();
    else if (tagged)
        port.message_tag = 0;
    if (options.access_vlan && tagged) port.wire_vid = options.access_vlan->value();
    port.isolated = tap.isolated;
    port.observe = session.config().admission.observe;
    port.one_tree = session.config().admission.bpdus == stp_guard::BpduPolicy::transparent;
    return port;
}

void BridgeGuard::look_at_sessions(const SessionList& sessions, TimePoint now) {
    std::set<PortId> there;
    for (const SessionControl* session : sessions) {
        const PortId id = port_id_of(session->index());
        there.insert(id);
        const auto before = tunnels_.find(id);
        if (before != tunnels_.end() && before->second.name != session->config().name) drop_tunnel(id, now);
        Tunnel& tunnel = tunnels_[id];
        tunnel.name = session->config().name;
        tunnel.root_guard = session->config().guard.root_guard;
        const GuardPort port = tunnel_port(id, *session);
        if (const auto told = told_.find(id); told == told_.end() || told->second != port) {
            engine_->on_port(port, now);
            told_.insert_or_assign(id, port);
            tunnel.changed = true;
        }
        const bool up = session->condition.is_up();
        if (up != tunnel.up) engine_->on_link(id, up, now);
        tunnel.up = up;
        note_floods(*session, tunnel, now);
    }
    std::vector<PortId> gone;
    for (const auto& [id, tunnel] : tunnels_)
        if (!there.contains(id)) gone.push_back(id);
    for (const PortId id : gone) drop_tunnel(id, now);
}

void BridgeGuard::drop_tunnel(PortId id, TimePoint now) {
    engine_->on_port_gone(id, now);
    drain();  // before its name is forgotten
    told_.erase(id);
    tunnels_.erase(id);
}

/// Which VLANs carry flooded frames, or would if they were open: they are probed first.
void BridgeGuard::note_floods(const SessionControl& session, Tunnel& tunnel, TimePoint now) {
    for (const stp_guard::Direction direction :
         {stp_guard::Direction::to_tunnel, stp_guard::Direction::from_tunnel}) {
        stp_guard::StormMeters& meters = session.meters->of(direction);
        const auto wanted = meters.take_wanted();
        for (std::size_t vid = wanted._Find_first(); vid < wanted.size(); vid = wanted._Find_next(vid))
            engine_->on_bum(static_cast<std::uint16_t>(vid), now);
        const auto active = meters.active();
        for (std::size_t vid = active._Find_first(); vid < active.size(); vid = active._Find_next(vid)) {
            std::uint64_t offered = 0;
            for (std::size_t c = 0; c < stp_guard::kStormClassCount; ++c)
                offered +=
                    meters.totals(static_cast<std::uint16_t>(vid), static_cast<stp_guard::StormClass>(c))
                        .offered;
            const auto key = static_cast<std::uint16_t>(
                vid | (direction == stp_guard::Direction::to_tunnel ? 0U : 0x8000U));
            std::uint64_t& before = tunnel.flooded[key];
            if (offered != before) engine_->on_bum(static_cast<std::uint16_t>(vid), now);
            before = offered;
        }
    }
}

void BridgeGuard::open_lan(PortId id, Lan& lan, IfIndex index, TimePoint now) {
    auto watch = bridge::PortWatch::open(lan.name);
    if (!watch) return note_problem(watch.error());
    lan.watch.emplace(std::move(*watch));
    lan.readable = std::make_unique<asio::posix::stream_descriptor>(services_.io, lan.watch->fd());
    lan.index = index;
    lan.up = true;
    lan.heard = false;
    const auto counts = received_packets();
    const auto count = counts.find(lan.name);
    lan.received = count == counts.end() ? 0 : count->second;
    engine_->on_link(id, true, now, link_of(index));
    wait_for_lan(id);
}

/// The same interface, and its link has not come or gone: then it is the same link, also for a process that starts anew.
std::uint64_t BridgeGuard::link_of(IfIndex index) {
    const auto changes =
        netlink_ ? netlink_->carrier_changes(index) : Result<std::uint32_t, bridge::NetlinkError>(0U);
    return netlink_ && changes ? std::uint64_t{raw(index)} << 32 | *changes : 0;
}

void BridgeGuard::close_lan(PortId id, Lan& lan, TimePoint now) {
    lan.up = false;
    if (lan.readable) lan.readable->release();
    lan.readable.reset();
    lan.watch.reset();
    engine_->on_link(id, false, now);
}

void BridgeGuard::wait_for_lan(PortId id) {
    lans_.at(id).readable->async_wait(asio::posix::stream_descriptor::wait_read, [this, id](ErrorCode error) {
        if (error) return;
        read_lan(id);
        const auto lan = lans_.find(id);
        if (lan != lans_.end() && lan->second.readable) wait_for_lan(id);
    });
}

void BridgeGuard::read_lan(PortId id) {
    Lan& lan = lans_.at(id);
    const TimePoint now = boot_now();
    const auto read = lan.watch->read(kFramesAtOnce, [&](Bytes frame) { on_lan_frame(id, lan, frame, now); });
    if (!read) {
        services_.log->debug("guard of {}: {}", setup_.bridge, read.error());
        close_lan(id, lan, now);
    }
    drain();
}

void BridgeGuard::on_lan_frame(PortId id, Lan& lan, Bytes frame, TimePoint now) {
    if (const auto guard = stp_guard::peek_guard_frame(frame)) {
        const bool own = guard->header.sender.node == setup_.identity.node;
        const auto vid = lan.vlans.from_wire(vid_of(frame));  // else the bridge drops it: it goes no further
        if (vid && (own ? lan.own_frames : lan.guard_frames).take(kGuardFrames, 1, now))
            engine_->on_guard_frame(id, *vid, frame, now);
        return;
    }
    if (!lan.other_frames.take(kOtherFrames, 1, now)) return;
    const stp_guard::SeenAt at{id, PortKind::lan};
    const auto bpdu = stp_guard::parse_bpdu_frame(frame);
    if (!bpdu) return observers_.on_gateway_frame(at, frame, now);
    engine_->on_bpdu(id, *bpdu, now);
    observers_.on_bpdu(at, *bpdu, now);
}

/// Ours do not come back, but for a loop: whatever arrives shows that the LAN is alive.
void BridgeGuard::listen_for_first_frames(TimePoint now) {
    const bool wanted =
        std::any_of(lans_.begin(), lans_.end(), [](const auto& l) { return l.second.up && !l.second.heard; });
    if (!wanted) return;
    const auto counts = received_packets();
    for (auto& [id, lan] : lans_) {
        const auto count = counts.find(lan.name);
        if (!lan.up || lan.heard || count == counts.end() || count->second == lan.received) continue;
        lan.heard = true;
        engine_->on_lan_frame(id, now);
    }
}

// --------------------------------------------------------------------------------------------------- what happens

void BridgeGuard::on_punted(SessionIndex session, Bytes frame, TimePoint now) {
    const PortId id = port_id_of(session);
    if (!tunnels_.contains(id)) return;
    engine_->on_guard_frame(id, vid_of(frame), frame, now);
    drain();
}

void BridgeGuard::on_tunnel_bpdu(SessionIndex session, Bytes frame, TimePoint now) {
    const auto bpdu = stp_guard::parse_bpdu_frame(frame);
    if (!bpdu || !tunnels_.contains(port_id_of(session))) return;
    const PortId id = port_id_of(session);
    observers_.on_bpdu({id, PortKind::tunnel}, *bpdu, now);
    const SessionControl* from = services_.sessions.find(session);
    if (from != nullptr && from->config().admission.bpdus == stp_guard::BpduPolicy::guard)
        engine_->on_tunnel_bpdu({id, vid_of(frame)}, now);
    drain();
}

void BridgeGuard::on_gateway_frame(SessionIndex session, bool from_tunnel, Bytes frame, TimePoint now) {
    const PortId id = port_id_of(session);
    if (!tunnels_.contains(id)) return;
    // What a session's interface was given came from some LAN port: which one does not matter here.
    observers_.on_gateway_frame({id, from_tunnel ? PortKind::tunnel : PortKind::lan}, frame, now);
    drain();
}

void BridgeGuard::on_circling_frame(SessionIndex session, Bytes frame, TimePoint now) {
    engine_->on_circling_frame({port_id_of(session), vid_of(frame)}, frame, now);
    drain();
}

void BridgeGuard::on_stray_unicast(SessionIndex session, Bytes frame, TimePoint now) {
    engine_->on_stray_unicast({port_id_of(session), vid_of(frame)}, frame, now);
    drain();
}

void BridgeGuard::on_storm(SessionIndex session, std::uint16_t vid, bool active, TimePoint now) {
    engine_->on_storm({port_id_of(session), vid}, active, now);
    drain();
}

void BridgeGuard::on_hosts(const std::vector<bridge::netlink::FdbMessage>& hosts, TimePoint now) {
    std::map<IfIndex, PortId> ports;
    for (const auto& [id, lan] : lans_)
        if (lan.up) ports.emplace(lan.index, id);
    for (const auto& [id, tunnel] : tunnels_)
        if (const auto index = interface_of(id)) ports.emplace(*index, id);
    for (const bridge::netlink::FdbMessage& host : hosts) {
        const auto at = ports.find(host.port);
        const std::uint16_t vid =
            bridge_filters_vlans_ && host.vid != native_vid_ ? host.vid : std::uint16_t{0};
        const SessionIndex number{raw(bridge_index_)};
        if (host.removed)
            services_.hosts.bridge.forget(number, vid, host.mac);
        else
            (void)services_.hosts.bridge.heard(number, vid, host.mac, {0, 0}, now);
        if (at == ports.end()) continue;
        if (host.removed)
            engine_->on_host_gone(vid, host.mac, now);
        else if (host.learned)
            engine_->on_host({at->second, vid}, host.mac, now);
    }
    drain();
}

void BridgeGuard::on_fdb_overrun(TimePoint now) {
    engine_->on_fdb_overrun(now);
    drain();
}

void BridgeGuard::on_heavy_storm(SessionIndex session, std::uint16_t vid, TimePoint now) {
    engine_->on_heavy_storm({port_id_of(session), vid}, now);
    drain();
}

std::size_t BridgeGuard::on_command(const stp_guard::GuardCommand& command, TimePoint now) {
    const std::size_t concerned = engine_->on_command(command, now);
    drain();
    return concerned;
}

}  // namespace isthmus::appliance
