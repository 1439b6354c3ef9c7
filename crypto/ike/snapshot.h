// What `isthmus ike` shows: the engine's state as values, without secrets.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/ids.h"
#include "base/time.h"
#include "crypto/ike/actions.h"
#include "crypto/ike/wire/numbers.h"

namespace isthmus::crypto::ike {

/// Ages and times to go are relative to the moment of the snapshot.
struct ChildSnapshot {
    std::string name;
    std::string state;  ///< "installed", "rekeying", "replaced", "deleting"
    Spi inbound{};
    Spi outbound{};
    bool sends = false;  ///< the outbound SA is the one in use
    esp::Mode mode = esp::Mode::transport;
    EspPath path;
    std::string suite;  ///< "AES_GCM_16_256/ESN"
    std::vector<TrafficSelector> local_selectors;
    std::vector<TrafficSelector> remote_selectors;
    Duration age{};
    std::optional<Duration> rekey_in;
    std::uint64_t packets_in = 0;
    std::uint64_t packets_out = 0;
    std::uint64_t bytes_in = 0;
    std::uint64_t bytes_out = 0;
};

struct IkeSaSnapshot {
    IkeSpi initiator_spi{};
    IkeSpi responder_spi{};
    bool we_initiated = false;
    std::string state;  ///< "connecting", "authenticating", "established", "rekeying", "replaced", "deleting"
    Endpoint local;
    Endpoint remote;
    std::string local_identity;
    std::string remote_identity;  ///< empty until authenticated
    std::string local_auth;       ///< "shared key", "ECDSA P-256 with SHA-256", ...
    std::string remote_auth;
    std::string suite;  ///< "AES_GCM_16_256/PRF_HMAC_SHA2_256/ECP_256"
    bool local_behind_nat = false;
    bool remote_behind_nat = false;
    bool in_udp = false;  ///< ESP travels in UDP 4500
    bool fragmentation = false;
    bool ppk = false;
    Duration age{};
    Duration silent_for{};  ///< since the last authenticated packet of the peer
    std::optional<Duration> rekey_in;
    std::optional<Duration> reauthentication_in;
    std::uint32_t retransmissions = 0;  ///< of the request that waits for an answer
    std::vector<ChildSnapshot> children;
};

/// Both sides' proposals when nothing matched.
struct MismatchSnapshot {
    std::string ours;
    std::string theirs;  ///< empty: the peer refused ours and never proposed anything itself
    std::string what;    ///< a sentence
    std::string child;   ///< whose proposals they are; empty: those of the IKE SA
};

struct PeerSnapshot {
    std::string name;
    PeerState state = PeerState::idle;
    std::string why;
    std::string remote_host;
    std::optional<std::string> last_error;
    std::optional<Duration> last_error_age;
    std::optional<MismatchSnapshot> mismatch;
    std::optional<Duration> next_attempt_in;
    std::uint32_t failed_attempts = 0;  ///< since it was last up
    std::vector<IkeSaSnapshot> ike_sas;
};

struct Snapshot {
    std::vector<PeerSnapshot> peers;
    std::size_t half_open = 0;  ///< IKE SAs that somebody began and nobody has authenticated
    bool cookies_demanded = false;
    std::uint64_t cookies_sent = 0;
    std::uint64_t invalid_spi_sent = 0;
    std::uint64_t dropped_datagrams = 0;  ///< unreadable, unauthentic, or for no SA of ours
};

}  // namespace isthmus::crypto::ike
