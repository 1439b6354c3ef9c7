// Is the peer there (RFC 7296 section 2.4)? Asked on silence, and on hints that it has forgotten us (section 2.21).
#pragma once

#include <string_view>

#include "crypto/ike/core.h"
#include "crypto/ike/wire/message.h"

namespace isthmus::crypto::ike::liveness {

/// Probes after some silence; gives the peer up after much, if a request went unanswered meanwhile.
void on_time(Core& core, IkeSa& sa);
[[nodiscard]] TimePoint deadline(const IkeSa& sa);
[[nodiscard]] bool start(Core& core, IkeSa& sa);

/// Something unauthenticated says that the peer does not know this IKE SA, or a child of it. It proves nothing: we ask.
void on_hint(Core& core, IkeSa& sa, std::string_view what);
/// A message outside every IKE SA: INVALID_SPI for a packet that we are said to have sent.
void on_unprotected(Core& core, const Message& message, const Path& path);

/// Tells the sender of an ESP packet that nobody here has its SPI, seldom.
void answer_unknown_spi(Core& core, Spi spi, const Path& path);
/// Tells the sender of a request that its IKE SA is not known here, seldom.
void answer_unknown_ike_sa(Core& core, const Header& header, const Path& path);

}  // namespace isthmus::crypto::ike::liveness
