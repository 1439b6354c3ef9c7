// The keys of an IKE SA and of its children (RFC 7296 sections 2.14, 2.17 and 2.18; post-quantum keys: RFC 8784).
#pragma once

#include <cstdint>
#include <vector>

#include "base/address.h"
#include "base/bytes.h"
#include "crypto/ike/suites.h"
#include "crypto/secret_bytes.h"

namespace isthmus::crypto::ike {

/// Named as in RFC 7296: i and r are the original initiator and responder of this IKE SA.
struct IkeKeys {
    SecretBytes d;   ///< from which the children's keys come
    SecretBytes ai;  ///< integrity; empty with AEAD
    SecretBytes ar;
    SecretBytes ei;  ///< encryption, with AEAD's salt
    SecretBytes er;
    SecretBytes pi;  ///< for AUTH
    SecretBytes pr;
};

/// A CHILD_SA's keys; "initiator" is who sent the request of the exchange that made it.
struct ChildKeys {
    SecretBytes from_initiator;  ///< esp::key_size() bytes
    SecretBytes from_responder;
};

struct NoncePair {
    Bytes initiator;
    Bytes responder;
};
struct SpiPair {
    IkeSpi initiator{};
    IkeSpi responder{};
    friend bool operator==(const SpiPair&, const SpiPair&) = default;
};

/// SKEYSEED = prf(Ni | Nr, g^ir)
[[nodiscard]] SecretBytes skeyseed(Prf prf, const NoncePair& nonces, const SecretBytes& shared);
/// Of an IKE SA that replaces another: prf(SK_d (old), g^ir (new) | Ni | Nr), with the old SA's prf.
[[nodiscard]] SecretBytes rekey_skeyseed(Prf old_prf, const SecretBytes& old_d, const SecretBytes& shared,
                                         const NoncePair& nonces);
/// {SK_d | SK_ai | SK_ar | SK_ei | SK_er | SK_pi | SK_pr} = prf+ (SKEYSEED, Ni | Nr | SPIi | SPIr)
[[nodiscard]] IkeKeys derive_ike_keys(const IkeSuite& suite, const SecretBytes& skeyseed,
                                      const NoncePair& nonces, const SpiPair& spis);
/// SK_d, SK_pi and SK_pr with a post-quantum pre-shared key mixed in (RFC 8784 section 3).
void mix_ppk(Prf prf, IkeKeys& keys, const SecretBytes& ppk);
/// KEYMAT = prf+(SK_d, [g^ir (new) |] Ni | Nr); `shared` is nullptr without forward secrecy.
[[nodiscard]] ChildKeys derive_child_keys(Prf prf, const SecretBytes& d, const SecretBytes* shared,
                                          const NoncePair& nonces, esp::Suite suite);

/// What a NAT_DETECTION notification carries: SHA-1(SPIs | address | port) (RFC 7296 section 2.23). No secret, so SHA-1 is
/// right here.
[[nodiscard]] std::vector<std::uint8_t> nat_detection_hash(const SpiPair& spis, const Endpoint& endpoint);

}  // namespace isthmus::crypto::ike
