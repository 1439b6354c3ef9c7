// Messages of another major version of IKE (RFC 7296 section 2.5): nothing is done with them, but people are told.
#pragma once

#include "crypto/ike/core.h"

namespace isthmus::crypto::ike::other_version {

/// `datagram`: a whole header at least. A later version is answered, seldom, with INVALID_MAJOR_VERSION.
void on_message(Core& core, Bytes datagram, const Path& path);

}  // namespace isthmus::crypto::ike::other_version
