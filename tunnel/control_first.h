// Control traffic goes ahead of data.
#pragma once

#include "base/packet_batch.h"

namespace isthmus::tunnel {

/// Moves packets with meta.control to the front; each group keeps its order. To be done before sequence
/// numbers are given (those of a session, then those of an SA): afterwards it would look like reordering to
/// the peer.
void control_first(PacketBatch& batch) noexcept;

}  // namespace isthmus::tunnel
