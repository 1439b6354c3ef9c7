#include "crypto/ike/credentials.h"

#include "crypto/ike/identity.h"
#include "tests/crypto/test_pki.h"

using namespace isthmus;
using namespace isthmus::crypto;
using namespace isthmus::crypto::ike;
using namespace isthmus::test;

namespace {

const WallTime kNow = day(2027, 3, 1);

struct World {
    TestAuthority ca{};
    TestAuthority::Issued gw = ca.issue("gw.example.org");
    Credentials credentials = trusting(ca.certificate());

    static Credentials trusting(const Certificate& authority) {
        Credentials c;
        c.authorities = {authority};
        return c;
    }
    static std::vector<CertificatePayload> sent(const Certificate& certificate) {
        return {{CertificateEncoding::x509_signature, {certificate.der().begin(), certificate.der().end()}}};
    }
    [[nodiscard]] std::string error(const char* id = "gw.example.org", WallTime now = kNow) const {
        return error_of(gw.certificate, id, now);
    }
    [[nodiscard]] std::string error_of(const Certificate& certificate, const char* id,
                                       WallTime now = kNow) const {
        const auto key = authenticate_peer(credentials, sent(certificate), *parse_identity(id), {now, {}});
        return key ? "accepted" : key.error();
    }
};

}  // namespace

TEST_CASE("a peer whose certificate is in order is authenticated, with the key of its certificate") {
    World w;
    const auto key = authenticate_peer(w.credentials, World::sent(w.gw.certificate),
                                       *parse_identity("gw.example.org"), {kNow, {}});
    REQUIRE_MESSAGE(key, key.error());
    CHECK(std::ranges::equal(key->der(), w.gw.key.public_key().der()));
}

TEST_CASE("a refused certificate is named with field and date") {
    World w;
    CHECK(w.error("gw.example.org", day(2029, 1, 1)) ==
          "O=Isthmus test, CN=gw.example.org: the certificate has expired: notAfter is 2028-06-01 00:00:00 "
          "UTC, and it "
          "is 2029-01-01 00:00:00 UTC");
    CHECK(w.error("gw.example.org", day(2026, 3, 1)) ==
          "O=Isthmus test, CN=gw.example.org: the certificate is not yet valid: notBefore is 2026-06-01 "
          "00:00:00 UTC, "
          "and it is 2026-03-01 00:00:00 UTC");
    CHECK(w.error("other.example.org").find("does not speak for FQDN other.example.org") !=
          std::string::npos);
    TestAuthority stranger("O=Stranger, CN=CA");
    const auto theirs = stranger.issue("gw.example.org");
    CHECK(w.error_of(theirs.certificate, "gw.example.org") ==
          "O=Isthmus test, CN=gw.example.org: its issuer, O=Stranger, CN=CA, is neither one of our "
          "authorities nor "
          "certified by one");
    // The same name on another key is another authority.
    TestAuthority impostor;
    CHECK(w.error_of(impostor.issue("gw.example.org").certificate, "gw.example.org") != "accepted");
    const auto nothing = authenticate_peer(w.credentials, {}, *parse_identity("gw.example.org"), {kNow, {}});
    CHECK(nothing.error() == "the peer gw.example.org sent no X.509 certificate");
}

TEST_CASE(
    "a revoked certificate is refused with the date; a list out of date or missing only where one is "
    "required") {
    World w;
    const auto revoked =
        w.ca.crl({{w.gw.certificate.serial(), day(2027, 2, 1), ""}}, {day(2027, 2, 1), day(2027, 4, 1), 2});
    const auto older = w.ca.crl({}, {day(2027, 1, 1), day(2027, 2, 1), 1});
    w.credentials.crls = {older};
    CHECK(w.error() == "accepted");
    w.credentials.revocation = Revocation::required;
    CHECK(w.error() ==
          "the revocation list of O=Isthmus test, CN=Test CA is out of date: nextUpdate is 2027-02-01 "
          "00:00:00 UTC, and "
          "it is 2027-03-01 00:00:00 UTC");
    w.credentials.crls = {};
    CHECK(w.error() ==
          "O=Isthmus test, CN=gw.example.org: there is no revocation list of O=Isthmus test, CN=Test CA, and "
          "one is "
          "required");
    for (const Revocation mode : {Revocation::if_known, Revocation::required}) {
        w.credentials.revocation = mode;
        w.credentials.crls = {revoked, older};
        CHECK(w.error() ==
              "O=Isthmus test, CN=gw.example.org: the certificate (serial " + w.gw.certificate.serial() +
                  ") was revoked at 2027-02-01 00:00:00 UTC, says the list of O=Isthmus test, CN=Test CA");
    }
    // A list that the authority did not sign is no list.
    TestAuthority impostor;
    w.credentials.revocation = Revocation::if_known;
    w.credentials.crls = {impostor.crl({{w.gw.certificate.serial(), day(2027, 2, 1), ""}},
                                       {day(2027, 2, 1), day(2027, 4, 1), 9})};
    CHECK(w.error() == "accepted");
}

TEST_CASE("a gateway without a clock says so, and accepts without dates only if told") {
    World w;
    const WallTime boot = WallTime(std::chrono::seconds(7));
    CHECK_FALSE(clock_doubt(w.credentials, {kNow, {}}));
    CHECK(clock_doubt(w.credentials, {boot, {}}) ==
          "this gateway does not know the time: its clock says 1970-01-01 00:00:07 UTC, but the certificate "
          "of O=Isthmus "
          "test, CN=Test CA was issued at 2026-01-01 00:00:00 UTC");
    CHECK(
        clock_doubt(w.credentials, {day(2026, 8, 1), day(2026, 9, 1)})->find("has already seen 2026-09-01") !=
        std::string::npos);
    w.credentials.crls = {w.ca.crl({}, {day(2026, 12, 1), day(2027, 12, 1), 1})};
    CHECK(clock_doubt(w.credentials, {day(2026, 8, 1), {}})->find("the revocation list of") !=
          std::string::npos);

    CHECK(w.error("gw.example.org", boot).find("this gateway does not know the time") != std::string::npos);
    w.credentials.accept_without_clock = true;
    CHECK(w.error("gw.example.org", boot) == "accepted");
    CHECK(w.error("other.example.org", boot) != "accepted");
    // With a plausible clock the dates count again.
    CHECK(w.error("gw.example.org", day(2029, 1, 1)) != "accepted");
}

TEST_CASE("a peer's certificate can be trusted by itself, sent or not") {
    World w;
    w.credentials.authorities = {w.gw.certificate};
    CHECK(w.error() == "accepted");
    const auto known = authenticate_peer(w.credentials, {}, *parse_identity("gw.example.org"), {kNow, {}});
    CHECK_MESSAGE(known, known.error());
    CHECK_FALSE(authenticate_peer(w.credentials, {}, *parse_identity("x.example.org"), {kNow, {}}));
}

TEST_CASE("hundreds of certificates, and ones that cannot be read, are refused") {
    World w;
    auto many = World::sent(w.gw.certificate);
    many.resize(17, many.front());
    const auto id = *parse_identity("gw.example.org");
    CHECK(authenticate_peer(w.credentials, many, id, {kNow, {}}).error() ==
          "the peer sent more than 16 certificates");
    auto broken = World::sent(w.gw.certificate);
    broken.front().data.pop_back();
    CHECK(authenticate_peer(w.credentials, broken, id, {kNow, {}})
              .error()
              .starts_with("the peer's certificate: "));
    auto with_junk = World::sent(w.gw.certificate);
    with_junk.push_back({CertificateEncoding::x509_signature, {1, 2, 3}});
    with_junk.push_back({CertificateEncoding::hash_and_url, {1, 2, 3}});
    CHECK(authenticate_peer(w.credentials, with_junk, id, {kNow, {}}));
}

TEST_CASE("our own certificate must fit key, identity and date") {
    World w;
    const auto id = *parse_identity("gw.example.org");
    CHECK(check_own({{w.gw.certificate}, w.gw.key}, id, kNow));
    const auto other = w.ca.issue("gw.example.org");
    CHECK(check_own({{w.gw.certificate}, other.key}, id, kNow).error() ==
          "the private key does not belong to the certificate of O=Isthmus test, CN=gw.example.org");
    CHECK(check_own({{w.gw.certificate}, w.gw.key}, *parse_identity("x.example"), kNow)
              .error()
              .find("does not speak for") != std::string::npos);
    CHECK(check_own({{w.gw.certificate}, w.gw.key}, id, day(2029, 1, 1))
              .error()
              .find("notAfter is 2028-06-01") != std::string::npos);
    CHECK(check_own({{w.gw.certificate}, w.gw.key}, id, day(2026, 1, 1))
              .error()
              .find("notBefore is 2026-06-01") != std::string::npos);
    CHECK_FALSE(check_own({{}, w.gw.key}, id, kNow));
}

TEST_CASE("CERT and CERTREQ carry our chain and our authorities") {
    World w;
    const auto payloads = certificate_payloads({{w.gw.certificate, w.ca.certificate()}, w.gw.key});
    REQUIRE(payloads.size() == 2);
    CHECK(std::ranges::equal(payloads[0].data, w.gw.certificate.der()));
    const auto request = certificate_request(std::vector{w.ca.certificate()});
    REQUIRE(request.authorities.size() == 1);
    CHECK(std::ranges::equal(request.authorities[0], w.ca.certificate().authority_hash()));
}

TEST_CASE(
    "each authority of a chain has its own revocation list, and an intermediate can be revoked as well") {
    TestAuthority root("CN=Root", pki::KeyType::ecdsa_p256, 1);
    TestAuthority branch = root.intermediate({"CN=Branch", 0, {}});
    const auto gw = branch.issue("gw.example.org");
    Credentials credentials = World::trusting(root.certificate());
    auto sent = World::sent(gw.certificate);
    sent.push_back(World::sent(branch.certificate()).front());
    const auto verdict = [&] {
        const auto key = authenticate_peer(credentials, sent, *parse_identity("gw.example.org"), {kNow, {}});
        return key ? std::string("accepted") : key.error();
    };
    const pki::ListTerms terms{day(2027, 2, 1), day(2027, 4, 1), 1};
    CHECK(verdict() == "accepted");
    credentials.revocation = Revocation::required;
    credentials.crls = {root.crl({}, terms)};
    CHECK(verdict().find("there is no revocation list of CN=Branch, and one is required") !=
          std::string::npos);
    credentials.crls.push_back(branch.crl({}, terms));
    CHECK(verdict() == "accepted");
    credentials.crls = {root.crl({{branch.certificate().serial(), day(2027, 2, 1), ""}}, terms),
                        branch.crl({}, terms)};
    CHECK(verdict().starts_with("CN=Branch: the certificate (serial " + branch.certificate().serial() +
                                ") was revoked at 2027-02-01"));
}
