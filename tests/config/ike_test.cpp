// [tunnel.ike], good and bad.
#include "tests/config/support.h"

using namespace isthmus;
using namespace isthmus::config;
namespace ike = isthmus::crypto::ike;

namespace {

FakeEnvironment machine() {
    FakeEnvironment m;
    m.files["/etc/isthmus/a.psk"] = {"a secret of many words\n", 0, 0600};
    m.files["/etc/isthmus/a.ppk"] = {"another secret\n", 0, 0600};
    m.files["/etc/isthmus/open.psk"] = {"a secret of many words\n", 0, 0644};
    m.files["/etc/isthmus/empty.psk"] = {"", 0, 0600};
    m.files["/etc/isthmus/gw.pem"] = {"certificate", 0, 0644};
    m.files["/etc/isthmus/gw.key"] = {"key", 0, 0600};
    m.files["/etc/isthmus/ca.pem"] = {"ca", 1000, 0666};
    m.files["/etc/isthmus/ca.crl"] = {"crl", 0, 0644};
    return m;
}

const std::string kTunnel = R"(schema = 1
[[tunnel]]
name = "cloud"
local = "192.0.2.1"
remote = "192.0.2.2"
protection = "esp"
[tunnel.ike]
)";
const std::string kPsk = kTunnel + "auth = \"psk\"\npsk_file = \"/etc/isthmus/a.psk\"\n";
const std::string kCertificate = kTunnel +
                                 "auth = \"certificate\"\ncertificate = \"/etc/isthmus/gw.pem\"\n"
                                 "key = \"/etc/isthmus/gw.key\"\nca = [\"/etc/isthmus/ca.pem\"]\n"
                                 "remote_identity = \"b.example.org\"\n";

IkeConfig loaded(const std::string& text) {
    auto configuration = load(text, "/etc/isthmus/c.toml", machine());
    if (!configuration) {
        CAPTURE(texts_of(configuration.error()));
        REQUIRE(configuration);
    }
    REQUIRE(configuration->tunnels.size() == 1);
    REQUIRE(configuration->tunnels[0].is_protected());
    REQUIRE(configuration->tunnels[0].ike);
    return std::move(*configuration->tunnels[0].ike);
}

std::string problem(const std::string& text) {
    const auto configuration = load(text, "/etc/isthmus/c.toml", machine());
    if (configuration) return "none";
    const auto texts = texts_of(configuration.error());
    REQUIRE_MESSAGE(texts.size() == 1, texts);
    return texts[0].substr(std::string("/etc/isthmus/c.toml:").size());
}

std::string text_of(const crypto::SecretBytes& secret) {
    return {secret.reveal().begin(), secret.reveal().end()};
}

}  // namespace

TEST_CASE("a secret and nothing else is a whole configuration") {
    const IkeConfig config = loaded(kPsk);
    CHECK(config.auth == IkeConfig::Auth::psk);
    REQUIRE(config.psk);
    CHECK(text_of(config.psk->content) == "a secret of many words\n");
    CHECK(config.psk->line == 9);
    CHECK_FALSE(config.local_identity);
    CHECK_FALSE(config.remote_identity);
    CHECK(config.local.text() == "192.0.2.1");
    CHECK(config.remote_host == "192.0.2.2");
    CHECK(config.role == ike::Role::both);
    CHECK(config.mode == crypto::esp::Mode::transport);
    CHECK(config.ike_suites.empty());
    CHECK(config.detection == std::chrono::seconds(10));
    CHECK(config.reauthentication == Duration::zero());
    CHECK(config.line == 7);
}

TEST_CASE("certificates are read with their key, authorities and lists, relative to the configuration") {
    const IkeConfig config = loaded(kCertificate +
                                    "crl = [\"ca.crl\"]\nrequire_crl = true\naccept_without_clock = true\n"
                                    "local_identity = \"a.example.org\"\n");
    CHECK(text_of(config.certificate->content) == "certificate");
    CHECK(text_of(config.key->content) == "key");
    REQUIRE(config.authorities.size() == 1);
    REQUIRE(config.revocation_lists.size() == 1);
    CHECK(config.revocation_lists[0].path == "/etc/isthmus/ca.crl");
    CHECK(config.require_revocation_list);
    CHECK(config.accept_without_clock);
    CHECK(config.local_identity->text == "a.example.org");
    CHECK(config.local_identity->line == 16);
    CHECK(config.remote_identity->text == "b.example.org");
}

TEST_CASE("algorithms, times and ways are taken as written") {
    const IkeConfig config = loaded(kPsk + R"(role = "initiator"
encapsulation = "always"
childless = "prefer"
ike_suites = ["chacha20-poly1305", "aes-128-cbc-sha512"]
prfs = ["sha512"]
groups = ["ecp384", "x25519"]
esp_suites = ["aes-128-gcm"]
forward_secrecy = "required"
extended_sequence = "off"
replay_window = 128
rekey = 600
ike_rekey = 7200
reauthenticate = 86400
rekey_gigabytes = 3
rekey_packets = 4000000000
dpd = 30
keepalive = 0
fragment_size = 0
ppk_file = "a.ppk"
ppk_id = "one"
require_ppk = false
)");
    CHECK(config.role == ike::Role::initiator);
    CHECK(config.encapsulation == ike::Encapsulation::always);
    CHECK(config.childless == ike::Childless::prefer);
    REQUIRE(config.ike_suites.size() == 2);
    CHECK(config.ike_suites[0].encryption == ike::EncryptionId::chacha20_poly1305);
    CHECK(config.prfs == std::vector{crypto::Prf::hmac_sha512});
    CHECK(config.groups == std::vector{crypto::DhGroup::ecp384, crypto::DhGroup::curve25519});
    CHECK(config.esp_suites == std::vector{crypto::esp::Suite::aes128_gcm16});
    CHECK(config.forward_secrecy == ike::ForwardSecrecy::required);
    CHECK(config.sequence_numbers == ike::SequenceNumbers::short_only);
    CHECK(config.replay_window == 128);
    CHECK(config.child_rekey == std::chrono::minutes(10));
    CHECK(config.ike_rekey == std::chrono::hours(2));
    CHECK(config.reauthentication == std::chrono::hours(24));
    CHECK(config.rekey_bytes == 3'000'000'000);
    CHECK(config.rekey_packets == 4'000'000'000);
    CHECK(config.detection == std::chrono::seconds(30));
    CHECK(config.keepalive == Duration::zero());
    CHECK(config.fragment_size == 0);
    CHECK(config.ppk_id.text == "one");
    CHECK_FALSE(config.require_ppk);
}

TEST_CASE("the peer may be a name, or come from anywhere") {
    const IkeConfig named = loaded(replaced(kPsk, "\"192.0.2.2\"", "\"gw.example.org\""));
    CHECK(named.remote_host == "gw.example.org");
    CHECK(named.role == ike::Role::both);
    const IkeConfig any = loaded(replaced(kPsk, "\"192.0.2.2\"", "\"any\""));
    CHECK(any.remote_host.empty());
    CHECK(any.role == ike::Role::responder);
    CHECK(problem(replaced(kPsk, "\"192.0.2.2\"", "\"any\"") + "role = \"initiator\"\n") ==
          "10: tunnel.ike.role: \"initiator\" needs to know where the peer is; write the peer's address or "
          "name as "
          "remote, or role = \"responder\"");
    CHECK(problem(replaced(kPsk, "\"192.0.2.2\"", "\"gw_1 x\"")) ==
          "5: tunnel.remote: \"gw_1 x\" is neither an address nor a host's name; write \"192.0.2.2\", "
          "\"gw.example.org\", or \"any\" for a peer that comes from anywhere");
    CHECK(problem(replaced(kPsk, "\"192.0.2.2\"", "\"192.0.2.300\""))
              .starts_with("5: tunnel.remote: \"192.0.2.300\" is no IP address"));
}

TEST_CASE("in tunnel mode IKE may have other ends than the L2TP inside") {
    const IkeConfig config =
        loaded(kPsk + "mode = \"tunnel\"\nlocal = \"198.51.100.1\"\nremote = \"vpn.example.org\"\n");
    CHECK(config.local.text() == "198.51.100.1");
    CHECK(config.remote_host == "vpn.example.org");
    CHECK(problem(kPsk + "remote = \"vpn.example.org\"\n") ==
          "10: tunnel.ike.remote: transport mode has the tunnel's own addresses; remove it, or write mode = "
          "\"tunnel\"");
    CHECK(problem(replaced(kPsk, "\"192.0.2.2\"", "\"gw.example.org\"") + "mode = \"tunnel\"\n")
              .starts_with("10: tunnel.ike.mode: tunnel mode needs the address of the peer's L2TP"));
}

TEST_CASE("what authentication lacks, and what has no place with it, is told") {
    CHECK(problem(kTunnel) == "7: tunnel.ike.auth: missing; write it as in auth = \"certificate\"");
    CHECK(problem(kTunnel + "auth = \"psk\"\n")
              .starts_with("7: tunnel.ike.psk_file: missing: auth = \"psk\" needs it"));
    CHECK(problem(kPsk + "ca = [\"ca.pem\"]\n") ==
          "10: tunnel.ike.ca: has no place with auth = \"psk\"; remove it");
    CHECK(problem(kCertificate + "psk_file = \"a.psk\"\n") ==
          "13: tunnel.ike.psk_file: has no place with auth = \"certificate\"; remove it");
    CHECK(problem(replaced(kCertificate, "key = \"/etc/isthmus/gw.key\"\n", ""))
              .starts_with("7: tunnel.ike.key: missing"));
    CHECK(problem(replaced(kCertificate, "ca = [\"/etc/isthmus/ca.pem\"]\n", ""))
              .starts_with("7: tunnel.ike.ca: missing"));
    CHECK(problem(replaced(kCertificate, "[\"/etc/isthmus/ca.pem\"]", "[]")) ==
          "11: tunnel.ike.ca: names no authority; list at least one PEM file");
    CHECK(problem(replaced(kCertificate, "remote_identity = \"b.example.org\"\n", ""))
              .starts_with("7: tunnel.ike.remote_identity: missing"));
    CHECK(problem(kCertificate + "require_crl = true\n")
              .starts_with("13: tunnel.ike.require_crl: there is no crl"));
    CHECK(problem(kPsk + "ppk_file = \"a.ppk\"\n").starts_with("7: tunnel.ike.ppk_id: missing"));
    CHECK(problem(kPsk + "ppk_id = \"x\"\n") ==
          "10: tunnel.ike.ppk_id: there is no ppk_file; name the key's file, or remove this");
}

TEST_CASE("secrets must be private, and files be there") {
    CHECK(problem(replaced(kPsk, "a.psk", "open.psk")) ==
          "9: tunnel.ike.psk_file: \"/etc/isthmus/open.psk\" has mode 0644, open to others; make it 0600 or "
          "0400: chmod "
          "600");
    CHECK(problem(replaced(kPsk, "a.psk", "empty.psk")) ==
          "9: tunnel.ike.psk_file: \"/etc/isthmus/empty.psk\" is empty; fill it, or name another");
    CHECK(problem(replaced(kPsk, "a.psk", "none.psk")) ==
          "9: tunnel.ike.psk_file: \"/etc/isthmus/none.psk\": no such file; name a file that belongs to root "
          "and has mode "
          "0600");
    CHECK(problem(replaced(kCertificate, "ca.pem", "none.pem")) ==
          "11: tunnel.ike.ca: \"/etc/isthmus/none.pem\": no such file; name a PEM file");
}

TEST_CASE("words and numbers out of range are told with the good ones") {
    CHECK(problem(kPsk + "groups = [\"x25519\", \"modp1024\"]\n") ==
          "10: tunnel.ike.groups: \"modp1024\" is none of its values; they are x25519, ecp256, ecp384, "
          "ecp521, modp2048, "
          "modp3072 and modp4096");
    CHECK(problem(kPsk + "groups = [\"x25519\", \"x25519\"]\n") ==
          "10: tunnel.ike.groups: \"x25519\" is there twice; remove one");
    CHECK(problem(kPsk + "prfs = []\n").starts_with("10: tunnel.ike.prfs: is empty; list at least one of"));
    CHECK(problem(kPsk + "dpd = 1\n") == "10: tunnel.ike.dpd: 1 is out of range; it goes from 2 to 3600");
    CHECK(problem(kPsk + "fragment_size = 100\n") ==
          "10: tunnel.ike.fragment_size: 100 is too small; write 576 to 9000, or 0 to send no fragments");
    CHECK(
        problem(kPsk + "reauthenticate = 5\n").find("10: tunnel.ike.reauthenticate: less than ten minutes") ==
        0);
    CHECK(problem(kPsk + "rekey_packets = 9\n").find("10: tunnel.ike.rekey_packets: 9 packets") == 0);
    CHECK(problem(kPsk + "mode = \"tunel\"\n").find("did you mean \"tunnel\"?") != std::string::npos);
    CHECK(problem(kPsk + "psk = \"x\"\n").find("did you mean prfs?") == std::string::npos);
}

TEST_CASE("a tunnel has one source of keys") {
    CHECK(problem(replaced(kPsk, "protection = \"esp\"", "protection = \"none\"")) ==
          "7: tunnel.ike: has no place in a tunnel with protection = \"none\"; remove the table, or write "
          "protection = "
          "\"esp\"");
    FakeEnvironment m = machine();
    m.files["/etc/isthmus/out.key"] = {std::string(72, 'a'), 0, 0600};
    m.files["/etc/isthmus/in.key"] = {std::string(72, 'b'), 0, 0600};
    const auto both =
        load(kPsk +
                 "[tunnel.esp]\nkeys = \"manual\"\nout = { spi = 0x1001, key_file = \"out.key\" }\n"
                 "in = { spi = 0x1002, key_file = \"in.key\" }\n",
             "/etc/isthmus/c.toml", m);
    REQUIRE_FALSE(both);
    CHECK(texts_of(both.error()) == Texts{"/etc/isthmus/c.toml:10: tunnel.esp: there is [tunnel.ike] too; "
                                          "remove one of the two: keys come from one "
                                          "of them"});
}

TEST_CASE("whoever may be anybody is warned about; two readings of the same files are equal") {
    const auto configuration =
        load(replaced(kCertificate, "\"b.example.org\"", "\"any\""), "/etc/isthmus/c.toml", machine());
    REQUIRE(configuration);
    REQUIRE(configuration->warnings.size() == 2);  // and that no session uses the tunnel
    CHECK(configuration->warnings[1].text().find("whoever has a certificate of the authorities") !=
          std::string::npos);
    CHECK(loaded(kPsk) == loaded(kPsk));
    CHECK(loaded(kPsk) == loaded("\n" + kPsk));  // other lines, same meaning
    CHECK_FALSE(loaded(kPsk) == loaded(kPsk + "dpd = 11\n"));
}
