// X.509 certificates (RFC 5280) as IKEv2 uses them (RFC 4945).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/address.h"
#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"
#include "crypto/signature.h"

namespace isthmus::crypto {

/// A parsed certificate; cheap to copy. Parsing says nothing about trust: see verify_chain().
class Certificate {
  public:
    /// DER, one certificate and nothing behind it. Error: a sentence: unreadable, or a key that we have not.
    [[nodiscard]] static Result<Certificate, std::string> from_der(Bytes der);
    /// All certificates of a PEM text, in order; at least one. Error: a sentence naming which.
    [[nodiscard]] static Result<std::vector<Certificate>, std::string> from_pem(Bytes pem);

    [[nodiscard]] Bytes der() const noexcept;
    [[nodiscard]] std::string subject()
        const;  ///< for people: "C=XX, O=Example, CN=gw.example" (RFC 2253 order reversed)
    [[nodiscard]] Bytes subject_der() const noexcept;  ///< for an ID payload of type ID_DER_ASN1_DN
    [[nodiscard]] WallTime not_before() const noexcept;
    [[nodiscard]] WallTime not_after() const noexcept;
    [[nodiscard]] const PublicKey& public_key() const noexcept;
    [[nodiscard]] bool is_authority() const noexcept;  ///< basic constraints say CA
    /// How many authorities may stand below this one (pathLenConstraint); nullopt: any number, or it is none itself.
    [[nodiscard]] std::optional<unsigned> path_length() const noexcept;
    /// By its name and its key; dates and constraints are not looked at.
    [[nodiscard]] bool signed_by(const Certificate& authority) const;
    [[nodiscard]] std::string issuer() const;  ///< for people, as subject()
    [[nodiscard]] std::string serial() const;  ///< lower-case hex

    // Subject alternative names; identities are matched against these and the subject only.
    [[nodiscard]] const std::vector<std::string>& dns_names() const noexcept;
    [[nodiscard]] const std::vector<std::string>& email_addresses() const noexcept;
    [[nodiscard]] const std::vector<IpAddress>& ip_addresses() const noexcept;

    /// SHA-1 of the SubjectPublicKeyInfo: how a CERTREQ names an authority (RFC 7296 section 3.7).
    [[nodiscard]] const std::vector<std::uint8_t>& authority_hash() const noexcept;

  private:
    struct State;
    friend struct CertificateAccess;
    explicit Certificate(std::shared_ptr<const State> state) : state_(std::move(state)) {}
    std::shared_ptr<const State> state_;
};

/// A path from `leaf` over any of `intermediates` to one of `anchors`, valid at `now` (nullopt: dates are not looked at, for
/// a machine that does not know the time): leaf first, anchor last; the leaf alone if it is an anchor itself. The leaf must
/// not forbid digital signatures (key usage); extended key usage is not asked for (RFC 4945 section 5.1.3.12). Revocation
/// is another matter: crl.h.
/// Error: a sentence naming the certificate at fault, the field and the date.
[[nodiscard]] Result<std::vector<Certificate>, std::string> build_chain(
    const Certificate& leaf, std::span<const Certificate> intermediates, std::span<const Certificate> anchors,
    std::optional<WallTime> now);

/// The same without the path.
[[nodiscard]] Result<void, std::string> verify_chain(const Certificate& leaf,
                                                     std::span<const Certificate> intermediates,
                                                     std::span<const Certificate> anchors, WallTime now);

/// "2026-11-25 18:20:00 UTC"
[[nodiscard]] std::string date_text(WallTime time);

}  // namespace isthmus::crypto
