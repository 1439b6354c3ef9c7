#include "appliance/l2tp_view.h"

#include <cmath>
#include <ctime>
#include <nlohmann/json.hpp>
#include <sstream>

#include "appliance/text_table.h"
#include "base/bytes.h"
#include "tunnel/control_text.h"
#include "tunnel/peer_quirks.h"
#include "tunnel/result_code.h"

namespace isthmus::appliance {

namespace {

using nlohmann::json;

std::uint64_t seconds_of(Duration d) {
    return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::seconds>(d).count());
}

double milliseconds_of(Duration d) {
    return std::chrono::duration<double, std::milli>(d).count();
}

std::string id_text(std::uint32_t id) {
    std::array<std::uint8_t, 4> raw{};
    store_be32(raw.data(), id);
    return "0x" + to_hex(raw);
}

json quirks_json(const std::vector<std::string>& names) {
    json out = json::array();
    for (const std::string& name : names) {
        const auto quirk = tunnel::quirk_of(name);
        out.push_back({{"name", name},
                       {"what", quirk ? tunnel::kQuirkRules[static_cast<std::size_t>(*quirk)].text : ""}});
    }
    return out;
}

json connection_json(const tunnel::ConnectionStatus& c) {
    return {{"name", c.name},
            {"state", c.established ? "up" : "waiting"},
            {"phase", c.state},
            {"reason", c.reason},
            {"local", c.path.local.text()},
            {"remote", c.path.remote.text()},
            {"local_id", raw(c.local_id)},
            {"remote_id", raw(c.remote_id)},
            {"initiated", c.initiated},
            {"authenticated", c.authenticated},
            {"peer",
             {{"host_name", tunnel::printable(c.peer_host)},
              {"vendor", tunnel::printable(c.peer_vendor)},
              {"router_id", c.peer_router_id},
              {"quirks", quirks_json(c.quirks)}}},
            {"age_s", seconds_of(c.age)},
            {"times_connected", c.times_connected},
            {"sessions_up", c.sessions_up},
            {"messages",
             {{"sent", c.messages_sent},
              {"received", c.messages_received},
              {"retransmitted", c.retransmissions},
              {"duplicates", c.duplicates},
              {"out_of_order", c.out_of_order},
              {"hellos_sent", c.hellos_sent},
              {"unanswered", c.unanswered}}},
            {"refused",
             {{"bad_digests", c.bad_digests}, {"malformed", c.malformed}, {"rate_limited", c.rate_limited}}}};
}

json liveness_json(const tunnel::BfdStatus& bfd) {
    return {{"state", tunnel::words(bfd.state)},
            {"peer_state", tunnel::words(bfd.peer_state)},
            {"diagnostic", tunnel::words(bfd.diagnostic)},
            {"peer_diagnostic", tunnel::words(bfd.peer_diagnostic)},
            {"send_interval_ms", milliseconds_of(bfd.send_interval)},
            {"detection_ms", milliseconds_of(bfd.detection_time)},
            {"sent", bfd.sent},
            {"received", bfd.received},
            {"refused", bfd.refused},
            {"times_lost", bfd.times_lost}};
}

json direction_json(const tunnel::Cookie& cookie, tunnel::Sublayer sublayer, bool sequenced) {
    return {{"cookie_bytes", cookie.size},
            {"sublayer", sublayer == tunnel::Sublayer::standard ? "default" : "none"},
            {"sequenced", sequenced}};
}

json session_json(const tunnel::SessionStatus& s, const std::optional<tunnel::BfdStatus>& bfd) {
    const tunnel::SessionOptions& o = s.negotiated.options;
    json out = {
        {"name", s.name},
        {"end_id", tunnel::printable(s.remote_end_id)},
        {"state", s.established ? "up" : "waiting"},
        {"phase", s.state},
        {"reason", s.reason},
        {"local_id", raw(o.local_id)},
        {"remote_id", raw(o.remote_id)},
        {"pseudowire", o.type == tunnel::PseudowireType::ethernet_vlan ? "ethernet-vlan" : "ethernet"},
        {"called", s.called},
        {"circuit", s.circuit.text()},
        {"peer_circuit", s.negotiated.peer_circuit.text()},
        {"peer_mtu", s.negotiated.peer_mtu},
        {"age_s", seconds_of(s.age)},
        {"times_up", s.times_up},
        {"rotations", s.rotations},
        {"rotating", s.rotating}};
    out["out"] = direction_json(o.remote_cookie, o.send_sublayer, o.send_sequence);
    out["in"] = direction_json(o.local_cookie, o.receive_sublayer,
                               o.receive_sequencing == tunnel::ReceiveSequencing::drop_out_of_order);
    out["liveness"] = bfd ? liveness_json(*bfd) : json(nullptr);
    return out;
}

std::string or_dash(const std::string& text) {
    return text.empty() ? "-" : text;
}

std::string coloured(const std::ostringstream& out, bool in_colour) {
    return in_colour ? with_coloured_states(out.str()) : out.str();
}

std::string id_pair(const json& object) {
    if (object["local_id"] == 0U) return "-";
    return id_text(object["local_id"].get<std::uint32_t>()) + " / " +
           id_text(object["remote_id"].get<std::uint32_t>());
}

std::string direction_text(const json& direction) {
    std::string out = "cookie " + std::to_string(direction["cookie_bytes"].get<unsigned>());
    if (direction["sublayer"] == "default") out += ", sublayer";
    if (direction["sequenced"].get<bool>()) out += ", sequenced";
    return out;
}

std::string liveness_text(const json& liveness) {
    if (liveness.is_null()) return "not watched";
    std::ostringstream out;
    out << "BFD " << liveness["state"].get<std::string>() << " ("
        << liveness["send_interval_ms"].get<double>() << " ms, dead after "
        << liveness["detection_ms"].get<double>() << " ms)";
    if (liveness["state"] != "up") out << ", " << liveness["diagnostic"].get<std::string>();
    return out.str();
}

}  // namespace

json tunnels_json(const tunnel::ControlStatus& status) {
    json out{{"tunnels", json::array()}};
    for (const auto& connection : status.connections) out["tunnels"].push_back(connection_json(connection));
    const tunnel::ControlRefusals& r = status.refusals;
    out["refused"] = {{"malformed", r.malformed},        {"not_a_peer", r.not_a_peer},
                      {"wrong_sa", r.wrong_sa},          {"unknown_connection", r.unknown_connection},
                      {"bad_digest", r.bad_digest},      {"rate_limited", r.rate_limited},
                      {"refusals_sent", r.refusals_sent}};
    return out;
}

json sessions_json(const tunnel::ControlStatus& status,
                   const std::function<std::optional<tunnel::BfdStatus>(SessionIndex)>& liveness) {
    json out{{"sessions", json::array()}};
    for (const auto& session : status.sessions) {
        json entry = session_json(session, liveness(session.session));
        for (const auto& connection : status.connections)
            if (connection.tunnel == session.tunnel) entry["tunnel"] = connection.name;
        out["sessions"].push_back(std::move(entry));
    }
    return out;
}

json trace_json(double seconds, bool is_ours, tunnel::Encapsulation encapsulation, const Endpoint& peer,
                Bytes packet, const tunnel::AvpHider* hider) {
    const tunnel::ControlText text = tunnel::describe(encapsulation, packet, hider);
    return {{"time", seconds},
            {"direction", is_ours ? "out" : "in"},
            {"peer", peer.text()},
            {"message", text.summary},
            {"avps", text.avps}};
}

std::string render_tunnels(const json& answer, bool in_colour) {
    std::ostringstream out;
    TextTable table(
        {"TUNNEL", "STATE", "PEER", "ADDRESS", "IDS", "SINCE", "SESSIONS", "SENT/RESENT", "RECEIVED"});
    for (const json& t : answer["tunnels"]) {
        const json& messages = t["messages"];
        table.row({text_of(t, "name"), text_of(t, "state"), or_dash(text_of(t["peer"], "host_name")),
                   text_of(t, "remote"), id_pair(t),
                   t["state"] == "up" ? duration_text(t["age_s"].get<std::uint64_t>()) : "-",
                   std::to_string(t["sessions_up"].get<unsigned>()),
                   short_count(messages["sent"].get<std::uint64_t>()) + "/" +
                       short_count(messages["retransmitted"].get<std::uint64_t>()),
                   short_count(messages["received"].get<std::uint64_t>())});
        if (t["state"] != "up") table.detail(text_of(t, "phase") + ": " + or_dash(text_of(t, "reason")));
        if (const auto unanswered = messages["unanswered"].get<unsigned>(); unanswered > 1)
            table.detail("control path: a message was repeated " + std::to_string(unanswered) +
                         " times and not acknowledged yet");
        if (!t["authenticated"].get<bool>() && t["state"] == "up")
            table.detail("control messages are not authenticated");
        for (const json& quirk : t["peer"]["quirks"])
            table.detail("peer " + text_of(quirk, "what") + " [" + text_of(quirk, "name") + "]");
    }
    table.print(out);
    return coloured(out, in_colour);
}

std::string render_sessions(const json& answer, bool in_colour) {
    std::ostringstream out;
    TextTable table({"SESSION", "STATE", "TUNNEL", "END ID", "IDS", "SINCE", "DATA PATH"});
    for (const json& s : answer["sessions"]) {
        table.row({text_of(s, "name"), text_of(s, "state"), text_of(s, "tunnel"), text_of(s, "end_id"),
                   id_pair(s), s["state"] == "up" ? duration_text(s["age_s"].get<std::uint64_t>()) : "-",
                   s["state"] == "up" ? liveness_text(s["liveness"]) : "-"});
        if (s["state"] != "up") {
            table.detail(text_of(s, "phase") + ": " + or_dash(text_of(s, "reason")));
            continue;
        }
        table.detail("circuit " + text_of(s, "circuit") + "; peer's " + text_of(s, "peer_circuit") +
                     "; out: " + direction_text(s["out"]) + "; in: " + direction_text(s["in"]));
    }
    table.print(out);
    return coloured(out, in_colour);
}

std::string render_trace(const json& part) {
    const double seconds = part["time"].get<double>();
    const auto whole = static_cast<std::time_t>(std::floor(seconds));
    std::tm broken{};
    localtime_r(&whole, &broken);
    std::array<char, 16> clock{};
    (void)std::strftime(clock.data(), clock.size(), "%H:%M:%S", &broken);
    std::string milliseconds =
        std::to_string(1000 + static_cast<int>((seconds - std::floor(seconds)) * 1000));
    std::string out = std::string(clock.data()) + "." + milliseconds.substr(1);
    out += part["direction"] == "out" ? " -> " : " <- ";
    out += text_of(part, "peer") + "  " + text_of(part, "message") + "\n";
    for (const json& avp : part["avps"]) out += "    " + avp.get<std::string>() + "\n";
    return out;
}

}  // namespace isthmus::appliance
