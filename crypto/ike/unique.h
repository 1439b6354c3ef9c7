// One IKE SA for each peer (RFC 7296 section 2.4): which one stays when there are two.
#pragma once

#include "crypto/ike/core.h"

namespace isthmus::crypto::ike::unique {

/// `sa` has just been authenticated. A peer that begins anew has lost what there was: the new one replaces the old. If both
/// sides began at the same time, both keep the one with the lower initiator's SPI. `peer_is_alone`: INITIAL_CONTACT.
void on_up(Core& core, IkeSa& sa, bool peer_is_alone);

}  // namespace isthmus::crypto::ike::unique
