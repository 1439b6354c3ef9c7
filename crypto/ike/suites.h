// The algorithms of an IKE SA and of its children (RFC 8247, RFC 8221), and what a side is willing to use.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "crypto/dh.h"
#include "crypto/esp/suite.h"
#include "crypto/ike/suite_options.h"
#include "crypto/ike/wire/numbers.h"
#include "crypto/prf.h"

namespace isthmus::crypto::ike {

/// Sizes in bytes.
struct IkeCipherShape {
    std::size_t encryption_key = 0;  ///< SK_e: with the salt of AEAD (RFC 5282 section 7.1)
    std::size_t integrity_key = 0;   ///< SK_a
    std::size_t iv = 0;
    std::size_t icv = 0;
    std::size_t block = 1;  ///< the encrypted text is a multiple of this
};
[[nodiscard]] IkeCipherShape shape_of(const IkeCipher& cipher) noexcept;

/// What an IKE SA has agreed on.
struct IkeSuite {
    IkeCipher cipher;
    Prf prf = Prf::hmac_sha256;
    DhGroup group = DhGroup::curve25519;
    friend bool operator==(const IkeSuite&, const IkeSuite&) = default;
};

/// What a CHILD_SA has agreed on.
struct ChildSuite {
    esp::Suite esp = esp::Suite::aes256_gcm16;
    bool extended_sequence = true;
    std::optional<DhGroup> group;  ///< of the key exchange that CREATE_CHILD_SA adds
    friend bool operator==(const ChildSuite&, const ChildSuite&) = default;
};

/// What we offer and accept for an IKE SA, best first.
struct IkePolicy {
    std::vector<IkeCipher> ciphers;
    std::vector<Prf> prfs;
    std::vector<DhGroup> groups;  ///< the first one goes into our first KE payload
    friend bool operator==(const IkePolicy&, const IkePolicy&) = default;
};
/// AES-GCM, ChaCha20-Poly1305 and AES-CBC with HMAC-SHA-2; Curve25519, ECP and MODP of 2,048 bits and more. strongSwan's
/// and libreswan's defaults accept it.
[[nodiscard]] IkePolicy default_ike_policy();

/// A key exchange of its own for each CHILD_SA made by CREATE_CHILD_SA.
enum class ForwardSecrecy : std::uint8_t {
    off,
    preferred,  ///< offered; a peer that will not is accepted
    required,
};
enum class SequenceNumbers : std::uint8_t { extended_preferred, extended_required, short_only };

/// What we offer and accept for a CHILD_SA, best first.
struct ChildPolicy {
    std::vector<esp::Suite> suites;
    std::vector<DhGroup> groups;
    ForwardSecrecy forward_secrecy = ForwardSecrecy::preferred;
    SequenceNumbers sequence_numbers = SequenceNumbers::extended_preferred;
    friend bool operator==(const ChildPolicy&, const ChildPolicy&) = default;
};
[[nodiscard]] ChildPolicy default_child_policy();

// Names for people, as in the configuration: "aes-256-gcm", "aes-256-cbc-sha256", "sha256", "x25519", "ecp256", "modp2048".
[[nodiscard]] std::string text_of(const IkeCipher& cipher);
[[nodiscard]] std::string text_of(Prf prf);
[[nodiscard]] std::string text_of(DhGroup group);
/// "aes-256-gcm, sha256, x25519"
[[nodiscard]] std::string text_of(const IkeSuite& suite);
/// "aes-256-gcm, extended sequence numbers, x25519"
[[nodiscard]] std::string text_of(const ChildSuite& suite);
// nullopt: none of ours.
[[nodiscard]] std::optional<IkeCipher> ike_cipher_named(std::string_view name);
[[nodiscard]] std::optional<Prf> prf_named(std::string_view name);
[[nodiscard]] std::optional<DhGroup> group_named(std::string_view name);
/// A transform id of type 4 as one of ours.
[[nodiscard]] std::optional<DhGroup> group_of(std::uint16_t id) noexcept;
/// All names, for messages and documentation: "aes-256-gcm, aes-128-gcm, ...".
[[nodiscard]] std::string all_ike_cipher_names();
[[nodiscard]] std::string all_prf_names();
[[nodiscard]] std::string all_group_names();

}  // namespace isthmus::crypto::ike
