// CREATE_CHILD_SA for a new IKE SA that takes over the children (RFC 7296 sections 1.3.2, 2.8.2 and 2.25.2).
#pragma once

#include <span>
#include <vector>

#include "crypto/ike/core.h"
#include "crypto/ike/wire/message.h"

namespace isthmus::crypto::ike::ike_rekey {

[[nodiscard]] bool start(Core& core, IkeSa& sa);
void on_response(Core& core, IkeSa& sa, IkeRekey rekey, std::span<const Payload> payloads);
[[nodiscard]] std::vector<Payload> on_request(Core& core, IkeSa& sa, std::span<const Payload> payloads);

/// The peer uses an IKE SA of which we did not know yet whether it counts: then it does.
void on_pending_used(Core& core, IkeSa& heir);
/// Children and tasks go to `heir`; the old one waits to be deleted.
void hand_over(Core& core, IkeSa& old, IkeSa& heir);

}  // namespace isthmus::crypto::ike::ike_rekey
