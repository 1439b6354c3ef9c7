// Keys for a purpose out of one key (RFC 5869).
#pragma once

#include "base/bytes.h"
#include "crypto/digest.h"
#include "crypto/secret_bytes.h"

namespace isthmus::crypto {

/// HKDF with HMAC of `hash`: `size` bytes, at most 255 * hash_size(hash); more is a bug and throws std::length_error.
/// An empty salt is hash_size(hash) zeros.
[[nodiscard]] SecretBytes hkdf(Hash hash, Bytes key, Bytes salt, Bytes info, std::size_t size);

}  // namespace isthmus::crypto
