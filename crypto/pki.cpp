#include "crypto/pki.h"

#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>

#include "crypto/distinguished_name.h"
#include "crypto/openssl_certificate.h"
#include "crypto/openssl_error.h"
#include "crypto/openssl_handles.h"

namespace isthmus::crypto::pki {

namespace {

using X509Handle = std::unique_ptr<X509, OpenSslFree<X509_free>>;
using CrlHandle = std::unique_ptr<X509_CRL, OpenSslFree<X509_CRL_free>>;
using RevokedHandle = std::unique_ptr<X509_REVOKED, OpenSslFree<X509_REVOKED_free>>;
using Bio = std::unique_ptr<BIO, OpenSslFree<BIO_free_all>>;
using Name = std::unique_ptr<X509_NAME, OpenSslFree<X509_NAME_free>>;
using Names = std::unique_ptr<GENERAL_NAMES, OpenSslFree<GENERAL_NAMES_free>>;
using Time = std::unique_ptr<ASN1_TIME, OpenSslFree<ASN1_TIME_free>>;
using Integer = std::unique_ptr<ASN1_INTEGER, OpenSslFree<ASN1_INTEGER_free>>;
using Extension = std::unique_ptr<X509_EXTENSION, OpenSslFree<X509_EXTENSION_free>>;

constexpr std::size_t kSerialSize = 16;

Result<KeyHandle, std::string> key_of(const SecretBytes& pem) {
    const Bio bio(BIO_new_mem_buf(pem.reveal().data(), static_cast<int>(pem.size())));
    const auto no_pass_phrase = [](char*, int, int, void*) { return -1; };
    KeyHandle key(bio ? PEM_read_bio_PrivateKey(bio.get(), nullptr, no_pass_phrase, nullptr) : nullptr);
    if (!key) return Unexpected(openssl_error("the private key cannot be read"));
    return key;
}

/// Ed25519 hashes by itself; P-384 is signed with a hash as strong as it is.
const EVP_MD* digest_for(const EVP_PKEY* key) {
    if (EVP_PKEY_is_a(key, "ED25519") == 1) return nullptr;
    return EVP_PKEY_is_a(key, "EC") == 1 && EVP_PKEY_get_bits(key) == 384 ? EVP_sha384() : EVP_sha256();
}

std::string text_of(BIO* bio) {
    char* text = nullptr;
    const long size = BIO_get_mem_data(bio, &text);
    return {text, static_cast<std::size_t>(std::max(size, 0L))};
}

Time time_from(WallTime time) {
    return Time(ASN1_TIME_set(nullptr, static_cast<std::time_t>(time.time_since_epoch().count())));
}

/// Positive and as long as it says: the first byte is neither zero nor has its highest bit set.
std::array<std::uint8_t, kSerialSize> new_serial(Rng& rng) {
    std::array<std::uint8_t, kSerialSize> serial{};
    rng.fill(serial);
    serial[0] = static_cast<std::uint8_t>((serial[0] & 0x3fU) | 0x40U);
    return serial;
}

bool set_serial(ASN1_INTEGER* to, Bytes serial) {
    return ASN1_STRING_set(to, serial.data(), static_cast<int>(serial.size())) == 1;
}

bool add_extension(X509* x509, X509V3_CTX* context, int nid, const char* value) {
    const Extension extension(X509V3_EXT_conf_nid(nullptr, context, nid, value));
    return extension && X509_add_ext(x509, extension.get(), -1) == 1;
}

/// Built from values, not from a text in which a comma could start another name.
bool add_name(GENERAL_NAMES* names, int type, Bytes value) {
    GENERAL_NAME* name = GENERAL_NAME_new();
    ASN1_STRING* text = type == GEN_IPADD ? ASN1_OCTET_STRING_new() : ASN1_IA5STRING_new();
    if (name == nullptr || text == nullptr ||
        ASN1_STRING_set(text, value.data(), static_cast<int>(value.size())) != 1) {
        GENERAL_NAME_free(name);
        ASN1_STRING_free(text);
        return false;
    }
    GENERAL_NAME_set0_value(name, type, text);
    return sk_GENERAL_NAME_push(names, name) > 0;
}

bool add_names(X509* x509, const GatewayNames& names) {
    const Names all(GENERAL_NAMES_new());
    if (!all) return false;
    const auto bytes = [](const std::string& text) {
        return Bytes(reinterpret_cast<const std::uint8_t*>(text.data()), text.size());
    };
    for (const auto& name : names.dns_names)
        if (!add_name(all.get(), GEN_DNS, bytes(name))) return false;
    for (const auto& name : names.email_addresses)
        if (!add_name(all.get(), GEN_EMAIL, bytes(name))) return false;
    for (const auto& address : names.ip_addresses)
        if (!add_name(all.get(), GEN_IPADD, address.bytes())) return false;
    return X509_add1_ext_i2d(x509, NID_subject_alt_name, all.get(), 0, X509V3_ADD_DEFAULT) == 1;
}

Result<Name, std::string> name_from(std::string_view subject) {
    const auto der = distinguished_name_der(subject);
    if (!der) return Unexpected("the subject '" + std::string(subject) + "': " + der.error());
    const unsigned char* at = der->data();
    return Name(d2i_X509_NAME(nullptr, &at, static_cast<long>(der->size())));
}

bool fill_common(X509* x509, const X509_NAME* subject, const X509_NAME* issuer, const Validity& validity,
                 Rng& rng) {
    constexpr long kVersion3 = 2;
    const Time before = time_from(validity.not_before);
    const Time after = time_from(validity.not_after);
    return X509_set_version(x509, kVersion3) == 1 &&
           set_serial(X509_get_serialNumber(x509), new_serial(rng)) &&
           X509_set_subject_name(x509, subject) == 1 && X509_set_issuer_name(x509, issuer) == 1 && before &&
           after && X509_set1_notBefore(x509, before.get()) == 1 &&
           X509_set1_notAfter(x509, after.get()) == 1;
}

Result<std::string, std::string> signed_pem(X509* x509, EVP_PKEY* key) {
    const Bio bio(BIO_new(BIO_s_mem()));
    if (X509_sign(x509, key, digest_for(key)) <= 0 || !bio || PEM_write_bio_X509(bio.get(), x509) != 1)
        return Unexpected(openssl_error("the certificate cannot be signed"));
    return text_of(bio.get());
}

Result<void, std::string> check_names(const GatewayNames& names) {
    if (names.dns_names.empty() && names.email_addresses.empty() && names.ip_addresses.empty())
        return Unexpected(
            std::string("a gateway's certificate needs a name that peers can match: a DNS name, an e-mail "
                        "address or an IP "
                        "address"));
    const auto bad = [](const std::string& name) {
        return name.empty() || std::ranges::any_of(name, [](char c) { return c <= ' ' || c > '~'; });
    };
    for (const auto& name : names.dns_names)
        if (bad(name)) return Unexpected("'" + name + "' is no DNS name");
    for (const auto& name : names.email_addresses)
        if (bad(name)) return Unexpected("'" + name + "' is no e-mail address");
    return {};
}

Result<void, std::string> check_validity(const Validity& validity) {
    if (validity.not_after > validity.not_before) return {};
    return Unexpected(std::string("the validity ends before it begins"));
}
Result<void, std::string> check_validity(const Validity& validity, const Certificate& issuer) {
    if (validity.not_after > issuer.not_after())
        return Unexpected("the validity would end at " + date_text(validity.not_after) +
                          ", after the authority's own (" + date_text(issuer.not_after()) + ")");
    return check_validity(validity);
}

/// One that may stand `levels` above gateways' issuers.
Result<void, std::string> check_levels(const Certificate& issuer, unsigned levels) {
    const auto allowed = issuer.path_length();
    if (!allowed || levels < *allowed) return {};
    if (*allowed == 0)
        return Unexpected(issuer.subject() +
                          " may certify gateways only, no authorities: its pathLenConstraint is 0");
    return Unexpected(issuer.subject() + " has a pathLenConstraint of " + std::to_string(*allowed) +
                      ": an authority below it may have " + std::to_string(*allowed - 1) +
                      " more levels at most");
}

/// Letters, digits, hyphens and dots: what is put between commas below.
Result<void, std::string> check_domain(const std::string& domain) {
    const auto fits = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
               c == '.';
    };
    if (!domain.empty() && domain.front() != '.' && std::ranges::all_of(domain, fits)) return {};
    return Unexpected("'" + domain + "' is no domain name");
}

/// OpenSSL's words for name constraints. Kinds of names that are not mentioned are free. So are addresses: strongSwan 5.9
/// cannot read a constraint on them, and would refuse the authority as a whole.
std::string constraints_text(const std::vector<std::string>& domains) {
    std::string text = "critical";
    for (const std::string& domain : domains)
        text += ",permitted;DNS:" + domain + ",permitted;email:" + domain + ",permitted;email:." + domain;
    return text;
}

bool make_it_authority(X509* x509, X509V3_CTX* context, unsigned levels) {
    const std::string constraints = "critical,CA:TRUE,pathlen:" + std::to_string(levels);
    return add_extension(x509, context, NID_basic_constraints, constraints.c_str()) &&
           add_extension(x509, context, NID_key_usage, "critical,keyCertSign,cRLSign") &&
           add_extension(x509, context, NID_subject_key_identifier, "hash");
}

KeyHandle openssl_key(const PublicKey& key) {
    const unsigned char* at = key.der().data();
    return KeyHandle(d2i_PUBKEY(nullptr, &at, static_cast<long>(key.der().size())));
}

/// A certificate that is being made, and what its extensions refer to.
struct Draft {
    X509Handle x509;
    X509V3_CTX context{};
};
/// What is the same in all that an authority issues; extensions come next. nullopt: OpenSSL could not, and says why.
std::optional<Draft> begin_issued(const Authority& authority, const PublicKey& subject_key,
                                  const X509_NAME* subject, const Validity& validity, Rng& rng) {
    X509* issuer = CertificateAccess::x509(authority.certificate);
    const KeyHandle public_key = openssl_key(subject_key);
    Draft draft{X509Handle(X509_new())};
    X509* x509 = draft.x509.get();
    X509V3_set_ctx(&draft.context, issuer, x509, nullptr, nullptr, 0);
    if (x509 == nullptr || !public_key ||
        !fill_common(x509, subject, X509_get_subject_name(issuer), validity, rng) ||
        X509_set_pubkey(x509, public_key.get()) != 1)
        return std::nullopt;
    return draft;
}

/// The authority's key, if it is the certificate's and that one may sign.
Result<KeyHandle, std::string> key_of(const Authority& authority) {
    auto key = key_of(authority.key_pem);
    if (!key) return key;
    if (X509_check_private_key(CertificateAccess::x509(authority.certificate), key->get()) != 1) {
        (void)openssl_error("");
        return Unexpected("the key does not belong to the authority " + authority.certificate.subject());
    }
    if (!authority.certificate.is_authority())
        return Unexpected(authority.certificate.subject() +
                          " is no authority: its certificate may not sign others");
    return key;
}

bool add_revoked(X509_CRL* crl, const Crl::Entry& entry) {
    const auto serial_bytes = from_hex(entry.serial);
    const RevokedHandle revoked(X509_REVOKED_new());
    const Integer serial(ASN1_INTEGER_new());
    const Time date = time_from(entry.revoked_at);
    if (!serial_bytes || serial_bytes->empty() || !revoked || !serial || !date) return false;
    if (!set_serial(serial.get(), *serial_bytes) ||
        X509_REVOKED_set_serialNumber(revoked.get(), serial.get()) != 1 ||
        X509_REVOKED_set_revocationDate(revoked.get(), date.get()) != 1)
        return false;
    X509_REVOKED* copy = X509_REVOKED_dup(revoked.get());
    return copy != nullptr && X509_CRL_add0_revoked(crl, copy) == 1;
}

struct NamedType {
    KeyType type;
    std::string_view name;
};
constexpr auto kTypes = std::to_array<NamedType>({
    {KeyType::ecdsa_p256, "ecdsa-p256"},
    {KeyType::ecdsa_p384, "ecdsa-p384"},
    {KeyType::ed25519, "ed25519"},
    {KeyType::rsa_3072, "rsa-3072"},
});

EVP_PKEY* new_key(KeyType type) {
    constexpr std::size_t kRsaBits = 3072;
    switch (type) {
        case KeyType::ecdsa_p256: return EVP_EC_gen("P-256");
        case KeyType::ecdsa_p384: return EVP_EC_gen("P-384");
        case KeyType::ed25519: return EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
        case KeyType::rsa_3072: return EVP_RSA_gen(kRsaBits);
    }
    return nullptr;
}

}  // namespace

std::optional<KeyType> key_type_named(std::string_view name) {
    const auto* const found = std::ranges::find(kTypes, name, &NamedType::name);
    if (found == kTypes.end()) return std::nullopt;
    return found->type;
}

Result<SecretBytes, std::string> generate_key(KeyType type) {
    const KeyHandle key(new_key(type));
    // Secure memory where OpenSSL has been given some, wiped when it is freed in any case.
    const Bio bio(BIO_new(BIO_s_secmem()));
    if (!key || !bio ||
        PEM_write_bio_PKCS8PrivateKey(bio.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) != 1)
        return Unexpected(openssl_error("the key cannot be made"));
    char* text = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &text);
    return SecretBytes(
        {reinterpret_cast<const std::uint8_t*>(text), static_cast<std::size_t>(std::max(size, 0L))});
}

Result<std::string, std::string> make_authority(const SecretBytes& key_pem, std::string_view subject,
                                                const Validity& validity, Rng& rng, unsigned levels) {
    auto key = key_of(key_pem);
    if (!key) return Unexpected(std::move(key).error());
    auto name = name_from(subject);
    if (!name) return Unexpected(std::move(name).error());
    if (auto good = check_validity(validity); !good) return Unexpected(std::move(good).error());
    const X509Handle x509(X509_new());
    X509V3_CTX context;
    X509V3_set_ctx(&context, x509.get(), x509.get(), nullptr, nullptr, 0);
    if (!x509 || !fill_common(x509.get(), name->get(), name->get(), validity, rng) ||
        X509_set_pubkey(x509.get(), key->get()) != 1 || !make_it_authority(x509.get(), &context, levels))
        return Unexpected(openssl_error("the authority's certificate cannot be made"));
    return signed_pem(x509.get(), key->get());
}

Result<std::string, std::string> issue_intermediate(const Authority& authority, const PublicKey& subject_key,
                                                    const Intermediate& what, const Validity& validity,
                                                    Rng& rng) {
    auto key = key_of(authority);
    if (!key) return Unexpected(std::move(key).error());
    auto name = name_from(what.subject);
    if (!name) return Unexpected(std::move(name).error());
    auto good = check_levels(authority.certificate, what.levels);
    for (auto domain = what.domains.begin(); good && domain != what.domains.end(); ++domain)
        good = check_domain(*domain);
    if (good) good = check_validity(validity, authority.certificate);
    if (!good) return Unexpected(std::move(good).error());
    auto draft = begin_issued(authority, subject_key, name->get(), validity, rng);
    X509* x509 = draft ? draft->x509.get() : nullptr;
    if (!draft || !make_it_authority(x509, &draft->context, what.levels) ||
        !add_extension(x509, &draft->context, NID_authority_key_identifier, "keyid:always") ||
        (!what.domains.empty() &&
         !add_extension(x509, &draft->context, NID_name_constraints, constraints_text(what.domains).c_str())))
        return Unexpected(openssl_error("the intermediate authority's certificate cannot be made"));
    return signed_pem(x509, key->get());
}

Result<std::string, std::string> issue_certificate(const Authority& authority, const PublicKey& subject_key,
                                                   const GatewayNames& names, const Validity& validity,
                                                   Rng& rng) {
    if (auto good = check_names(names); !good) return Unexpected(std::move(good).error());
    auto key = key_of(authority);
    if (!key) return Unexpected(std::move(key).error());
    auto name = name_from(names.subject);
    if (!name) return Unexpected(std::move(name).error());
    if (auto good = check_validity(validity, authority.certificate); !good)
        return Unexpected(std::move(good).error());
    auto draft = begin_issued(authority, subject_key, name->get(), validity, rng);
    X509* x509 = draft ? draft->x509.get() : nullptr;
    if (!draft || !add_extension(x509, &draft->context, NID_basic_constraints, "critical,CA:FALSE") ||
        !add_extension(x509, &draft->context, NID_key_usage, "critical,digitalSignature") ||
        !add_extension(x509, &draft->context, NID_ext_key_usage, "ipsecIKE,serverAuth,clientAuth") ||
        !add_extension(x509, &draft->context, NID_subject_key_identifier, "hash") ||
        !add_extension(x509, &draft->context, NID_authority_key_identifier, "keyid:always") ||
        !add_names(x509, names))
        return Unexpected(openssl_error("the certificate cannot be made"));
    return signed_pem(x509, key->get());
}

Result<std::string, std::string> make_crl(const Authority& authority, std::span<const Crl::Entry> revoked,
                                          const ListTerms& terms) {
    auto key = key_of(authority);
    if (!key) return Unexpected(std::move(key).error());
    constexpr long kVersion2 = 1;
    X509* issuer = CertificateAccess::x509(authority.certificate);
    const CrlHandle crl(X509_CRL_new());
    const Time this_update = time_from(terms.this_update);
    const Time next_update = time_from(terms.next_update);
    const Integer number(ASN1_INTEGER_new());
    if (!crl || !this_update || !next_update || !number || X509_CRL_set_version(crl.get(), kVersion2) != 1 ||
        X509_CRL_set_issuer_name(crl.get(), X509_get_subject_name(issuer)) != 1 ||
        X509_CRL_set1_lastUpdate(crl.get(), this_update.get()) != 1 ||
        X509_CRL_set1_nextUpdate(crl.get(), next_update.get()) != 1 ||
        ASN1_INTEGER_set_uint64(number.get(), terms.number) != 1 ||
        X509_CRL_add1_ext_i2d(crl.get(), NID_crl_number, number.get(), 0, X509V3_ADD_DEFAULT) != 1)
        return Unexpected(openssl_error("the revocation list cannot be made"));
    for (const Crl::Entry& entry : revoked)
        if (!add_revoked(crl.get(), entry))
            return Unexpected(openssl_error("serial number '" + entry.serial + "' cannot be revoked"));
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, nullptr, nullptr, crl.get(), 0);
    const Extension key_id(
        X509V3_EXT_conf_nid(nullptr, &context, NID_authority_key_identifier, "keyid:always"));
    const Bio bio(BIO_new(BIO_s_mem()));
    if (!key_id || X509_CRL_add_ext(crl.get(), key_id.get(), -1) != 1 || X509_CRL_sort(crl.get()) != 1 ||
        X509_CRL_sign(crl.get(), key->get(), digest_for(key->get())) <= 0 || !bio ||
        PEM_write_bio_X509_CRL(bio.get(), crl.get()) != 1)
        return Unexpected(openssl_error("the revocation list cannot be signed"));
    return text_of(bio.get());
}

}  // namespace isthmus::crypto::pki
