#include "crypto/ike/identity.h"

#include "tests/crypto/test_pki.h"

using namespace isthmus;
using namespace isthmus::crypto;
using namespace isthmus::crypto::ike;
using namespace isthmus::test;

namespace {
Identification id(const char* text) {
    auto parsed = parse_identity(text);
    REQUIRE_MESSAGE(parsed, parsed.error());
    return *parsed;
}
std::string error_of(const char* text) {
    const auto parsed = parse_identity(text);
    return parsed ? "no error" : parsed.error();
}
}  // namespace

TEST_CASE("an identity's kind is seen from its text, or said in front of it") {
    CHECK(id("gw.example.org").type == IdType::fqdn);
    CHECK(id("@gw.example.org") == id("fqdn:gw.example.org"));
    CHECK(id("ops@example.org").type == IdType::rfc822_address);
    CHECK(id("192.0.2.1") == Identification{IdType::ipv4_address, {192, 0, 2, 1}});
    CHECK(id("2001:db8::1").type == IdType::ipv6_address);
    CHECK(id("C=XX, CN=gw").type == IdType::der_asn1_dn);
    CHECK(id("dn:CN=ops@example.org").type == IdType::der_asn1_dn);
    CHECK(id("keyid:site-a") == Identification{IdType::key_id, {'s', 'i', 't', 'e', '-', 'a'}});
    CHECK(id("keyid:0x0a0b") == Identification{IdType::key_id, {0x0a, 0x0b}});
    CHECK(id("fqdn:192.0.2.1").type == IdType::fqdn);
}

TEST_CASE("an identity's text leads back to it") {
    for (const char* text :
         {"gw.example.org", "ops@example.org", "192.0.2.1", "2001:db8::1", "C=XX, CN=gw", "keyid:0x0a0b0c"})
        CHECK(text_of(id(text)) == text);
    CHECK(text_of({IdType::fqdn, {'a', 7, '\\'}}) == "a\\x07\\x5c");
    CHECK(text_of({IdType::ipv4_address, {1, 2}}) == "malformed address 0102");
    CHECK(text_of({IdType{77}, {1}}) == "identity type 77 01");
}

TEST_CASE("what is no identity is refused with what would be right") {
    CHECK(error_of("").find("a domain name (gw.example.org)") != std::string::npos);
    CHECK(error_of("a b").find("'a b' is no identity") != std::string::npos);
    CHECK(error_of("address:gw.example.org") == "'gw.example.org' is no IPv4 or IPv6 address");
    CHECK(error_of("email:gw").find("user@example.org") != std::string::npos);
    CHECK(error_of("keyid:").find("needs a text") != std::string::npos);
    CHECK(error_of("keyid:0x1").find("no pairs of hex digits") != std::string::npos);
    CHECK(error_of("O=").starts_with("'O=' is no distinguished name"));
}

TEST_CASE("identities are the same by type and value, names without regard to case") {
    CHECK(same_identity(id("GW.example.org"), id("gw.EXAMPLE.org")));
    CHECK_FALSE(same_identity(id("gw.example.org"), id("gw2.example.org")));
    CHECK_FALSE(same_identity(id("fqdn:192.0.2.1"), id("192.0.2.1")));
    CHECK(same_identity(id("ops@EXAMPLE.org"), id("ops@example.org")));
    CHECK_FALSE(same_identity(id("Ops@example.org"), id("ops@example.org")));
    CHECK(same_identity(id("O=Example, CN=gw"), id("O=EXAMPLE, CN=gw")));
    CHECK_FALSE(same_identity(id("keyid:A"), id("keyid:a")));
}

TEST_CASE("a certificate speaks for the names in it and for no others") {
    TestAuthority ca;
    const auto gw = ca.issue({"O=Isthmus test, CN=gw",
                              {"gw.example.org", "*.wild.example"},
                              {"ops@example.org"},
                              {*IpAddress::parse("192.0.2.1")}});
    for (const char* text : {"GW.example.org", "ops@example.org", "192.0.2.1", "O=isthmus test, CN=gw"})
        CHECK(certificate_names(gw.certificate, id(text)));
    for (const char* text :
         {"gw", "other.example.org", "a.wild.example", "192.0.2.2", "CN=gw", "keyid:gw", "fqdn:192.0.2.1"})
        CHECK_FALSE(certificate_names(gw.certificate, id(text)));
    CHECK(certificate_names(gw.certificate, id("x.example.org")).error() ==
          "the certificate of O=Isthmus test, CN=gw does not speak for FQDN x.example.org: its subject "
          "alternative "
          "names are gw.example.org, *.wild.example, ops@example.org, 192.0.2.1");
}
