#include "crypto/crl.h"

#include "tests/crypto/test_pki.h"

using namespace isthmus;
using namespace isthmus::crypto;
using namespace isthmus::test;

TEST_CASE("a list that is cut, extended or something else is refused in words") {
    TestAuthority ca;
    const auto pem = pki::make_crl(ca.authority(), {}, {day(2026, 7, 2), day(2026, 8, 2), 1});
    REQUIRE(pem);
    const auto list = Crl::from_pem(as_bytes(*pem));
    REQUIRE(list);
    CHECK(list->front().entries().empty());
    CHECK_FALSE(Crl::from_pem({}));
    CHECK(Crl::from_pem(as_bytes("hello")).error().starts_with("there is no revocation list in it"));
    CHECK_FALSE(Crl::from_pem(Bytes(as_bytes(*pem)).first(pem->size() - 40)));
    const auto two = Crl::from_pem(as_bytes(*pem + *pem));
    REQUIRE(two);
    CHECK(two->size() == 2);
    const auto broken = Crl::from_pem(as_bytes(*pem + pem->substr(0, pem->size() - 40)));
    REQUIRE_FALSE(broken);
    CHECK(broken.error().starts_with("revocation list 2 cannot be read"));
    const auto der = ca.certificate().der();
    CHECK_FALSE(Crl::from_der(der));
}
