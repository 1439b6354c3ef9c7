// Signatures of IKEv2 authentication (RFC 7296 section 3.8, RFC 4754, RFC 7427, RFC 8420).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/secret_bytes.h"

namespace isthmus::crypto {

enum class SignatureScheme : std::uint8_t {
    rsa_pkcs1_sha256,
    rsa_pkcs1_sha384,
    rsa_pkcs1_sha512,
    rsa_pss_sha256,  ///< MGF1 with the same hash; the salt is as long as the hash
    rsa_pss_sha384,
    rsa_pss_sha512,
    ecdsa_sha256,  ///< DER signature, any of our curves (RFC 7427)
    ecdsa_sha384,
    ecdsa_sha512,
    ecdsa_p256_sha256_raw,  ///< r | s (RFC 4754: methods 9, 10, 11)
    ecdsa_p384_sha384_raw,
    ecdsa_p521_sha512_raw,
    ed25519,  ///< over the message itself, not its hash
};

enum class KeyKind : std::uint8_t { rsa, ecdsa_p256, ecdsa_p384, ecdsa_p521, ed25519 };

/// Can a key of this kind make and check signatures of this scheme?
[[nodiscard]] bool fits(KeyKind kind, SignatureScheme scheme) noexcept;

/// DER of the AlgorithmIdentifier that goes in front of a "Digital Signature" (RFC 7427 appendix A); empty for raw ones.
[[nodiscard]] Bytes algorithm_identifier(SignatureScheme scheme) noexcept;
/// nullopt: none of ours. RSASSA-PSS is taken with and without its default trailer field.
[[nodiscard]] std::optional<SignatureScheme> scheme_of(Bytes algorithm_identifier) noexcept;

struct KeyState;

class PublicKey {
  public:
    /// DER of a SubjectPublicKeyInfo. Error: a sentence: unreadable, a kind that we have not, RSA below 2,048 bits.
    [[nodiscard]] static Result<PublicKey, std::string> from_der(Bytes spki);

    [[nodiscard]] KeyKind kind() const noexcept;
    [[nodiscard]] Bytes der() const noexcept;  ///< SubjectPublicKeyInfo
    /// Error: a sentence: wrong, or a scheme that the key does not fit.
    [[nodiscard]] Result<void, std::string> verify(SignatureScheme scheme, Bytes message,
                                                   Bytes signature) const;

  private:
    friend class PrivateKey;
    explicit PublicKey(std::shared_ptr<const KeyState> state) : state_(std::move(state)) {}
    std::shared_ptr<const KeyState> state_;
};

class PrivateKey {
  public:
    /// PEM (PKCS#8 or the older forms), not encrypted. Error: a sentence.
    [[nodiscard]] static Result<PrivateKey, std::string> from_pem(const SecretBytes& pem);
    /// DER of a PKCS#8 PrivateKeyInfo.
    [[nodiscard]] static Result<PrivateKey, std::string> from_der(Bytes pkcs8);

    [[nodiscard]] KeyKind kind() const noexcept;
    [[nodiscard]] PublicKey public_key() const { return PublicKey(state_); }
    /// Error: a sentence.
    [[nodiscard]] Result<std::vector<std::uint8_t>, std::string> sign(SignatureScheme scheme,
                                                                      Bytes message) const;

  private:
    explicit PrivateKey(std::shared_ptr<const KeyState> state) : state_(std::move(state)) {}
    std::shared_ptr<const KeyState> state_;
};

}  // namespace isthmus::crypto
