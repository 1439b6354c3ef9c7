// A configuration that was found good: values in the modules' own types. docs/configuration.md has every key.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bridge/options.h"
#include "config/ike_config.h"
#include "config/problem.h"
#include "config/storm_setting.h"
#include "crypto/esp/options.h"
#include "crypto/secret_bytes.h"
#include "stp-guard/options.h"
#include "tunnel/bfd_options.h"
#include "tunnel/control_options.h"
#include "tunnel/options.h"

namespace isthmus::config {

enum class LogLevel : std::uint8_t { trace, debug, info, warning, error };
enum class LogTarget : std::uint8_t { console, journal, file };

struct GatewayConfig {
    std::string name;
    std::string state_dir = "/var/lib/isthmus";
    std::string control_socket = "/run/isthmus/isthmus.sock";
    LogLevel log_level = LogLevel::info;
    LogTarget log_target = LogTarget::console;
    std::string log_file;        ///< log_target file only
    bool allow_key_log = false;  ///< isthmusd --key-log may write the keys of IKE and ESP
    std::optional<std::uint32_t>
        router_id;  ///< told to peers (RFC 3931 section 5.4.3); else made from what there is
    friend bool operator==(const GatewayConfig&, const GatewayConfig&) = default;
};

/// Which library seals and opens ESP packets; automatic: the faster of those that pass their self-tests.
enum class CipherLibrary : std::uint8_t { automatic, openssl, ipsec_mb };

/// How frames are moved; the same for all tunnels.
struct DatapathConfig {
    static constexpr std::uint32_t kDefaultMemory = 20;
    CipherLibrary crypto = CipherLibrary::automatic;
    std::uint32_t packet_memory = kDefaultMemory;  ///< MiB, most that both workers' packets take together
    std::uint32_t poll_microseconds = 0;  ///< how long a worker that has run dry looks again before it sleeps
    friend bool operator==(const DatapathConfig&, const DatapathConfig&) = default;
};

/// As written; nullopt: the default.
struct StormSettings {
    std::array<std::optional<StormSetting>, stp_guard::kStormClassCount> classes;
    std::optional<StormSetting> all;
    std::optional<StormSetting> per_source;
    friend bool operator==(const StormSettings&, const StormSettings&) = default;
};

/// What keeps storms, loops and stray spanning trees from crossing; for all sessions.
struct GuardConfig {
    bool enabled = true;
    bool observe = false;  ///< sessions may say otherwise
    std::uint32_t domain = 1;
    std::string site;  ///< labels, of which identifiers are made
    std::string node;
    crypto::SecretBytes key;  ///< shared by the domain's gateways; empty: each is by itself
    bool probes = true;
    bool open_at_once = false;  ///< VLANs open first, and loops are looked for afterwards: for labs
    std::uint32_t probes_per_second = 200;
    bool pin_duplicates = false;
    bool suspend_storms = false;
    bool nftables = true;
    std::uint32_t capture = 200;  ///< frames kept before and after an event
    StormSettings storm;          ///< sessions' own come on top
    StormSettings lan_storm;      ///< bridges' own come on top
    friend bool operator==(const GuardConfig&, const GuardConfig&) = default;
};

/// A session's own part, beside its AdmissionOptions.
struct SessionGuardConfig {
    bool probes = true;
    bool root_guard = false;
    stp_guard::GatewayOptions gateways;
    friend bool operator==(const SessionGuardConfig&, const SessionGuardConfig&) = default;
};

struct BridgeConfig {
    bridge::BridgeOptions options;
    stp_guard::StormLimits lan_storm = stp_guard::lan_limits();  ///< of what comes in at its LAN ports
    Line line;                                                   ///< of its [[bridge]]
    friend bool operator==(const BridgeConfig&, const BridgeConfig&) = default;
};

/// ESP in UDP (RFC 3948), or as IP protocol 50 (RFC 4303).
enum class EspEncapsulation : std::uint8_t { udp, raw };

/// Protection by ESP with keys from the configuration: for labs and tests.
struct EspConfig {
    EspEncapsulation encapsulation = EspEncapsulation::udp;
    std::uint16_t local_port = 4500;  ///< encapsulation udp only
    std::uint16_t remote_port = 4500;
    crypto::esp::Mode mode = crypto::esp::Mode::transport;
    IpAddress local;  ///< of the ESP packets; in transport mode always the tunnel's own
    IpAddress remote;
    std::uint32_t keepalive_seconds = 20;  ///< NAT keepalives, encapsulation udp only; 0: none
    crypto::esp::SaOptions out;
    crypto::esp::SaOptions in;
    friend bool operator==(const EspConfig&, const EspConfig&) = default;
};

/// The control connection of a tunnel whose sessions are negotiated (RFC 3931).
struct ControlConfig {
    tunnel::ConnectionRole role = tunnel::ConnectionRole::both;
    std::vector<SecretBytes> secrets;  ///< none, one, or two while it is being changed, the preferred first
    tunnel::DigestType digest = tunnel::DigestType::hmac_sha1;
    bool hide_avps = false;
    std::uint32_t hello_seconds = 10;
    std::uint16_t receive_window = 16;
    std::string peer_hostname;  ///< empty: any
    tunnel::QuirkSet tolerated = tunnel::QuirkSet::all();
    friend bool operator==(const ControlConfig&, const ControlConfig&) = default;
};

struct TunnelConfig {
    std::string name;
    tunnel::TunnelOptions options;
    std::optional<std::uint32_t>
        path_mtu;             ///< bytes; else the MTU of the interface that holds the local address
    std::string remote_name;  ///< DNS name instead of options.remote, which is 0.0.0.0 then
    bool any_remote = false;  ///< any peer that can say who it is; options.remote is 0.0.0.0 then
    std::optional<ControlConfig> control;  ///< nullopt: static, with the ids of the configuration
    std::optional<std::uint64_t> rate;     ///< bits a second, for limits in percent
    std::optional<EspConfig> esp;          ///< manual keys
    std::optional<IkeConfig> ike;          ///< keys by IKEv2; neither: in the clear, asked for by name
    Line line;                             ///< of its [[tunnel]]

    /// False only if asked for by name. While true, nothing of the tunnel is sent or taken without ESP.
    [[nodiscard]] bool is_protected() const noexcept { return esp || ike; }
    friend bool operator==(const TunnelConfig&, const TunnelConfig&) = default;
};

/// What is particular to a session whose ids and cookies are negotiated.
struct NegotiationConfig {
    std::string end_id;  ///< Remote End ID: the same at both ends
    std::uint8_t cookie_size = 8;
    std::uint32_t cookie_rotation_seconds = 0;  ///< 0: never
    std::optional<tunnel::BfdOptions> liveness =
        tunnel::BfdOptions{};  ///< nullopt: the data path is not watched
    friend bool operator==(const NegotiationConfig&, const NegotiationConfig&) = default;
};

struct SessionConfig {
    std::string name;
    std::size_t tunnel = 0;  ///< index into Configuration::tunnels
    std::size_t bridge = 0;  ///< index into Configuration::bridges
    std::string interface;   ///< name of the TAP
    /// Ids 0 and no cookies where they are negotiated; then only what we ask for counts: type, access_vlan,
    /// receive_sublayer, receive_sequencing.
    tunnel::SessionOptions options;
    std::optional<NegotiationConfig> negotiation;
    stp_guard::AdmissionOptions admission;
    SessionGuardConfig guard;
    std::optional<std::string> split_horizon;  ///< group: its members on one bridge exchange no frames
    std::optional<std::string>
        transit;  ///< group: its members do exchange them; the guard keeps circles open
    std::optional<std::string> redundancy;  ///< group: ways to the same place, of which one forwards
    /// Not the first of its redundancy group: stays blocked, since nothing elects another forwarder yet.
    bool standby = false;
    Line line;  ///< of its [[session]]
    friend bool operator==(const SessionConfig&, const SessionConfig&) = default;
};

struct Configuration {
    GatewayConfig gateway;
    DatapathConfig datapath;
    GuardConfig guard;
    std::vector<BridgeConfig> bridges;
    std::vector<TunnelConfig> tunnels;
    std::vector<SessionConfig> sessions;
    Problems warnings;  ///< what works but should be known
};

}  // namespace isthmus::config
