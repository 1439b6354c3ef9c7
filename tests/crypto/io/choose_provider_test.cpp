#include "crypto/io/choose_provider.h"

#include <doctest/doctest.h>

using namespace isthmus::crypto;
using namespace isthmus::crypto::io;

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
