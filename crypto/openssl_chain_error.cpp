#include "crypto/openssl_chain_error.h"

#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string_view>

#include "crypto/openssl_certificate.h"
#include "crypto/openssl_handles.h"

namespace isthmus::crypto {

namespace {

using Bio = std::unique_ptr<BIO, OpenSslFree<BIO_free_all>>;
using Constraints = std::unique_ptr<NAME_CONSTRAINTS, OpenSslFree<NAME_CONSTRAINTS_free>>;

std::string subject_of(X509* certificate) {
    return text_of(X509_get_subject_name(certificate));
}
std::string issuer_of(X509* certificate) {
    return text_of(X509_get_issuer_name(certificate));
}
std::string date_of(const ASN1_TIME* time) {
    const auto value = time_of(time);
    return value ? date_text(*value) : std::string("an unreadable date");
}

/// An extension as OpenSSL writes it, on one line: "Permitted: DNS:example.org".
std::string extension_text(X509* certificate, int nid) {
    const int at = X509_get_ext_by_NID(certificate, nid, -1);
    const Bio bio(BIO_new(BIO_s_mem()));
    if (at < 0 || !bio || X509V3_EXT_print(bio.get(), X509_get_ext(certificate, at), 0, 0) != 1)
        return "unreadable";
    char* text = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &text);
    std::string line;
    for (const char c : std::string_view(text, static_cast<std::size_t>(std::max(size, 0L)))) {
        const bool blank = c == ' ' || c == '\n';
        if (!blank || (!line.empty() && line.back() != ' ')) line += blank ? ' ' : c;
    }
    while (line.ends_with(' ')) line.pop_back();
    return line;
}

/// Name constraints bind everybody below: the nearest authority above `depth` that forbids a name of what stands there.
std::string name_violation(X509_STORE_CTX* context, X509* at) {
    const STACK_OF(X509)* chain = X509_STORE_CTX_get0_chain(context);
    for (int i = X509_STORE_CTX_get_error_depth(context) + 1; i < sk_X509_num(chain); ++i) {
        X509* above = sk_X509_value(chain, i);
        const Constraints constraints(
            static_cast<NAME_CONSTRAINTS*>(X509_get_ext_d2i(above, NID_name_constraints, nullptr, nullptr)));
        if (!constraints || NAME_CONSTRAINTS_check(at, constraints.get()) == X509_V_OK) continue;
        const bool named = X509_get_ext_by_NID(at, NID_subject_alt_name, -1) >= 0;
        return ": its names (" +
               (named ? "subjectAltName " + extension_text(at, NID_subject_alt_name)
                      : std::string("subject")) +
               ") are not all among those that " + subject_of(above) + " may certify (nameConstraints " +
               extension_text(above, NID_name_constraints) + ")";
    }
    return ": one of its names is not among those that its authorities may certify (nameConstraints)";
}

std::string path_too_long(X509* at) {
    const long allowed = X509_get_pathlen(at);
    return ": more authorities stand below it than its basicConstraints allow: pathLenConstraint is " +
           std::to_string(allowed);
}

std::string unknown_critical(X509* at) {
    for (int i = 0; i < X509_get_ext_count(at); ++i) {
        X509_EXTENSION* extension = X509_get_ext(at, i);
        if (X509_EXTENSION_get_critical(extension) == 0 || X509_supported_extension(extension) == 1) continue;
        std::array<char, 80> oid{};
        OBJ_obj2txt(oid.data(), static_cast<int>(oid.size()), X509_EXTENSION_get_object(extension), 1);
        return std::string(": it has the critical extension ") + oid.data() + ", which is not known here";
    }
    return ": it has a critical extension that is not known here";
}

/// What needs no value beside it. RFC 5280 section 4.2.1 has the rules.
const char* rule_broken(int error) {
    switch (error) {
        case X509_V_ERR_INVALID_CA:
            return ": it certified another certificate, but is no authority: its basicConstraints do not say "
                   "CA";
        case X509_V_ERR_KEYUSAGE_NO_CERTSIGN:
            return ": it certified another certificate, but its keyUsage does not say keyCertSign";
        case X509_V_ERR_PATHLEN_INVALID_FOR_NON_CA:
            return ": its basicConstraints have a pathLenConstraint without saying CA";
        case X509_V_ERR_KU_KEY_CERT_SIGN_INVALID_FOR_NON_CA:
            return ": its keyUsage says keyCertSign, but its basicConstraints do not say CA";
        case X509_V_ERR_PATHLEN_WITHOUT_KU_KEY_CERT_SIGN:
            return ": its basicConstraints have a pathLenConstraint, but its keyUsage does not say "
                   "keyCertSign";
        case X509_V_ERR_EE_KEY_TOO_SMALL:
        case X509_V_ERR_CA_KEY_TOO_SMALL:
            return ": its key is too weak: 112 bits of security are asked for, as of RSA with 2,048 bits";
        case X509_V_ERR_CA_MD_TOO_WEAK:
            return ": its signature is made with a hash that is too weak; SHA-1 and MD5 are not accepted";
        case X509_V_ERR_CERT_CHAIN_TOO_LONG:
            return ": too many certificates stand between it and an authority";
        default: return nullptr;
    }
}

}  // namespace

std::string chain_error(X509_STORE_CTX* context, const std::string& leaf, std::optional<WallTime> now) {
    X509* at = X509_STORE_CTX_get_current_cert(context);
    const int error = X509_STORE_CTX_get_error(context);
    if (at == nullptr) return leaf + ": " + X509_verify_cert_error_string(error);
    const std::string who = subject_of(at);
    const std::string today = now ? ", and it is " + date_text(*now) : "";
    if (const char* rule = rule_broken(error)) return who + rule;
    switch (error) {
        case X509_V_ERR_CERT_HAS_EXPIRED:
            return who + ": the certificate has expired: notAfter is " + date_of(X509_get0_notAfter(at)) +
                   today;
        case X509_V_ERR_CERT_NOT_YET_VALID:
            return who + ": the certificate is not yet valid: notBefore is " +
                   date_of(X509_get0_notBefore(at)) + today;
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
        case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
        case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
            return who + ": its issuer, " + issuer_of(at) +
                   ", is neither one of our authorities nor certified by one";
        case X509_V_ERR_CERT_SIGNATURE_FAILURE:
            return who + ": its signature was not made by " + issuer_of(at) +
                   ", or it was changed afterwards";
        case X509_V_ERR_PATH_LENGTH_EXCEEDED: return who + path_too_long(at);
        case X509_V_ERR_PERMITTED_VIOLATION:
        case X509_V_ERR_EXCLUDED_VIOLATION: return who + name_violation(context, at);
        case X509_V_ERR_UNHANDLED_CRITICAL_EXTENSION: return who + unknown_critical(at);
        default: return who + ": " + X509_verify_cert_error_string(error);
    }
}

}  // namespace isthmus::crypto
