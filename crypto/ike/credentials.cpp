#include "crypto/ike/credentials.h"

#include <algorithm>

#include "crypto/ike/identity.h"

namespace isthmus::crypto::ike {

namespace {

/// A peer sends its own certificate and a few intermediates; more is somebody who keeps us busy.
constexpr std::size_t kMaxCertificates = 16;
/// Clocks that are right differ by so much: an authority's may be ahead, and ours may have been set back a little.
constexpr std::chrono::minutes kClockTolerance{5};

struct Newest {
    WallTime time{};
    std::string what;
    void consider(WallTime candidate, const std::string& description) {
        if (candidate <= time) return;
        time = candidate;
        what = description;
    }
};

/// The newest thing that was certainly made before now.
Newest newest_of(const Credentials& credentials, const Clock& clock) {
    Newest newest;
    newest.consider(clock.newest_seen, "this gateway has already seen " + date_text(clock.newest_seen));
    const auto issued = [&newest](const Certificate& c) {
        newest.consider(c.not_before(),
                        "the certificate of " + c.subject() + " was issued at " + date_text(c.not_before()));
    };
    if (credentials.own) std::ranges::for_each(credentials.own->chain, issued);
    std::ranges::for_each(credentials.authorities, issued);
    for (const Crl& crl : credentials.crls)
        newest.consider(crl.this_update(), "the revocation list of " + crl.issuer() + " was issued at " +
                                               date_text(crl.this_update()));
    return newest;
}

/// The newest list of an authority, whether in date or not.
const Crl* list_of(std::span<const Crl> crls, const Certificate& authority) {
    const Crl* newest = nullptr;
    for (const Crl& crl : crls)
        if ((newest == nullptr || crl.this_update() > newest->this_update()) && crl.signed_by(authority))
            newest = &crl;
    return newest;
}

Result<void, std::string> check_revocation(const Credentials& credentials, const Certificate& certificate,
                                           const Certificate& issuer, std::optional<WallTime> now) {
    const Crl* list = list_of(credentials.crls, issuer);
    const bool required = credentials.revocation == Revocation::required;
    if (list == nullptr) {
        if (!required) return {};
        return Unexpected(certificate.subject() + ": there is no revocation list of " + issuer.subject() +
                          ", and one is required");
    }
    if (const auto entry = list->find(certificate))
        return Unexpected(certificate.subject() + ": the certificate (serial " + certificate.serial() +
                          ") was revoked at " + date_text(entry->revoked_at) +
                          (entry->reason.empty() ? "" : " (" + entry->reason + ")") + ", says the list of " +
                          issuer.subject());
    if (required && now && list->next_update() && *list->next_update() < *now)
        return Unexpected("the revocation list of " + issuer.subject() + " is out of date: nextUpdate is " +
                          date_text(*list->next_update()) + ", and it is " + date_text(*now));
    return {};
}

Result<std::vector<Certificate>, std::string> certificates_in(std::span<const CertificatePayload> sent) {
    std::vector<Certificate> all;
    for (const CertificatePayload& payload : sent) {
        if (payload.encoding != CertificateEncoding::x509_signature) continue;
        if (all.size() == kMaxCertificates)
            return Unexpected("the peer sent more than " + std::to_string(kMaxCertificates) +
                              " certificates");
        auto certificate = Certificate::from_der(payload.data);
        // An intermediate that cannot be read may not be needed; the peer's own always is.
        if (!certificate && all.empty()) return Unexpected("the peer's certificate: " + certificate.error());
        if (certificate) all.push_back(std::move(certificate).value());
    }
    return all;
}

/// Peers that send no certificate can be known by one that was configured as trusted itself.
std::optional<Certificate> configured_for(const Credentials& credentials, const Identification& id) {
    for (const Certificate& c : credentials.authorities)
        if (!c.is_authority() && certificate_names(c, id)) return c;
    return std::nullopt;
}

}  // namespace

Result<void, std::string> check_own(const OwnCertificate& own, const Identification& local, WallTime now) {
    if (own.chain.empty()) return Unexpected(std::string("there is no certificate of our own"));
    const Certificate& certificate = own.chain.front();
    const PublicKey key = own.key.public_key();
    if (!std::ranges::equal(certificate.public_key().der(), key.der()))
        return Unexpected("the private key does not belong to the certificate of " + certificate.subject());
    if (auto named = certificate_names(certificate, local); !named) return named;
    if (certificate.not_after() < now)
        return Unexpected(certificate.subject() + ": the certificate has expired: notAfter is " +
                          date_text(certificate.not_after()) + ", and it is " + date_text(now));
    if (certificate.not_before() > now)
        return Unexpected(certificate.subject() + ": the certificate is not yet valid: notBefore is " +
                          date_text(certificate.not_before()) + ", and it is " + date_text(now));
    return {};
}

std::optional<std::string> clock_doubt(const Credentials& credentials, const Clock& clock) {
    const Newest newest = newest_of(credentials, clock);
    if (clock.now + kClockTolerance >= newest.time) return std::nullopt;
    return "this gateway does not know the time: its clock says " + date_text(clock.now) + ", but " +
           newest.what;
}

Result<PublicKey, std::string> authenticate_peer(const Credentials& credentials,
                                                 std::span<const CertificatePayload> sent,
                                                 const Identification& id, const Clock& clock) {
    auto certificates = certificates_in(sent);
    if (!certificates) return Unexpected(std::move(certificates).error());
    if (certificates->empty()) {
        const auto known = configured_for(credentials, id);
        if (!known) return Unexpected("the peer " + text_of(id) + " sent no X.509 certificate");
        certificates->push_back(*known);
    }
    const Certificate leaf = certificates->front();

    std::optional<WallTime> now = clock.now;
    if (const auto doubt = clock_doubt(credentials, clock)) {
        if (!credentials.accept_without_clock)
            return Unexpected("whether the certificate of " + leaf.subject() +
                              " is in date cannot be told: " + *doubt);
        now = std::nullopt;
    }
    const auto path = build_chain(leaf, std::span(*certificates).subspan(1), credentials.authorities, now);
    if (!path) return Unexpected(path.error());
    for (std::size_t i = 0; i + 1 < path->size(); ++i) {
        auto good = check_revocation(credentials, (*path)[i], (*path)[i + 1], now);
        if (!good) return Unexpected(std::move(good).error());
    }
    auto named = certificate_names(leaf, id);
    if (!named) return Unexpected(std::move(named).error());
    return leaf.public_key();
}

std::vector<CertificatePayload> certificate_payloads(const OwnCertificate& own) {
    std::vector<CertificatePayload> payloads;
    for (const Certificate& c : own.chain)
        payloads.push_back({CertificateEncoding::x509_signature, {c.der().begin(), c.der().end()}});
    return payloads;
}

CertificateRequestPayload certificate_request(std::span<const Certificate> authorities) {
    CertificateRequestPayload request;
    for (const Certificate& authority : authorities) {
        const auto& hash = authority.authority_hash();
        AuthorityHash copy{};
        if (hash.size() == copy.size()) {
            std::ranges::copy(hash, copy.begin());
            request.authorities.push_back(copy);
        }
    }
    return request;
}

}  // namespace isthmus::crypto::ike
