// From [tunnel.ike] to the engine's options: certificates that fit, and words for those that do not.
#include "appliance/ike_setup.h"

#include <map>

#include "config/load.h"
#include "crypto/ike/identity.h"
#include "tests/config/fake_environment.h"
#include "tests/crypto/test_pki.h"

using namespace isthmus;
using namespace isthmus::appliance;
using namespace isthmus::crypto;
using namespace isthmus::test;
namespace ike = isthmus::crypto::ike;

namespace {

const WallTime kNow = day(2027, 3, 1);

struct Gateway {
    std::string certificate;
    std::string key;
};

/// One authority, our gateway's files, and a machine that has them.
struct World {
    SeededRng rng{7};
    std::string ca_pem{};
    pki::Authority authority = make_authority();
    config::FakeEnvironment machine{};

    World() {
        const Gateway gw = issue("dc.example.org");
        put("/e/ca.pem", ca_pem);
        put("/e/gw.pem", gw.certificate);
        put("/e/gw.key", gw.key);
        put("/e/a.psk", "KxNwCkV7h5zDyQm2uHRd9tYfJbA3gKqXpLs8vTeZr1o\n");
    }
    void put(const std::string& path, const std::string& content) {
        machine.files[path] = {content, 0, 0600};
    }

    pki::Authority make_authority() {
        auto key = pki::generate_key(pki::KeyType::ecdsa_p256);
        REQUIRE(key);
        const auto pem = pki::make_authority(*key, "CN=CA", {day(2026, 1, 1), day(2036, 1, 1)}, rng);
        REQUIRE(pem);
        ca_pem = *pem;
        return {certificate_in(*pem), std::move(*key)};
    }
    Gateway issue(const std::string& fqdn) {
        const auto key = pki::generate_key(pki::KeyType::ecdsa_p256);
        REQUIRE(key);
        const auto parsed = PrivateKey::from_pem(*key);
        REQUIRE(parsed);
        const auto pem =
            pki::issue_certificate(authority, parsed->public_key(), {"CN=" + fqdn, {fqdn}, {}, {}},
                                   {day(2026, 6, 1), day(2028, 6, 1)}, rng);
        REQUIRE(pem);
        return {*pem, {key->reveal().begin(), key->reveal().end()}};
    }

    [[nodiscard]] Result<IkeSetup, config::Problems> setup(const std::string& lines,
                                                           WallTime now = kNow) const {
        const auto configuration = config::load(
            "schema = 1\n[[tunnel]]\nname = \"cloud\"\nlocal = \"192.0.2.1\"\nremote = \"192.0.2.2\"\n"
            "protection = \"esp\"\n[tunnel.ike]\n" +
                lines,
            "/e/c.toml", machine);
        if (!configuration) FAIL(configuration.error().front().text());
        return ike_setup(*configuration, "/e/c.toml", now);
    }
    [[nodiscard]] std::string problem(const std::string& lines) const {
        const auto made = setup(lines);
        if (made) return "none";
        REQUIRE(made.error().size() == 1);
        return made.error().front().text();
    }
};

const std::string kPsk = "auth = \"psk\"\npsk_file = \"a.psk\"\n";
const std::string kCertificate =
    "auth = \"certificate\"\ncertificate = \"gw.pem\"\nkey = \"gw.key\"\nca = [\"ca.pem\"]\n"
    "remote_identity = \"cloud.example.org\"\n";

}  // namespace

TEST_CASE("a secret makes a peer with the defaults, known by its address") {
    const World w;
    const auto made = w.setup(kPsk);
    REQUIRE(made);
    CHECK(made->warnings.empty());
    REQUIRE(made->peers.size() == 1);
    const ike::PeerOptions& peer = made->peers[0].options;
    CHECK(peer.name == "cloud");
    CHECK(peer.remote_host == "192.0.2.2");
    CHECK(ike::text_of(peer.local_id) == "192.0.2.1");
    CHECK_FALSE(peer.remote_id);
    REQUIRE(peer.credentials->psk);
    CHECK(peer.credentials->psk->size() == 43);  // without the end of the line
    REQUIRE(peer.children.size() == 1);
    CHECK(peer.children[0].local == std::vector<ike::SelectorOptions>{{17, 1701, 1701, std::nullopt}});
    CHECK(peer.children[0].mode == esp::Mode::transport);
    CHECK(peer.policy == ike::default_ike_policy());
}

TEST_CASE("a secret in hex is its bytes; one of several lines, or too weak, is told") {
    World w;
    w.put("/e/a.psk", "0x00ff10\n");
    const auto made = w.setup(kPsk);
    REQUIRE(made);
    CHECK(made->peers[0].options.credentials->psk->size() == 3);
    REQUIRE(made->warnings.size() == 1);
    CHECK(made->warnings[0].text().starts_with(
        "/e/c.toml:9: tunnel.ike.psk_file: /e/a.psk: the pre-shared key is worth"));
    w.put("/e/a.psk", "0xabc\n");
    CHECK(w.problem(kPsk).find("what follows is not hex in pairs") != std::string::npos);
    w.put("/e/a.psk", "one\ntwo\n");
    CHECK(w.problem(kPsk) ==
          "/e/c.toml:9: tunnel.ike.psk_file: /e/a.psk has more than one line; a secret is one line of text, "
          "or hex digits "
          "behind 0x");
    w.put("/e/a.psk", " \n");
    CHECK(w.problem(kPsk).find("nothing but blanks") != std::string::npos);
}

TEST_CASE("a certificate makes a peer that is called by its first name") {
    const World w;
    const auto made = w.setup(kCertificate);
    REQUIRE(made);
    CHECK(made->warnings.empty());
    const ike::PeerOptions& peer = made->peers[0].options;
    CHECK(ike::text_of(peer.local_id) == "dc.example.org");
    REQUIRE(peer.remote_id);
    CHECK(ike::text_of(*peer.remote_id) == "cloud.example.org");
    REQUIRE(peer.credentials->own);
    CHECK(peer.credentials->authorities.size() == 1);
    CHECK_FALSE(peer.credentials->psk);
}

TEST_CASE("keys and names that do not fit the certificate are refused where they stand") {
    World w;
    CHECK(w.problem(kCertificate + "local_identity = \"x.example.org\"\n") ==
          "/e/c.toml:13: tunnel.ike.local_identity: the certificate of CN=dc.example.org does not speak for "
          "FQDN "
          "x.example.org: its subject alternative names are dc.example.org; write one of its names, or have "
          "a certificate "
          "made with this one");
    CHECK(w.problem(kCertificate + "local_identity = \"not a name\"\n")
              .starts_with("/e/c.toml:13: tunnel.ike.local_identity: 'not a name' is no identity"));
    w.put("/e/gw.key", w.issue("other.example.org").key);
    CHECK(w.problem(kCertificate) ==
          "/e/c.toml:10: tunnel.ike.key: the private key does not belong to the certificate of "
          "CN=dc.example.org; name the "
          "key that the certificate was made for");
    w.put("/e/gw.key", "no key");
    CHECK(w.problem(kCertificate)
              .starts_with("/e/c.toml:10: tunnel.ike.key: /e/gw.key: the key cannot be read"));
}

TEST_CASE("files that hold something else are told") {
    World w;
    w.put("/e/ca.pem", "hello");
    CHECK(w.problem(kCertificate)
              .starts_with("/e/c.toml:11: tunnel.ike.ca: /e/ca.pem: there is no certificate in it"));
    w.put("/e/ca.pem", w.ca_pem);
    w.put("/e/ca.crl", w.ca_pem);
    CHECK(w.problem(kCertificate + "crl = [\"ca.crl\"]\n")
              .starts_with("/e/c.toml:13: tunnel.ike.crl: /e/ca.crl: there is no revocation list in it"));
}

TEST_CASE("dates that are over, or nearly, are warnings: the clock may be wrong, and files can be renewed") {
    World w;
    const auto warning = [&w](WallTime now) {
        const auto made = w.setup(kCertificate, now);
        REQUIRE(made);
        REQUIRE(made->warnings.size() == 1);
        return made->warnings[0].text();
    };
    CHECK(warning(day(2029, 1, 1)) ==
          "/e/c.toml:9: tunnel.ike.certificate: /e/gw.pem: the certificate of CN=dc.example.org has expired: "
          "notAfter is "
          "2028-06-01 00:00:00 UTC; renew it: peers refuse it");
    CHECK(warning(day(2028, 5, 20)).find("expires soon") != std::string::npos);
    CHECK(warning(day(2026, 5, 1)).find("is not valid yet: notBefore is 2026-06-01") != std::string::npos);

    const auto list = pki::make_crl(w.authority, {}, {day(2027, 1, 1), day(2027, 2, 1), 1});
    REQUIRE(list);
    w.put("/e/ca.crl", *list);
    const auto made = w.setup(kCertificate + "crl = [\"ca.crl\"]\n");
    REQUIRE(made);
    CHECK(made->peers[0].options.credentials->crls.size() == 1);
    REQUIRE(made->warnings.size() == 1);
    CHECK(made->warnings[0].text().find("the list of CN=CA is out of date: nextUpdate is 2027-02-01") !=
          std::string::npos);
}

TEST_CASE(
    "a chain of certificates is taken as it is, and one out of order is a warning that names who does not "
    "fit") {
    World w;
    TestAuthority root("CN=Root", pki::KeyType::ecdsa_p256, 2);
    TestAuthority region = root.intermediate({"CN=Region", 1, {}});
    TestAuthority branch = region.intermediate({"CN=Branch", 0, {}});
    const auto key = pki::generate_key(pki::KeyType::ecdsa_p256);
    REQUIRE(key);
    SeededRng rng(8);
    const auto gw = pki::issue_certificate(branch.authority(), PrivateKey::from_pem(*key)->public_key(),
                                           {"CN=dc.example.org", {"dc.example.org"}, {}, {}},
                                           {day(2026, 6, 1), day(2028, 6, 1)}, rng);
    REQUIRE_MESSAGE(gw, gw.error());
    w.put("/e/gw.key", {key->reveal().begin(), key->reveal().end()});
    w.put("/e/gw.pem", *gw + branch.pem() + region.pem());
    const auto good = w.setup(kCertificate);
    REQUIRE(good);
    CHECK(good->warnings.empty());
    CHECK(good->peers[0].options.credentials->own->chain.size() == 3);

    w.put("/e/gw.pem", *gw + region.pem());
    const auto lacking = w.setup(kCertificate);
    REQUIRE(lacking);
    REQUIRE(lacking->warnings.size() == 1);
    CHECK(lacking->warnings[0].text() ==
          "/e/c.toml:9: tunnel.ike.certificate: /e/gw.pem: certificate 2, CN=Region, did not certify the one "
          "before it, CN=dc.example.org; put ours first, then who certified it, then who certified that");
}

TEST_CASE("in tunnel mode the selectors are the addresses of the L2TP inside") {
    const World w;
    const auto made =
        w.setup(kPsk + "mode = \"tunnel\"\nlocal = \"198.51.100.1\"\nremote = \"vpn.example.org\"\n");
    REQUIRE(made);
    const ike::PeerOptions& peer = made->peers[0].options;
    CHECK(peer.local.text() == "198.51.100.1");
    CHECK(peer.remote_host == "vpn.example.org");
    const auto inner = *IpAddress::parse("192.0.2.1");
    REQUIRE(peer.children[0].local[0].range);
    CHECK(peer.children[0].local[0].range->first == inner);
    CHECK(peer.children[0].local[0].range->last == inner);
}

TEST_CASE("lists of algorithms become the policies") {
    const World w;
    const auto made = w.setup(kPsk +
                              "ike_suites = [\"aes-128-gcm\"]\nprfs = [\"sha384\"]\ngroups = [\"ecp384\"]\n"
                              "esp_suites = [\"chacha20-poly1305\"]\nforward_secrecy = \"required\"\n");
    REQUIRE(made);
    const ike::PeerOptions& peer = made->peers[0].options;
    CHECK(peer.policy.ciphers.size() == 1);
    CHECK(peer.policy.groups == std::vector{DhGroup::ecp384});
    CHECK(peer.children[0].policy.groups == std::vector{DhGroup::ecp384});
    CHECK(peer.children[0].policy.suites == std::vector{esp::Suite::chacha20_poly1305});
    CHECK(peer.children[0].policy.forward_secrecy == ike::ForwardSecrecy::required);
}
