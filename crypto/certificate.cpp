#include "crypto/certificate.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <optional>

#include "crypto/digest.h"
#include "crypto/openssl_certificate.h"
#include "crypto/openssl_chain_error.h"
#include "crypto/openssl_error.h"
#include "crypto/openssl_handles.h"

namespace isthmus::crypto {

namespace {

using Vector = std::vector<std::uint8_t>;
using X509Handle = std::unique_ptr<X509, OpenSslFree<X509_free>>;
using Bio = std::unique_ptr<BIO, OpenSslFree<BIO_free_all>>;
using Names = std::unique_ptr<GENERAL_NAMES, OpenSslFree<GENERAL_NAMES_free>>;
using Store = std::unique_ptr<X509_STORE, OpenSslFree<X509_STORE_free>>;
using StoreContext = std::unique_ptr<X509_STORE_CTX, OpenSslFree<X509_STORE_CTX_free>>;

/// Does not own the certificates in it.
struct FreeStack {
    void operator()(STACK_OF(X509) * stack) const noexcept { sk_X509_free(stack); }
};
using Stack = std::unique_ptr<STACK_OF(X509), FreeStack>;

Vector der_of(const X509_NAME* name) {
    unsigned char* der = nullptr;
    const int size = i2d_X509_NAME(name, &der);
    if (size <= 0) return {};
    Vector out(der, der + size);
    OPENSSL_free(der);
    return out;
}

std::optional<IpAddress> address_of(Bytes raw) {
    if (raw.size() == 4) {
        std::array<std::uint8_t, 4> v4{};
        std::ranges::copy(raw, v4.begin());
        return IpAddress::v4(v4);
    }
    if (raw.size() != 16) return std::nullopt;
    std::array<std::uint8_t, 16> v6{};
    std::ranges::copy(raw, v6.begin());
    return IpAddress::v6(v6);
}

}  // namespace

std::optional<WallTime> time_of(const ASN1_TIME* time) {
    std::tm fields{};
    if (time == nullptr || ASN1_TIME_to_tm(time, &fields) != 1) return std::nullopt;
    return WallTime(std::chrono::seconds(::timegm(&fields)));
}

std::string text_of(const X509_NAME* name) {
    const Bio bio(BIO_new(BIO_s_mem()));
    if (!bio ||
        X509_NAME_print_ex(bio.get(), name, 0, XN_FLAG_ONELINE & ~XN_FLAG_SPC_EQ & ~ASN1_STRFLGS_ESC_MSB) < 0)
        return {};
    char* text = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &text);
    return {text, static_cast<std::size_t>(std::max(size, 0L))};
}

struct Certificate::State {
    X509Handle x509;
    PublicKey key;
    Vector der{};
    Vector subject_der{};
    Vector authority_hash{};
    WallTime not_before{};
    WallTime not_after{};
    bool is_authority = false;
    std::optional<unsigned> path_length{};
    std::vector<std::string> dns_names{};
    std::vector<std::string> email_addresses{};
    std::vector<IpAddress> ip_addresses{};

    void read_names() {
        const Names names(static_cast<GENERAL_NAMES*>(
            X509_get_ext_d2i(x509.get(), NID_subject_alt_name, nullptr, nullptr)));
        for (int i = 0; names && i < sk_GENERAL_NAME_num(names.get()); ++i) {
            const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
            if (name->type != GEN_DNS && name->type != GEN_EMAIL && name->type != GEN_IPADD) continue;
            const ASN1_STRING* value = name->type == GEN_IPADD ? name->d.iPAddress : name->d.ia5;
            const Bytes raw(ASN1_STRING_get0_data(value),
                            static_cast<std::size_t>(ASN1_STRING_length(value)));
            add_name(name->type, raw);
        }
    }

  private:
    // A zero byte inside a name is an old trick to look like another one.
    void add_name(int type, Bytes raw) {
        if (type == GEN_IPADD) {
            if (const auto address = address_of(raw)) ip_addresses.push_back(*address);
            return;
        }
        if (std::ranges::find(raw, std::uint8_t{0}) != raw.end()) return;
        (type == GEN_DNS ? dns_names : email_addresses).emplace_back(raw.begin(), raw.end());
    }
};

Result<Certificate, std::string> Certificate::from_der(Bytes der) {
    const unsigned char* at = der.data();
    X509Handle x509(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
    if (!x509) return Unexpected(openssl_error("the certificate cannot be read"));
    if (at != der.data() + der.size())
        return Unexpected(std::string("the certificate has bytes behind its end"));

    unsigned char* spki = nullptr;
    const int spki_size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x509.get()), &spki);
    if (spki_size <= 0) return Unexpected(openssl_error("the certificate's key cannot be read"));
    const Vector key_der(spki, spki + spki_size);
    OPENSSL_free(spki);
    auto key = PublicKey::from_der(key_der);
    if (!key) return Unexpected(std::move(key).error());
    const auto not_before = time_of(X509_get0_notBefore(x509.get()));
    const auto not_after = time_of(X509_get0_notAfter(x509.get()));
    if (!not_before || !not_after) return Unexpected(std::string("the certificate's dates cannot be read"));

    auto state = std::make_shared<State>(State{std::move(x509), std::move(key).value()});
    state->der.assign(der.begin(), der.end());
    state->subject_der = der_of(X509_get_subject_name(state->x509.get()));
    state->authority_hash = digest(Hash::sha1, key_der);
    state->not_before = *not_before;
    state->not_after = *not_after;
    state->is_authority = X509_check_ca(state->x509.get()) == 1;
    if (const long length = X509_get_pathlen(state->x509.get()); state->is_authority && length >= 0)
        state->path_length = static_cast<unsigned>(length);
    state->read_names();
    return Certificate(std::move(state));
}

Result<std::vector<Certificate>, std::string> Certificate::from_pem(Bytes pem) {
    const Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
    std::vector<Certificate> all;
    while (bio) {
        const X509Handle x509(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
        if (!x509) break;
        unsigned char* der = nullptr;
        const int size = i2d_X509(x509.get(), &der);
        if (size <= 0) return Unexpected(openssl_error("a certificate cannot be read"));
        auto certificate = from_der({der, static_cast<std::size_t>(size)});
        OPENSSL_free(der);
        if (!certificate)
            return Unexpected("certificate " + std::to_string(all.size() + 1) + ": " + certificate.error());
        all.push_back(std::move(certificate).value());
    }
    const std::string problem = openssl_error("");
    if (all.empty()) return Unexpected("there is no certificate in it" + problem);
    if (problem.find("no start line") == std::string::npos)
        return Unexpected("certificate " + std::to_string(all.size() + 1) + " cannot be read" + problem);
    return all;
}

Bytes Certificate::der() const noexcept {
    return state_->der;
}
std::string Certificate::subject() const {
    return text_of(X509_get_subject_name(state_->x509.get()));
}
Bytes Certificate::subject_der() const noexcept {
    return state_->subject_der;
}
WallTime Certificate::not_before() const noexcept {
    return state_->not_before;
}
WallTime Certificate::not_after() const noexcept {
    return state_->not_after;
}
const PublicKey& Certificate::public_key() const noexcept {
    return state_->key;
}
bool Certificate::is_authority() const noexcept {
    return state_->is_authority;
}
std::optional<unsigned> Certificate::path_length() const noexcept {
    return state_->path_length;
}
bool Certificate::signed_by(const Certificate& authority) const {
    X509* issuer = CertificateAccess::x509(authority);
    if (!authority.is_authority() ||
        X509_NAME_cmp(X509_get_issuer_name(state_->x509.get()), X509_get_subject_name(issuer)) != 0)
        return false;
    const bool good = X509_verify(state_->x509.get(), X509_get0_pubkey(issuer)) == 1;
    (void)openssl_error("");
    return good;
}
std::string Certificate::issuer() const {
    return text_of(X509_get_issuer_name(state_->x509.get()));
}
std::string Certificate::serial() const {
    const ASN1_INTEGER* number = X509_get0_serialNumber(state_->x509.get());
    return to_hex({ASN1_STRING_get0_data(number), static_cast<std::size_t>(ASN1_STRING_length(number))});
}
const std::vector<std::string>& Certificate::dns_names() const noexcept {
    return state_->dns_names;
}
const std::vector<std::string>& Certificate::email_addresses() const noexcept {
    return state_->email_addresses;
}
const std::vector<IpAddress>& Certificate::ip_addresses() const noexcept {
    return state_->ip_addresses;
}
const std::vector<std::uint8_t>& Certificate::authority_hash() const noexcept {
    return state_->authority_hash;
}

X509* CertificateAccess::x509(const Certificate& certificate) noexcept {
    return certificate.state_->x509.get();
}

namespace {

Result<std::vector<Certificate>, std::string> copy_of(const STACK_OF(X509) * stack) {
    std::vector<Certificate> path;
    for (int i = 0; i < sk_X509_num(stack); ++i) {
        unsigned char* der = nullptr;
        const int size = i2d_X509(sk_X509_value(stack, i), &der);
        if (size <= 0) return Unexpected(openssl_error("a certificate cannot be copied"));
        auto certificate = Certificate::from_der({der, static_cast<std::size_t>(size)});
        OPENSSL_free(der);
        if (!certificate) return Unexpected(std::move(certificate).error());
        path.push_back(std::move(certificate).value());
    }
    return path;
}

/// What RFC 5280 wants of who issues certificates, and nothing here depends on. `openssl req -x509` and `openssl x509 -req` make such
/// ones unless they are told more, and other IKE implementations accept them. A keyUsage that is there counts.
bool is_formality(X509_STORE_CTX* context) {
    switch (X509_STORE_CTX_get_error(context)) {
        case X509_V_ERR_CA_CERT_MISSING_KEY_USAGE:
        case X509_V_ERR_CA_BCONS_NOT_CRITICAL:
        case X509_V_ERR_MISSING_AUTHORITY_KEY_IDENTIFIER:
        case X509_V_ERR_MISSING_SUBJECT_KEY_IDENTIFIER: return true;
        case X509_V_ERR_PATHLEN_WITHOUT_KU_KEY_CERT_SIGN:
            return X509_get_key_usage(X509_STORE_CTX_get_current_cert(context)) == UINT32_MAX;
        default: return false;
    }
}

int pass_formalities(int is_good, X509_STORE_CTX* context) {
    if (is_good == 1 || !is_formality(context)) return is_good;
    X509_STORE_CTX_set_error(context, X509_V_OK);
    return 1;
}

}  // namespace

Result<std::vector<Certificate>, std::string> build_chain(const Certificate& leaf,
                                                          std::span<const Certificate> intermediates,
                                                          std::span<const Certificate> anchors,
                                                          std::optional<WallTime> now) {
    X509* target = CertificateAccess::x509(leaf);
    if ((X509_get_key_usage(target) & KU_DIGITAL_SIGNATURE) == 0)
        return Unexpected(leaf.subject() + ": its key usage forbids digital signatures");
    const Store store(X509_STORE_new());
    const StoreContext context(X509_STORE_CTX_new());
    const Stack untrusted(sk_X509_new_null());
    if (!store || !context || !untrusted) return Unexpected(openssl_error("no memory to check certificates"));
    for (const Certificate& anchor : anchors)
        X509_STORE_add_cert(store.get(), CertificateAccess::x509(anchor));
    for (const Certificate& c : intermediates) sk_X509_push(untrusted.get(), CertificateAccess::x509(c));
    if (X509_STORE_CTX_init(context.get(), store.get(), target, untrusted.get()) != 1)
        return Unexpected(openssl_error("certificates cannot be checked"));

    // An anchor need not be self-signed: it was configured as trusted.
    X509_VERIFY_PARAM* parameters = X509_STORE_CTX_get0_param(context.get());
    X509_VERIFY_PARAM_set_flags(parameters, X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_X509_STRICT);
    X509_STORE_CTX_set_verify_cb(context.get(), pass_formalities);
    if (now)
        X509_VERIFY_PARAM_set_time(parameters, static_cast<std::time_t>(now->time_since_epoch().count()));
    else
        X509_VERIFY_PARAM_set_flags(parameters, X509_V_FLAG_NO_CHECK_TIME);
    X509_VERIFY_PARAM_set_auth_level(parameters, 2);  // 112 bits: no SHA-1 signatures, no RSA below 2,048
    if (X509_verify_cert(context.get()) != 1) {
        std::string why = chain_error(context.get(), leaf.subject(), now);
        (void)openssl_error("");
        return Unexpected(std::move(why));
    }
    return copy_of(X509_STORE_CTX_get0_chain(context.get()));
}

Result<void, std::string> verify_chain(const Certificate& leaf, std::span<const Certificate> intermediates,
                                       std::span<const Certificate> anchors, WallTime now) {
    auto path = build_chain(leaf, intermediates, anchors, now);
    if (!path) return Unexpected(std::move(path).error());
    return {};
}

std::string date_text(WallTime time) {
    const std::time_t seconds = static_cast<std::time_t>(time.time_since_epoch().count());
    std::tm fields{};
    std::array<char, 64> text{};
    if (gmtime_r(&seconds, &fields) == nullptr) return "an impossible date";
    const std::size_t size = std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S UTC", &fields);
    return {text.data(), size};
}

}  // namespace isthmus::crypto
