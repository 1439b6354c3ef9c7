#include <array>

#include "config/draft.h"

namespace isthmus::config {

namespace {

using tunnel::DscpPolicy;
using tunnel::EcnMode;
using tunnel::Encapsulation;

enum class Protection : std::uint8_t { esp, none };

constexpr std::array kEncapsulations{std::pair<std::string_view, Encapsulation>{"udp", Encapsulation::udp},
                                     std::pair<std::string_view, Encapsulation>{"ip", Encapsulation::ip}};
constexpr std::array kDscpPolicies{
    std::pair<std::string_view, DscpPolicy>{"none", DscpPolicy::none},
    std::pair<std::string_view, DscpPolicy>{"from-pcp", DscpPolicy::from_pcp},
    std::pair<std::string_view, DscpPolicy>{"copy-inner", DscpPolicy::copy_inner}};
constexpr std::array kEcnModes{std::pair<std::string_view, EcnMode>{"normal", EcnMode::normal},
                               std::pair<std::string_view, EcnMode>{"compatibility", EcnMode::compatibility}};
constexpr std::array kProtections{std::pair<std::string_view, Protection>{"esp", Protection::esp},
                                  std::pair<std::string_view, Protection>{"none", Protection::none}};
constexpr std::uint32_t kMaxId = 0xffff'ffff;

/// An address that was refused stays 0.0.0.0, which no check minds. With IKE or a control connection the peer may be a name,
/// or come from anywhere: then the address is left open. Returns what was written, empty for "any".
std::string read_addresses(const Section& section, TunnelConfig& tunnel) {
    const auto local = read_unicast_address(section, "local");
    std::string host;
    std::optional<IpAddress> remote;
    if (section.has("ike") || section.has("control")) {
        if (const auto found = read_remote_host(section)) {
            host = found->name;
            remote = found->address;
            tunnel.any_remote = host.empty();
            if (!remote) tunnel.remote_name = host;
        }
    } else {
        remote = read_unicast_address(section, "remote");
        if (remote) host = remote->text();
    }
    if (local) tunnel.options.local = *local;
    if (remote) tunnel.options.remote = *remote;
    if (!local || !remote) return host;
    if (local->is_v4() != remote->is_v4())
        section.problem("remote",
                        remote->text() + " is " + (remote->is_v4() ? "IPv4" : "IPv6") + " but local is not",
                        "both ends of a tunnel have addresses of one family");
    else if (*local == *remote)
        section.problem("remote", remote->text() + " is the local address too", "write the peer's address");
    return host;
}

void read_ports(const Section& section, tunnel::TunnelOptions& options) {
    options.local_port = read_port(section, "local_port", options.local_port);
    options.remote_port = read_port(section, "remote_port", options.remote_port);
    if (options.encapsulation == Encapsulation::udp) return;
    for (const std::string_view key : {"local_port", "remote_port"})
        if (section.has(key))
            section.problem(key, "IP protocol 115 has no ports",
                            "remove it, or write encapsulation = \"udp\"");
}

std::optional<std::uint64_t> read_rate(const Section& section) {
    const auto text = section.text("rate");
    if (!text) return std::nullopt;
    const auto rate = parse_bit_rate(*text);
    if (rate) return *rate;
    section.problem("rate", rate.error().first, rate.error().second);
    return std::nullopt;
}

std::optional<std::uint32_t> read_path_mtu(const Section& section, const tunnel::TunnelOptions& options) {
    const std::uint32_t least = options.local.is_v6() ? 1280 : 576;
    return section.integer("path_mtu", least, 65'535);
}

/// Where a tunnel's keys come from: exactly one of the two tables, or none in the clear.
void check_protection(const Section& section, std::optional<Protection> protection) {
    const bool manual = section.has("esp");
    const bool ike = section.has("ike");
    if (protection == Protection::esp && !manual && !ike)
        section.problem(
            "ike", "missing",
            "protection = \"esp\" takes its keys from a table [tunnel.ike], or in labs [tunnel.esp]");
    if (protection == Protection::esp && manual && ike)
        section.problem("esp", "there is [tunnel.ike] too",
                        "remove one of the two: keys come from one of them");
    if (protection != Protection::none) return;
    for (const std::string_view table : {"esp", "ike"})
        if (section.has(table))
            section.problem(table, "has no place in a tunnel with protection = \"none\"",
                            "remove the table, or write protection = \"esp\"");
    section.warning("protection",
                    "frames cross the WAN in the clear: anybody on the way can read and forge them",
                    "write protection = \"esp\"");
}

void read_protection(const Section& section, const std::string& remote_host, const Environment& environment,
                     TunnelConfig& tunnel, TunnelSections& sections) {
    const auto protection = section.choice<Protection>("protection", kProtections);
    sections.esp = section.table("esp");
    sections.ike = section.table("ike");
    if (sections.esp) tunnel.esp = read_esp(*sections.esp, tunnel, environment, sections);
    if (sections.ike) tunnel.ike = read_ike(*sections.ike, tunnel, remote_host, environment);
    check_protection(section, protection);
}

}  // namespace

void read_tunnel(const Section& section, const Environment& environment, Draft& draft) {
    TunnelConfig out;
    TunnelSections sections{section, std::nullopt, std::nullopt, std::nullopt};
    out.line = Line(section.line());
    out.name = read_label(section, "name").value_or("");
    out.options.encapsulation =
        section.choice<Encapsulation>("encapsulation", kEncapsulations).value_or(Encapsulation::udp);
    const std::string remote_host = read_addresses(section, out);
    read_ports(section, out.options);
    out.options.local_id = ControlConnectionId{section.integer("local_id", 1, kMaxId).value_or(0)};
    out.options.remote_id = ControlConnectionId{section.integer("remote_id", 1, kMaxId).value_or(0)};
    out.path_mtu = read_path_mtu(section, out.options);
    out.rate = read_rate(section);
    out.options.dscp = section.choice<DscpPolicy>("dscp", kDscpPolicies).value_or(out.options.dscp);
    out.options.ecn = section.choice<EcnMode>("ecn", kEcnModes).value_or(out.options.ecn);
    read_protection(section, remote_host, environment, out, sections);
    out.control = read_control(section, environment, out, sections);
    draft.configuration.tunnels.push_back(std::move(out));
    draft.tunnels.push_back(std::move(sections));
}

}  // namespace isthmus::config
