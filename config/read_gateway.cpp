#include <array>

#include "config/draft.h"

namespace isthmus::config {

namespace {

using Level = std::pair<std::string_view, LogLevel>;
constexpr std::array kLogLevels{Level{"trace", LogLevel::trace}, Level{"debug", LogLevel::debug},
                                Level{"info", LogLevel::info}, Level{"warning", LogLevel::warning},
                                Level{"error", LogLevel::error}};
constexpr std::size_t kMaxSocketPath = 107;  ///< sun_path of unix(7) without its final NUL

std::string read_path(const Section& section, std::string_view key, std::string fallback, std::size_t limit) {
    auto path = section.text(key);
    if (!path) return fallback;
    if (path->empty() || path->front() != '/')
        section.problem(key, quoted(*path) + " is no absolute path",
                        "write it from the root on, as in \"" + fallback + "\"");
    else if (path->find('\0') != std::string::npos)
        section.problem(key, "holds a NUL character", "write a plain path, as in \"" + fallback + "\"");
    else if (path->size() > limit)
        section.problem(key, "has " + std::to_string(path->size()) + " bytes",
                        "such a path has at most " + std::to_string(limit));
    return *path;
}

void read_log_target(const Section& section, GatewayConfig& gateway) {
    const auto target = section.text("log_target");
    if (!target || *target == "console") return;
    if (*target == "journal") {
        gateway.log_target = LogTarget::journal;
        return;
    }
    constexpr std::string_view kPrefix = "file:";
    if (target->starts_with("file:/") && target->find('\0') == std::string::npos) {
        gateway.log_target = LogTarget::file;
        gateway.log_file = target->substr(kPrefix.size());
        return;
    }
    section.problem("log_target", quoted(*target) + " is no place to log to",
                    "write \"console\", \"journal\" or \"file:/var/log/isthmus.log\"");
}

/// An IPv4 address by its looks; any number but 0 will do.
std::optional<std::uint32_t> read_router_id(const Section& section) {
    const auto text = section.text("router_id");
    if (!text) return std::nullopt;
    const auto address = IpAddress::parse(*text);
    if (address && address->is_v4() && !address->is_unspecified()) return load_be32(address->bytes().data());
    section.problem("router_id", quoted(*text) + " is no Router ID",
                    "write four numbers like those of an IPv4 address, as in \"192.0.2.1\"; not 0.0.0.0");
    return std::nullopt;
}

}  // namespace

GatewayConfig read_gateway(const Section* section, const Environment& environment) {
    GatewayConfig gateway;
    gateway.name = environment.host_name();
    if (section == nullptr) return gateway;
    gateway.name = read_label(*section, "name").value_or(gateway.name);
    gateway.state_dir = read_path(*section, "state_dir", gateway.state_dir, 4'000);
    gateway.control_socket = read_path(*section, "control_socket", gateway.control_socket, kMaxSocketPath);
    gateway.log_level = section->choice<LogLevel>("log_level", kLogLevels).value_or(gateway.log_level);
    read_log_target(*section, gateway);
    gateway.allow_key_log = section->boolean("allow_key_log").value_or(false);
    if (gateway.allow_key_log)
        section->warning("allow_key_log",
                         "whoever may start the daemon with --key-log can then read all traffic",
                         "remove it when the search is over");
    gateway.router_id = read_router_id(*section);
    return gateway;
}

}  // namespace isthmus::config
