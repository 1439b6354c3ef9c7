// A datagram's way to the concern that it belongs to: which IKE SA, is it next, is it authentic, what is it about.
#pragma once

#include "crypto/ike/core.h"

namespace isthmus::crypto::ike::receive {

void on_datagram(Core& core, Bytes datagram, const Path& path);

}  // namespace isthmus::crypto::ike::receive
