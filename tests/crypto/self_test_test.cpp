#include <doctest/doctest.h>

#include "crypto/packet_cipher.h"

using namespace isthmus;
using namespace isthmus::crypto;

TEST_CASE("OpenSSL passes the self-test of every suite") {
    auto provider = make_provider(ProviderKind::openssl);
    REQUIRE(provider);
    for (const auto suite : esp::kAllSuites) {
        const auto passed = self_test(**provider, suite);
        CHECK_MESSAGE(passed, (passed ? "" : passed.error()));
    }
}

TEST_CASE("libipsec-mb, where it can be had, passes the self-test of every suite") {
    auto provider = make_provider(ProviderKind::ipsec_mb);
    if (!provider) {
        MESSAGE("skipped: " << provider.error());
        return;
    }
    for (const auto suite : esp::kAllSuites) {
        const auto passed = self_test(**provider, suite);
        CHECK_MESSAGE(passed, (passed ? "" : passed.error()));
    }
}
