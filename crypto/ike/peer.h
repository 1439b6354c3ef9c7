// A configured peer and how things stand with it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/time.h"
#include "crypto/ike/actions.h"
#include "crypto/ike/engine.h"
#include "crypto/ike/options.h"
#include "crypto/ike/snapshot.h"

namespace isthmus::crypto::ike {

struct Peer {
    std::shared_ptr<const PeerOptions> options;

    PeerState state = PeerState::idle;
    std::string why;

    std::vector<ResolvedAddress> addresses;  ///< as last resolved
    std::size_t next_address = 0;
    bool resolving = false;
    std::optional<TimePoint> attempt_at;  ///< when to begin (again)
    std::uint32_t failures = 0;           ///< since it was last up
    bool by_operator = false;             ///< begin although we usually wait for this peer

    /// Last time that a hint made us begin anew beside a living IKE SA.
    std::optional<TimePoint> hinted_at;

    struct Failure {
        std::string text;
        TimePoint at;
    };
    std::optional<Failure> last_error;
    std::optional<MismatchSnapshot> mismatch;

    /// There is an IKE SA: what somebody in clear says at its address is not why something fails.
    [[nodiscard]] bool works() const noexcept {
        return state == PeerState::up || state == PeerState::degraded;
    }
    /// At this address, as far as is known.
    [[nodiscard]] bool is_at(const IpAddress& address) const {
        return IpAddress::parse(options->remote_host) == address ||
               std::ranges::find(addresses, address, &ResolvedAddress::remote) != addresses.end();
    }
    [[nodiscard]] bool begins() const noexcept {
        return by_operator || (options->role != Role::responder && !options->remote_host.empty());
    }
};

}  // namespace isthmus::crypto::ike
