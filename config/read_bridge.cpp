#include <array>

#include "config/draft.h"

namespace isthmus::config {

namespace {

using bridge::Ownership;
using bridge::VlanFiltering;

constexpr std::array kOwnerships{std::pair<std::string_view, Ownership>{"create", Ownership::create},
                                 std::pair<std::string_view, Ownership>{"adopt", Ownership::adopt}};
constexpr std::array kFilterings{std::pair<std::string_view, VlanFiltering>{"auto", VlanFiltering::automatic},
                                 std::pair<std::string_view, VlanFiltering>{"on", VlanFiltering::on},
                                 std::pair<std::string_view, VlanFiltering>{"off", VlanFiltering::off}};

std::vector<std::string> read_ports(const Section& section) {
    std::vector<std::string> ports;
    for (const auto& [name, line] : section.texts("ports")) {
        if (auto fault = fault_of_interface_name(name))
            section.problem_at(line, "ports", std::move(fault->first), std::move(fault->second));
        ports.push_back(name);
    }
    return ports;
}

std::optional<MacAddress> read_mac(const Section& section) {
    const auto text = section.text("mac");
    if (!text) return std::nullopt;
    const auto mac = MacAddress::parse(*text);
    if (!mac || mac->is_group() || *mac == MacAddress{}) {
        section.problem("mac", quoted(*text) + " is no unicast MAC address",
                        "write it as in mac = \"02:00:5e:10:00:01\"");
        return std::nullopt;
    }
    return mac;
}

void warn_of_idle_keys(const Section& section) {
    for (const std::string_view key : {"vlan_filtering", "multicast_snooping", "mac"})
        if (section.has(key))
            section.warning(key, "has no effect on an adopted bridge, which is not ours to change",
                            "remove it, or write ownership = \"create\"");
}

}  // namespace

BridgeConfig read_bridge(const Section& section) {
    BridgeConfig out;
    out.line = Line(section.line());
    bridge::BridgeOptions& options = out.options;
    options.name = read_interface_name(section, "name").value_or("");
    options.ownership = section.choice<Ownership>("ownership", kOwnerships).value_or(options.ownership);
    options.ports = read_ports(section);
    options.mtu = section.integer("mtu", 576, 9216).value_or(options.mtu);
    options.vlan_filtering =
        section.choice<VlanFiltering>("vlan_filtering", kFilterings).value_or(options.vlan_filtering);
    options.multicast_snooping = section.boolean("multicast_snooping").value_or(options.multicast_snooping);
    options.mac = read_mac(section);
    if (options.ownership == Ownership::adopt) warn_of_idle_keys(section);
    return out;
}

}  // namespace isthmus::config
