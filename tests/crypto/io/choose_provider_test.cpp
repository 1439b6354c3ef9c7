#include "crypto/io/choose_provider.h"

#include <doctest/doctest.h>

#include "tests/crypto/bad_provider.h"

using namespace isthmus::crypto;
using namespace isthmus::crypto::io;

namespace {

/// Libraries of which one fails its self-test.
MakeProvider with_bad(ProviderKind which) {
    return [which](ProviderKind kind) -> isthmus::Result<std::unique_ptr<CipherProvider>, std::string> {
        if (kind == which)
            return std::unique_ptr<CipherProvider>(
                new isthmus::test::BadProvider(isthmus::test::Fault::takes_altered));
        return make_provider(ProviderKind::openssl);
    };
}

}  // namespace

TEST_CASE("the automatic choice measures what can be used and says why") {
    for (const auto suite : esp::kAllSuites) {
        const auto choice = choose_provider(ProviderWish::automatic, suite);
        REQUIRE(choice);
        CHECK_FALSE(choice->why.empty());
        REQUIRE_FALSE(choice->figures.empty());
        for (const auto& figure : choice->figures) CHECK(figure.megabytes_per_second > 0);
        MESSAGE(choice->why);
    }
}

TEST_CASE("a provider that was asked for is taken unmeasured, or refused in words") {
    const auto openssl = choose_provider(ProviderWish::openssl, esp::Suite::aes256_gcm16);
    REQUIRE(openssl);
    CHECK(openssl->kind == ProviderKind::openssl);
    CHECK(openssl->figures.empty());

    const auto ipsec_mb = choose_provider(ProviderWish::ipsec_mb, esp::Suite::aes256_gcm16);
    const bool available = make_provider(ProviderKind::ipsec_mb).has_value();
    CHECK(ipsec_mb.has_value() == available);
    if (!available) CHECK(ipsec_mb.error().starts_with("ipsec-mb cannot be used: "));
}

TEST_CASE("a library that fails its self-test is refused, whatever was asked for, and the reason is told") {
    constexpr auto kSuite = esp::Suite::aes256_gcm16;
    const auto automatic = choose_provider(ProviderWish::automatic, kSuite, with_bad(ProviderKind::ipsec_mb));
    REQUIRE(automatic);
    CHECK(automatic->kind == ProviderKind::openssl);
    CHECK(automatic->why.find("self-test failed: bad, ") != std::string::npos);

    const auto wished = choose_provider(ProviderWish::ipsec_mb, kSuite, with_bad(ProviderKind::ipsec_mb));
    REQUIRE_FALSE(wished);
    CHECK(wished.error().find("self-test failed") != std::string::npos);

    const auto other = choose_provider(ProviderWish::automatic, kSuite, with_bad(ProviderKind::openssl));
    REQUIRE(other);
    CHECK(other->kind == ProviderKind::ipsec_mb);
}
