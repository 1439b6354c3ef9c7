// Is there a NAT on the way, and on whose side (RFC 7296 section 2.23)?
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/address.h"
#include "base/bytes.h"
#include "base/rng.h"
#include "crypto/ike/key_schedule.h"
#include "crypto/ike/wire/message.h"

namespace isthmus::crypto::ike {

/// A hash that fits no address: the peer will take us to be behind a NAT, and encapsulate.
[[nodiscard]] std::vector<std::uint8_t> false_nat_detection_hash(Rng& rng);

struct NatState {
    bool supported = false;  ///< the peer takes part in NAT detection
    bool local_behind = false;
    bool remote_behind = false;

    [[nodiscard]] bool any() const noexcept { return local_behind || remote_behind; }
};

/// From the notifications in the peer's IKE_SA_INIT message, which came as `path` says. There may be several source hashes: a
/// peer with several addresses does not know which it sends from.
[[nodiscard]] NatState detect_nat(const SpiPair& spis, const Path& path, std::span<const Payload> payloads);

}  // namespace isthmus::crypto::ike
