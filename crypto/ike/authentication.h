// AUTH: what is signed, and how (RFC 7296 section 2.15; methods 9 to 11: RFC 4754; 14: RFC 7427, Ed25519: RFC 8420).
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/ike/wire/auth_payload.h"
#include "crypto/ike/wire/identification_payload.h"
#include "crypto/prf.h"
#include "crypto/secret_bytes.h"
#include "crypto/signature.h"

namespace isthmus::crypto::ike {

/// What a side signs: its first message (whole datagram without the four zero bytes; after a COOKIE or INVALID_KE_PAYLOAD:
/// the last one sent) | the other side's nonce | prf(SK_pi or SK_pr, its identity).
struct SignedOctets {
    Bytes message;
    Bytes peer_nonce;
    Prf prf = Prf::hmac_sha256;
    const SecretBytes* sk_p = nullptr;
    const Identification* id = nullptr;
};
[[nodiscard]] std::vector<std::uint8_t> signed_octets(const SignedOctets& parts);

/// AUTH = prf(prf(shared secret, "Key Pad for IKEv2"), octets).
[[nodiscard]] AuthPayload sign_with_psk(Prf prf, const SecretBytes& psk, Bytes octets);
/// Error: a sentence: another method, or a wrong value (the secrets differ).
[[nodiscard]] Result<void, std::string> verify_with_psk(Prf prf, const SecretBytes& psk,
                                                        const AuthPayload& auth, Bytes octets);

/// The hashes that we announce in SIGNATURE_HASH_ALGORITHMS: SHA-256, SHA-384, SHA-512 and Identity.
[[nodiscard]] std::span<const SignatureHash> our_signature_hashes() noexcept;

/// `peer_hashes`: what the peer has announced; nullopt: nothing, so the older methods 1, 9, 10 and 11 are used.
/// Error: a sentence: no hash in common, or a key that the older methods do not know (Ed25519).
[[nodiscard]] Result<AuthPayload, std::string> sign_with_key(
    const PrivateKey& key, const std::optional<std::vector<SignatureHash>>& peer_hashes, Bytes octets);

/// Error: a sentence: a method, hash or key that we have not (SHA-1 among them), one that does not fit the key, or a
/// signature that is wrong.
[[nodiscard]] Result<void, std::string> verify_with_key(const PublicKey& key, const AuthPayload& auth,
                                                        Bytes octets);

}  // namespace isthmus::crypto::ike
