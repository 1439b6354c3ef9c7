// What a bridge's guard does with what its engine wants done, and what it tells of itself.
#include <algorithm>
#include <cerrno>
#include <nlohmann/json.hpp>
#include <utility>

#include "appliance/bridge_guard.h"
#include "appliance/bridge_guard_ports.h"
#include "appliance/guard_state_file.h"

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
    while (const auto action = engine_->poll_action()) std::visit([this](const auto& a) { act(a); }, *action);
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
    // One that finds no room is like one that was lost: the round goes on without it.
    const auto lan = lans_.find(action.place.port);
    if (lan != lans_.end() && lan->second.watch) (void)lan->second.watch->send(action.frame);
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
    const std::uint16_t vid = action.place.vid == 0 ? native_vid_ : action.place.vid;
    const auto request = action.pinned ? bridge::netlink::pin_host(*port, action.mac, vid)
                                       : bridge::netlink::remove_host(*port, action.mac, vid);
    const auto done =
        netlink_->change(request, "keep " + action.mac.text() + " on " + name_of(action.place.port));
    if (!done) note_problem(done.error().text());
}

void BridgeGuard::act(const stp_guard::ExpectFlood& action) {
    if (is_tunnel(action.place.port))
        help_.expect_flood(session_of(action.place.port), action.place.vid, action.until);
}

void BridgeGuard::act(const stp_guard::LoopSign& action) {
    for (const auto& [id, tunnel] : tunnels_) {
        const auto told = told_.find(id);
        if (told == told_.end()) continue;
        const GuardPort& port = told->second;
        const bool carries = action.vid == 0 ? port.untagged : port.vlans.contains_vid(action.vid);
        if (carries) help_.evidence(session_of(id), action.vid);
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
    const auto saved = save_guard_state(guard_state_file(services_.state_dir, setup_.bridge),
                                        engine_->save(this_boot(), now));
    if (!saved) note_problem(saved.error());
}

nlohmann::json BridgeGuard::status(TimePoint now) const {
    nlohmann::json out = guard_status_json(setup_.bridge, engine_->status(now), events_, now,
                                           [this](PortId id) { return name_of(id); });
    out["trees"] = observers_.trees(now);
    out["gateways"] = observers_.gateways(now);
    return out;
}

}  // namespace isthmus::appliance
