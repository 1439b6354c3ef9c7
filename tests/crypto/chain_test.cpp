// Chains over intermediate authorities, and each way in which one can break the rules of RFC 5280 section 6.1.
#include "crypto/certificate.h"

#include "tests/crypto/test_pki.h"

using namespace isthmus;
using namespace isthmus::crypto;
using namespace isthmus::test;

namespace {

const WallTime kNow = day(2027, 3, 1);

SecretBytes new_key() {
    auto key = pki::generate_key(pki::KeyType::ecdsa_p256);
    REQUIRE(key);
    return std::move(key).value();
}

/// The same key under the same name again, with other powers: what it signed fits this certificate as well.
TestAuthority twin_of(const TestAuthority& authority, unsigned levels) {
    SeededRng rng(9);
    const auto pem = pki::make_authority(authority.authority().key_pem, authority.certificate().subject(),
                                         {day(2026, 1, 1), day(2036, 1, 1)}, rng, levels);
    REQUIRE_MESSAGE(pem, pem.error());
    return TestAuthority({certificate_in(*pem), authority.authority().key_pem.clone()});
}

/// Root, two authorities below it, and a gateway.
struct Levels {
    TestAuthority root{"CN=Root", pki::KeyType::ecdsa_p256, 2};
    TestAuthority region = root.intermediate({"CN=Region", 1, {}});
    TestAuthority branch = region.intermediate({"CN=Branch", 0, {}});
    Certificate gw = branch.issue("gw.example.org").certificate;
};

std::string error(const Certificate& leaf, const std::vector<Certificate>& intermediates,
                  const Certificate& anchor) {
    const auto chain = build_chain(leaf, intermediates, std::vector{anchor}, kNow);
    return chain ? "accepted" : chain.error();
}

bool says(const std::string& text, const char* part) {
    return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("a gateway two authorities below the root is accepted, in whatever order they are sent") {
    Levels l;
    const auto region = l.region.certificate();
    const auto branch = l.branch.certificate();
    for (const auto& sent : {std::vector{branch, region}, std::vector{region, branch}}) {
        const auto path = build_chain(l.gw, sent, std::vector{l.root.certificate()}, kNow);
        REQUIRE_MESSAGE(path, path.error());
        REQUIRE(path->size() == 4);
        CHECK((*path)[1].subject() == "CN=Branch");
        CHECK((*path)[2].subject() == "CN=Region");
        CHECK((*path)[3].subject() == "CN=Root");
    }
    CHECK(l.root.certificate().path_length() == 2);
    CHECK(region.path_length() == 1);
    CHECK_FALSE(l.gw.path_length());
    CHECK(l.gw.signed_by(branch));
    CHECK_FALSE(l.gw.signed_by(region));
    CHECK(branch.signed_by(region));
    CHECK_FALSE(branch.signed_by(l.gw));
}

TEST_CASE("a link that is missing is named, with the issuer that nobody knows") {
    Levels l;
    CHECK(error(l.gw, {l.region.certificate()}, l.root.certificate()) ==
          "O=Isthmus test, CN=gw.example.org: its issuer, CN=Branch, is neither one of our authorities nor "
          "certified by one");
    CHECK(says(error(l.gw, {l.branch.certificate()}, l.root.certificate()),
               "CN=Branch: its issuer, CN=Region"));
}

TEST_CASE("more authorities below one than its path length allows are refused, and the number is told") {
    Levels l;
    const auto strict = twin_of(l.root, 1);
    CHECK(error(l.gw, {l.branch.certificate(), l.region.certificate()}, strict.certificate()) ==
          "CN=Root: more authorities stand below it than its basicConstraints allow: pathLenConstraint is 1");
}

TEST_CASE("a certificate issued by one that is no authority is refused, and that one is named") {
    TestAuthority root("CN=Root", pki::KeyType::ecdsa_p256, 1);
    const SecretBytes key = new_key();
    auto powerful = root.intermediate({"CN=gw.example.org", 0, {}}, key);
    const auto leaf = powerful.issue("victim.example.org").certificate;
    // The same key and name as a gateway's.
    SeededRng rng(3);
    const auto plain = pki::issue_certificate(root.authority(), PrivateKey::from_pem(key)->public_key(),
                                              {"CN=gw.example.org", {"gw.example.org"}, {}, {}},
                                              {day(2026, 6, 1), day(2028, 6, 1)}, rng);
    REQUIRE_MESSAGE(plain, plain.error());
    const auto gateway = certificate_in(*plain);
    CHECK(error(leaf, {powerful.certificate()}, root.certificate()) == "accepted");
    CHECK(error(leaf, {gateway}, root.certificate()) ==
          "CN=gw.example.org: it certified another certificate, but is no authority: its basicConstraints do "
          "not say CA");
    CHECK_FALSE(leaf.signed_by(gateway));
}

TEST_CASE("names outside an authority's domain are refused, with both") {
    TestAuthority root("CN=Root", pki::KeyType::ecdsa_p256, 1);
    const SecretBytes key = new_key();
    auto bound = root.intermediate({"CN=Branch", 0, {"branch.example.org"}}, key);
    auto unbound = root.intermediate({"CN=Branch", 0, {}}, key);  // the same key without the constraint
    const auto verdict = [&](const pki::GatewayNames& names) {
        return error(unbound.issue(names).certificate, {bound.certificate()}, root.certificate());
    };
    CHECK(verdict({"CN=gw", {"gw.branch.example.org"}, {}, {}}) == "accepted");
    CHECK(verdict({"CN=gw", {"branch.example.org"}, {"ops@branch.example.org"}, {}}) == "accepted");
    const std::string outside = verdict({"CN=gw", {"gw.branch.example.org", "dc.example.org"}, {}, {}});
    CHECK(outside.starts_with("CN=gw: its names (subjectAltName "));
    CHECK(says(outside, "DNS:dc.example.org"));
    CHECK(says(outside,
               "are not all among those that CN=Branch may certify (nameConstraints Permitted: "
               "DNS:branch.example.org"));
    CHECK(says(verdict({"CN=gw", {"xbranch.example.org"}, {}, {}}), "may certify"));
    CHECK(says(verdict({"CN=gw", {}, {"ops@example.org"}, {}}), "may certify"));
    // Addresses are free: strongSwan 5.9 cannot read a constraint on them, and would refuse the authority.
    CHECK(verdict({"CN=gw", {"gw.branch.example.org"}, {}, {*IpAddress::parse("192.0.2.1")}}) == "accepted");
}

TEST_CASE("an intermediate that has expired is named with its date") {
    TestAuthority root("CN=Root", pki::KeyType::ecdsa_p256, 1);
    SeededRng rng(4);
    const SecretBytes key = new_key();
    const auto pem = pki::issue_intermediate(root.authority(), PrivateKey::from_pem(key)->public_key(),
                                             {"CN=Old", 0, {}}, {day(2026, 2, 1), day(2027, 2, 1)}, rng);
    REQUIRE_MESSAGE(pem, pem.error());
    TestAuthority old({certificate_in(*pem), key.clone()});
    const auto leaf = old.issue({"CN=gw", {"gw.example.org"}, {}, {}}, pki::KeyType::ecdsa_p256,
                                {day(2026, 6, 1), day(2027, 1, 1)});
    const auto chain = build_chain(leaf.certificate, std::vector{old.certificate()},
                                   std::vector{root.certificate()}, day(2026, 12, 1));
    CHECK_MESSAGE(chain, chain.error());
    CHECK(says(
        build_chain(leaf.certificate, std::vector{old.certificate()}, std::vector{root.certificate()}, kNow)
            .error(),
        "CN=Old: the certificate has expired: notAfter is 2027-02-01"));
}

TEST_CASE("an authority gives no powers that it does not have") {
    TestAuthority none("CN=Root");
    TestAuthority one("CN=Root", pki::KeyType::ecdsa_p256, 1);
    SeededRng rng(5);
    const auto key = PrivateKey::from_pem(new_key())->public_key();
    const pki::Validity good{day(2026, 6, 1), day(2027, 6, 1)};
    const auto refusal = [&](const TestAuthority& by, const pki::Intermediate& what,
                             const pki::Validity& when) {
        const auto made = pki::issue_intermediate(by.authority(), key, what, when, rng);
        return made ? std::string("issued") : made.error();
    };
    CHECK(refusal(one, {"CN=Branch", 0, {"example.org"}}, good) == "issued");
    CHECK(refusal(none, {"CN=Branch", 0, {}}, good) ==
          "CN=Root may certify gateways only, no authorities: its pathLenConstraint is 0");
    CHECK(refusal(one, {"CN=Branch", 1, {}}, good) ==
          "CN=Root has a pathLenConstraint of 1: an authority below it may have 0 more levels at most");
    CHECK(refusal(one, {"CN=Branch", 0, {"a.example,DNS:b.example"}}, good) ==
          "'a.example,DNS:b.example' is no domain name");
    CHECK(refusal(one, {"CN=Branch", 0, {""}}, good) == "'' is no domain name");
    CHECK(says(refusal(one, {"CN=Branch", 0, {}}, {day(2026, 6, 1), day(2040, 1, 1)}),
               "after the authority's own (2036-01-01"));
    CHECK(says(refusal(one, {"Branch", 0, {}}, good), "the subject 'Branch'"));
}
