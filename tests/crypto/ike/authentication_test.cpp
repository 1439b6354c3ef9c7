#include "crypto/ike/authentication.h"

#include "crypto/ike/wire/notify_payload.h"
#include "tests/crypto/test_pki.h"

using namespace isthmus;
using namespace isthmus::crypto;
using namespace isthmus::crypto::ike;
using namespace isthmus::test;

namespace {

using Hashes = std::vector<SignatureHash>;

PrivateKey key_of(pki::KeyType type) {
    const auto pem = pki::generate_key(type);
    REQUIRE(pem);
    return PrivateKey::from_pem(*pem).value();
}
const std::vector<std::uint8_t> kOctets(300, 0x42);

}  // namespace

TEST_CASE("with announced hashes every kind of key signs by method 14, and verifies") {
    const Hashes all(our_signature_hashes().begin(), our_signature_hashes().end());
    for (const auto type : {pki::KeyType::ecdsa_p256, pki::KeyType::ecdsa_p384, pki::KeyType::ed25519,
                            pki::KeyType::rsa_3072}) {
        const PrivateKey key = key_of(type);
        auto auth = sign_with_key(key, all, kOctets);
        REQUIRE_MESSAGE(auth, auth.error());
        CHECK(auth->method == AuthMethod::digital_signature);
        const auto good = verify_with_key(key.public_key(), *auth, kOctets);
        CHECK_MESSAGE(good, good.error());
        CHECK_FALSE(verify_with_key(key_of(type).public_key(), *auth, kOctets));
        CHECK_FALSE(verify_with_key(key.public_key(), *auth, Bytes(kOctets).first(299)));
        for (std::size_t n = 0; n < auth->data.size(); ++n) {
            const AuthPayload cut{auth->method,
                                  {auth->data.begin(), auth->data.begin() + static_cast<long>(n)}};
            CHECK_FALSE(verify_with_key(key.public_key(), cut, kOctets));
        }
    }
}

TEST_CASE("the hash is the strongest that fits the key and the peer accepts") {
    const auto scheme = [](const PrivateKey& key, const Hashes& peer) {
        const auto auth = sign_with_key(key, peer, kOctets);
        REQUIRE_MESSAGE(auth, auth.error());
        return *scheme_of(Bytes(auth->data).subspan(1, auth->data[0]));
    };
    using enum SignatureHash;
    CHECK(scheme(key_of(pki::KeyType::ecdsa_p384), {sha256, sha384, sha512}) ==
          SignatureScheme::ecdsa_sha384);
    CHECK(scheme(key_of(pki::KeyType::ecdsa_p384), {sha256}) == SignatureScheme::ecdsa_sha256);
    CHECK(scheme(key_of(pki::KeyType::ecdsa_p256), {sha1, sha512}) == SignatureScheme::ecdsa_sha512);
    CHECK(scheme(key_of(pki::KeyType::rsa_3072), {sha256, sha384}) == SignatureScheme::rsa_pss_sha256);
    CHECK(sign_with_key(key_of(pki::KeyType::ecdsa_p256), Hashes{sha1, identity}, kOctets).error() ==
          "the peer accepts signatures with none of SHA-256, SHA-384 and SHA-512");
    CHECK(sign_with_key(key_of(pki::KeyType::ed25519), Hashes{sha256, sha512}, kOctets)
              .error()
              .find("Ed25519") != std::string::npos);
}

TEST_CASE("without announced hashes the older methods are used; Ed25519 has none") {
    const auto check = [](pki::KeyType type, AuthMethod method) {
        const PrivateKey key = key_of(type);
        const auto auth = sign_with_key(key, std::nullopt, kOctets);
        REQUIRE_MESSAGE(auth, auth.error());
        CHECK(auth->method == method);
        CHECK(verify_with_key(key.public_key(), *auth, kOctets));
        CHECK_FALSE(verify_with_key(key.public_key(), *auth, Bytes(kOctets).first(1)));
    };
    check(pki::KeyType::rsa_3072, AuthMethod::rsa_signature);
    check(pki::KeyType::ecdsa_p256, AuthMethod::ecdsa_sha256_p256);
    check(pki::KeyType::ecdsa_p384, AuthMethod::ecdsa_sha384_p384);
    CHECK_FALSE(sign_with_key(key_of(pki::KeyType::ed25519), std::nullopt, kOctets));
}

TEST_CASE("SHA-1, other methods and unknown algorithms are refused in words") {
    const PrivateKey key = key_of(pki::KeyType::rsa_3072);
    // sha1WithRSAEncryption
    AuthPayload sha1{AuthMethod::digital_signature, *from_hex("0f300d06092a864886f70d0101050500")};
    sha1.data.resize(16 + 384);
    CHECK(verify_with_key(key.public_key(), sha1, kOctets).error().find("SHA-1") != std::string::npos);
    CHECK(verify_with_key(key.public_key(), {AuthMethod::shared_key, {}}, kOctets).error() ==
          "the peer authenticates with pre-shared key, and certificates are configured here");
    CHECK(verify_with_key(key.public_key(), {AuthMethod{77}, {}}, kOctets).error().find("method 77") !=
          std::string::npos);
    CHECK(verify_with_psk(Prf::hmac_sha256, SecretBytes(kOctets), {AuthMethod::rsa_signature, {}}, kOctets)
              .error() ==
          "the peer authenticates with RSA signature, and a pre-shared key is configured here");
    CHECK(verify_with_psk(Prf::hmac_sha256, SecretBytes(kOctets), {AuthMethod::shared_key, {}}, kOctets)
              .error()
              .find("the keys differ") != std::string::npos);
}
