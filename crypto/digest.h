// Hashes and HMAC (RFC 2104, RFC 4868) for control work: one call, one answer.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "base/bytes.h"

namespace isthmus::crypto {

/// sha1 also names certificates' keys (RFC 5280) and hides NAT addresses (RFC 7296); apart from that, md5 and sha1
/// are here for L2TPv3's control messages only (RFC 3931 sections 4.3 and 5.3 know nothing else): never choose
/// them for anything new.
enum class Hash : std::uint8_t { md5, sha1, sha256, sha384, sha512 };

[[nodiscard]] constexpr std::size_t hash_size(Hash hash) noexcept {
    switch (hash) {
        case Hash::md5: return 16;
        case Hash::sha1: return 20;
        case Hash::sha256: return 32;
        case Hash::sha384: return 48;
        case Hash::sha512: return 64;
    }
    return 0;
}

/// Digest of `in`, hash_size(hash) bytes.
[[nodiscard]] std::vector<std::uint8_t> digest(Hash hash, Bytes in);

/// HMAC of the concatenation of `parts`, hash_size(hash) bytes. Any key length.
[[nodiscard]] std::vector<std::uint8_t> hmac(Hash hash, Bytes key, std::initializer_list<Bytes> parts);

}  // namespace isthmus::crypto
