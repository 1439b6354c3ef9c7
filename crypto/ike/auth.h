// IKE_AUTH (RFC 7296 section 1.2 and 2.15): both sides say and prove who they are, and make the first child.
#pragma once

#include <span>
#include <vector>

#include "crypto/ike/core.h"
#include "crypto/ike/ike_sa.h"
#include "crypto/ike/wire/message.h"

namespace isthmus::crypto::ike::auth {

/// Keys are there: sends IKE_AUTH.
void begin(Core& core, IkeSa& sa);
void on_response(Core& core, IkeSa& sa, ChildOffer* offer, std::span<const Payload> payloads);
/// The answer's payloads. The IKE SA is established afterwards, or closed.
[[nodiscard]] std::vector<Payload> on_request(Core& core, IkeSa& sa, std::span<const Payload> payloads,
                                              const Path& path);

}  // namespace isthmus::crypto::ike::auth
