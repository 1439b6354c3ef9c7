#include "appliance/status_report.h"

#include <cstdio>
#include <nlohmann/json.hpp>

#include "appliance/offload_notes.h"
#include "appliance/version.h"
#include "appliance/view_builder.h"

namespace isthmus::appliance {

namespace {

using nlohmann::json;

template <class Id>
std::string hex_of(Id id) {
    std::array<char, 16> text{};
    std::snprintf(text.data(), text.size(), "0x%08x", static_cast<unsigned>(raw(id)));
    return text.data();
}

void put_condition(json& object, const Condition& condition) {
    object["state"] = name_of(condition.state);
    if (!condition.reason.empty()) object["reason"] = condition.reason;
}

json drops_of(const TrafficCounters& counters) {
    json drops = json::object();
    for (std::size_t i = 1; i < kDropReasonCount; ++i) {
        const auto reason = static_cast<DropReason>(i);
        if (const auto n = counters.dropped_for(reason); n > 0) drops[std::string(name_of(reason))] = n;
    }
    return drops;
}

json traffic_of(const TrafficCounters& counters) {
    return {{"packets", counters.packets.read()},
            {"bytes", counters.bytes.read()},
            {"drops", drops_of(counters)}};
}

/// Sums b into a, by reason.
void add_drops(json& a, const json& b) {
    for (const auto& [name, count] : b.items())
        a[name] = a.value(name, std::uint64_t{0}) + count.get<std::uint64_t>();
}

json bridge_json(const bridge::BridgeReport& bridge) {
    json ports = json::array();
    for (const auto& port : bridge.ports) {
        json entry{{"name", port.name}, {"state", bridge::to_string(port.state.word)}};
        if (!port.state.reason.empty()) entry["reason"] = port.state.reason;
        ports.push_back(std::move(entry));
    }
    json entry{{"name", bridge.name},
               {"ownership", bridge.ownership == bridge::Ownership::create ? "create" : "adopt"},
               {"state", bridge::to_string(bridge.state.word)},
               {"mtu", bridge.mtu},
               {"vlan_filtering", bridge.vlan_filtering},
               {"vlan_filtering_reason", bridge.vlan_filtering_reason},
               {"ports", std::move(ports)}};
    if (!bridge.state.reason.empty()) entry["reason"] = bridge.state.reason;
    return entry;
}

json outbound_sa_json(const crypto::esp::OutboundSa& sa) {
    return {{"direction", "out"},
            {"spi", hex_of(sa.spi())},
            {"suite", crypto::esp::shape_of(sa.suite()).name},
            {"extended_sequence", sa.extended_sequence()},
            {"sequence", sa.last_sequence()},
            {"reserved_through", sa.limit()},
            {"packets", sa.counters().packets.read()},
            {"bytes", sa.counters().bytes.read()},
            {"drops", drops_of(sa.counters())}};
}

json inbound_sa_json(const crypto::esp::InboundSa& sa) {
    return {{"direction", "in"},
            {"spi", hex_of(sa.spi())},
            {"suite", crypto::esp::shape_of(sa.suite()).name},
            {"extended_sequence", sa.extended_sequence()},
            {"sequence", sa.highest_sequence()},
            {"window", sa.replay_window()},
            {"packets", sa.counters().packets.read()},
            {"bytes", sa.counters().bytes.read()},
            {"drops", drops_of(sa.counters())}};
}

json mtu_json(const TunnelControl& tunnel, const SessionControl& session) {
    const MtuBudget budget = budget_of(tunnel, session);
    json lines = json::array();
    for (const auto& line : budget.lines) lines.push_back({{"what", line.what}, {"bytes", line.bytes}});
    const auto mss = tunnel::MssLimits::for_mtu(budget.ip_mtu);
    return {{"path_mtu", tunnel.path_mtu()},
            {"lines", std::move(lines)},
            {"frame_mtu", budget.max_frame},
            {"ip_mtu", budget.ip_mtu},
            {"mss_clamp", std::to_string(mss.tcp4) + " (IPv4), " + std::to_string(mss.tcp6) + " (IPv6)"}};
}

std::string carries(const TunnelControl& tunnel) {
    std::string text =
        tunnel.options().encapsulation == tunnel::Encapsulation::udp ? "L2TPv3/UDP" : "L2TPv3/IP";
    if (!tunnel.is_protected()) return text + ", in the clear";
    const auto& outbound = tunnel.sas().outbound();
    const auto& manual = tunnel.config().esp;
    if (!outbound && !manual) return text + " in ESP";
    const auto mode = outbound ? outbound->mode : manual->mode;
    const bool in_udp = outbound ? outbound->way.in_udp : way_of(*manual).in_udp;
    text += mode == crypto::esp::Mode::tunnel ? " in ESP tunnel mode" : " in ESP";
    return text + (in_udp ? "/UDP" : "");
}

std::string endpoint_text(const Endpoint& endpoint) {
    return endpoint.port == 0 ? endpoint.address.text() : endpoint.text();
}

/// As they are, or as they will be once there are keys.
std::pair<Endpoint, Endpoint> ends_of(const TunnelControl& tunnel) {
    if (const auto way = tunnel.way()) return {way->local, way->remote};
    if (tunnel.config().esp) {
        const EspWay way = way_of(*tunnel.config().esp);
        return {way.local, way.remote};
    }
    return {{tunnel.options().local, 0}, {tunnel.options().remote, 0}};
}

json sas_json(const TunnelControl& tunnel) {
    json sas = json::array();
    if (tunnel.sas().outbound()) sas.push_back(outbound_sa_json(*tunnel.sas().outbound()->sa));
    for (const InboundUse& use : tunnel.sas().inbound()) sas.push_back(inbound_sa_json(*use.sa));
    return sas;
}

json tunnel_json(const TunnelControl& tunnel, const Sessions& sessions) {
    const auto [local, remote] = ends_of(tunnel);
    json entry{{"name", tunnel.config().name},
               {"local", endpoint_text(local)},
               {"remote", remote.address.is_unspecified() ? "any" : endpoint_text(remote)},
               {"encapsulation", carries(tunnel)},
               {"protection", tunnel.is_protected() ? "esp" : "none"},
               {"out", traffic_of(*tunnel.out)},
               {"in", traffic_of(*tunnel.in)},
               {"sas", sas_json(tunnel)}};
    put_condition(entry, tunnel.condition());
    for (const auto& socket : tunnel.sockets())
        for (const std::string& note : offload_notes(*socket)) entry["notes"].push_back(note);
    json drops = drops_of(*tunnel.out);
    add_drops(drops, drops_of(*tunnel.in));
    entry["drops"] = std::move(drops);
    if (tunnel.sas().outbound() && tunnel.sas().outbound()->keepalive_seconds > 0)
        entry["nat_keepalives_sent"] = tunnel.keepalives();
    // Sessions of one tunnel may differ by cookie or sublayer: the tunnel shows the first one's budget, each its own.
    if (const auto* session =
            sessions.find_if([&](const SessionControl& s) { return s.tunnel() == tunnel.index(); }))
        entry["mtu"] = mtu_json(tunnel, *session);
    return entry;
}

json session_json(const SessionControl& session, const TunnelControl& tunnel) {
    const config::SessionConfig& config = session.config();
    std::string vlans = config.admission.any_vlan ? "any" : config.admission.vlans.text();
    if (config.options.access_vlan) vlans = "only " + std::to_string(config.options.access_vlan->value());
    const bool untagged = config.admission.any_vlan || config.admission.untagged;
    if (untagged && !config.admission.any_vlan) vlans += vlans.empty() ? "untagged" : " and untagged";
    json entry{{"name", config.name},
               {"tunnel", tunnel.config().name},
               {"bridge", session.bridge()},
               {"interface", config.interface},
               {"negotiated", session.is_negotiated()},
               {"vlans", vlans},
               {"untagged", untagged},
               {"mtu", mtu_json(tunnel, session)},
               {"out", traffic_of(*session.out)},
               {"in", traffic_of(*session.in)}};
    if (session.options()) {
        entry["local_id"] = hex_of(session.options()->local_id);
        entry["remote_id"] = hex_of(session.options()->remote_id);
    }
    if (session.tap()) {
        entry["offloads"] = session.tap()->offloads().text();
        if (const auto refused = session.tap()->offloads().refused(); !refused.empty())
            entry["offloads_refused"] = refused;
        for (const std::string& note : offload_notes(session.tap()->offloads()))
            entry["notes"].push_back(note);
    }
    put_condition(entry, session.condition);
    return entry;
}

json link_local_json(const Workers& w) {
    return {{"bpdus_kept_from_tunnel", w.outbound().admission().bpdus()},
            {"bpdus_refused_from_tunnel",
             w.inbound().admission(true).bpdus() + w.inbound().admission(false).bpdus()}};
}

json flooded_json(const stp_guard::AdmissionCounters& counters) {
    json out = json::object();
    for (std::size_t i = 0; i < stp_guard::kStormClassCount; ++i) {
        const auto c = static_cast<stp_guard::StormClass>(i);
        out[std::string(stp_guard::name_of(c))] = counters.of(c);
    }
    return out;
}

/// Drops that were booked to no tunnel or session: all of the workers' minus the scopes'.
json unscoped_drops(const StatusSources& s) {
    const Inventory& inventory = s.inventory;
    json drops = json::object();
    for (std::size_t i = 1; i < kDropReasonCount; ++i) {
        const auto reason = static_cast<DropReason>(i);
        const std::uint64_t total = s.workers.outbound().drops().total().dropped_for(reason) +
                                    s.workers.inbound().drops().total().dropped_for(reason);
        std::uint64_t scoped = inventory.of_the_gone.dropped_for(reason);
        for (const TunnelControl& t : inventory.tunnels)
            scoped += t.out->dropped_for(reason) + t.in->dropped_for(reason);
        for (const SessionControl& x : inventory.sessions)
            scoped += x.out->dropped_for(reason) + x.in->dropped_for(reason);
        // Counters move while they are read: a scope may be ahead of the total for an instant.
        if (total > scoped) drops[std::string(name_of(reason))] = total - scoped;
    }
    return drops;
}

/// Packets for the control planes: came, found no room, nobody wanted them; and those that found no way down.
json control_packets_json(const StatusSources& s) {
    json out = json::object();
    for (std::size_t i = 0; i < kPuntClassCount; ++i) {
        const auto c = static_cast<PuntClass>(i);
        if (s.punts.received(c) + s.punts.overflows(c) == 0) continue;
        out["up"][std::string(name_of(c))] = {{"received", s.punts.received(c)},
                                              {"unheard", s.punts.unheard(c)},
                                              {"overflows", s.punts.overflows(c)}};
    }
    for (std::size_t i = 0; i < kInjectClassCount; ++i) {
        const auto c = static_cast<InjectClass>(i);
        if (const auto n = s.workers.outbound().injected().overflows(c); n > 0)
            out["down"][std::string(name_of(c))] = {{"overflows", n}};
    }
    return out;
}

json gateway_json(const StatusSources& s) {
    const Workers& w = s.workers;
    return {{"name", s.inventory.configuration().gateway.name},
            {"version", kVersion},
            {"uptime_s", std::chrono::duration_cast<std::chrono::seconds>(s.uptime).count()},
            {"crypto", s.crypto_provider},
            {"packet_memory", w.outbound().memory() + w.inbound().memory()},
            {"mss_clamped", w.outbound().mss_clamped() + w.inbound().mss_clamped()},
            {"link_local", link_local_json(w)},
            {"flooded_to_tunnels", flooded_json(w.outbound().admission())},
            {"unheard",
             {{"ike", s.punts.unheard(PuntClass::ike)},
              {"l2tp_control", s.punts.unheard(PuntClass::l2tp_control)}}},
            {"control_packets", control_packets_json(s)},
            {"drops", unscoped_drops(s)}};
}

}  // namespace

json report_status(const StatusSources& s) {
    const Tunnels& tunnels = s.inventory.tunnels;
    const Sessions& sessions = s.inventory.sessions;
    json status{{"gateway", gateway_json(s)},
                {"bridges", json::array()},
                {"warnings", s.bridges.warnings},
                {"tunnels", json::array()},
                {"sessions", json::array()}};
    for (const auto& bridge : s.bridges.bridges) status["bridges"].push_back(bridge_json(bridge));
    for (const TunnelControl& tunnel : tunnels) status["tunnels"].push_back(tunnel_json(tunnel, sessions));
    for (const SessionControl& session : sessions)
        status["sessions"].push_back(session_json(session, tunnels[session.tunnel()]));
    return status;
}

}  // namespace isthmus::appliance
