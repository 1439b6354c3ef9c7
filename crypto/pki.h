// A small certificate authority: keys, authorities, gateway certificates and revocation lists (RFC 5280, RFC 4945), with
// defaults of today. Pure functions: PEM in, PEM out. Key material comes from OpenSSL's generator, everything else is given.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/address.h"
#include "base/result.h"
#include "base/rng.h"
#include "base/time.h"
#include "crypto/certificate.h"
#include "crypto/crl.h"
#include "crypto/secret_bytes.h"

namespace isthmus::crypto::pki {

enum class KeyType : std::uint8_t { ecdsa_p256, ecdsa_p384, ed25519, rsa_3072 };
/// "ecdsa-p256", "ecdsa-p384", "ed25519", "rsa-3072"; nullopt for anything else.
[[nodiscard]] std::optional<KeyType> key_type_named(std::string_view name);

/// A new private key as PKCS#8 PEM. Error: OpenSSL's reason.
[[nodiscard]] Result<SecretBytes, std::string> generate_key(KeyType type);

struct Validity {
    WallTime not_before{};
    WallTime not_after{};
};

/// A self-signed authority that may certify gateways. `subject`: "O=Example, CN=Example CA". `levels`: how many levels of
/// authorities may stand between it and a gateway. Error: a sentence.
[[nodiscard]] Result<std::string, std::string> make_authority(const SecretBytes& key_pem,
                                                              std::string_view subject,
                                                              const Validity& validity, Rng& rng,
                                                              unsigned levels = 0);

struct GatewayNames {
    std::string subject;  ///< "O=Example, CN=gw.example.org"
    std::vector<std::string> dns_names;
    std::vector<std::string> email_addresses;
    std::vector<IpAddress> ip_addresses;
};

/// The authority that signs; its certificate and its key.
struct Authority {
    Certificate certificate;
    SecretBytes key_pem;
};

/// An intermediate authority: one that another one certified.
struct Intermediate {
    std::string subject;
    unsigned levels = 0;  ///< as of make_authority(); fewer than its issuer has
    /// It may certify these DNS names and what is below them, and e-mail addresses there, no others (name constraints, RFC 5280
    /// section 4.2.1.10); IP addresses are not bound. Empty: any name.
    std::vector<std::string> domains;
};
/// Error: a sentence: an issuer that may certify no authority, a domain that is none, a validity that passes the issuer's.
[[nodiscard]] Result<std::string, std::string> issue_intermediate(const Authority& authority,
                                                                  const PublicKey& key,
                                                                  const Intermediate& what,
                                                                  const Validity& validity, Rng& rng);

/// A gateway's certificate: digital signatures only; extended key usage IPsec IKE, TLS server and client (which some peers
/// ask for). Error: a sentence: no name at all, a validity that passes the authority's.
[[nodiscard]] Result<std::string, std::string> issue_certificate(const Authority& authority,
                                                                 const PublicKey& key,
                                                                 const GatewayNames& names,
                                                                 const Validity& validity, Rng& rng);

struct ListTerms {
    WallTime this_update{};
    WallTime next_update{};
    std::uint64_t number = 1;  ///< counts up with each list
};
/// `revoked`: all of them; those of the list before are in its Crl::entries(). Reasons are not written.
[[nodiscard]] Result<std::string, std::string> make_crl(const Authority& authority,
                                                        std::span<const Crl::Entry> revoked,
                                                        const ListTerms& terms);

}  // namespace isthmus::crypto::pki
