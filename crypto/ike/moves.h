// The peer's address follows what authenticates, when a NAT's mapping moves (RFC 7296 section 2.23).
#pragma once

#include "crypto/ike/core.h"

namespace isthmus::crypto::ike::moves {

void on_authentic_message(Core& core, IkeSa& sa, const Path& path);
void on_authentic_esp(Core& core, IkeSa& sa, const Endpoint& remote);

}  // namespace isthmus::crypto::ike::moves
