// The algorithms of IKE SAs, and their names in the configuration and in messages for people (RFC 8247).
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "crypto/dh.h"
#include "crypto/ike/wire/numbers.h"
#include "crypto/prf.h"

namespace isthmus::crypto::ike {

/// What encrypts and authenticates an IKE SA's messages.
struct IkeCipher {
    EncryptionId encryption = EncryptionId::aes_gcm16;  ///< aes_gcm16, chacha20_poly1305 or aes_cbc
    std::uint16_t key_bits = 256;                       ///< 0 for chacha20_poly1305
    IntegrityId integrity = IntegrityId::none;          ///< none with AEAD only

    [[nodiscard]] constexpr bool is_aead() const noexcept { return encryption != EncryptionId::aes_cbc; }
    friend bool operator==(const IkeCipher&, const IkeCipher&) = default;
};

template <class T>
struct Named {
    std::string_view name;
    T value;
};

/// Best first.
inline constexpr auto kIkeCiphers = std::to_array<Named<IkeCipher>>({
    {"aes-256-gcm", {EncryptionId::aes_gcm16, 256, IntegrityId::none}},
    {"aes-128-gcm", {EncryptionId::aes_gcm16, 128, IntegrityId::none}},
    {"chacha20-poly1305", {EncryptionId::chacha20_poly1305, 0, IntegrityId::none}},
    {"aes-256-cbc-sha256", {EncryptionId::aes_cbc, 256, IntegrityId::hmac_sha256_128}},
    {"aes-256-cbc-sha384", {EncryptionId::aes_cbc, 256, IntegrityId::hmac_sha384_192}},
    {"aes-256-cbc-sha512", {EncryptionId::aes_cbc, 256, IntegrityId::hmac_sha512_256}},
    {"aes-128-cbc-sha256", {EncryptionId::aes_cbc, 128, IntegrityId::hmac_sha256_128}},
    {"aes-128-cbc-sha384", {EncryptionId::aes_cbc, 128, IntegrityId::hmac_sha384_192}},
    {"aes-128-cbc-sha512", {EncryptionId::aes_cbc, 128, IntegrityId::hmac_sha512_256}},
});
inline constexpr auto kPrfs = std::to_array<Named<Prf>>({
    {"sha256", Prf::hmac_sha256},
    {"sha384", Prf::hmac_sha384},
    {"sha512", Prf::hmac_sha512},
});
inline constexpr auto kGroups = std::to_array<Named<DhGroup>>({
    {"x25519", DhGroup::curve25519},
    {"ecp256", DhGroup::ecp256},
    {"ecp384", DhGroup::ecp384},
    {"ecp521", DhGroup::ecp521},
    {"modp2048", DhGroup::modp2048},
    {"modp3072", DhGroup::modp3072},
    {"modp4096", DhGroup::modp4096},
});

}  // namespace isthmus::crypto::ike
