// CREATE_CHILD_SA with REKEY_SA: new keys for a child, make before break (RFC 7296 sections 1.3.3, 2.8 and 2.25.1).
#pragma once

#include <span>
#include <vector>

#include "crypto/ike/core.h"
#include "crypto/ike/wire/message.h"

namespace isthmus::crypto::ike::child_rekey {

[[nodiscard]] bool start(Core& core, IkeSa& sa, const RekeyChildTask& task);
void on_response(Core& core, IkeSa& sa, ChildOffer offer, std::span<const Payload> payloads);
[[nodiscard]] std::vector<Payload> on_request(Core& core, IkeSa& sa, Spi peers_inbound,
                                              std::span<const Payload> payloads);

}  // namespace isthmus::crypto::ike::child_rekey
