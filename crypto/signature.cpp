#include "crypto/signature.h"

#include <openssl/core_names.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "crypto/openssl_error.h"
#include "crypto/openssl_handles.h"

namespace isthmus::crypto {

struct KeyState {
    KeyHandle key;
    KeyKind kind;
    std::vector<std::uint8_t> public_der;
};

namespace {

using Vector = std::vector<std::uint8_t>;
using Bio = std::unique_ptr<BIO, OpenSslFree<BIO_free_all>>;
using EcdsaSignature = std::unique_ptr<ECDSA_SIG, OpenSslFree<ECDSA_SIG_free>>;

constexpr int kMinRsaBits = 2048;

enum class Family : std::uint8_t { rsa_pkcs1, rsa_pss, ecdsa, ecdsa_raw, eddsa };

struct SchemeFacts {
    Family family;
    const char* digest;           ///< null: none
    std::string_view identifier;  ///< hex
};

SchemeFacts facts_of(SignatureScheme scheme) noexcept {
    switch (scheme) {
        case SignatureScheme::rsa_pkcs1_sha256:
            return {Family::rsa_pkcs1, "SHA256", "300d06092a864886f70d01010b0500"};
        case SignatureScheme::rsa_pkcs1_sha384:
            return {Family::rsa_pkcs1, "SHA384", "300d06092a864886f70d01010c0500"};
        case SignatureScheme::rsa_pkcs1_sha512:
            return {Family::rsa_pkcs1, "SHA512", "300d06092a864886f70d01010d0500"};
        case SignatureScheme::rsa_pss_sha256:
            return {Family::rsa_pss, "SHA256",
                    "304106092a864886f70d01010a3034a00f300d06096086480165030402010500a11c301a06092a864886f70d"
                    "010108300d"
                    "06096086480165030402010500a203020120"};
        case SignatureScheme::rsa_pss_sha384:
            return {Family::rsa_pss, "SHA384",
                    "304106092a864886f70d01010a3034a00f300d06096086480165030402020500a11c301a06092a864886f70d"
                    "010108300d"
                    "06096086480165030402020500a203020130"};
        case SignatureScheme::rsa_pss_sha512:
            return {Family::rsa_pss, "SHA512",
                    "304106092a864886f70d01010a3034a00f300d06096086480165030402030500a11c301a06092a864886f70d"
                    "010108300d"
                    "06096086480165030402030500a203020140"};
        case SignatureScheme::ecdsa_sha256: return {Family::ecdsa, "SHA256", "300a06082a8648ce3d040302"};
        case SignatureScheme::ecdsa_sha384: return {Family::ecdsa, "SHA384", "300a06082a8648ce3d040303"};
        case SignatureScheme::ecdsa_sha512: return {Family::ecdsa, "SHA512", "300a06082a8648ce3d040304"};
        case SignatureScheme::ecdsa_p256_sha256_raw: return {Family::ecdsa_raw, "SHA256", ""};
        case SignatureScheme::ecdsa_p384_sha384_raw: return {Family::ecdsa_raw, "SHA384", ""};
        case SignatureScheme::ecdsa_p521_sha512_raw: return {Family::ecdsa_raw, "SHA512", ""};
        case SignatureScheme::ed25519: return {Family::eddsa, nullptr, "300506032b6570"};
    }
    return {Family::eddsa, nullptr, ""};
}

constexpr std::array kAllSchemes{
    SignatureScheme::rsa_pkcs1_sha256,
    SignatureScheme::rsa_pkcs1_sha384,
    SignatureScheme::rsa_pkcs1_sha512,
    SignatureScheme::rsa_pss_sha256,
    SignatureScheme::rsa_pss_sha384,
    SignatureScheme::rsa_pss_sha512,
    SignatureScheme::ecdsa_sha256,
    SignatureScheme::ecdsa_sha384,
    SignatureScheme::ecdsa_sha512,
    SignatureScheme::ecdsa_p256_sha256_raw,
    SignatureScheme::ecdsa_p384_sha384_raw,
    SignatureScheme::ecdsa_p521_sha512_raw,
    SignatureScheme::ed25519,
};

/// Bytes of r, and of s, in the raw form.
std::size_t coordinate_size(KeyKind kind) noexcept {
    switch (kind) {
        case KeyKind::ecdsa_p256: return 32;
        case KeyKind::ecdsa_p384: return 48;
        case KeyKind::ecdsa_p521: return 66;
        default: return 0;
    }
}

Result<KeyKind, std::string> kind_of(EVP_PKEY* key) {
    if (EVP_PKEY_is_a(key, "RSA") == 1) {
        if (EVP_PKEY_get_bits(key) >= kMinRsaBits) return KeyKind::rsa;
        return Unexpected("an RSA key of " + std::to_string(EVP_PKEY_get_bits(key)) +
                          " bits is too short; 2048 or more");
    }
    if (EVP_PKEY_is_a(key, "ED25519") == 1) return KeyKind::ed25519;
    if (EVP_PKEY_is_a(key, "EC") == 1) {
        std::array<char, 64> name{};
        std::size_t length = 0;
        if (EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_GROUP_NAME, name.data(), name.size(),
                                           &length) == 1) {
            const std::string_view curve(name.data(), length);
            if (curve == "prime256v1" || curve == "P-256") return KeyKind::ecdsa_p256;
            if (curve == "secp384r1" || curve == "P-384") return KeyKind::ecdsa_p384;
            if (curve == "secp521r1" || curve == "P-521") return KeyKind::ecdsa_p521;
        }
    }
    return Unexpected(
        std::string("a key of this kind is not supported: RSA, ECDSA on P-256, P-384 or P-521, Ed25519"));
}

Result<std::shared_ptr<const KeyState>, std::string> admit(KeyHandle key) {
    if (!key) return Unexpected(openssl_error("the key cannot be read"));
    const auto kind = kind_of(key.get());
    if (!kind) return Unexpected(kind.error());
    unsigned char* der = nullptr;
    const int size = i2d_PUBKEY(key.get(), &der);
    if (size <= 0) return Unexpected(openssl_error("the key has no public part"));
    Vector public_der(der, der + size);
    OPENSSL_free(der);
    return std::shared_ptr<const KeyState>(
        std::make_shared<KeyState>(KeyState{std::move(key), *kind, std::move(public_der)}));
}

bool set_padding(EVP_PKEY_CTX* context, Family family) {
    if (family == Family::rsa_pkcs1) return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) == 1;
    if (family != Family::rsa_pss) return true;
    return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) == 1 &&
           EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_DIGEST) == 1;
}

/// r | s to DER. Empty: not two coordinates long.
Vector der_of_raw(Bytes raw, std::size_t coordinate) {
    if (raw.size() != 2 * coordinate) return {};
    const EcdsaSignature signature(ECDSA_SIG_new());
    BIGNUM* r = BN_bin2bn(raw.data(), static_cast<int>(coordinate), nullptr);
    BIGNUM* s = BN_bin2bn(raw.data() + coordinate, static_cast<int>(coordinate), nullptr);
    if (!signature || ECDSA_SIG_set0(signature.get(), r, s) != 1) {
        BN_free(r);
        BN_free(s);
        return {};
    }
    unsigned char* der = nullptr;
    const int size = i2d_ECDSA_SIG(signature.get(), &der);
    if (size <= 0) return {};
    Vector out(der, der + size);
    OPENSSL_free(der);
    return out;
}

Vector raw_of_der(Bytes der, std::size_t coordinate) {
    const unsigned char* at = der.data();
    const EcdsaSignature signature(d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size())));
    Vector out(2 * coordinate);
    const int size = static_cast<int>(coordinate);
    if (!signature || BN_bn2binpad(ECDSA_SIG_get0_r(signature.get()), out.data(), size) != size ||
        BN_bn2binpad(ECDSA_SIG_get0_s(signature.get()), out.data() + coordinate, size) != size)
        return {};
    return out;
}

const std::string kUnfit = "the signature's algorithm does not fit the key";

}  // namespace

bool fits(KeyKind kind, SignatureScheme scheme) noexcept {
    switch (facts_of(scheme).family) {
        case Family::rsa_pkcs1:
        case Family::rsa_pss: return kind == KeyKind::rsa;
        case Family::ecdsa: return coordinate_size(kind) != 0;
        case Family::eddsa: return kind == KeyKind::ed25519;
        case Family::ecdsa_raw: break;
    }
    if (scheme == SignatureScheme::ecdsa_p256_sha256_raw) return kind == KeyKind::ecdsa_p256;
    if (scheme == SignatureScheme::ecdsa_p384_sha384_raw) return kind == KeyKind::ecdsa_p384;
    return kind == KeyKind::ecdsa_p521;
}

Bytes algorithm_identifier(SignatureScheme scheme) noexcept {
    static const auto kIdentifiers = [] {
        std::array<Vector, kAllSchemes.size()> all;
        for (const SignatureScheme s : kAllSchemes)
            if (auto der = from_hex(facts_of(s).identifier))
                all[static_cast<std::size_t>(s)] = std::move(*der);
        return all;
    }();
    return kIdentifiers[static_cast<std::size_t>(scheme)];
}

std::optional<SignatureScheme> scheme_of(Bytes identifier) noexcept {
    // RSASSA-PSS with its trailer field written out: 5 bytes more, and both sequence lengths.
    constexpr std::array<std::uint8_t, 5> kTrailer{0xa3, 0x03, 0x02, 0x01, 0x01};
    std::array<std::uint8_t, 67> shortened{};
    constexpr std::size_t kOuterLength = 1;
    constexpr std::size_t kInnerLength = 14;
    if (identifier.size() == shortened.size() + kTrailer.size() &&
        std::ranges::equal(identifier.last(5), kTrailer)) {
        std::copy_n(identifier.begin(), shortened.size(), shortened.begin());
        shortened[kOuterLength] = static_cast<std::uint8_t>(shortened[kOuterLength] - kTrailer.size());
        shortened[kInnerLength] = static_cast<std::uint8_t>(shortened[kInnerLength] - kTrailer.size());
        identifier = shortened;
    }
    if (identifier.empty()) return std::nullopt;
    for (const SignatureScheme scheme : kAllSchemes)
        if (std::ranges::equal(algorithm_identifier(scheme), identifier)) return scheme;
    return std::nullopt;
}

KeyKind PublicKey::kind() const noexcept {
    return state_->kind;
}
Bytes PublicKey::der() const noexcept {
    return state_->public_der;
}

Result<PublicKey, std::string> PublicKey::from_der(Bytes spki) {
    const unsigned char* at = spki.data();
    KeyHandle key(d2i_PUBKEY(nullptr, &at, static_cast<long>(spki.size())));
    if (key && at != spki.data() + spki.size())
        return Unexpected(std::string("the key has bytes behind its end"));
    auto state = admit(std::move(key));
    if (!state) return Unexpected(std::move(state).error());
    return PublicKey(std::move(state).value());
}

Result<void, std::string> PublicKey::verify(SignatureScheme scheme, Bytes message, Bytes signature) const {
    if (!fits(state_->kind, scheme)) return Unexpected(kUnfit);
    const SchemeFacts facts = facts_of(scheme);
    Vector der;
    if (facts.family == Family::ecdsa_raw) {
        der = der_of_raw(signature, coordinate_size(state_->kind));
        if (der.empty()) return Unexpected(std::string("the signature has the wrong length"));
        signature = der;
    }
    const DigestContext context(EVP_MD_CTX_new());
    EVP_PKEY_CTX* parameters = nullptr;
    if (!context ||
        EVP_DigestVerifyInit_ex(context.get(), &parameters, facts.digest, nullptr, nullptr, state_->key.get(),
                                nullptr) != 1 ||
        !set_padding(parameters, facts.family))
        return Unexpected(openssl_error("the signature cannot be checked"));
    if (EVP_DigestVerify(context.get(), signature.data(), signature.size(), message.data(), message.size()) !=
        1)
        return Unexpected(openssl_error("the signature is wrong"));
    return {};
}

KeyKind PrivateKey::kind() const noexcept {
    return state_->kind;
}

Result<PrivateKey, std::string> PrivateKey::from_pem(const SecretBytes& pem) {
    const Bio bio(BIO_new_mem_buf(pem.reveal().data(), static_cast<int>(pem.size())));
    // The callback says that there is no pass phrase: OpenSSL must not ask on the terminal.
    const auto no_pass_phrase = [](char*, int, int, void*) { return -1; };
    auto state = admit(
        KeyHandle(bio ? PEM_read_bio_PrivateKey(bio.get(), nullptr, no_pass_phrase, nullptr) : nullptr));
    if (!state) return Unexpected(std::move(state).error());
    return PrivateKey(std::move(state).value());
}

Result<PrivateKey, std::string> PrivateKey::from_der(Bytes pkcs8) {
    const unsigned char* at = pkcs8.data();
    auto state = admit(KeyHandle(d2i_AutoPrivateKey(nullptr, &at, static_cast<long>(pkcs8.size()))));
    if (!state) return Unexpected(std::move(state).error());
    return PrivateKey(std::move(state).value());
}

Result<std::vector<std::uint8_t>, std::string> PrivateKey::sign(SignatureScheme scheme, Bytes message) const {
    if (!fits(state_->kind, scheme)) return Unexpected(kUnfit);
    const SchemeFacts facts = facts_of(scheme);
    const DigestContext context(EVP_MD_CTX_new());
    EVP_PKEY_CTX* parameters = nullptr;
    std::size_t size = 0;
    if (!context ||
        EVP_DigestSignInit_ex(context.get(), &parameters, facts.digest, nullptr, nullptr, state_->key.get(),
                              nullptr) != 1 ||
        !set_padding(parameters, facts.family) ||
        EVP_DigestSign(context.get(), nullptr, &size, message.data(), message.size()) != 1)
        return Unexpected(openssl_error("cannot sign"));
    Vector signature(size);
    if (EVP_DigestSign(context.get(), signature.data(), &size, message.data(), message.size()) != 1)
        return Unexpected(openssl_error("cannot sign"));
    signature.resize(size);
    if (facts.family == Family::ecdsa_raw) {
        signature = raw_of_der(signature, coordinate_size(state_->kind));
        if (signature.empty()) return Unexpected(std::string("cannot sign"));
    }
    return signature;
}

}  // namespace isthmus::crypto
