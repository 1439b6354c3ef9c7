// CREATE_CHILD_SA for one more child (RFC 7296 section 1.3.1), and what it shares with rekeying.
#pragma once

#include <span>
#include <vector>

#include "crypto/ike/core.h"
#include "crypto/ike/wire/message.h"

namespace isthmus::crypto::ike::child_create {

[[nodiscard]] bool start(Core& core, IkeSa& sa, const CreateChildTask& task);
void on_response(Core& core, IkeSa& sa, ChildOffer offer, std::span<const Payload> payloads);
[[nodiscard]] std::vector<Payload> on_request(Core& core, IkeSa& sa, std::span<const Payload> payloads);

/// Sends the offer, with REKEY_SA if it is to replace a pair.
void send(Core& core, IkeSa& sa, ChildOffer offer);
/// INVALID_KE_PAYLOAD: sends the offer again with the group that the peer wants. False: it cannot be.
[[nodiscard]] bool try_other_group(Core& core, IkeSa& sa, const ChildOffer& offer, const NotifyPayload& wish);
/// Both sides' exchanges made a pair of the same child: the one with the lowest nonce is void, and whoever made it deletes
/// it (RFC 7296 section 2.8.1). Null: no crossing, or the peer has deleted its pair already.
[[nodiscard]] ChildSa* crossing_pair(IkeSa& sa, const ChildOffer& offer);
[[nodiscard]] bool is_void(Bytes own_nonce, Bytes peer_nonce, const ChildSa& other);
void settle_crossing(Core& core, IkeSa& sa, ChildSa& mine, ChildSa& other);

}  // namespace isthmus::crypto::ike::child_create
