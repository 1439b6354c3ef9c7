// A certificate authority for tests, with keys made on the spot.
#pragma once

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "crypto/pki.h"
#include "tests/crypto/seeded_rng.h"

namespace isthmus::test {

[[nodiscard]] inline WallTime day(int year, unsigned month, unsigned d) {
    return WallTime(
        std::chrono::sys_days(std::chrono::year(year) / static_cast<int>(month) / static_cast<int>(d))
            .time_since_epoch());
}
[[nodiscard]] inline Bytes as_bytes(const std::string& text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
[[nodiscard]] inline crypto::Certificate certificate_in(const std::string& pem) {
    auto all = crypto::Certificate::from_pem(as_bytes(pem));
    REQUIRE_MESSAGE(all, all.error());
    return all->front();
}

/// Valid from 2026 to 2036; what it issues from 2026-06-01 to 2028-06-01 unless told.
class TestAuthority {
  public:
    explicit TestAuthority(std::string subject = "O=Isthmus test, CN=Test CA",
                           crypto::pki::KeyType type = crypto::pki::KeyType::ecdsa_p256, unsigned levels = 0)
        : authority_(make(subject, type, levels)) {}
    explicit TestAuthority(crypto::pki::Authority authority, std::string pem = {})
        : authority_(std::move(authority)), pem_(std::move(pem)) {}

    [[nodiscard]] const crypto::Certificate& certificate() const { return authority_.certificate; }
    [[nodiscard]] const crypto::pki::Authority& authority() const { return authority_; }
    /// Of an intermediate's certificate.
    [[nodiscard]] const std::string& pem() const { return pem_; }

    struct Issued {
        crypto::Certificate certificate;
        crypto::PrivateKey key;
    };
    [[nodiscard]] Issued issue(const crypto::pki::GatewayNames& names,
                               crypto::pki::KeyType type = crypto::pki::KeyType::ecdsa_p256,
                               crypto::pki::Validity validity = {day(2026, 6, 1), day(2028, 6, 1)}) {
        const auto pem = crypto::pki::generate_key(type);
        REQUIRE(pem);
        auto key = crypto::PrivateKey::from_pem(*pem);
        REQUIRE(key);
        const auto made =
            crypto::pki::issue_certificate(authority_, key->public_key(), names, validity, rng_);
        REQUIRE_MESSAGE(made, made.error());
        return {certificate_in(*made), std::move(key).value()};
    }
    [[nodiscard]] Issued issue(const std::string& fqdn) {
        return issue({"O=Isthmus test, CN=" + fqdn, {fqdn}, {}, {}});
    }
    /// An authority below this one.
    [[nodiscard]] TestAuthority intermediate(const crypto::pki::Intermediate& what) {
        auto key_pem = crypto::pki::generate_key(crypto::pki::KeyType::ecdsa_p256);
        REQUIRE(key_pem);
        return intermediate(what, *key_pem);
    }
    [[nodiscard]] TestAuthority intermediate(const crypto::pki::Intermediate& what,
                                             const crypto::SecretBytes& key_pem) {
        const auto key = crypto::PrivateKey::from_pem(key_pem);
        REQUIRE(key);
        const auto pem = crypto::pki::issue_intermediate(authority_, key->public_key(), what,
                                                         {day(2026, 2, 1), day(2035, 1, 1)}, rng_);
        REQUIRE_MESSAGE(pem, pem.error());
        return TestAuthority({certificate_in(*pem), key_pem.clone()}, *pem);
    }
    [[nodiscard]] crypto::Crl crl(const std::vector<crypto::Crl::Entry>& revoked,
                                  const crypto::pki::ListTerms& terms) {
        const auto pem = crypto::pki::make_crl(authority_, revoked, terms);
        REQUIRE_MESSAGE(pem, pem.error());
        auto all = crypto::Crl::from_pem(as_bytes(*pem));
        REQUIRE_MESSAGE(all, all.error());
        return all->front();
    }

  private:
    crypto::pki::Authority make(const std::string& subject, crypto::pki::KeyType type, unsigned levels) {
        auto key = crypto::pki::generate_key(type);
        REQUIRE(key);
        const auto pem =
            crypto::pki::make_authority(*key, subject, {day(2026, 1, 1), day(2036, 1, 1)}, rng_, levels);
        REQUIRE_MESSAGE(pem, pem.error());
        return {certificate_in(*pem), std::move(key).value()};
    }
    SeededRng rng_{42};
    crypto::pki::Authority authority_;
    std::string pem_{};
};

}  // namespace isthmus::test
