// How the IKEv2 engine is to behave, and with whom.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/ids.h"
#include "base/time.h"
#include "crypto/esp/options.h"
#include "crypto/ike/suites.h"
#include "crypto/ike/wire/identification_payload.h"
#include "crypto/ike/wire/traffic_selector.h"

namespace isthmus::crypto::ike {

struct Credentials;

/// Requests are repeated until they are answered (RFC 7296 section 2.4): intervals grow by `growth_percent` each time.
struct RetransmissionOptions {
    Duration first = std::chrono::milliseconds(500);
    unsigned growth_percent = 150;
    Duration longest = std::chrono::seconds(2);
    unsigned jitter_percent = 10;
    /// An IKE SA that is not up after so long begins anew, with the name looked up again.
    Duration attempt = std::chrono::seconds(10);

    friend bool operator==(const RetransmissionOptions&, const RetransmissionOptions&) = default;
};

/// Looks whether the peer is there, on silence only: whatever authenticates, ESP included, is a sign of life.
struct LivenessOptions {
    /// So long without a sign of life, and with probes unanswered, and the peer is lost. Probes begin at 40 % of it.
    Duration detect = std::chrono::seconds(10);
    /// The same after an unauthenticated hint that the peer has forgotten us; probing begins at once.
    Duration detect_after_hint = std::chrono::seconds(8);

    friend bool operator==(const LivenessOptions&, const LivenessOptions&) = default;
};

/// When new keys are made. Time and limits are shortened at random by up to `jitter_percent`; what is not replaced by
/// `hard_percent` of the time ends.
struct LifetimeOptions {
    Duration rekey = std::chrono::hours(1);
    unsigned jitter_percent = 10;
    unsigned hard_percent = 110;
    /// Either direction; ESP only. 0: no limit but that of the sequence numbers.
    std::uint64_t rekey_bytes = 0;
    std::uint64_t rekey_packets = 0;

    friend bool operator==(const LifetimeOptions&, const LifetimeOptions&) = default;
};

/// One side of a child's traffic.
struct SelectorOptions {
    std::uint8_t protocol = 0;  ///< IP protocol; 0: any
    std::uint16_t first_port = 0;
    std::uint16_t last_port = 0xffff;
    /// nullopt: the address of that end of the IKE SA, whatever it is.
    struct Range {
        IpAddress first;
        IpAddress last;
        friend bool operator==(const Range&, const Range&) = default;
    };
    std::optional<Range> range;

    friend bool operator==(const SelectorOptions&, const SelectorOptions&) = default;
};

/// A pair of ESP SAs to be had with a peer.
struct ChildOptions {
    std::string name;
    esp::Mode mode = esp::Mode::transport;
    std::vector<SelectorOptions> local;  ///< at least one
    std::vector<SelectorOptions> remote;
    ChildPolicy policy = default_child_policy();
    std::uint32_t replay_window = esp::kDefaultReplayWindow;
    LifetimeOptions lifetime;

    friend bool operator==(const ChildOptions&, const ChildOptions&) = default;
};

enum class Role : std::uint8_t { initiator, responder, both };
/// ESP in UDP 4500: where a NAT is found; always (the peer is made to believe in a NAT); never (no NAT detection).
enum class Encapsulation : std::uint8_t { automatic, always, never };
/// RFC 6023: the IKE SA first, without a child, and the children in exchanges of their own.
enum class Childless : std::uint8_t { never, allow, prefer };

struct PeerOptions {
    std::string name;
    IpAddress local;          ///< unspecified: the one that the route has
    std::string remote_host;  ///< address or DNS name; empty: any, and then we cannot begin
    std::uint16_t remote_port = 500;
    std::uint16_t remote_nat_port = 4500;
    Identification local_id;
    std::optional<Identification> remote_id;         ///< nullopt: whomever the credentials vouch for
    std::shared_ptr<const Credentials> credentials;  ///< must be there; see credentials.h
    IkePolicy policy = default_ike_policy();
    std::vector<ChildOptions> children;
    Role role = Role::both;
    Encapsulation encapsulation = Encapsulation::automatic;
    Childless childless = Childless::allow;
    LifetimeOptions lifetime{.rekey = std::chrono::hours(4)};
    /// After so long, less up to a tenth, everything begins anew beside the IKE SA, by whoever may begin; an IKE SA whose peer
    /// has not been authenticated anew a tenth later ends. 0: never.
    Duration reauthentication{};
    LivenessOptions liveness;
    RetransmissionOptions retransmission;
    /// Between failed attempts, doubling from a tenth of it; jittered.
    Duration longest_back_off = std::chrono::seconds(5);
    Duration keepalive = std::chrono::seconds(20);  ///< of a NAT's mapping (RFC 3948 section 4); 0: none
    std::uint16_t fragment_size =
        1280;  ///< bytes of an IP packet with a fragment (RFC 7383); 0: no fragmentation
    bool initial_contact = true;

    friend bool operator==(const PeerOptions&, const PeerOptions&) = default;
};

/// What is kept for strangers, at most.
struct HalfOpenOptions {
    std::size_t most = 1'000;       ///< IKE SAs that nobody has authenticated; beyond, requests are dropped
    std::size_t cookies_from = 50;  ///< so many, and senders must show that they are where they say
    std::size_t most_per_address = 20;
    Duration life = std::chrono::seconds(15);
};

struct EngineOptions {
    std::uint16_t ike_port = 500;   ///< ours
    std::uint16_t nat_port = 4500;  ///< ours, shared with ESP in UDP
    HalfOpenOptions half_open;
    bool key_log = false;  ///< hand out KeyLog actions: everything can then be read by whoever has them
};

}  // namespace isthmus::crypto::ike
