// INFORMATIONAL with Delete payloads: the end of a child, or of the IKE SA (RFC 7296 sections 1.4.1 and 2.25).
#pragma once

#include <span>
#include <vector>

#include "crypto/ike/core.h"
#include "crypto/ike/wire/message.h"

namespace isthmus::crypto::ike::deletion {

[[nodiscard]] bool start(Core& core, IkeSa& sa, const DeleteChildTask& task);
[[nodiscard]] bool start(Core& core, IkeSa& sa, const DeleteIkeTask& task);
void on_response(Core& core, IkeSa& sa, const ChildDeletion& deletion);
void on_response(Core& core, IkeSa& sa, const IkeDeletion& deletion);

/// The peer's Delete payloads. The answer's payloads.
[[nodiscard]] std::vector<Payload> on_request(Core& core, IkeSa& sa, std::span<const Payload> payloads);

/// Our last word to the peer, without waiting for an answer.
void say_goodbye(Core& core, IkeSa& sa);

}  // namespace isthmus::crypto::ike::deletion
