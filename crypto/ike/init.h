// IKE_SA_INIT (RFC 7296 sections 1.2, 2.6 and 2.7): agrees on algorithms and keys with somebody who has yet to say who he is.
#pragma once

#include "crypto/ike/core.h"
#include "crypto/ike/ike_sa.h"
#include "crypto/ike/wire/message.h"

namespace isthmus::crypto::ike::init {

/// Sends our first message to the peer at `remote`; the IKE SA is added to the core.
IkeSa& begin(Core& core, const Peer& peer, const Endpoint& local, const Endpoint& remote);

/// COOKIE and INVALID_KE_PAYLOAD are followed, errors remembered, keys derived, IKE_AUTH sent. Nothing here is
/// authenticated: what does not fit is ignored, and the real answer waited for.
void on_response(Core& core, IkeSa& sa, const Message& message, Bytes datagram, const Path& path);

/// From anybody. Keeps state only once the sender has shown his address, if there is a crowd.
void on_request(Core& core, const Message& message, Bytes datagram, const Path& path);

[[nodiscard]] bool cookies_demanded(const Core& core) noexcept;

/// The peers that whoever sends along this path may turn out to be.
[[nodiscard]] std::vector<const Peer*> candidates(const Core& core, const Path& path);

}  // namespace isthmus::crypto::ike::init
