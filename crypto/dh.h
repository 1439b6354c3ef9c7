// Key exchange (RFC 7296 section 2.14; MODP of RFC 3526, ECP of RFC 5903, Curve25519 of RFC 8031).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/rng.h"
#include "crypto/secret_bytes.h"

namespace isthmus::crypto {

/// Values: transform ids (IANA "IKEv2 Transform Type 4").
enum class DhGroup : std::uint16_t {
    modp2048 = 14,
    modp3072 = 15,
    modp4096 = 16,
    ecp256 = 19,
    ecp384 = 20,
    ecp521 = 21,
    curve25519 = 31,
};

/// Bytes of the public value in a KE payload: MODP as long as the prime; ECP x and y; Curve25519 32.
[[nodiscard]] constexpr std::size_t public_value_size(DhGroup group) noexcept {
    switch (group) {
        case DhGroup::modp2048: return 256;
        case DhGroup::modp3072: return 384;
        case DhGroup::modp4096: return 512;
        case DhGroup::ecp256: return 64;
        case DhGroup::ecp384: return 96;
        case DhGroup::ecp521: return 132;
        case DhGroup::curve25519: return 32;
    }
    return 0;
}

/// Our half of one exchange. The private value is used once and dies with the object.
class KeyExchange {
  public:
    /// Draws a private value from `rng`. Throws std::runtime_error if OpenSSL lacks the group.
    [[nodiscard]] static KeyExchange generate(DhGroup group, Rng& rng);
    /// With a given private value (big-endian; Curve25519: as RFC 7748 has it), for known answers. Error: a sentence.
    [[nodiscard]] static Result<KeyExchange, std::string> from_private(DhGroup group, Bytes private_value);

    KeyExchange(KeyExchange&&) noexcept;
    KeyExchange& operator=(KeyExchange&&) noexcept;
    ~KeyExchange();

    [[nodiscard]] DhGroup group() const noexcept;
    [[nodiscard]] Bytes public_value() const noexcept;

    /// g^ir: MODP as long as the prime, ECP the x coordinate (RFC 5903 section 7), Curve25519 32 bytes. The peer's value
    /// is validated (RFC 6989 section 2): length, 1 < y < p - 1 and in the subgroup, point on the curve, no all-zero result.
    /// Error: a sentence.
    [[nodiscard]] Result<SecretBytes, std::string> agree(Bytes peer_public_value) const;

  private:
    struct State;
    explicit KeyExchange(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace isthmus::crypto
