// What a side authenticates itself with and whom it trusts. Built from files by the appliance; a snapshot that is replaced
// as a whole when the files are read again (std::shared_ptr<const Credentials>).
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "crypto/certificate.h"
#include "crypto/crl.h"
#include "crypto/ike/wire/certificate_payload.h"
#include "crypto/ike/wire/identification_payload.h"
#include "crypto/secret_bytes.h"
#include "crypto/signature.h"

namespace isthmus::crypto::ike {

struct OwnCertificate {
    std::vector<Certificate> chain;  ///< ours first, then intermediates
    PrivateKey key;
};

/// RFC 8784.
struct PostQuantumKey {
    std::vector<std::uint8_t> id;
    SecretBytes secret;
    bool mandatory = true;  ///< without it no SA comes up
};

enum class Revocation : std::uint8_t {
    if_known,  ///< a certificate on a list is refused; no list, or one out of date, is not held against it
    required,  ///< there must be a list in date from every issuer
};

struct Credentials {
    std::optional<SecretBytes> psk;
    std::optional<OwnCertificate> own;
    std::vector<Certificate> authorities;  ///< trust anchors
    std::vector<Crl> crls;
    Revocation revocation = Revocation::if_known;
    std::optional<PostQuantumKey> ppk;
    /// A gateway that boots without a clock: check no dates until the time is known.
    bool accept_without_clock = false;
};

/// Checks that the key belongs to the certificate, that the certificate names the local identity and that its dates hold.
/// Error: a sentence naming certificate, field and date.
[[nodiscard]] Result<void, std::string> check_own(const OwnCertificate& own, const Identification& local,
                                                  WallTime now);

/// The time as this machine has it. `newest_seen`: the latest moment that has certainly passed (program built, state file
/// written); what is in the credentials counts too.
struct Clock {
    WallTime now{};
    WallTime newest_seen{};
};
/// nullopt: the clock is plausible; a few minutes behind are no doubt, since others' clocks may be ahead. Otherwise a sentence: "the clock says 1970-01-01 00:00:07 UTC, but ... was issued ...".
[[nodiscard]] std::optional<std::string> clock_doubt(const Credentials& credentials, const Clock& clock);

/// Authenticates a peer by certificates: the first CERT payload is the peer's, the others may be intermediates (RFC 7296
/// section 3.6). With a doubtful clock nobody is accepted, or with accept_without_clock dates are not looked at. Checks chain, dates, key usage, revocation, and that it speaks for `id`. Returns the key that AUTH must
/// verify with. Error: a sentence naming certificate, field and date.
[[nodiscard]] Result<PublicKey, std::string> authenticate_peer(const Credentials& credentials,
                                                               std::span<const CertificatePayload> sent,
                                                               const Identification& id, const Clock& clock);

/// CERT payloads for our chain, and the CERTREQ for those we trust.
[[nodiscard]] std::vector<CertificatePayload> certificate_payloads(const OwnCertificate& own);
[[nodiscard]] CertificateRequestPayload certificate_request(std::span<const Certificate> authorities);

}  // namespace isthmus::crypto::ike
