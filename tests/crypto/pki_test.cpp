#include "crypto/pki.h"

#include "tests/crypto/test_pki.h"

using namespace isthmus;
using namespace isthmus::crypto;
using namespace isthmus::crypto::pki;
using namespace isthmus::test;

namespace {
constexpr std::array kAllTypes{KeyType::ecdsa_p256, KeyType::ecdsa_p384, KeyType::ed25519, KeyType::rsa_3072};
}

TEST_CASE("each kind of key makes an authority whose gateway certificates verify") {
    for (const KeyType type : kAllTypes) {
        CAPTURE(static_cast<int>(type));
        TestAuthority ca("C=XX, O=Isthmus test, CN=CA", type);
        CHECK(ca.certificate().is_authority());
        CHECK(ca.certificate().subject() == "C=XX, O=Isthmus test, CN=CA");
        const GatewayNames names{"O=Isthmus test, CN=gw",
                                 {"gw.example.org"},
                                 {"ops@example.org"},
                                 {*IpAddress::parse("192.0.2.1"), *IpAddress::parse("2001:db8::1")}};
        const auto gw = ca.issue(names, type);
        CHECK_FALSE(gw.certificate.is_authority());
        CHECK(gw.certificate.subject() == names.subject);
        CHECK(gw.certificate.issuer() == ca.certificate().subject());
        CHECK(gw.certificate.dns_names() == names.dns_names);
        CHECK(gw.certificate.email_addresses() == names.email_addresses);
        CHECK(gw.certificate.ip_addresses() == names.ip_addresses);
        CHECK(gw.certificate.not_before() == day(2026, 6, 1));
        CHECK(gw.certificate.not_after() == day(2028, 6, 1));
        CHECK(gw.certificate.serial().size() == 32);
        CHECK(std::ranges::equal(gw.certificate.public_key().der(), gw.key.public_key().der()));
        const auto good = verify_chain(gw.certificate, {}, std::vector{ca.certificate()}, day(2027, 1, 1));
        CHECK_MESSAGE(good, good.error());
        CHECK_FALSE(
            verify_chain(gw.certificate, {}, std::vector{TestAuthority().certificate()}, day(2027, 1, 1)));
    }
}

TEST_CASE("a gateway's certificate can certify nobody") {
    TestAuthority ca;
    auto key = generate_key(KeyType::ecdsa_p256);
    REQUIRE(key);
    SeededRng rng(1);
    const auto private_key = PrivateKey::from_pem(*key);
    const auto pem =
        issue_certificate(ca.authority(), private_key->public_key(), {"CN=gw", {"gw.example.org"}, {}, {}},
                          {day(2026, 6, 1), day(2027, 6, 1)}, rng);
    REQUIRE(pem);
    const Authority impostor{certificate_in(*pem), std::move(key).value()};
    const auto refused =
        issue_certificate(impostor, private_key->public_key(), {"CN=x", {"x.example"}, {}, {}},
                          {day(2026, 7, 1), day(2026, 8, 1)}, rng);
    REQUIRE_FALSE(refused);
    CHECK(refused.error() == "CN=gw is no authority: its certificate may not sign others");
}

TEST_CASE("names and dates that make no sense are refused in words") {
    TestAuthority ca;
    SeededRng rng(1);
    const auto key = PrivateKey::from_pem(*generate_key(KeyType::ed25519));
    const auto error = [&](const GatewayNames& names, const Validity& validity) {
        const auto made = issue_certificate(ca.authority(), key->public_key(), names, validity, rng);
        return made ? std::string("issued") : made.error();
    };
    const Validity good{day(2026, 6, 1), day(2027, 6, 1)};
    CHECK(error({"CN=gw", {}, {}, {}}, good).starts_with("a gateway's certificate needs a name"));
    CHECK(error({"CN=gw", {"a b"}, {}, {}}, good) == "'a b' is no DNS name");
    CHECK(error({"gw", {"gw.example"}, {}, {}}, good) ==
          "the subject 'gw': 'gw' is not of the form KEY=value");
    CHECK(error({"XYZZY=gw", {"gw.example"}, {}, {}}, good)
              .starts_with("the subject 'XYZZY=gw': 'XYZZY=gw' cannot"));
    CHECK(error({"CN=gw", {"gw.example"}, {}, {}}, {day(2027, 6, 1), day(2027, 6, 1)}) ==
          "the validity ends before it begins");
    CHECK(error({"CN=gw", {"gw.example"}, {}, {}}, {day(2026, 6, 1), day(2037, 1, 1)}) ==
          "the validity would end at 2037-01-01 00:00:00 UTC, after the authority's own (2036-01-01 00:00:00 "
          "UTC)");
    // A comma starts no other name.
    CHECK(error({"CN=gw", {"gw.example,DNS:other.example"}, {}, {}}, good) == "issued");
    const Authority stranger{ca.certificate(), *generate_key(KeyType::ecdsa_p256)};
    CHECK(issue_certificate(stranger, key->public_key(), {"CN=gw", {"gw.example"}, {}, {}}, good, rng)
              .error() == "the key does not belong to the authority O=Isthmus test, CN=Test CA");
    CHECK(key_type_named("rsa-3072") == KeyType::rsa_3072);
    CHECK_FALSE(key_type_named("rsa-1024"));
}

TEST_CASE("a revocation list says who is on it, and the next one keeps them") {
    TestAuthority ca;
    const auto first = ca.issue("a.example.org");
    const auto second = ca.issue("b.example.org");
    const auto list =
        ca.crl({{first.certificate.serial(), day(2026, 7, 1), ""}}, {day(2026, 7, 2), day(2026, 8, 2), 7});
    CHECK(list.number() == 7);
    CHECK(list.issuer() == ca.certificate().subject());
    CHECK(list.this_update() == day(2026, 7, 2));
    CHECK(list.next_update() == day(2026, 8, 2));
    REQUIRE(list.find(first.certificate));
    CHECK(list.find(first.certificate)->revoked_at == day(2026, 7, 1));
    CHECK_FALSE(list.find(second.certificate));
    CHECK(list.signed_by(ca.certificate()));
    CHECK_FALSE(list.signed_by(TestAuthority().certificate()));  // same name, another key
    CHECK_FALSE(list.signed_by(first.certificate));

    auto entries = list.entries();
    entries.push_back({second.certificate.serial(), day(2026, 9, 1), ""});
    const auto next = ca.crl(entries, {day(2026, 9, 1), day(2026, 10, 1), 8});
    CHECK(next.entries().size() == 2);
    CHECK(next.find(first.certificate));
    CHECK(next.find(second.certificate));
}
