// What the IKEv2 engine wants done: values, drained with Engine::poll_action() after each call.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/address.h"
#include "base/ids.h"
#include "crypto/esp/options.h"
#include "crypto/ike/wire/traffic_selector.h"
#include "crypto/secret_bytes.h"

namespace isthmus::crypto::ike {

/// One IKE message to send.
struct SendDatagram {
    Endpoint local;  ///< unspecified address: whatever the route says; the port is always set
    Endpoint remote;
    std::vector<std::uint8_t> bytes;
    bool with_marker = false;  ///< four zero bytes go in front: UDP 4500 (RFC 3948 section 2.2)
};

/// One byte 0xff that keeps a NAT's mapping alive (RFC 3948 section 4). Needless if ESP went the same way since.
struct SendKeepalive {
    Endpoint local;
    Endpoint remote;
};

/// Look the name up and answer with Engine::on_resolved(). Numeric addresses are asked for too: which local address leads
/// there is the driver's to say.
struct Resolve {
    std::string peer;
    std::string host;
};

/// How a child SA's ESP packets travel.
struct EspPath {
    bool in_udp = false;  ///< RFC 3948; otherwise IP protocol 50 and both ports are 0
    Endpoint local;
    Endpoint remote;

    friend bool operator==(const EspPath&, const EspPath&) = default;
};

/// We have chosen this SPI for packets to us, and are about to tell the peer: its packets may come before our ChildUp, out of
/// whose answer the SAs are made.
struct ExpectEsp {
    Spi inbound{};
};

/// There will be no more pair with that SPI: what comes under it is a stranger's.
struct ForgetEsp {
    Spi inbound{};
};

/// A pair of ESP SAs exists. The inbound one must be usable before the next datagram goes out. Keys are given once.
struct ChildUp {
    std::string peer;
    std::string child;  ///< name of the ChildOptions
    esp::SaOptions inbound;
    esp::SaOptions outbound;
    esp::Mode mode = esp::Mode::transport;
    EspPath path;
    std::vector<TrafficSelector> local_selectors;
    std::vector<TrafficSelector> remote_selectors;
    std::optional<Spi>
        replaces;  ///< inbound SPI of the pair that this one takes over from; that one stays for now
    /// Send with it at once. Otherwise wait for UseOutbound: the peer may not be ready to receive (make before break).
    bool use_outbound = true;
};

/// From now on the child's packets go out under this pair.
struct UseOutbound {
    std::string peer;
    std::string child;
    Spi inbound{};  ///< names the pair
};

enum class ChildDownReason : std::uint8_t {
    replaced,
    deleted_by_peer,
    terminated,
    peer_lost,
    expired,
    failed
};
[[nodiscard]] std::string_view name_of(ChildDownReason reason) noexcept;

/// Both SAs of the pair are to be forgotten.
struct ChildDown {
    std::string peer;
    std::string child;
    Spi inbound{};
    ChildDownReason reason = ChildDownReason::failed;
};

/// The peer is now reached elsewhere: applies to all ESP SAs named.
struct PathMoved {
    std::string peer;
    std::vector<Spi> inbound;
    EspPath path;
};

enum class PeerState : std::uint8_t {
    idle,        ///< waits for the peer to begin
    resolving,   ///< name is being looked up
    connecting,  ///< first exchanges under way
    up,          ///< authenticated, and every configured child has its SAs
    degraded,    ///< authenticated, but a child has no SAs
    waiting,     ///< failed; the next attempt is on a timer
};
[[nodiscard]] std::string_view name_of(PeerState state) noexcept;

struct PeerStateChanged {
    std::string peer;
    PeerState state = PeerState::idle;
    std::string why;  ///< a sentence
};

enum class NoteLevel : std::uint8_t { debug, info, warning };

/// Something for the log: a sentence in plain words, never a secret.
struct Note {
    NoteLevel level = NoteLevel::info;
    std::string peer;  ///< empty: about nobody in particular
    std::string text;
};

/// A line for Wireshark's tables, only if EngineOptions::key_log: secret!
struct KeyLog {
    enum class Table : std::uint8_t { ikev2_decryption_table, esp_sa };
    Table table = Table::ikev2_decryption_table;
    SecretBytes line;  ///< without line end
};

using Action = std::variant<SendDatagram, SendKeepalive, Resolve, ExpectEsp, ForgetEsp, ChildUp, UseOutbound,
                            ChildDown, PathMoved, PeerStateChanged, Note, KeyLog>;

}  // namespace isthmus::crypto::ike
