#include "appliance/status_report.h"

#include <cstdio>
#include <nlohmann/json.hpp>

#include "appliance/version.h"

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
        tunnel.config().options.encapsulation == tunnel::Encapsulation::udp ? "L2TPv3/UDP" : "L2TPv3/IP";
    if (!tunnel.is_protected()) return text + ", in the clear";
    const config::EspConfig& esp = *tunnel.config().esp;
    text += esp.mode == crypto::esp::Mode::tunnel ? " in ESP tunnel mode" : " in ESP";
    return text + (esp.encapsulation == config::EspEncapsulation::udp ? "/UDP" : "");
}

std::string endpoint_text(const Endpoint& endpoint) {
    return endpoint.port == 0 ? endpoint.address.text() : endpoint.text();
}

json tunnel_json(const TunnelControl& tunnel, const Sessions& sessions) {
    json entry{{"name", tunnel.config().name},
               {"local", endpoint_text(tunnel.wan_local())},
               {"remote", endpoint_text(tunnel.wan_remote())},
               {"encapsulation", carries(tunnel)},
               {"protection", tunnel.is_protected() ? "esp" : "none"},
               {"out", traffic_of(*tunnel.out)},
               {"in", traffic_of(*tunnel.in)},
               {"sas", json::array()}};
    put_condition(entry, tunnel.condition());
    json drops = drops_of(*tunnel.out);
    add_drops(drops, drops_of(*tunnel.in));
    entry["drops"] = std::move(drops);
    if (tunnel.outbound_sa()) entry["sas"].push_back(outbound_sa_json(*tunnel.outbound_sa()));
    if (tunnel.inbound_sa()) entry["sas"].push_back(inbound_sa_json(*tunnel.inbound_sa()));
    if (tunnel.wants_keepalives()) entry["nat_keepalives_sent"] = tunnel.keepalives();
    // Sessions of one tunnel may differ by cookie or sublayer: the tunnel shows the first one's budget, each its own.
    for (const auto& session : sessions) {
        if (session->tunnel() != tunnel.index()) continue;
        entry["mtu"] = mtu_json(tunnel, *session);
        break;
    }
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
               {"local_id", hex_of(config.options.local_id)},
               {"remote_id", hex_of(config.options.remote_id)},
               {"vlans", vlans},
               {"untagged", untagged},
               {"mtu", mtu_json(tunnel, session)},
               {"out", traffic_of(*session.out)},
               {"in", traffic_of(*session.in)}};
    if (session.tap()) {
        entry["offloads"] = session.tap()->offloads().text();
        if (const auto refused = session.tap()->offloads().refused(); !refused.empty())
            entry["offloads_refused"] = refused;
    }
    put_condition(entry, session.condition);
    return entry;
}

json link_local_json(const StatusSources& s) {
    return {{"bpdus_kept_from_tunnel", s.outbound.admission().bpdus()},
            {"bpdus_refused_from_tunnel",
             s.inbound.admission(true).bpdus() + s.inbound.admission(false).bpdus()}};
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
    json drops = json::object();
    for (std::size_t i = 1; i < kDropReasonCount; ++i) {
        const auto reason = static_cast<DropReason>(i);
        std::uint64_t total =
            s.outbound.drops().total().dropped_for(reason) + s.inbound.drops().total().dropped_for(reason);
        std::uint64_t scoped = 0;
        for (const auto& t : s.tunnels) scoped += t->out->dropped_for(reason) + t->in->dropped_for(reason);
        for (const auto& x : s.sessions) scoped += x->out->dropped_for(reason) + x->in->dropped_for(reason);
        // Counters move while they are read: a scope may be ahead of the total for an instant.
        if (total > scoped) drops[std::string(name_of(reason))] = total - scoped;
    }
    return drops;
}

}  // namespace

json report_status(const StatusSources& s) {
    json status;
    status["gateway"] = {{"name", s.config.gateway.name},
                         {"version", kVersion},
                         {"uptime_s", std::chrono::duration_cast<std::chrono::seconds>(s.uptime).count()},
                         {"crypto", s.crypto_provider},
                         {"packet_memory", s.outbound.memory() + s.inbound.memory()},
                         {"mss_clamped", s.outbound.mss_clamped() + s.inbound.mss_clamped()},
                         {"link_local", link_local_json(s)},
                         {"flooded_to_tunnels", flooded_json(s.outbound.admission())},
                         {"unheard", {{"ike", s.unheard_ike}, {"l2tp_control", s.unheard_l2tp}}},
                         {"drops", unscoped_drops(s)}};
    status["bridges"] = json::array();
    for (const auto& bridge : s.bridges.bridges) status["bridges"].push_back(bridge_json(bridge));
    status["warnings"] = s.bridges.warnings;
    status["tunnels"] = json::array();
    for (const auto& tunnel : s.tunnels) status["tunnels"].push_back(tunnel_json(*tunnel, s.sessions));
    status["sessions"] = json::array();
    for (const auto& session : s.sessions)
        status["sessions"].push_back(session_json(*session, *s.tunnels[raw(session->tunnel())]));
    return status;
}

}  // namespace isthmus::appliance
