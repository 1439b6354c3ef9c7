// What the L2TPv3 control plane wants done: values, in order, drained after each call.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/address.h"
#include "base/ids.h"
#include "tunnel/avp_values.h"
#include "tunnel/options.h"

namespace isthmus::tunnel {

/// One L2TP control message as it goes behind the UDP or IP header (over IP with RFC 3931 section 4.1.1.2's zero word).
struct SendControl {
    TunnelIndex tunnel = kNoTunnel;  ///< kNoTunnel: a refusal to somebody who is no peer
    Encapsulation encapsulation = Encapsulation::udp;
    Path path;
    std::vector<std::uint8_t> bytes;
};

/// A Control Connection ID of ours was given out, before anything leaves that tells it to a peer, or is in use no more.
struct ConnectionIdUse {
    ControlConnectionId id{};
    bool in_use = true;
};

/// The peer answers at `path.remote` from now on (RFC 3931 section 4.1.2.2), data included.
struct ConnectionUp {
    TunnelIndex tunnel = kNoTunnel;
    ControlConnectionId local_id{};
    ControlConnectionId remote_id{};
    Path path;
    std::string peer_host;
    std::string peer_vendor;
    bool initiated = false;
};

/// Its sessions went down before this.
struct ConnectionDown {
    TunnelIndex tunnel = kNoTunnel;
    std::string reason;
};

/// A second local Session ID with its cookie, received too while cookies are being changed.
struct AlsoAccepted {
    SessionId local_id{};
    Cookie local_cookie;
};

/// What the datapath needs of one session, and what the peer said of it.
struct NegotiatedSession {
    SessionIndex session = kNoSession;
    TunnelIndex tunnel = kNoTunnel;
    SessionOptions options;
    std::optional<AlsoAccepted> also_accepted;
    std::uint32_t incarnation = 0;  ///< another one: sequence numbers start again
    CircuitStatus peer_circuit;
    std::uint16_t peer_mtu = 0;  ///< 0: not told
    // What both ends can do; nullopt: nothing.
    std::optional<VccvCapability> vccv;     ///< over the sublayer
    std::optional<VccvCapability> channel;  ///< without sublayer
};

struct SessionUp {
    NegotiatedSession session;
};
/// Replaces what was said before, without an interruption.
struct SessionChanged {
    NegotiatedSession session;
};
struct SessionDown {
    SessionIndex session = kNoSession;
    TunnelIndex tunnel = kNoTunnel;
    std::string reason;
};
/// While it is not active, nothing is to be sent to the peer (RFC 3931 section 5.4.5). Never to be turned into our own
/// circuit's status: two ends would latch each other down.
struct PeerCircuit {
    SessionIndex session = kNoSession;
    CircuitStatus status;
};

/// What the peer's guard says about a session (SLI).
struct GuardNotice {
    SessionIndex session = kNoSession;
    std::vector<std::uint8_t> notice;
};

/// A DNS name to look up; ControlEngine::on_resolved() takes the answer.
struct Resolve {
    TunnelIndex tunnel = kNoTunnel;
    std::string name;
};

/// For the log. Said once for each change, not for each repetition.
struct ControlNote {
    enum class Level : std::uint8_t { debug, info, warning } level = Level::info;
    TunnelIndex tunnel = kNoTunnel;
    SessionIndex session = kNoSession;
    std::string text;
};

using ControlAction =
    std::variant<SendControl, ConnectionIdUse, ConnectionUp, ConnectionDown, SessionUp, SessionChanged,
                 SessionDown, PeerCircuit, GuardNotice, Resolve, ControlNote>;

}  // namespace isthmus::tunnel
