// A configuration while it is read: what is known of it so far, and where in the file each part stands.
// A field that could not be read keeps its default, which no check finds fault with: the problem was reported
// already.
#pragma once

#include <array>
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
    std::optional<Section> ike = std::nullopt;
    std::optional<Section> control = std::nullopt;
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
    std::vector<bool> negotiates;  ///< whether the tunnel has a control connection
    std::vector<std::string_view> bridges;
};

// One for each kind of table. Problems go to the section's findings.
[[nodiscard]] GatewayConfig read_gateway(const Section* section, const Environment& environment);
[[nodiscard]] DatapathConfig read_datapath(const Section* section);
[[nodiscard]] GuardConfig read_guard(const Section* section, const GatewayConfig& gateway,
                                     const Environment& environment);
[[nodiscard]] BridgeConfig read_bridge(const Section& section);
/// The rest of a bridge.
void read_bridge_guard(const Section& section, const GuardConfig& guard, BridgeConfig& bridge);
void read_tunnel(const Section& section, const Environment& environment, Draft& draft);
[[nodiscard]] SessionConfig read_session(const Section& section, const Names& names);
/// The rest of a session. `tunnel` is null if it is not known.
void read_session_guard(const Section& section, const GuardConfig& guard, const TunnelConfig* tunnel,
                        SessionConfig& session);

/// Fills `sections.control`. `tunnel` has its addresses and protection. nullopt: there is no [tunnel.control].
[[nodiscard]] std::optional<ControlConfig> read_control(const Section& section,
                                                        const Environment& environment,
                                                        const TunnelConfig& tunnel, TunnelSections& sections);
/// The keys of a session in a tunnel with a control connection; those of a static one have no place there.
[[nodiscard]] NegotiationConfig read_negotiation(const Section& section, const SessionConfig& session);

/// What a key of `section` that names a file with a secret leads to. A secret that somebody else may read or write is
/// none. `wanted`: what the file holds, for the remedy. The content is to be wiped by the caller.
[[nodiscard]] std::optional<File> read_secret_file(const Section& section, std::string_view key,
                                                   const std::string& wanted, const Environment& environment);
/// Without blanks and line ends around it.
[[nodiscard]] std::string_view without_blanks(std::string_view text);

/// Fills `sections.out` and `sections.in`. `tunnel` has its addresses.
[[nodiscard]] EspConfig read_esp(const Section& esp, const TunnelConfig& tunnel,
                                 const Environment& environment, TunnelSections& sections);

using EspSuiteName = crypto::ike::Named<crypto::esp::Suite>;
inline constexpr auto kEspSuites = std::to_array<EspSuiteName>({
    {"aes-256-gcm", crypto::esp::Suite::aes256_gcm16},
    {"aes-128-gcm", crypto::esp::Suite::aes128_gcm16},
    {"chacha20-poly1305", crypto::esp::Suite::chacha20_poly1305},
    {"aes-256-cbc-sha256", crypto::esp::Suite::aes256_cbc_hmac_sha256_128},
    {"aes-256-cbc-sha384", crypto::esp::Suite::aes256_cbc_hmac_sha384_192},
    {"aes-256-cbc-sha512", crypto::esp::Suite::aes256_cbc_hmac_sha512_256},
    {"aes-128-cbc-sha256", crypto::esp::Suite::aes128_cbc_hmac_sha256_128},
});
[[nodiscard]] std::uint32_t read_replay_window(const Section& section);

/// Where a peer is: an address, a DNS name to be looked up, or unknown until it comes ("any").
struct Host {
    std::string name;  ///< as written; empty: any
    std::optional<IpAddress> address;
};
/// The key "remote". nullopt: not there, or reported.
[[nodiscard]] std::optional<Host> read_remote_host(const Section& section);

/// `tunnel` has its addresses; `remote_host` is the tunnel's remote as it was written, empty for "any".
[[nodiscard]] IkeConfig read_ike(const Section& ike, const TunnelConfig& tunnel,
                                 const std::string& remote_host, const Environment& environment);

/// What a key in a file looks like: `size` bytes in hex; 0: not known.
struct KeyShape {
    std::string_view of;  ///< what it is for, in words
    std::size_t size = 0;
    [[nodiscard]] std::string text() const;
};
/// The key `key_file`. Empty, after a problem, if there is none that nobody else can read.
[[nodiscard]] crypto::SecretBytes read_key_file(const Section& section, const KeyShape& shape,
                                                const Environment& environment);

// What only shows when parts are held against each other.
void check_names(const Draft& draft);
void check_wire(const Draft& draft);
void check_bridging(Draft& draft);
void check_control(const Draft& draft);

// Shared by the readers.
[[nodiscard]] std::optional<std::string> read_label(const Section& section, std::string_view key);
[[nodiscard]] std::optional<std::string> read_interface_name(const Section& section, std::string_view key);
/// What is wrong with an interface name, if anything, and the remedy (Linux: net/core/dev.c
/// dev_valid_name()).
[[nodiscard]] std::optional<std::pair<std::string, std::string>> fault_of_interface_name(
    std::string_view name);
[[nodiscard]] std::optional<IpAddress> read_unicast_address(const Section& section, std::string_view key);
/// Why packets cannot be sent from and to an address, or nullopt.
[[nodiscard]] std::optional<std::string> fault_of_address(const IpAddress& address);
[[nodiscard]] std::uint16_t read_port(const Section& section, std::string_view key, std::uint16_t fallback);

/// A path as the file at hand means it: relative ones begin in its folder.
[[nodiscard]] std::string in_folder_of(const std::string& file, const std::string& path);
/// A secret that somebody else may read or write is none: reported at `key`.
[[nodiscard]] bool is_private(const Section& section, std::string_view key, const std::string& path,
                              const File& file, const Environment& environment);

}  // namespace isthmus::config
