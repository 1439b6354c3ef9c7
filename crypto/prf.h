// Pseudo-random functions of IKEv2 (RFC 7296 section 2.13; HMAC-SHA-2 of RFC 4868).
#pragma once

#include <cstdint>
#include <initializer_list>

#include "base/bytes.h"
#include "crypto/digest.h"
#include "crypto/secret_bytes.h"

namespace isthmus::crypto {

/// Values: transform ids (IANA "IKEv2 Transform Type 2").
enum class Prf : std::uint16_t { hmac_sha256 = 5, hmac_sha384 = 6, hmac_sha512 = 7 };

[[nodiscard]] constexpr Hash hash_of(Prf function) noexcept {
    switch (function) {
        case Prf::hmac_sha256: return Hash::sha256;
        case Prf::hmac_sha384: return Hash::sha384;
        case Prf::hmac_sha512: return Hash::sha512;
    }
    return Hash::sha256;
}
/// Bytes of output, and of the keys derived for it.
[[nodiscard]] constexpr std::size_t prf_size(Prf function) noexcept {
    return hash_size(hash_of(function));
}

/// prf(key, part | part | ...), prf_size() bytes.
[[nodiscard]] SecretBytes prf(Prf function, Bytes key, std::initializer_list<Bytes> parts);

/// The first `size` bytes of prf+(key, seed): T1 = prf(key, seed | 1), T2 = prf(key, T1 | seed | 2), ...
/// `size` is at most 255 * prf_size(), which no key hierarchy comes near; more is a bug and throws std::length_error.
[[nodiscard]] SecretBytes prf_plus(Prf function, Bytes key, Bytes seed, std::size_t size);

}  // namespace isthmus::crypto
