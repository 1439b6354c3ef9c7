// What the L2TPv3 control plane is told: which peers may connect, and which pseudowires they carry
// (RFC 3931 sections 3.3 and 3.4, RFC 4719).
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/ids.h"
#include "base/time.h"
#include "tunnel/avp_values.h"
#include "tunnel/control_auth.h"
#include "tunnel/options.h"
#include "tunnel/peer_quirks.h"

namespace isthmus::tunnel {

/// Who opens the control connection. With `both`, crossing requests are settled by tie breaker
/// (RFC 3931 section 5.4.3).
enum class ConnectionRole : std::uint8_t { initiator, responder, both };

/// Who opens a session. With `both`, the side that opened the control connection calls first.
enum class SessionRole : std::uint8_t { call, answer, both };

/// RFC 3931 section 4.2: a message is sent again after first, 2 * first, 4 * first ... up to cap; after `tries`
/// retransmissions and one more wait the peer counts as gone.
struct Retransmission {
    Duration first = std::chrono::seconds(1);
    Duration cap = std::chrono::seconds(8);
    std::uint32_t tries = 10;
    friend bool operator==(const Retransmission&, const Retransmission&) = default;
};

/// One peer: one control connection, which becomes one tunnel of the datapath.
struct ConnectionOptions {
    TunnelIndex tunnel = kNoTunnel;  ///< stays with the peer over configure()
    std::string name;                ///< for people
    Encapsulation encapsulation = Encapsulation::udp;
    IpAddress local;
    std::uint16_t local_port = 1701;  ///< encapsulation udp only, as remote_port
    /// nullopt and no remote_name: any; then is_protected or a secret must tell who it is.
    std::optional<IpAddress> remote;
    std::string remote_name;  ///< DNS name, looked up before each try; empty: `remote` says all
    std::uint16_t remote_port = 1701;
    ConnectionRole role = ConnectionRole::both;
    /// Control is accepted only under the tunnel's own SA.
    bool is_protected = false;
    std::string peer_identity;   ///< that IKE must have authenticated; empty: the SA says enough
    std::string peer_host_name;  ///< Host Name AVP that is expected; empty: any
    /// From one secret, or from two while it is being changed; null: no authentication (RFC 3931 section 4.3).
    std::shared_ptr<const ControlKeys> keys;
    DigestType digest = DigestType::hmac_sha1;
    bool hide_avps = false;  ///< needs keys (RFC 3931 section 5.3)
    QuirkSet tolerated = QuirkSet::all();
    Duration hello_interval = std::chrono::seconds(10);  ///< of silence, before a HELLO
    std::uint16_t receive_window = 4;
    Retransmission retransmission;
    Duration reconnect_cap = std::chrono::seconds(5);

    [[nodiscard]] bool any_remote() const noexcept { return !remote && remote_name.empty(); }
};

/// One session. Both ends give it the same Remote End ID.
struct PseudowireOptions {
    SessionIndex session = kNoSession;  ///< stays with the pseudowire over configure()
    TunnelIndex tunnel = kNoTunnel;
    std::string name;           ///< for people
    std::string remote_end_id;  ///< RFC 3931 section 5.4.4
    SessionRole role = SessionRole::both;
    PseudowireType type = PseudowireType::ethernet;
    std::optional<VlanId> access_vlan;
    std::uint8_t cookie_size = 8;  ///< of the cookie that we assign: 0, 4 or 8
    Sublayer receive_sublayer = Sublayer::none;
    /// drop_out_of_order needs receive_sublayer standard, and asks the peer for sequence numbers.
    ReceiveSequencing receive_sequencing = ReceiveSequencing::ignore;
    std::uint16_t mtu = 0;  ///< Interface MTU told to the peer (RFC 4667 section 4.3); 0: not told
    std::optional<VccvCapability> vccv;     ///< told to the peer (RFC 5085), over the sublayer
    std::optional<VccvCapability> channel;  ///< told to the peer: ours, without sublayer
    Duration cookie_rotation{0};            ///< cookies are changed this often; 0: never
};

/// Who we are, as told to peers.
struct GatewayIdentity {
    std::string host_name;        ///< RFC 3931 section 5.4.3, at least one character
    std::uint32_t router_id = 0;  ///< RFC 3931 section 5.4.3
    std::string software_version;
    std::vector<std::uint8_t> node_id;     ///< a peer that has the same is refused: cloned image
    std::vector<std::uint8_t> site_id;     ///< as node_id: both ends of a tunnel would be one site
    std::vector<std::uint8_t> boot_nonce;  ///< random, of this run of the program
};

/// Everything. Indices of connections and of pseudowires are unique; each pseudowire's connection exists.
struct ControlPlan {
    GatewayIdentity self;
    std::vector<ConnectionOptions> connections;
    std::vector<PseudowireOptions> pseudowires;
    std::vector<SessionId> reserved;  ///< local Session IDs that sessions from the configuration hold
};

/// What an unknown sender may cost.
struct ControlLimits {
    /// Requests for connections, per peer, that get an answer with state behind it.
    std::uint32_t requests_per_second = 5;
    std::uint32_t request_burst = 10;
    /// Refusals without state, of all senders together.
    std::uint32_t refusals_per_second = 20;
    std::size_t max_sessions_per_connection = 65'536;
};

}  // namespace isthmus::tunnel
