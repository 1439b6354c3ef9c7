// The shapes of the ESP suites: sizes of keys, IV, ICV and padding (RFC 4106, 7634, 3602, 4868), and what
// they cost.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>

#include "base/pipeline.h"
#include "crypto/esp/options.h"

namespace isthmus::crypto::esp {

inline constexpr std::size_t kHeaderSize = 8;   ///< SPI and sequence number
inline constexpr std::size_t kTrailerSize = 2;  ///< pad length and next header
inline constexpr std::size_t kMaxIvSize = 16;
inline constexpr std::size_t kMaxIcvSize = 32;
inline constexpr std::size_t kMaxAlignment = 16;

/// Sizes in bytes.
struct SuiteShape {
    std::string_view name;  ///< as in the configuration
    std::size_t encryption_key;
    std::size_t salt;           ///< AEAD: in front of the IV in the nonce
    std::size_t integrity_key;  ///< CBC: of the HMAC
    std::size_t iv;             ///< on the wire
    std::size_t icv;
    std::size_t alignment;  ///< payload, padding and trailer are a multiple of this

    [[nodiscard]] constexpr bool is_aead() const noexcept { return integrity_key == 0; }
    [[nodiscard]] constexpr std::size_t key_material() const noexcept {
        return encryption_key + salt + integrity_key;
    }
};

inline constexpr std::array<Suite, 7> kAllSuites{
    Suite::aes128_gcm16,
    Suite::aes256_gcm16,
    Suite::chacha20_poly1305,
    Suite::aes128_cbc_hmac_sha256_128,
    Suite::aes256_cbc_hmac_sha256_128,
    Suite::aes256_cbc_hmac_sha384_192,
    Suite::aes256_cbc_hmac_sha512_256,
};

[[nodiscard]] constexpr SuiteShape shape_of(Suite suite) noexcept {
    switch (suite) {
        case Suite::aes128_gcm16: return {"aes-128-gcm", 16, 4, 0, 8, 16, 4};
        case Suite::aes256_gcm16: return {"aes-256-gcm", 32, 4, 0, 8, 16, 4};
        case Suite::chacha20_poly1305: return {"chacha20-poly1305", 32, 4, 0, 8, 16, 4};
        case Suite::aes128_cbc_hmac_sha256_128: return {"aes-128-cbc-sha256", 16, 0, 32, 16, 16, 16};
        case Suite::aes256_cbc_hmac_sha256_128: return {"aes-256-cbc-sha256", 32, 0, 32, 16, 16, 16};
        case Suite::aes256_cbc_hmac_sha384_192: return {"aes-256-cbc-sha384", 32, 0, 48, 16, 24, 16};
        case Suite::aes256_cbc_hmac_sha512_256: return {"aes-256-cbc-sha512", 32, 0, 64, 16, 32, 16};
    }
    return {"", 0, 0, 0, 0, 0, 1};
}

/// Size of the ESP packet (from SPI to ICV) that carries `payload` bytes.
[[nodiscard]] constexpr std::size_t sealed_size(Suite suite, std::size_t payload) noexcept {
    const SuiteShape s = shape_of(suite);
    const std::size_t padded = (payload + kTrailerSize + s.alignment - 1) / s.alignment * s.alignment;
    return kHeaderSize + s.iv + padded + s.icv;
}

/// The largest payload whose ESP packet is no larger than `packet` bytes; 0 if not even an empty one fits.
[[nodiscard]] constexpr std::size_t largest_payload(Suite suite, std::size_t packet) noexcept {
    const SuiteShape s = shape_of(suite);
    const std::size_t fixed = kHeaderSize + s.iv + s.icv;
    if (packet < fixed + s.alignment) return 0;
    return (packet - fixed) / s.alignment * s.alignment - kTrailerSize;
}

/// Room that sealing needs at most around the payload: with one suite, and with the fattest.
[[nodiscard]] constexpr Overhead overhead_of(Suite suite) noexcept {
    const SuiteShape s = shape_of(suite);
    return {kHeaderSize + s.iv, s.alignment - 1 + kTrailerSize + s.icv};
}
[[nodiscard]] constexpr Overhead largest_overhead() noexcept {
    Overhead most;
    for (const Suite suite : kAllSuites) {
        const Overhead o = overhead_of(suite);
        most = {std::max(most.head, o.head), std::max(most.tail, o.tail)};
    }
    return most;
}

}  // namespace isthmus::crypto::esp
