// Describes the engine's state.
#pragma once

#include "crypto/ike/core.h"
#include "crypto/ike/snapshot.h"

namespace isthmus::crypto::ike {

[[nodiscard]] Snapshot snapshot_of(const Core& core, TimePoint now);

}  // namespace isthmus::crypto::ike
