// INFORMATIONAL requests of the peer (RFC 7296 section 1.4): deletions, notifications, and nothing (a liveness probe).
#pragma once

#include <span>
#include <vector>

#include "crypto/ike/core.h"
#include "crypto/ike/wire/message.h"

namespace isthmus::crypto::ike::informational {

[[nodiscard]] std::vector<Payload> on_request(Core& core, IkeSa& sa, std::span<const Payload> payloads);

}  // namespace isthmus::crypto::ike::informational
