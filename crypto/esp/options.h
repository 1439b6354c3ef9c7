// What an ESP Security Association is made of (RFC 4301 section 4.4.2, RFC 4303).
#pragma once

#include <cstdint>

#include "base/ids.h"
#include "crypto/secret_bytes.h"

namespace isthmus::crypto::esp {

/// Encryption and integrity together. Keying material: see key_size().
enum class Suite : std::uint8_t {
    aes128_gcm16,                ///< RFC 4106: key 16, salt 4
    aes256_gcm16,                ///< RFC 4106: key 32, salt 4
    chacha20_poly1305,           ///< RFC 7634: key 32, salt 4
    aes128_cbc_hmac_sha256_128,  ///< RFC 3602 and 4868: encryption key 16, then integrity key 32
    aes256_cbc_hmac_sha256_128,  ///< 32, then 32
    aes256_cbc_hmac_sha384_192,  ///< 32, then 48
    aes256_cbc_hmac_sha512_256,  ///< 32, then 64
};

/// Bytes of keying material: encryption key, then salt or integrity key (RFC 7296 section 2.17's order).
[[nodiscard]] constexpr std::size_t key_size(Suite suite) noexcept {
    switch (suite) {
        case Suite::aes128_gcm16: return 20;
        case Suite::aes256_gcm16:
        case Suite::chacha20_poly1305: return 36;
        case Suite::aes128_cbc_hmac_sha256_128: return 48;
        case Suite::aes256_cbc_hmac_sha256_128: return 64;
        case Suite::aes256_cbc_hmac_sha384_192: return 80;
        case Suite::aes256_cbc_hmac_sha512_256: return 96;
    }
    return 0;
}

enum class Mode : std::uint8_t { transport, tunnel };

inline constexpr std::uint32_t kMinReplayWindow = 64;
inline constexpr std::uint32_t kMaxReplayWindow = 32'768;
inline constexpr std::uint32_t kDefaultReplayWindow = 4'096;

/// One direction's SA.
struct SaOptions {
    Spi spi{};
    Suite suite = Suite::aes256_gcm16;
    SecretBytes key;                                     ///< key_size(suite) bytes
    bool extended_sequence = true;                       ///< 64-bit sequence numbers (RFC 4303 section 2.2.1)
    std::uint32_t replay_window = kDefaultReplayWindow;  ///< packets; inbound only; a multiple of 64
    friend bool operator==(const SaOptions&, const SaOptions&) = default;
};

}  // namespace isthmus::crypto::esp
