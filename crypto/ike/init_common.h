// What both sides of IKE_SA_INIT do.
#pragma once

#include "crypto/ike/core.h"
#include "crypto/ike/ike_sa.h"
#include "crypto/ike/wire/message.h"

namespace isthmus::crypto::ike::init {

/// NAT detection, fragmentation, signature hashes, PPK: the notifications that say what we can do.
[[nodiscard]] std::vector<Payload> capabilities(Core& core, const IkeSa& sa, const Path& path);
/// The same from the peer; decides whether ESP goes in UDP.
void learn_capabilities(IkeSa& sa, const Message& message, const Path& path);
/// The IKE SA's keys, from the nonces in its setup.
void derive_keys(IkeSa& sa, const SecretBytes& shared);
/// With `keys` in place.
void make_ciphers(IkeSa& sa);
/// A line for Wireshark, if the engine may.
void log_keys(Core& core, const IkeSa& sa);

}  // namespace isthmus::crypto::ike::init
