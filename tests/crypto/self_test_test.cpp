#include <doctest/doctest.h>

#include "crypto/packet_cipher.h"
#include "tests/crypto/bad_provider.h"

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

TEST_CASE("a library that seals or opens one packet wrongly, or takes an altered one, fails the self-test") {
    for (const test::Fault fault : test::kFaults) {
        for (const auto suite : esp::kAllSuites) {
            CAPTURE(static_cast<int>(fault));
            test::BadProvider bad(fault);
            const auto passed = self_test(bad, suite);
            REQUIRE_FALSE(passed);
            CHECK(passed.error().starts_with("bad, "));
        }
    }
}
