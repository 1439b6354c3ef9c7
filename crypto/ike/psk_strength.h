// How hard a pre-shared key is to guess. An attacker who has met a gateway once can try keys at leisure on his own machine
// (RFC 7296 section 2.15), so a word that people remember is not one.
#pragma once

#include <optional>
#include <string>

#include "crypto/secret_bytes.h"

namespace isthmus::crypto::ike {

inline constexpr unsigned kGoodPskBits = 112;

/// A rough upper bound in bits: kinds of characters times length, less what repeats, runs in sequence, or is a word that
/// every list has.
[[nodiscard]] unsigned estimated_bits(const SecretBytes& psk);

/// nullopt: strong enough. Otherwise a sentence that does not show the key, with how to make a good one.
[[nodiscard]] std::optional<std::string> psk_warning(const SecretBytes& psk);

}  // namespace isthmus::crypto::ike
