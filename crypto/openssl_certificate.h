// The OpenSSL object inside a Certificate. Included by crypto's .cpp files only: it brings OpenSSL's headers.
#pragma once

#include <openssl/x509.h>

#include "crypto/certificate.h"

namespace isthmus::crypto {

struct CertificateAccess {
    /// Lives as long as the certificate.
    [[nodiscard]] static X509* x509(const Certificate& certificate) noexcept;
};

/// nullopt: unreadable.
[[nodiscard]] std::optional<WallTime> time_of(const ASN1_TIME* time);
/// As Certificate::subject().
[[nodiscard]] std::string text_of(const X509_NAME* name);

}  // namespace isthmus::crypto
