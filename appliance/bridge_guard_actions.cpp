// What a bridge's guard does with what its engine wants done, and what it tells of itself.
#include <net/if.h>

#include <algorithm>
#include <cerrno>
#include <nlohmann/json.hpp>
#include <utility>

#include "appliance/bridge_guard.h"
#include "appliance/bridge_guard_ports.h"
#include "appliance/guard_state_file.h"
#include "base/ethernet.h"
#include "bridge/netlink/link_requests.h"
#include "stp-guard/guard_message.h"

namespace isthmus::appliance {

namespace {

using stp_guard::GuardEventId;
using stp_guard::GuardPort;
using stp_guard::Place;
using stp_guard::PortId;

constexpr std::size_t kEventsKept = 200;
constexpr std::chrono::milliseconds kSaveSoon{200};

/// Worth a capture: something was seen on the wire, and not ordered or merely missing.
bool is_about_frames(const stp_guard::GuardEvent& event) {
    if (event.severity == stp_guard::Severity::info) return false;
    return event.id != GuardEventId::held && event.id != GuardEventId::cleared &&
           event.id != GuardEventId::peer_without_guard && event.id != GuardEventId::identity_refused;
}

}  // namespace

void BridgeGuard::drain() {
    {
        const Together together(services_.injector);
        while (const auto action = engine_->poll_action())
            std::visit([this](const auto& a) { act(a); }, *action);
    }
    while (const auto event = observers_.poll_event()) act(*event);
    while (const auto event = gatherer_.poll_event()) tell(*event);
    publish_orders();
    if (std::exchange(rules_changed_, false)) help_.rules_changed();
    std::optional<TimePoint> soonest;
    for (const auto at : {engine_->next_timeout(), observers_.next_timeout(), gatherer_.next_timeout()})
        if (at && (!soonest || *at < *soonest)) soonest = at;
    deadline_.arm(soonest);
}

void BridgeGuard::act(const stp_guard::SendProbe& action) {
    if (is_tunnel(action.place.port)) {
        (void)services_.injector.frame_to_tunnel(InjectClass::guard, session_of(action.place.port),
                                                 action.frame);
        return;
    }
    const auto lan = lans_.find(action.place.port);
    if (lan == lans_.end() || !lan->second.watch) return;
    const auto vid = lan->second.vlans.on_wire(action.place.vid);
    if (!vid) return;  // the bridge gives nothing of that VLAN to the port
    constexpr std::uint16_t kTci = stp_guard::kGuardPriority << 13;
    const bool as_it_is = *vid == action.place.vid;
    // One that finds no room is like one that was lost: the round goes on without it.
    (void)lan->second.watch->send(as_it_is ? Bytes(action.frame) : Bytes(with_vid(action.frame, *vid, kTci)));
}

void BridgeGuard::act(const stp_guard::SendPeer& action) {
    (void)services_.injector.frame_to_tunnel(InjectClass::guard, session_of(action.session), action.frame);
}

void BridgeGuard::act(const stp_guard::SetVlanState& action) {
    const auto found = tunnels_.find(action.place.port);
    if (found == tunnels_.end()) return;
    Tunnel& tunnel = found->second;
    tunnel.states.set(action.place.vid, action.state);
    tunnel.changed = orders_changed_ = true;
}

void BridgeGuard::act(const stp_guard::BlockLanPort& action) {
    if (action.blocked)
        blocked_.insert(action.place);
    else
        blocked_.erase(action.place);
    rules_changed_ = true;
}

void BridgeGuard::act(const stp_guard::FlushRemoteMacs& action) {
    for (const auto& [id, tunnel] : tunnels_) flush(id, action.vid);
    if (!action.local_too) return;
    for (const auto& [id, lan] : lans_) flush(id, action.vid);
}

/// A bridge that does not filter VLANs knows hosts of all of them together.
void BridgeGuard::flush(PortId id, std::optional<std::uint16_t> vid) {
    const auto port = interface_of(id);
    if (!netlink_ || !port) return;
    const std::string doing = "forget the hosts behind " + name_of(id);
    const std::uint16_t own = vid.value_or(0) == 0 ? native_vid_ : *vid;
    if (vid && bridge_filters_vlans_ && flushes_vlans_ && own != 0) {
        const auto flushed = netlink_->change(bridge::netlink::flush_port_vlan(*port, own), doing);
        if (flushed || flushed.error().code == ENODEV) return;
        flushes_vlans_ = false;  // an older kernel
    }
    const auto flushed = netlink_->change(bridge::netlink::flush_port(*port), doing);
    if (!flushed && flushed.error().code != ENODEV) note_problem(flushed.error().text());
}

void BridgeGuard::on_lan_rules(bool in_force) {
    const bool usable = bridge_filters_vlans_ && sets_vlan_states_ && !tree_;
    engine_->on_lan_rules(in_force || usable);
    std::map<Place, VlanId> wanted;
    for (const Place place : blocked_) {
        if (in_force || !usable) break;
        const auto lan = lans_.find(place.port);
        const auto vlan = lan == lans_.end() ? std::nullopt : lan->second.vlans.in_bridge(place.vid);
        if (vlan) wanted.emplace(place, *vlan);
    }
    for (const auto& [place, vlan] : std::exchange(blocked_in_bridge_, {})) {
        const auto still = wanted.find(place);
        const bool goes_on = still != wanted.end() && still->second == vlan;
        if (!goes_on && !set_in_bridge(place, vlan, bridge::PortState::forwarding))
            blocked_in_bridge_.emplace(place, vlan);  // a spanning tree has the say there now
    }
    // Each time anew: somebody may have set them to something else.
    for (const auto& [place, vlan] : wanted)
        if (set_in_bridge(place, vlan, bridge::PortState::blocking)) blocked_in_bridge_.emplace(place, vlan);
}

/// False: the kernel refuses.
bool BridgeGuard::set_in_bridge(Place place, VlanId vlan, bridge::PortState state) {
    const auto lan = lans_.find(place.port);
    if (!netlink_ || lan == lans_.end()) return true;
    const IfIndex port{if_nametoindex(lan->second.name.c_str())};
    const auto done =
        netlink_->change(bridge::netlink::set_vlan_state(port, vlan, state),
                         std::string(state == bridge::PortState::forwarding ? "open" : "block") + " VLAN " +
                             std::to_string(vlan.value()) + " on " + lan->second.name);
    const bool gone = !done && (done.error().code == ENODEV || done.error().code == ENOENT);
    if (done || gone) return true;
    if (done.error().code != EBUSY) sets_vlan_states_ = false;  // an older kernel
    note_problem(done.error().text());
    return false;
}

void BridgeGuard::act(const stp_guard::PinMac& action) {
    const auto port = interface_of(action.place.port);
    if (!netlink_ || !port) return;
    const std::uint16_t vid = action.place.vid == 0 ? native_vid_ : action.place.vid;
    const auto request = action.pinned ? bridge::netlink::pin_host(*port, action.mac, vid)
                                       : bridge::netlink::remove_host(*port, action.mac, vid);
    const auto done =
        netlink_->change(request, "keep " + action.mac.text() + " on " + name_of(action.place.port));
    if (!done) note_problem(done.error().text());
}

void BridgeGuard::act(const stp_guard::StrayHost& action) {
    const SessionIndex bridge{raw(bridge_index_)};
    if (action.stray)
        services_.hosts.strays.note(bridge, action.place.vid, action.mac, boot_now());
    else
        services_.hosts.strays.forget(bridge, action.place.vid, action.mac);
}

void BridgeGuard::act(const stp_guard::ExpectFlood& action) {
    if (is_tunnel(action.place.port))
        help_.expect_flood(session_of(action.place.port), action.place.vid, action.until);
}

void BridgeGuard::act(const stp_guard::LoopSign& action) {
    // Of hosts that move a bridge that does not filter VLANs says no VLAN.
    const bool unknown = action.vid == 0 && !bridge_filters_vlans_;
    for (const auto& [id, tunnel] : tunnels_) {
        const auto told = told_.find(id);
        if (told == told_.end()) continue;
        const GuardPort& port = told->second;
        const bool carries = action.vid == 0 ? port.untagged : port.vlans.contains_vid(action.vid);
        if (unknown || carries) help_.evidence(session_of(id), unknown ? stp_guard::kAllVlans : action.vid);
    }
}

void BridgeGuard::act(const stp_guard::GuardEvent& action) {
    gatherer_.add(action, boot_now());
}

void BridgeGuard::tell(const stp_guard::GatheredEvent& gathered) {
    const stp_guard::GuardEvent& event = gathered.event;
    const auto level =
        event.severity == stp_guard::Severity::info ? spdlog::level::info : spdlog::level::warn;
    services_.log->log(level, "guard of {}: {}: {}", setup_.bridge, stp_guard::name_of(event.id),
                       event.sentence);
    std::string capture;
    if (is_about_frames(event))
        capture = help_.captures.take(std::string(stp_guard::name_of(event.id)), boot_now());
    events_.push_back({wall_now(), gathered, std::move(capture)});
    if (events_.size() > kEventsKept) events_.pop_front();
}

void BridgeGuard::act(const stp_guard::PersistState& /*action*/) {
    // Not later for what comes meanwhile.
    if (!std::exchange(unsaved_, true)) save_soon_.arm(boot_now() + kSaveSoon);
}

/// What has changed for the workers since the last time.
void BridgeGuard::publish_orders() {
    if (!std::exchange(orders_changed_, false)) return;
    const bool guard_root =
        std::any_of(tunnels_.begin(), tunnels_.end(), [](const auto& t) { return t.second.root_guard; });
    const auto roots = guard_root ? observers_.lan_roots() : decltype(observers_.lan_roots()){};
    bool any = false;
    for (auto& [id, tunnel] : tunnels_) {
        SessionControl* session = services_.sessions.find(session_of(id));
        if (session == nullptr) continue;
        GuardOrders orders = orders_of(*session, tunnel, roots);
        tunnel.changed = false;
        if (orders == session->guard()) continue;
        session->set_guard(std::move(orders));
        any = true;
    }
    if (any) services_.changed();
}

GuardOrders BridgeGuard::orders_of(
    const SessionControl& session, const Tunnel& tunnel,
    const std::vector<std::pair<std::uint16_t, stp_guard::BridgeId>>& roots) const {
    GuardOrders orders;
    const bool news = tunnel.changed || session.guard().node != setup_.identity.node;
    orders.vlans =
        news ? std::make_shared<const stp_guard::VlanStates>(tunnel.states) : session.guard().vlans;
    orders.node = setup_.identity.node;
    if (tunnel.root_guard) orders.protected_roots = roots;
    if (hosts_known_) orders.bridge = bridge_index_;
    orders.bridge_filters_vlans = bridge_filters_vlans_;
    return orders;
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
    if (!is_tunnel(id)) return std::nullopt;
    const SessionControl* session = services_.sessions.find(session_of(id));
    if (session == nullptr || !session->tap()) return std::nullopt;
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
    for (const auto& [id, lan] : lans_) out.push_back(lan.name);
    return out;
}

std::map<std::string, bridge::VlanSelection> BridgeGuard::lan_blocks() const {
    std::map<std::string, bridge::VlanSelection> out;
    for (const Place place : blocked_) {
        const auto lan = lans_.find(place.port);
        if (lan != lans_.end()) lan->second.vlans.select(place.vid, out[lan->second.name]);
    }
    return out;
}

void BridgeGuard::save(TimePoint now) {
    unsaved_ = false;
    const auto saved = save_guard_state(guard_state_file(services_.state_dir, setup_.bridge),
                                        engine_->save(this_boot(), now));
    if (!saved) note_problem(saved.error());
}

nlohmann::json BridgeGuard::status(TimePoint now) const {
    nlohmann::json out = guard_status_json(setup_.bridge, engine_->status(now), events_, now,
                                           [this](PortId id) { return name_of(id); });
    out["strays"] = out["stale"] = nlohmann::json::object();
    for (const auto& [id, tunnel] : tunnels_) {
        const SessionControl* session = services_.sessions.find(session_of(id));
        if (session == nullptr) continue;
        const stp_guard::SessionMeters& meters = *session->meters;
        const std::uint64_t strays = meters.strays.read();
        const std::uint64_t stale = meters.stale[0].read() + meters.stale[1].read();
        if (strays > 0) out["strays"][tunnel.name] = strays;
        if (stale > 0) out["stale"][tunnel.name] = stale;
    }
    out["trees"] = observers_.trees(now);
    out["gateways"] = observers_.gateways(now);
    return out;
}

}  // namespace isthmus::appliance
