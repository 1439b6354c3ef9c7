#include "crypto/crl.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <ctime>

#include "crypto/openssl_certificate.h"
#include "crypto/openssl_error.h"
#include "crypto/openssl_handles.h"

namespace isthmus::crypto {

namespace {

using CrlHandle = std::unique_ptr<X509_CRL, OpenSslFree<X509_CRL_free>>;
using Bio = std::unique_ptr<BIO, OpenSslFree<BIO_free_all>>;

std::string reason_of(const X509_REVOKED* revoked) {
    const std::unique_ptr<ASN1_ENUMERATED, OpenSslFree<ASN1_ENUMERATED_free>> value(
        static_cast<ASN1_ENUMERATED*>(X509_REVOKED_get_ext_d2i(revoked, NID_crl_reason, nullptr, nullptr)));
    if (!value) return {};
    switch (ASN1_ENUMERATED_get(value.get())) {
        case 1: return "key compromise";
        case 2: return "authority compromise";
        case 3: return "affiliation changed";
        case 4: return "superseded";
        case 5: return "cessation of operation";
        case 6: return "on hold";
        case 9: return "privilege withdrawn";
        case 10: return "attribute authority compromise";
        default: return {};
    }
}

Crl::Entry entry_of(const X509_REVOKED* revoked, WallTime otherwise) {
    const ASN1_INTEGER* serial = X509_REVOKED_get0_serialNumber(revoked);
    const auto date = time_of(X509_REVOKED_get0_revocationDate(revoked));
    return {to_hex({ASN1_STRING_get0_data(serial), static_cast<std::size_t>(ASN1_STRING_length(serial))}),
            date.value_or(otherwise), reason_of(revoked)};
}

}  // namespace

struct Crl::State {
    CrlHandle crl;
    WallTime this_update{};
    std::optional<WallTime> next_update{};
};

Result<Crl, std::string> Crl::from_der(Bytes der) {
    const unsigned char* at = der.data();
    CrlHandle crl(d2i_X509_CRL(nullptr, &at, static_cast<long>(der.size())));
    if (!crl) return Unexpected(openssl_error("the revocation list cannot be read"));
    if (at != der.data() + der.size())
        return Unexpected(std::string("the revocation list has bytes behind its end"));
    const auto this_update = time_of(X509_CRL_get0_lastUpdate(crl.get()));
    if (!this_update) return Unexpected(std::string("the revocation list's thisUpdate cannot be read"));
    const ASN1_TIME* next = X509_CRL_get0_nextUpdate(crl.get());
    const auto next_update = time_of(next);
    if (next != nullptr && !next_update)
        return Unexpected(std::string("the revocation list's nextUpdate cannot be read"));
    return Crl(std::make_shared<State>(State{std::move(crl), *this_update, next_update}));
}

Result<std::vector<Crl>, std::string> Crl::from_pem(Bytes pem) {
    const Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
    std::vector<Crl> all;
    while (bio) {
        const CrlHandle crl(PEM_read_bio_X509_CRL(bio.get(), nullptr, nullptr, nullptr));
        if (!crl) break;
        unsigned char* der = nullptr;
        const int size = i2d_X509_CRL(crl.get(), &der);
        if (size <= 0) return Unexpected(openssl_error("a revocation list cannot be read"));
        auto parsed = from_der({der, static_cast<std::size_t>(size)});
        OPENSSL_free(der);
        if (!parsed)
            return Unexpected("revocation list " + std::to_string(all.size() + 1) + ": " + parsed.error());
        all.push_back(std::move(parsed).value());
    }
    const std::string problem = openssl_error("");
    if (all.empty()) return Unexpected("there is no revocation list in it" + problem);
    if (problem.find("no start line") == std::string::npos)
        return Unexpected("revocation list " + std::to_string(all.size() + 1) + " cannot be read" + problem);
    return all;
}

std::string Crl::issuer() const {
    return text_of(X509_CRL_get_issuer(state_->crl.get()));
}
WallTime Crl::this_update() const noexcept {
    return state_->this_update;
}
std::optional<WallTime> Crl::next_update() const noexcept {
    return state_->next_update;
}
bool Crl::signed_by(const Certificate& authority) const {
    X509* x509 = CertificateAccess::x509(authority);
    if (X509_NAME_cmp(X509_CRL_get_issuer(state_->crl.get()), X509_get_subject_name(x509)) != 0) return false;
    if ((X509_get_key_usage(x509) & KU_CRL_SIGN) == 0) return false;
    const bool good = X509_CRL_verify(state_->crl.get(), X509_get0_pubkey(x509)) == 1;
    (void)openssl_error("");
    return good;
}

std::optional<Crl::Entry> Crl::find(const Certificate& certificate) const {
    constexpr int kRevoked = 1;  // 2: taken off the list again
    X509_REVOKED* revoked = nullptr;
    if (X509_CRL_get0_by_cert(state_->crl.get(), &revoked, CertificateAccess::x509(certificate)) != kRevoked)
        return std::nullopt;
    return entry_of(revoked, state_->this_update);
}

std::vector<Crl::Entry> Crl::entries() const {
    std::vector<Entry> all;
    STACK_OF(X509_REVOKED)* list = X509_CRL_get_REVOKED(state_->crl.get());
    for (int i = 0; i < sk_X509_REVOKED_num(list); ++i)
        all.push_back(entry_of(sk_X509_REVOKED_value(list, i), state_->this_update));
    return all;
}

std::uint64_t Crl::number() const {
    const std::unique_ptr<ASN1_INTEGER, OpenSslFree<ASN1_INTEGER_free>> number(static_cast<ASN1_INTEGER*>(
        X509_CRL_get_ext_d2i(state_->crl.get(), NID_crl_number, nullptr, nullptr)));
    std::uint64_t value = 0;
    if (!number || ASN1_INTEGER_get_uint64(&value, number.get()) != 1) return 0;
    return value;
}

}  // namespace isthmus::crypto
