#include "crypto/certificate.h"

#include <doctest/doctest.h>

#include <fstream>
#include <iterator>

using namespace isthmus;
using namespace isthmus::crypto;

namespace {

std::vector<std::uint8_t> file(const char* name) {
    std::string path = ISTHMUS_TEST_VECTORS "/certificates/";
    path += name;
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

Certificate certificate(const char* name) {
    auto all = Certificate::from_pem(file(name));
    REQUIRE(all);
    REQUIRE(all->size() == 1);
    return all->front();
}

WallTime year(int y) {
    return WallTime(std::chrono::sys_days(std::chrono::year(y) / 6 / 1).time_since_epoch());
}

}  // namespace

TEST_CASE("a certificate says whose it is, how long it lives and what names it has") {
    const auto gw = certificate("gw.pem");
    CHECK(gw.subject() == "C=XX, O=Isthmus test, CN=gw.isthmus.test");
    CHECK(gw.dns_names() == std::vector<std::string>{"gw.isthmus.test"});
    CHECK(gw.email_addresses() == std::vector<std::string>{"ops@isthmus.test"});
    REQUIRE(gw.ip_addresses().size() == 2);
    CHECK(gw.ip_addresses()[0].text() == "192.0.2.1");
    CHECK(gw.ip_addresses()[1].text() == "2001:db8::1");
    CHECK_FALSE(gw.is_authority());
    CHECK(gw.public_key().kind() == KeyKind::ecdsa_p256);
    CHECK(gw.authority_hash().size() == 20);
    CHECK(gw.not_before() < year(2027));
    CHECK(gw.not_after() > year(2100));
    CHECK(gw.subject_der().front() == 0x30);
    CHECK(certificate("root.pem").is_authority());
}

TEST_CASE("a certificate read from its DER is the same, and cut or extended is none") {
    const auto gw = certificate("gw.pem");
    const Bytes der = gw.der();
    const auto again = Certificate::from_der(der);
    REQUIRE(again);
    CHECK(again->subject() == gw.subject());
    for (std::size_t n = 0; n < der.size(); ++n) CHECK_FALSE(Certificate::from_der(der.first(n)));
    std::vector<std::uint8_t> longer(der.begin(), der.end());
    longer.push_back(0);
    CHECK_FALSE(Certificate::from_der(longer));
}

TEST_CASE("a PEM file gives its certificates in order; none, or a broken one, is an error in words") {
    auto both = file("gw.pem");
    const auto second = file("inter.pem");
    both.insert(both.end(), second.begin(), second.end());
    const auto all = Certificate::from_pem(both);
    REQUIRE(all);
    REQUIRE(all->size() == 2);
    CHECK((*all)[1].subject() == "C=XX, O=Isthmus test, CN=Intermediate");
    CHECK_FALSE(Certificate::from_pem({}));
    both.resize(both.size() - 60);
    const auto broken = Certificate::from_pem(both);
    REQUIRE_FALSE(broken);
    CHECK(broken.error().starts_with("certificate 2 cannot be read"));
}

TEST_CASE("a chain to an anchor is good at times when all of it is valid") {
    const auto root = certificate("root.pem");
    const auto inter = certificate("inter.pem");
    const auto gw = certificate("gw.pem");
    CHECK(verify_chain(gw, std::vector{inter}, std::vector{root}, year(2030)));
    CHECK(verify_chain(gw, {}, std::vector{inter}, year(2030)));  // the intermediate itself is trusted
    CHECK(verify_chain(gw, {}, std::vector{gw}, year(2030)));     // so is the very certificate
    const auto early = verify_chain(gw, std::vector{inter}, std::vector{root}, year(2020));
    REQUIRE_FALSE(early);
    CHECK(early.error().find("not yet valid") != std::string::npos);
    const auto late = verify_chain(gw, std::vector{inter}, std::vector{root}, year(2200));
    REQUIRE_FALSE(late);
    CHECK(late.error().find("has expired") != std::string::npos);
}

TEST_CASE("a chain that misses a link, ends elsewhere or holds a key that may not sign is refused") {
    const auto root = certificate("root.pem");
    const auto inter = certificate("inter.pem");
    const auto gw = certificate("gw.pem");
    CHECK_FALSE(verify_chain(gw, {}, std::vector{root}, year(2030)));
    CHECK_FALSE(verify_chain(gw, std::vector{inter}, {}, year(2030)));
    CHECK_FALSE(
        verify_chain(gw, std::vector{inter}, std::vector{certificate("impostor-root.pem")}, year(2030)));
    // What the peer sends is never an anchor.
    CHECK_FALSE(verify_chain(gw, std::vector{inter, root}, {}, year(2030)));
    const auto unfit =
        verify_chain(certificate("encipher-only.pem"), std::vector{inter}, std::vector{root}, year(2030));
    REQUIRE_FALSE(unfit);
    CHECK(unfit.error() ==
          "C=XX, O=Isthmus test, CN=encipher only: its key usage forbids digital signatures");
}

TEST_CASE("certificates of openssl's own defaults, without key usage and key identifiers, are good") {
    const auto gw = certificate("plain-gw.pem");
    for (const char* name : {"plain-root.pem", "plainer-root.pem"}) {
        CAPTURE(name);
        const auto root = certificate(name);
        CHECK(root.is_authority());
        const auto good = verify_chain(gw, {}, std::vector{root}, year(2030));
        CHECK_MESSAGE(good, good.error());
        // What is no formality is looked at all the same.
        const auto late = verify_chain(gw, {}, std::vector{root}, year(2200));
        REQUIRE_FALSE(late);
        CHECK(late.error().find("has expired") != std::string::npos);
        CHECK_FALSE(verify_chain(gw, {}, std::vector{certificate("root.pem")}, year(2030)));
        // A gateway certifies nobody.
        CHECK_FALSE(verify_chain(root, {}, std::vector{gw}, year(2030)));
    }
}
