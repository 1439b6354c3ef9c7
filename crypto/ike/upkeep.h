// Timers and queues: what an IKE SA and a peer are owed as time passes, and in which order.
#pragma once

#include <optional>
#include <string_view>

#include "crypto/ike/core.h"

namespace isthmus::crypto::ike::upkeep {

/// What is due by now: retransmission, liveness, rekeying, expiry, keepalive.
void on_time(Core& core, IkeSa& sa);
/// Sends the next request that waits in the queue, if none is under way.
void pump(Core& core, IkeSa& sa);
/// When on_time() or pump() will have something to do.
[[nodiscard]] TimePoint deadline(const IkeSa& sa);

/// Begins with a peer when it is time, sees to missing children, and tells how things stand.
void look_after(Core& core, Peer& peer);

/// Over: children down, nothing sent any more, repeated requests answered for a while.
void close(Core& core, IkeSa& sa, ChildDownReason reason);
/// The peer is gone, or the keys are: closed, and begun anew.
void lose(Core& core, IkeSa& sa, ChildDownReason reason, std::string why);
/// A child could not be had: asked for again a little later.
void retry_child(Core& core, IkeSa& sa, std::string_view child);

/// A packet that authenticated came from the peer.
void on_sign_of_life(Core& core, IkeSa& sa);

}  // namespace isthmus::crypto::ike::upkeep
