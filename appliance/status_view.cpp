#include "appliance/status_view.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <sstream>
#include <vector>

#include "base/drop_reason.h"

namespace isthmus::appliance {

namespace {

using json = nlohmann::json;

std::string text_of(const json& object, const char* key) {
    return object.value(key, std::string("-"));
}

/// 1234567 -> "1.23 M"; below 10,000 the number as it is.
std::string short_count(std::uint64_t n) {
    static constexpr std::array<const char*, 5> kUnits{"", " k", " M", " G", " T"};
    if (n < 10'000) return std::to_string(n);
    auto value = static_cast<double>(n);
    std::size_t unit = 0;
    while (value >= 1000 && unit + 1 < kUnits.size()) {
        value /= 1000;
        ++unit;
    }
    std::array<char, 32> out{};
    std::snprintf(out.data(), out.size(), "%.3g%s", value, kUnits[unit]);
    return out.data();
}

/// 532 -> "532 B"; 698731234 -> "699 MB".
std::string byte_count(std::uint64_t n) {
    return short_count(n) + (n < 10'000 ? " B" : "B");
}

std::string duration_text(std::uint64_t seconds) {
    if (seconds < 60) return std::to_string(seconds) + " s";
    if (seconds < 3600) return std::to_string(seconds / 60) + " min " + std::to_string(seconds % 60) + " s";
    if (seconds < 86400)
        return std::to_string(seconds / 3600) + " h " + std::to_string(seconds % 3600 / 60) + " min";
    return std::to_string(seconds / 86400) + " d " + std::to_string(seconds % 86400 / 3600) + " h";
}

std::string traffic_text(const json& object, const char* direction) {
    const json& d = object.value(direction, json::object());
    return short_count(d.value("packets", std::uint64_t{0})) + " pkts, " +
           byte_count(d.value("bytes", std::uint64_t{0}));
}

/// Columns as wide as their widest cell.
class Table {
  public:
    explicit Table(std::vector<std::string> head) { rows_.push_back(std::move(head)); }
    void row(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }
    void detail(std::string line) { rows_.push_back({"\t" + std::move(line)}); }
    void print(std::ostream& out) const {
        std::vector<std::size_t> widths;
        for (const auto& cells : rows_) {
            if (is_detail(cells)) continue;
            widths.resize(std::max(widths.size(), cells.size()));
            for (std::size_t i = 0; i < cells.size(); ++i) widths[i] = std::max(widths[i], cells[i].size());
        }
        for (const auto& cells : rows_) print_row(out, cells, widths);
    }

  private:
    static bool is_detail(const std::vector<std::string>& cells) {
        return cells.size() == 1 && cells[0].starts_with('\t');
    }
    static void print_row(std::ostream& out, const std::vector<std::string>& cells,
                          const std::vector<std::size_t>& widths) {
        if (is_detail(cells)) {
            out << "    " << cells[0].substr(1) << '\n';
            return;
        }
        for (std::size_t i = 0; i < cells.size(); ++i) {
            out << cells[i];
            if (i + 1 < cells.size()) out << std::string(widths[i] - cells[i].size() + 2, ' ');
        }
        out << '\n';
    }
    std::vector<std::vector<std::string>> rows_;
};

std::string state_text(const json& object) {
    const std::string state = text_of(object, "state");
    return object.contains("reason") ? state + " (" + object.value("reason", std::string()) + ")" : state;
}

/// Reasons are sentences: they go below the row, not into a column.
void add_reason(Table& table, const json& object) {
    if (object.contains("reason")) table.detail(text_of(object, "state") + ": " + text_of(object, "reason"));
}

std::string_view explain_by_name(const std::string& name) {
    for (std::size_t i = 0; i < kDropReasonCount; ++i)
        if (name_of(static_cast<DropReason>(i)) == name) return explain(static_cast<DropReason>(i));
    return "";
}

void add_drops(Table& table, const char* label, const json& drops) {
    for (const auto& [name, count] : drops.items())
        table.detail("dropped " + std::string(label) + std::to_string(count.get<std::uint64_t>()) + "  " +
                     name + ": " + std::string(explain_by_name(name)));
}

void add_mtu(Table& table, const json& mtu) {
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
    Table table({"BRIDGE", "STATE", "PORTS"});
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
    Table table({"TUNNEL", "STATE", "LOCAL", "REMOTE", "CARRIES", "OUT", "IN"});
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
        add_drops(table, "", tunnel.value("drops", json::object()));
    }
    table.print(out);
}

void print_sessions(std::ostream& out, const json& status) {
    Table table({"SESSION", "STATE", "TUNNEL", "BRIDGE", "INTERFACE", "VLANS", "OUT", "IN"});
    for (const auto& session : status.value("sessions", json::array())) {
        table.row({text_of(session, "name"), text_of(session, "state"), text_of(session, "tunnel"),
                   text_of(session, "bridge"), text_of(session, "interface"), text_of(session, "vlans"),
                   traffic_text(session, "out"), traffic_text(session, "in")});
        add_reason(table, session);
        add_drops(table, "out ", session.value("out", json::object()).value("drops", json::object()));
        add_drops(table, "in  ", session.value("in", json::object()).value("drops", json::object()));
    }
    table.print(out);
}

std::string coloured(std::string text) {
    static constexpr std::array<std::pair<const char*, const char*>, 4> kMarks{
        {{" up ", "\x1b[32m"}, {" waiting ", "\x1b[33m"}, {" blocked ", "\x1b[33m"}, {" down ", "\x1b[31m"}}};
    for (const auto& [word, code] : kMarks) {
        const std::string plain(word);
        const std::string marked = " " + std::string(code) + plain.substr(1, plain.size() - 2) + "\x1b[0m ";
        for (std::size_t at = text.find(plain); at != std::string::npos;
             at = text.find(plain, at + marked.size()))
            text.replace(at, plain.size(), marked);
    }
    return text;
}

}  // namespace

std::string render_status(const json& status, bool colour) {
    std::ostringstream out;
    const json& gateway = status.value("gateway", json::object());
    out << text_of(gateway, "name") << ", isthmusd " << text_of(gateway, "version") << ", up "
        << duration_text(gateway.value("uptime_s", std::uint64_t{0})) << "\n\n";
    print_bridges(out, status);
    out << '\n';
    print_tunnels(out, status);
    out << '\n';
    print_sessions(out, status);
    Table table({"DROPPED BEFORE ANY TUNNEL WAS KNOWN"});
    const json drops = gateway.value("drops", json::object());
    if (!drops.empty()) {
        out << '\n';
        add_drops(table, "", drops);
        table.print(out);
    }
    return colour ? coloured(out.str()) : out.str();
}

}  // namespace isthmus::appliance
