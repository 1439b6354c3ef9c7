// Beginning with a peer, and beginning again, for ever: name resolution, attempts, back-off.
#pragma once

#include <span>
#include <string>

#include "crypto/ike/core.h"

namespace isthmus::crypto::ike::connect {

/// Looks the peer's name up; IKE_SA_INIT follows. Nothing happens if an attempt is under way.
void begin_attempt(Core& core, Peer& peer);
void on_resolved(Core& core, Peer& peer, std::span<const ResolvedAddress> addresses);

/// This IKE SA will not come up: it is closed, and the next attempt set.
void on_attempt_failed(Core& core, IkeSa& sa, const std::string& why);
/// The same, but the IKE SA stays until the peer has been told.
void on_peer_refused(Core& core, IkeSa& sa, const std::string& why);
/// Nobody has answered in time.
void on_attempt_timeout(Core& core, IkeSa& sa);

enum class Pace : std::uint8_t {
    at_once,     ///< the peer was there until now, or is slow to answer
    backing_off  ///< it refused, or its name is unknown: asking again will not help soon
};
/// Sets the next attempt, if it is for us to begin.
void schedule(Core& core, Peer& peer, Pace pace);

}  // namespace isthmus::crypto::ike::connect
