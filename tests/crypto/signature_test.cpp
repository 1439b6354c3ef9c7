#include "crypto/signature.h"

#include <doctest/doctest.h>

#include "tests/crypto/json_vectors.h"

using namespace isthmus;
using namespace isthmus::crypto;
using namespace isthmus::test;
using Blob = std::vector<std::uint8_t>;

namespace {

void check_wycheproof(const char* file, SignatureScheme scheme, int at_least) {
    const auto vectors = load_vectors(file);
    int run = 0;
    for (const auto& group : vectors["testGroups"]) {
        const auto key = PublicKey::from_der(hex_field(group, "publicKeyDer"));
        REQUIRE(key);
        for (const auto& test : group["tests"]) {
            CAPTURE(test["tcId"].get<int>());
            const bool good = key->verify(scheme, hex_field(test, "msg"), hex_field(test, "sig")).has_value();
            if (test["result"] != "acceptable") REQUIRE(good == (test["result"] == "valid"));
            ++run;
        }
    }
    CHECK(run >= at_least);
}

struct SampleKey {
    KeyKind kind;
    const char* pem;
};

// Made for these tests with openssl; they protect nothing.
constexpr const char* kP256 =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgDWHZEeyBaK3N5BtE\n"
    "gea/5tJfQmeA2Uma25eCQf4mjHShRANCAARuUSnKcIIHNgFrFRprFUSfRYJBXCLh\n"
    "8FcxHbhl6kkBRvv8cyshGFx3O9qQSH+/6N1sgF4bnvInyNBjctbUDt4g\n"
    "-----END PRIVATE KEY-----\n";
constexpr const char* kP384 =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIG2AgEAMBAGByqGSM49AgEGBSuBBAAiBIGeMIGbAgEBBDAKBMnmA435Oe7G323R\n"
    "MPOogLFKGPShuZnEP2d8KECm09SOwYg/ILHg15bzqf9TQG6hZANiAATvASIHg8GL\n"
    "v/LRBGF79gm/NuMhW5vs1AGEDHUO4Ig7nXYMLa8bnPq0Vcfy8QNr/14Qz5Ba/VUY\n"
    "+H2rD0HT8jHgTdPqg0LcX/utzx1JXkX+eSYZ83Uqppz1mUuIuPBRQPw=\n"
    "-----END PRIVATE KEY-----\n";
constexpr const char* kP521 =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIHuAgEAMBAGByqGSM49AgEGBSuBBAAjBIHWMIHTAgEBBEIBsw08a1TVBMU6X4CV\n"
    "d+vuJ2j/QgKM4H1RS8HSqapMva9n+Wp2X1mRrg9vdCjzSRcoVsw6SViq53d/Ydnc\n"
    "LNXkQLqhgYkDgYYABAFkRbzCeIXLe4tqY81zSWMdE9Q2u24lIGXCfVuZhGDqC3YB\n"
    "DlTknrH4PvTkClAYNaWP+NyuBemzymoCgFuIPUy+hwBgg05uUbn7/nILBzcxKREe\n"
    "efTpMDjTvcEns8hNQIAkRW3NYArMRMyIKm+vQIu7VY6JaNNcY6mOzSWfFqSK4foN\n"
    "gw==\n"
    "-----END PRIVATE KEY-----\n";
constexpr const char* kEd25519 =
    "-----BEGIN PRIVATE KEY-----\n"
    "MC4CAQAwBQYDK2VwBCIEIDKn2hYQeXj8bmBV/EcOMsaEV0ow4Ur4iDJwZh0vw+ET\n"
    "-----END PRIVATE KEY-----\n";
constexpr const char* kRsa =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQDesPvrS7OEMrD2\n"
    "ZUhB/1DlmTnPtEcmrY9XDcRZzE8v2Dv3CE8fBd20X4RT8mwSWrc2H0fhFpYmj3H7\n"
    "7TwEZtKfhnvNW+KURAQeu8bfLnRF3v7uw9mmdj54JxKWm2I9sELHtmv7EDWYB++U\n"
    "KiBGSiYb7fYJVndDyU0aDRVub8jcdu3tgf8hrfBdMuJTpPoIZy/uPi8ywvLvsSbx\n"
    "6Lawh3OcC312AI/cgHt76ouOEcM54jEM4GAc+lTD2Na2ukCwQoaFrLLJxSpW4Q6H\n"
    "FTIn21Ebk09slmwUijZunKxCP/FIY58+D7vToHcKGRkmv72um+Qbdv/A1HG5ch+g\n"
    "G5gt/LilAgMBAAECggEAEE05a8yTXBqP3MGmS/qCNASG+F70lG7BHvjJhl9P7qsw\n"
    "HJHVpOo7hBA38iM9aQyN+97HVsFeBX2btPr1WUcjpPzlxC81Q3BFMvDBCqZuaYz8\n"
    "8YKRxL9ELGyDzlWal/R2twLyHaNeoP33uktpKGwWJRZC3AUh3ur2A3Gwv3BcblL9\n"
    "eC5aB6rLNAh6gAAiLQrDSQQN8CtjihSum9P+lz628pkDTkqKtJm5BH8Bz64pDlam\n"
    "00AB97rNom/k14XGqJVRBYuaTtOboNqHWTAZwf2RO+cRNPcH0WvQQEHJlcinAJQU\n"
    "LLjbPUr3sjPJIww3xdkX0GosNW6YLOLhBfIfxQ5AEQKBgQD1pBrQMod9PuwkDjQx\n"
    "ZCeWHe6Ff/MCm1V23TWAI9TpQCYFA731paq8lO/nSa4Jxo/C0QVmUz0MIYmQGXEv\n"
    "2SSiVL6jQHtOMaC++c3YP0zzS7yApM5YcFdrZx8BVUC10y5CZeJK/47/VVp3O1nt\n"
    "BILp0tenGWrY/JJhu4+KgaRyqQKBgQDoFR5jM01ACMMZfkNWXAAwuxT+qgRUCVIS\n"
    "nJQickRyORtlpaDdcQ5GiNlGScfRORE27iTQ38NY8x+i2oLRzTg4MFztH0Oy+r2e\n"
    "Ws1Di5VswSzmauunS1GFGILTUPurIV+w88N3tDoux2wJvhM/knBmtowMtyoeKxan\n"
    "uwY2UyaPnQKBgBkSO85eKegFoRJ5BKi54TR4L50elw4ADrQIFerTPWrlKjw+yoek\n"
    "9g0zYl0H7yR+SLQIo3VzL3rqfWDgx+WrUwrifWaqMSuk8xQq6PCWXWNDqqSyrYDn\n"
    "TnTe3JJFQkqMmF8ciQFAnja/XnFm9GG1oSr+YxZiCL7G4KXq/9aSLtepAoGAEg6K\n"
    "lbdJHGFSJKqhPJfd3+y+Xm4F9i/fddk+4Us4rhZpXkg7st73+F7vYLue01V4VGjE\n"
    "7odqYIJSBM6xfPdVl3GT2VMkZkmB9U8lR0sV7ic9ghPxj8uZZRyaGSzk19S56D+f\n"
    "BrI8EKWtbzidsMWI/0TWsqqRmVVK5vPzMMjZaDUCgYEAjgr8bxKZNQoOh7OZAEwR\n"
    "+PNuPrx/UfWfoGgu+1wxbnzIWDy+gvnOOJZPbXrGtiyJQIbIkawEtx2Xm42rm0SY\n"
    "3JsxIRclza0wWQxzAwVkRh7YoSLB73PF71J4tDzHZsBOctrWoKEwYWtOATEebDi2\n"
    "bXZGER7S/Xovg9xDdK2iXBw=\n"
    "-----END PRIVATE KEY-----\n";

constexpr std::array kSamples{SampleKey{KeyKind::ecdsa_p256, kP256}, SampleKey{KeyKind::ecdsa_p384, kP384},
                              SampleKey{KeyKind::ecdsa_p521, kP521}, SampleKey{KeyKind::ed25519, kEd25519},
                              SampleKey{KeyKind::rsa, kRsa}};

constexpr std::array kSchemes{SignatureScheme::rsa_pkcs1_sha256,
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
                              SignatureScheme::ed25519};

SecretBytes secret(const char* text) {
    const std::string_view view(text);
    return SecretBytes(Bytes(reinterpret_cast<const std::uint8_t*>(view.data()), view.size()));
}

}  // namespace

TEST_CASE("Wycheproof: ECDSA on P-256 with SHA-256, DER and raw") {
    check_wycheproof("wycheproof/ecdsa_secp256r1_sha256_test.json", SignatureScheme::ecdsa_sha256, 484);
    check_wycheproof("wycheproof/ecdsa_secp256r1_sha256_p1363_test.json",
                     SignatureScheme::ecdsa_p256_sha256_raw, 262);
}
TEST_CASE("Wycheproof: ECDSA on P-384 with SHA-384") {
    check_wycheproof("wycheproof/ecdsa_secp384r1_sha384_test.json", SignatureScheme::ecdsa_sha384, 504);
}
TEST_CASE("Wycheproof: Ed25519") {
    check_wycheproof("wycheproof/ed25519_test.json", SignatureScheme::ed25519, 151);
}
TEST_CASE("Wycheproof: RSA with PKCS#1 padding") {
    check_wycheproof("wycheproof/rsa_signature_2048_sha256_test.json", SignatureScheme::rsa_pkcs1_sha256,
                     259);
    check_wycheproof("wycheproof/rsa_signature_3072_sha384_test.json", SignatureScheme::rsa_pkcs1_sha384,
                     259);
}
TEST_CASE("Wycheproof: RSA with PSS padding") {
    check_wycheproof("wycheproof/rsa_pss_2048_sha256_mgf1_32_test.json", SignatureScheme::rsa_pss_sha256,
                     108);
    check_wycheproof("wycheproof/rsa_pss_4096_sha512_mgf1_64_test.json", SignatureScheme::rsa_pss_sha512,
                     179);
}

TEST_CASE(
    "what a key signs its public half verifies, with every scheme that fits and with none that does not") {
    const Blob message{1, 2, 3, 4, 5};
    for (const SampleKey& sample : kSamples) {
        const auto key = PrivateKey::from_pem(secret(sample.pem));
        REQUIRE(key);
        CHECK(key->kind() == sample.kind);
        const auto verifier = PublicKey::from_der(key->public_key().der());
        REQUIRE(verifier);
        for (const SignatureScheme scheme : kSchemes) {
            auto signature = key->sign(scheme, message);
            CHECK(signature.has_value() == fits(sample.kind, scheme));
            if (!signature) continue;
            CHECK(verifier->verify(scheme, message, *signature));
            CHECK_FALSE(verifier->verify(scheme, Bytes(message).first(4), *signature));
            signature->back() = static_cast<std::uint8_t>(signature->back() ^ 1);
            CHECK_FALSE(verifier->verify(scheme, message, *signature));
            CHECK_FALSE(verifier->verify(scheme, message, {}));
        }
    }
}

TEST_CASE("algorithm identifiers read back, PSS with its trailer field as well, others are unknown") {
    for (const SignatureScheme scheme : kSchemes) {
        const Bytes identifier = algorithm_identifier(scheme);
        if (identifier.empty()) continue;
        CHECK(identifier[1] + 2U == identifier.size());
        CHECK(scheme_of(identifier) == scheme);
        for (std::size_t n = 0; n < identifier.size(); ++n) CHECK_FALSE(scheme_of(identifier.first(n)));
    }
    // RFC 7427 appendix A.4.3.
    const auto with_trailer = from_hex(
        "304606092a864886f70d01010a3039a00f300d06096086480165030402010500a11c301a06092a864886f70d010108300d06"
        "096086480165"
        "030402010500a203020120a303020101");
    CHECK(scheme_of(*with_trailer) == SignatureScheme::rsa_pss_sha256);
}

TEST_CASE("keys that are unreadable, cut or too short are refused in words") {
    CHECK_FALSE(PrivateKey::from_pem(secret("no key")));
    CHECK_FALSE(PrivateKey::from_pem(SecretBytes()));
    const auto key = PrivateKey::from_pem(secret(kEd25519));
    REQUIRE(key);
    const Bytes der = key->public_key().der();
    for (std::size_t n = 0; n < der.size(); ++n) CHECK_FALSE(PublicKey::from_der(der.first(n)));
    CHECK_FALSE(PublicKey::from_der(joined(Blob(der.begin(), der.end()), {0})));
    const auto short_key =
        PrivateKey::from_pem(secret("-----BEGIN PRIVATE KEY-----\n"
                                    "MIICeAIBADANBgkqhkiG9w0BAQEFAASCAmIwggJeAgEAAoGBAJ6cOX2FND7DBki8\n"
                                    "fvP6PmXCWk3s7361nCTiVYW02Ut+V3D4GQw2YEOcIggfri0N0UBJIPxXzgMu5/1b\n"
                                    "lVEmkoku80rdXn3M0nwQowKBZabeRAoPZHTSzTf4ZE6BzoAocsKRCBRJgtq5jxJe\n"
                                    "XyMaChb12FxVL6kh5K5aFhzKmPILAgMBAAECgYEAj25VKuZHXa49Q495+qXEwX7k\n"
                                    "7O0jkuEmh9BJaHUnv3ZMGrOw6vNNUDakK9aCSung3ZKECs5YVVaYoeus9sq73XfN\n"
                                    "cqwKHvrAg23wZX2SmmkMCMqcH7eLU3piQV3km+v7IsT/CcZ0quOo0a13CDwhPXJU\n"
                                    "ibmTH7qwTg91fUGZN+kCQQDS5u7/ZIE2qLnqesgukyX86T1CftK5geiYUm7fS51I\n"
                                    "AFlqNAmvIIOMTH7sthQKOk1UHumIhBl5hR3mYRmPqjE9AkEAwIbD3hgSjVysKizT\n"
                                    "igoBfRu1eeajZEyY4gIgHev8nVVVGGSgn9Ms1tOVNZ+vx5y0wc5Wcxh8mtcDxdrB\n"
                                    "CEDU5wJAbC57L9QNF82KuEVNA98FIGs/uik1zGRfvCqkprOxtOpA82JICWYDNGdU\n"
                                    "v/VR6EEpw1mr7xPbwWLQCImMRA5H/QJBAIJggPG9AYtDb7+b3aFER1/OzOWBP7Lj\n"
                                    "gEDFSbSZo9dz+w1qz6+MFXhhjlDjE+msgGgicD6/HVrKMt7g1gndxY8CQQCGbFoD\n"
                                    "oY5XcUEKuhjX3ta3uFJFGbhxMgkSBULzz4ZxqtYWeDQSaAEHqE/wB9+/EpbLvxBk\n"
                                    "z1njSCc/2f3XKLGb\n"
                                    "-----END PRIVATE KEY-----\n"));
    REQUIRE_FALSE(short_key);
    CHECK(short_key.error() == "an RSA key of 1024 bits is too short; 2048 or more");
}
