#include "appliance/status_view.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <sstream>
#include <vector>

#include "appliance/text_table.h"
#include "base/drop_reason.h"

namespace isthmus::appliance {

namespace {

using json = nlohmann::json;

std::string traffic_text(const json& object, const char* direction) {
    const json& d = object.value(direction, json::object());
    return short_count(d.value("packets", std::uint64_t{0})) + " pkts, " +
           byte_count(d.value("bytes", std::uint64_t{0}));
}

std::string state_text(const json& object) {
    const std::string state = text_of(object, "state");
    return object.contains("reason") ? state + " (" + object.value("reason", std::string()) + ")" : state;
}

/// Reasons are sentences: they go below the row, not into a column.
void add_reason(TextTable& table, const json& object) {
    if (object.contains("reason")) table.detail(text_of(object, "state") + ": " + text_of(object, "reason"));
}

std::string_view explain_by_name(const std::string& name) {
    for (std::size_t i = 0; i < kDropReasonCount; ++i)
        if (name_of(static_cast<DropReason>(i)) == name) return explain(static_cast<DropReason>(i));
    return "";
}

void add_drops(TextTable& table, const char* label, const json& drops) {
    for (const auto& [name, count] : drops.items())
        table.detail("dropped " + std::string(label) + std::to_string(count.get<std::uint64_t>()) + "  " +
                     name + ": " + std::string(explain_by_name(name)));
}

void add_notes(TextTable& table, const json& object) {
    for (const auto& note : object.value("notes", json::array()))
        table.detail("note: " + note.get<std::string>());
}

void add_mtu(TextTable& table, const json& mtu) {
    if (!mtu.is_object()) return;
    table.detail("MTU: " + std::to_string(mtu.value("path_mtu", 0)) + " on the path, less");
    for (const auto& part : mtu.value("lines", json::array())) {
        const std::string bytes = std::to_string(part.value("bytes", 0));
        table.detail("  " + std::string(4 - std::min<std::size_t>(4, bytes.size()), ' ') + bytes + "  " +
                     text_of(part, "what"));
    }
    table.detail("  = " + std::to_string(mtu.value("ip_mtu", 0)) +
                 " for hosts' IP packets (frames of up to " + std::to_string(mtu.value("frame_mtu", 0)) +
                 " bytes); TCP MSS clamped to " + text_of(mtu, "mss_clamp"));
}

void print_bridges(std::ostream& out, const json& status) {
    TextTable table({"BRIDGE", "STATE", "PORTS"});
    for (const auto& bridge : status.value("bridges", json::array())) {
        std::string ports;
        for (const auto& port : bridge.value("ports", json::array()))
            ports += (ports.empty() ? "" : ", ") + text_of(port, "name") + " " + state_text(port);
        table.row({text_of(bridge, "name"), text_of(bridge, "state"), ports.empty() ? "none" : ports});
        add_reason(table, bridge);
        for (const auto& note : bridge.value("warnings", json::array()))
            table.detail("note: " + note.get<std::string>());
    }
    table.print(out);
}

void print_tunnels(std::ostream& out, const json& status) {
    TextTable table({"TUNNEL", "STATE", "LOCAL", "REMOTE", "CARRIES", "OUT", "IN"});
    for (const auto& tunnel : status.value("tunnels", json::array())) {
        table.row({text_of(tunnel, "name"), text_of(tunnel, "state"), text_of(tunnel, "local"),
                   text_of(tunnel, "remote"), text_of(tunnel, "encapsulation"), traffic_text(tunnel, "out"),
                   traffic_text(tunnel, "in")});
        add_reason(table, tunnel);
        for (const auto& sa : tunnel.value("sas", json::array()))
            table.detail(
                "SA " + text_of(sa, "direction") + " " + text_of(sa, "spi") + " " + text_of(sa, "suite") +
                ", sequence " + std::to_string(sa.value("sequence", std::uint64_t{0})) +
                (sa.contains("state") && sa["state"] != "up" ? ", " + state_text(sa) : std::string()));
        add_mtu(table, tunnel.value("mtu", json()));
        add_notes(table, tunnel);
        add_drops(table, "", tunnel.value("drops", json::object()));
    }
    table.print(out);
}

void print_sessions(std::ostream& out, const json& status) {
    TextTable table({"SESSION", "STATE", "TUNNEL", "BRIDGE", "INTERFACE", "VLANS", "OUT", "IN"});
    for (const auto& session : status.value("sessions", json::array())) {
        table.row({text_of(session, "name"), text_of(session, "state"), text_of(session, "tunnel"),
                   text_of(session, "bridge"), text_of(session, "interface"), text_of(session, "vlans"),
                   traffic_text(session, "out"), traffic_text(session, "in")});
        add_reason(table, session);
        add_notes(table, session);
        add_drops(table, "out ", session.value("out", json::object()).value("drops", json::object()));
        add_drops(table, "in  ", session.value("in", json::object()).value("drops", json::object()));
    }
    table.print(out);
}

/// "tunnels: 2 up, 1 waiting", worst last.
std::string tally(const json& status, const char* what) {
    std::string text;
    for (const char* state : {"up", "waiting", "blocked", "down"}) {
        std::size_t count = 0;
        for (const auto& object : status.value(what, json::array()))
            count += text_of(object, "state") == state;
        if (count > 0) text += (text.empty() ? "" : ", ") + std::to_string(count) + " " + state;
    }
    return std::string(what) + ": " + (text.empty() ? "none" : text);
}

/// A long sentence in lines that a terminal shows whole, those after the first indented. Words stay in one piece.
std::string wrapped(const std::string& sentence) {
    constexpr std::size_t kWidth = 110;
    std::istringstream words(sentence);
    std::string out;
    std::size_t column = 0;
    for (std::string word; words >> word; column += word.size()) {
        if (column > 0 && column + 1 + word.size() > kWidth) {
            out += "\n      ";
            column = 6;
        } else if (column > 0) {
            out += ' ';
            ++column;
        }
        out += word;
    }
    return out;
}

/// What there is, in a line each, and what the control planes say of themselves.
void print_summary(std::ostream& out, const json& status) {
    out << tally(status, "tunnels") << "; " << tally(status, "sessions") << '\n';
    for (const auto& [name, section] : status.items())
        if (section.is_object() && section.contains("summary"))
            out << name << ": " << text_of(section, "summary") << '\n';
    for (const auto& warning : status.value("warnings", json::array()))
        out << wrapped("note: " + warning.get<std::string>()) << '\n';
}

}  // namespace

std::string render_status(const json& status, bool colour) {
    std::ostringstream out;
    const json& gateway = status.value("gateway", json::object());
    out << text_of(gateway, "name") << ", isthmusd " << text_of(gateway, "version") << ", up "
        << duration_text(gateway.value("uptime_s", std::uint64_t{0})) << '\n';
    print_summary(out, status);
    out << '\n';
    print_bridges(out, status);
    out << '\n';
    print_tunnels(out, status);
    out << '\n';
    print_sessions(out, status);
    TextTable table({"DROPPED BEFORE ANY TUNNEL WAS KNOWN"});
    const json drops = gateway.value("drops", json::object());
    if (!drops.empty()) {
        out << '\n';
        add_drops(table, "", drops);
        table.print(out);
    }
    return colour ? with_coloured_states(out.str()) : out.str();
}

}  // namespace isthmus::appliance
