#include "appliance/bridge_guard.h"

#include <ifaddrs.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <nlohmann/json.hpp>

#include "appliance/guard_state_file.h"
#include "appliance/guard_status.h"
#include "base/ethernet.h"

namespace isthmus::appliance {

namespace {

using stp_guard::GuardPort;
using stp_guard::Place;
using stp_guard::PortId;
using stp_guard::PortKind;

constexpr std::uint32_t kFirstTunnel = 0x1'0000;  ///< LAN ports have the numbers below
constexpr std::size_t kEventsKept = 200;
constexpr std::size_t kFramesAtOnce = 256;
constexpr std::chrono::milliseconds kSaveSoon{200};

PortId id_of(SessionIndex session) {
    return PortId{kFirstTunnel + raw(session)};
}
SessionIndex session_of(PortId id) {
    return SessionIndex{raw(id) - kFirstTunnel};
}

std::uint16_t vid_of(Bytes frame) {
    const auto view = EthernetView::parse(frame);
    return view && view->tag_count > 0 ? view->tags[0].vid() : std::uint16_t{0};
}

bool same(const GuardPort& a, const GuardPort& b) {
    return a.id == b.id && a.name == b.name && a.vlans == b.vlans && a.untagged == b.untagged &&
           a.renumbers == b.renumbers;
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

std::filesystem::path state_file(const ControlServices& services, const std::string& bridge) {
    return services.state_dir / ("guard-" + bridge + ".state");
}

}  // namespace

BridgeGuard::BridgeGuard(ControlServices& services, GuardSetup setup, Bytes domain_key,
                         std::function<void()> rules_changed)
    : services_(services),
      setup_(std::move(setup)),
      domain_key_(domain_key),
      authenticator_(domain_key),
      rules_changed_(std::move(rules_changed)),
      engine_(std::make_unique<stp_guard::GuardEngine>(setup_.identity, setup_.options, authenticator_,
                                                       services.rng)),
      deadline_(services.io,
                [this](TimePoint now) {
                    engine_->on_timeout(now);
                    drain();
                }),
      save_soon_(services.io, [this](TimePoint now) { save(now); }) {
    auto netlink = bridge::NetlinkSocket::open();
    if (netlink) netlink_ = std::move(*netlink);
    const auto saved = load_guard_state(state_file(services_, setup_.bridge));
    if (!saved) {
        services_.log->error("guard of {}: {}", setup_.bridge, saved.error());
    } else if (!saved->empty()) {
        const auto restored = engine_->restore(*saved, this_boot(), boot_now());
        if (!restored) services_.log->error("guard of {}: {}", setup_.bridge, restored.error());
    }
}

BridgeGuard::~BridgeGuard() {
    for (auto& [id, lan] : lans_)
        if (lan.readable) lan.readable->release();
}

bool BridgeGuard::is_still(const GuardSetup& setup, Bytes domain_key) const {
    const auto& ours = setup_.options;
    return setup.bridge == setup_.bridge && setup.identity == setup_.identity &&
           setup.options.observe == ours.observe && setup.options.opening.checked == ours.opening.checked &&
           setup.options.probes.per_second == ours.probes.per_second &&
           setup.options.mac_moves.pin == ours.mac_moves.pin &&
           equal_constant_time(domain_key, domain_key_.reveal());
}

// ------------------------------------------------------------------------------------------------- ports, sessions

void BridgeGuard::look(TimePoint now) {
    look_at_lans(now);
    look_at_sessions(now);
    listen_for_first_frames(now);
    drain();
}

void BridgeGuard::look_at_lans(TimePoint now) {
    const bridge::BridgeReport* report = services_.bridges.bridge(setup_.bridge);
    std::set<std::string> there;
    if (report != nullptr)
        for (const bridge::PortReport& port : report->ports)
            if (!port.tap) there.insert(port.name);
    for (const std::string& name : there) {
        const auto [known, fresh] =
            lan_ids_.try_emplace(name, PortId{static_cast<std::uint32_t>(lan_ids_.size() + 1)});
        const PortId id = known->second;
        Lan& lan = lans_[id];
        lan.name = name;
        const GuardPort port = lan_port(id, lan);
        if (const auto told = told_.find(name); told == told_.end() || !same(told->second, port)) {
            engine_->on_port(port, now);
            told_.insert_or_assign(name, port);
        }
        const auto* as_reported = services_.bridges.port(name);
        const bool up = as_reported != nullptr && as_reported->state.word == bridge::StateWord::up;
        const IfIndex index{if_nametoindex(name.c_str())};
        const bool other = lan.index != index;
        if (lan.up && (!up || other)) close_lan(id, lan, now);
        if (!lan.up && up && index != bridge::kNoInterface) open_lan(id, lan, index, now);
    }
    for (auto& [id, lan] : lans_)
        if (lan.up && !there.contains(lan.name)) close_lan(id, lan, now);
}

/// All VLANs that some session of the bridge carries: others are none of ours.
GuardPort BridgeGuard::lan_port(PortId id, const Lan& lan) const {
    GuardPort port;
    port.id = id;
    port.kind = PortKind::lan;
    port.name = lan.name;
    for (const SessionControl& session : services_.sessions) {
        if (session.bridge() != setup_.bridge || !session.config().guard.probes) continue;
        const bridge::TapPort tap = session.tap_port();
        port.vlans = port.vlans.united(tap.vlans);
        port.untagged = port.untagged || tap.untagged;
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
    port.renumbers = session.config().options.access_vlan.has_value();
    return port;
}

void BridgeGuard::look_at_sessions(TimePoint now) {
    std::set<PortId> there;
    for (const SessionControl& session : services_.sessions) {
        if (session.bridge() != setup_.bridge || !session.config().guard.probes) continue;
        const PortId id = id_of(session.index());
        there.insert(id);
        Tunnel& tunnel = tunnels_[id];
        tunnel.name = session.config().name;
        const GuardPort port = tunnel_port(id, session);
        if (const auto told = told_.find(port.name); told == told_.end() || !same(told->second, port)) {
            engine_->on_port(port, now);
            told_.insert_or_assign(port.name, port);
            tunnel.changed = true;
        }
        const bool up = session.condition.is_up();
        if (up != tunnel.up) engine_->on_link(id, up, now);
        tunnel.up = up;
        note_floods(session, tunnel, now);
    }
    for (auto it = tunnels_.begin(); it != tunnels_.end();) {
        if (there.contains(it->first)) {
            ++it;
            continue;
        }
        engine_->on_port_gone(it->first, now);
        told_.erase(it->second.name);
        it = tunnels_.erase(it);
    }
}

/// Which VLANs carry flooded frames: they are probed first.
void BridgeGuard::note_floods(const SessionControl& session, Tunnel& tunnel, TimePoint now) {
    for (const stp_guard::Direction direction :
         {stp_guard::Direction::to_tunnel, stp_guard::Direction::from_tunnel}) {
        const stp_guard::StormMeters& meters = session.meters->of(direction);
        const auto active = meters.active();
        for (std::size_t vid = 0; vid < active.size(); ++vid) {
            if (!active.test(vid)) continue;
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
    engine_->on_link(id, true, now);
    wait_for_lan(id);
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
        if (lans_.at(id).readable) wait_for_lan(id);
    });
}

void BridgeGuard::read_lan(PortId id) {
    Lan& lan = lans_.at(id);
    const auto each = [&](Bytes frame) {
        const TimePoint now = boot_now();
        if (stp_guard::peek_guard_frame(frame))
            engine_->on_guard_frame(id, vid_of(frame), frame, now);
        else if (const auto bpdu = stp_guard::parse_bpdu_frame(frame))
            engine_->on_bpdu(id, *bpdu, now);
    };
    const auto read = lan.watch->read(kFramesAtOnce, each);
    if (!read) {
        services_.log->debug("guard of {}: {}", setup_.bridge, read.error());
        close_lan(id, lan, boot_now());
    }
    drain();
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
    const PortId id = id_of(session);
    if (!tunnels_.contains(id)) return;
    engine_->on_guard_frame(id, vid_of(frame), frame, now);
    drain();
}

void BridgeGuard::on_storm(SessionIndex session, std::uint16_t vid, bool active, TimePoint now) {
    engine_->on_storm({id_of(session), vid}, active, now);
    drain();
}

void BridgeGuard::on_host(const bridge::netlink::FdbMessage& host, TimePoint now) {
    std::optional<PortId> at;
    for (const auto& [id, lan] : lans_)
        if (lan.up && lan.index == host.port) at = id;
    for (const auto& [id, tunnel] : tunnels_) {
        const SessionControl* session = services_.sessions.find(session_of(id));
        if (session != nullptr && session->tap() && session->tap()->index() == host.port) at = id;
    }
    if (!at) return;
    if (host.removed)
        engine_->on_host_gone(host.vid, host.mac, now);
    else if (host.learned)
        engine_->on_host({*at, host.vid}, host.mac, now);
    drain();
}

void BridgeGuard::on_fdb_overrun(TimePoint now) {
    engine_->on_fdb_overrun(now);
    drain();
}

void BridgeGuard::on_command(const stp_guard::GuardCommand& command, TimePoint now) {
    engine_->on_command(command, now);
    drain();
}

// ------------------------------------------------------------------------------------------------------- actions

void BridgeGuard::drain() {
    while (const auto action = engine_->poll_action()) std::visit([this](const auto& a) { act(a); }, *action);
    publish_states();
    if (unsaved_) save_soon_.arm(boot_now() + kSaveSoon);
    deadline_.arm(engine_->next_timeout());
}

void BridgeGuard::act(const stp_guard::SendProbe& action) {
    if (raw(action.place.port) >= kFirstTunnel) {
        (void)services_.injector.frame_to_tunnel(InjectClass::guard, session_of(action.place.port),
                                                 action.frame);
        return;
    }
    // One that finds no room is like one that was lost: the round goes on without it.
    const auto lan = lans_.find(action.place.port);
    if (lan != lans_.end() && lan->second.watch) (void)lan->second.watch->send(action.frame);
}

void BridgeGuard::act(const stp_guard::SendPeer& action) {
    (void)services_.injector.frame_to_tunnel(InjectClass::guard, session_of(action.session), action.frame);
}

void BridgeGuard::act(const stp_guard::SetVlanState& action) {
    Tunnel& tunnel = tunnels_[action.place.port];
    tunnel.states.set(action.place.vid, action.state);
    tunnel.changed = true;
}

void BridgeGuard::act(const stp_guard::BlockLanPort& action) {
    if (action.blocked)
        blocked_.insert(action.place);
    else
        blocked_.erase(action.place);
    rules_changed_();
}

void BridgeGuard::act(const stp_guard::FlushRemoteMacs& action) {
    if (!netlink_) return;
    std::vector<PortId> ports;
    for (const auto& [id, tunnel] : tunnels_) ports.push_back(id);
    if (action.local_too)
        for (const auto& [id, lan] : lans_) ports.push_back(id);
    for (const PortId id : ports) {
        const auto port = interface_of(id);
        if (!port) continue;
        const auto flushed =
            netlink_->change(bridge::netlink::flush_port(*port), "forget the hosts behind " + name_of(id));
        if (!flushed && flushed.error().code != ENODEV) note_problem(flushed.error().text());
    }
}

void BridgeGuard::act(const stp_guard::PinMac& action) {
    const auto port = interface_of(action.place.port);
    if (!netlink_ || !port) return;
    const auto request = action.pinned ? bridge::netlink::pin_host(*port, action.mac, action.place.vid)
                                       : bridge::netlink::remove_host(*port, action.mac, action.place.vid);
    const auto done =
        netlink_->change(request, "keep " + action.mac.text() + " on " + name_of(action.place.port));
    if (!done) note_problem(done.error().text());
}

void BridgeGuard::act(const stp_guard::ExpectFlood& action) {
    services_.log->debug("guard of {}: a topology change behind {}: flooding in VLAN {} is expected",
                         setup_.bridge, name_of(action.place.port), action.place.vid);
}

void BridgeGuard::act(const stp_guard::GuardEvent& action) {
    const auto level =
        action.severity == stp_guard::Severity::info ? spdlog::level::info : spdlog::level::warn;
    services_.log->log(level, "guard of {}: {}: {}", setup_.bridge, stp_guard::name_of(action.id),
                       action.sentence);
    events_.emplace_back(wall_now(), action);
    if (events_.size() > kEventsKept) events_.pop_front();
}

void BridgeGuard::act(const stp_guard::PersistState& /*action*/) {
    unsaved_ = true;
}

void BridgeGuard::publish_states() {
    bool any = false;
    for (auto& [id, tunnel] : tunnels_) {
        SessionControl* session = tunnel.changed ? services_.sessions.find(session_of(id)) : nullptr;
        if (session == nullptr) continue;
        tunnel.changed = false;
        any = true;
        GuardOrders orders = session->guard();
        orders.vlans = std::make_shared<const stp_guard::VlanStates>(tunnel.states);
        orders.node = setup_.identity.node;
        session->set_guard(std::move(orders));
    }
    if (any) services_.changed();
}

void BridgeGuard::note_problem(const std::string& sentence) {
    if (sentence == last_problem_) return;
    last_problem_ = sentence;
    services_.log->error("guard of {}: {}", setup_.bridge, sentence);
}

std::string BridgeGuard::name_of(PortId id) const {
    if (const auto lan = lans_.find(id); lan != lans_.end()) return lan->second.name;
    if (const auto tunnel = tunnels_.find(id); tunnel != tunnels_.end()) return tunnel->second.name;
    return "";
}

std::optional<IfIndex> BridgeGuard::interface_of(PortId id) const {
    if (const auto lan = lans_.find(id); lan != lans_.end() && lan->second.up) return lan->second.index;
    const SessionControl* session = services_.sessions.find(session_of(id));
    if (raw(id) < kFirstTunnel || session == nullptr || !session->tap()) return std::nullopt;
    return session->tap()->index();
}

std::optional<PortId> BridgeGuard::port_named(const std::string& name) const {
    for (const auto& [id, lan] : lans_)
        if (lan.name == name) return id;
    for (const auto& [id, tunnel] : tunnels_)
        if (tunnel.name == name) return id;
    return std::nullopt;
}

std::vector<std::string> BridgeGuard::lan_ports() const {
    std::vector<std::string> out;
    for (const auto& [id, lan] : lans_)
        if (lan.up) out.push_back(lan.name);
    return out;
}

std::map<std::string, bridge::VlanSelection> BridgeGuard::lan_blocks() const {
    std::map<std::string, bridge::VlanSelection> out;
    for (const Place place : blocked_) {
        bridge::VlanSelection& selection = out[name_of(place.port)];
        if (const auto vlan = VlanId::parse(place.vid))
            selection.vlans.insert(*vlan);
        else
            selection.untagged = true;
    }
    return out;
}

void BridgeGuard::save(TimePoint now) {
    unsaved_ = false;
    const auto saved =
        save_guard_state(state_file(services_, setup_.bridge), engine_->save(this_boot(), now));
    if (!saved) note_problem(saved.error());
}

nlohmann::json BridgeGuard::status(TimePoint now) const {
    return guard_status_json(setup_.bridge, engine_->status(now), events_, now,
                             [this](PortId id) { return name_of(id); });
}

}  // namespace isthmus::appliance
