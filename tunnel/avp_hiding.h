// Hiding of AVP values (RFC 3931 section 5.3).
//
//    0                   1                   2                   3
//    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//   |   Length of Original Value    |   Original Attribute Value ...    then random padding
//   +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//
// xored in blocks of 16 with MD5(type, key, random vector), then with MD5(key, previous block's ciphertext).
#pragma once

#include <optional>
#include <vector>

#include "base/rng.h"
#include "base/secret_bytes.h"
#include "tunnel/avp.h"
#include "tunnel/control_digest.h"

namespace isthmus::tunnel {

/// Hides and reveals values with one key, HMAC_MD5(secret, 1). `digest` and `key` outlive it.
class AvpHider {
  public:
    AvpHider(const ControlDigest& digest, const SecretBytes& key) : digest_(&digest), key_(&key) {}

    /// The largest value that can be hidden: its padded form must fit an AVP.
    static constexpr std::size_t kMaxValue = 1006;

    /// Padded to a multiple of 16 bytes, so that the length tells little. `value` of at most kMaxValue bytes.
    [[nodiscard]] std::vector<std::uint8_t> hide(AvpKey key, Bytes value, Bytes random_vector,
                                                 Rng& rng) const;
    /// nullopt: the length inside does not fit, so the value was made with another key, or damaged.
    [[nodiscard]] std::optional<std::vector<std::uint8_t>> reveal(AvpKey key, Bytes hidden,
                                                                  Bytes random_vector) const;

  private:
    const ControlDigest* digest_;
    const SecretBytes* key_;
};

}  // namespace isthmus::tunnel
