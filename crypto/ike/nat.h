// Is there a NAT on the way, and on whose side (RFC 7296 section 2.23)?
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/address.h"
#include "base/bytes.h"
#include "base/rng.h"
#include "crypto/ike/wire/numbers.h"

namespace isthmus::crypto::ike {

/// Data of NAT_DETECTION_SOURCE_IP and NAT_DETECTION_DESTINATION_IP: SHA-1 of SPIs, address and port.
[[nodiscard]] std::vector<std::uint8_t> nat_detection_hash(IkeSpi initiator, IkeSpi responder,
                                                           const Endpoint& endpoint);
/// A hash that fits no address: the peer will take us to be behind a NAT, and encapsulate.
[[nodiscard]] std::vector<std::uint8_t> false_nat_detection_hash(Rng& rng);

struct NatState {
    bool supported = false;  ///< the peer takes part in NAT detection
    bool local_behind = false;
    bool remote_behind = false;

    [[nodiscard]] bool any() const noexcept { return local_behind || remote_behind; }
};

/// From the hashes in the peer's IKE_SA_INIT message, which came as `path` says. There may be several source hashes: a
/// peer with several addresses does not know which it sends from.
[[nodiscard]] NatState detect_nat(IkeSpi initiator, IkeSpi responder, const Path& path,
                                  std::span<const Bytes> source_hashes,
                                  std::span<const Bytes> destination_hashes);

}  // namespace isthmus::crypto::ike
