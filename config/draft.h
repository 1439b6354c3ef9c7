// A configuration while it is read: what is known of it so far, and where in the file each part stands.
// A field that could not be read keeps its default, which no check finds fault with: the problem was reported
// already.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/configuration.h"
#include "config/environment.h"
#include "config/section.h"

namespace isthmus::config {

inline constexpr std::size_t kUnknown =
    static_cast<std::size_t>(-1);  ///< index of what a session refers to in vain

/// The tables behind one TunnelConfig.
struct TunnelSections {
    Section tunnel;
    std::optional<Section> esp;
    std::optional<Section> out;
    std::optional<Section> in;
};

struct Draft {
    Configuration configuration;
    std::vector<Section> bridges;  ///< each as long as its vector in the configuration
    std::vector<TunnelSections> tunnels;
    std::vector<Section> sessions;
};

/// What sessions may refer to, in the order of the configuration's vectors.
struct Names {
    std::vector<std::string_view> tunnels;
    std::vector<std::string_view> bridges;
};

// One for each kind of table. Problems go to the section's findings.
[[nodiscard]] GatewayConfig read_gateway(const Section* section, const Environment& environment);
[[nodiscard]] DatapathConfig read_datapath(const Section* section);
[[nodiscard]] BridgeConfig read_bridge(const Section& section);
void read_tunnel(const Section& section, const Environment& environment, Draft& draft);
[[nodiscard]] SessionConfig read_session(const Section& section, const Names& names);

/// Fills `sections.out` and `sections.in`. `tunnel` has its addresses.
[[nodiscard]] EspConfig read_esp(const Section& esp, const TunnelConfig& tunnel,
                                 const Environment& environment, TunnelSections& sections);

// What only shows when parts are held against each other.
void check_names(const Draft& draft);
void check_wire(const Draft& draft);
void check_bridging(Draft& draft);

// Shared by the readers.
[[nodiscard]] std::optional<std::string> read_label(const Section& section, std::string_view key);
[[nodiscard]] std::optional<std::string> read_interface_name(const Section& section, std::string_view key);
/// What is wrong with an interface name, if anything, and the remedy (Linux: net/core/dev.c
/// dev_valid_name()).
[[nodiscard]] std::optional<std::pair<std::string, std::string>> fault_of_interface_name(
    std::string_view name);
[[nodiscard]] std::optional<IpAddress> read_unicast_address(const Section& section, std::string_view key);
[[nodiscard]] std::uint16_t read_port(const Section& section, std::string_view key, std::uint16_t fallback);

}  // namespace isthmus::config
