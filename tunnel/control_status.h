// How the control plane is doing, for people: `isthmus tunnels` and `isthmus sessions`.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/ids.h"
#include "base/time.h"
#include "tunnel/control_actions.h"

namespace isthmus::tunnel {

struct ConnectionStatus {
    TunnelIndex tunnel = kNoTunnel;
    std::string name;
    std::string state;   ///< "established", "wait-ctl-reply", "wait-ctl-conn", "resolving", "waiting", ...
    std::string reason;  ///< why it is not established; empty when it is
    bool established = false;
    bool initiated = false;
    bool authenticated = false;  ///< each message carries a digest that only a holder of the secret can make
    ControlConnectionId local_id{};
    ControlConnectionId remote_id{};
    Path path;
    std::string peer_host;
    std::string peer_vendor;
    std::uint32_t peer_router_id = 0;
    std::vector<std::string> quirks;  ///< of the peer, named when seen
    Duration age{};                   ///< since established
    std::uint64_t messages_sent = 0;
    std::uint64_t messages_received = 0;
    std::uint64_t retransmissions = 0;
    std::uint64_t duplicates = 0;
    std::uint64_t out_of_order = 0;
    std::uint64_t hellos_sent = 0;
    std::uint32_t unanswered =
        0;  ///< how often a message was repeated that the peer has not acknowledged yet
    std::uint64_t bad_digests = 0;
    std::uint64_t malformed = 0;
    std::uint64_t rate_limited = 0;
    std::uint32_t times_connected = 0;
    std::uint32_t sessions_up = 0;
};

struct SessionStatus {
    SessionIndex session = kNoSession;
    TunnelIndex tunnel = kNoTunnel;
    std::string name;
    std::string remote_end_id;
    std::string state;  ///< "established", "wait-reply", "wait-connect", "wait-control-conn", "retrying", ...
    std::string reason;  ///< why it is not established; empty when it is
    bool established = false;
    bool called = false;    ///< we answered the peer's ICRQ
    bool rotating = false;  ///< a parallel session is being set up or torn down
    NegotiatedSession negotiated;
    CircuitStatus circuit;      ///< ours
    CircuitErrors peer_errors;  ///< that the peer told (WEN)
    std::uint32_t rotations = 0;
    std::uint32_t times_up = 0;
    Duration age{};
};

/// What was refused, of all senders.
struct ControlRefusals {
    std::uint64_t malformed = 0;
    std::uint64_t not_a_peer = 0;
    std::uint64_t wrong_sa = 0;  ///< not under the SA that it belongs to
    std::uint64_t unknown_connection = 0;
    std::uint64_t bad_digest = 0;
    std::uint64_t rate_limited = 0;
    std::uint64_t refusals_sent = 0;
};

struct ControlStatus {
    std::vector<ConnectionStatus> connections;
    std::vector<SessionStatus> sessions;
    ControlRefusals refusals;
    // What holds any state, half-open, parallel and ended ones included.
    std::size_t connections_held = 0;
    std::size_t sessions_held = 0;
    std::size_t ids_held = 0;  ///< given out, reserved or still remembered
};

}  // namespace isthmus::tunnel
