// isthmus pki: what it makes, and what it refuses to.
#include <doctest/doctest.h>

#include <sys/stat.h>

#include <fstream>
#include <iostream>
#include <iterator>
#include <span>
#include <sstream>

#include "appliance/cli/command.h"
#include "crypto/certificate.h"
#include "crypto/crl.h"
#include "crypto/signature.h"
#include "tests/support/temporary_folder.h"

using namespace isthmus;
using namespace isthmus::crypto;
using namespace isthmus::test;

namespace {

/// Both streams while it lives.
class Captured {
  public:
    Captured() : out_(std::cout.rdbuf(text_.rdbuf())), err_(std::cerr.rdbuf(text_.rdbuf())) {}
    ~Captured() {
        std::cout.rdbuf(out_);
        std::cerr.rdbuf(err_);
    }
    Captured(const Captured&) = delete;
    Captured& operator=(const Captured&) = delete;
    [[nodiscard]] std::string text() const { return text_.str(); }

  private:
    std::ostringstream text_;
    std::streambuf* out_;
    std::streambuf* err_;
};

struct Ran {
    int status = 0;
    std::string text;
};

struct Folder {
    TemporaryFolder folder{};
    [[nodiscard]] std::string path(const std::string& name) const { return (folder.path() / name).string(); }

    [[nodiscard]] Ran pki(const std::string& arguments) const {
        const Captured captured;
        CLI::App app;
        const auto commands = appliance::cli::make_commands(app);
        try {
            app.parse("pki " + arguments);
        } catch (const CLI::ParseError& e) {
            return {e.get_exit_code(), e.what()};
        }
        for (const auto& command : commands)
            if (command->chosen()) return {command->run(), captured.text()};
        return {-1, ""};
    }
    [[nodiscard]] std::string read(const std::string& name) const {
        std::ifstream in(path(name), std::ios::binary);
        return {std::istreambuf_iterator<char>(in), {}};
    }
    [[nodiscard]] mode_t mode(const std::string& name) const {
        struct stat info {};
        REQUIRE(stat(path(name).c_str(), &info) == 0);
        return info.st_mode & 07777U;
    }
    [[nodiscard]] std::string dir() const { return "--dir " + folder.path().string(); }
};

Bytes as_bytes(const std::string& text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

}  // namespace

TEST_CASE("isthmus pki makes an authority, gateways and a list; keys are private") {
    const Folder f;
    const Ran ca = f.pki("ca " + f.dir() + " --subject \"O=Example, CN=CA\"");
    REQUIRE_MESSAGE(ca.status == 0, ca.text);
    const Ran gw = f.pki("cert gw-a " + f.dir() + " --dns a.example.org --ip 192.0.2.1");
    REQUIRE_MESSAGE(gw.status == 0, gw.text);
    CHECK(f.mode("ca.key") == 0600);
    CHECK(f.mode("gw-a.key") == 0600);
    CHECK(f.mode("gw-a.pem") == 0644);
    const auto authority = Certificate::from_pem(as_bytes(f.read("ca.pem")));
    const auto gateway = Certificate::from_pem(as_bytes(f.read("gw-a.pem")));
    const auto list = Crl::from_pem(as_bytes(f.read("ca.crl")));
    REQUIRE(authority);
    REQUIRE(gateway);
    REQUIRE(list);
    CHECK(authority->front().subject() == "O=Example, CN=CA");
    CHECK(gateway->front().subject() == "CN=a.example.org");
    CHECK(gateway->front().dns_names() == std::vector<std::string>{"a.example.org"});
    CHECK(verify_chain(gateway->front(), {}, *authority, gateway->front().not_before()));
    CHECK(list->front().signed_by(authority->front()));
    CHECK(list->front().number() == 1);
    const std::string key_text = f.read("gw-a.key");
    const auto key = PrivateKey::from_pem(SecretBytes(as_bytes(key_text)));
    REQUIRE(key);
    CHECK(std::ranges::equal(key->public_key().der(), gateway->front().public_key().der()));

    const Ran shown = f.pki("show " + f.path("gw-a.pem"));
    CHECK(shown.status == 0);
    CHECK(shown.text.find("names   a.example.org, 192.0.2.1") != std::string::npos);
}

TEST_CASE("isthmus pki overwrites nothing") {
    const Folder f;
    REQUIRE(f.pki("ca " + f.dir()).status == 0);
    const std::string before = f.read("ca.key");
    const Ran again = f.pki("ca " + f.dir());
    CHECK(again.status == 1);
    CHECK(again.text.find("ca.pem is there already, and is never overwritten") != std::string::npos);
    CHECK(f.read("ca.key") == before);
    REQUIRE(f.pki("cert a " + f.dir() + " --dns a.example.org").status == 0);
    const std::string certificate = f.read("a.pem");
    CHECK(f.pki("cert a " + f.dir() + " --dns b.example.org").status == 1);
    CHECK(f.read("a.pem") == certificate);
    // With the key in the way, no certificate is left without one.
    std::filesystem::remove(f.path("a.pem"));
    CHECK(f.pki("cert a " + f.dir() + " --dns b.example.org").status == 1);
    CHECK_FALSE(std::filesystem::exists(f.path("a.pem")));
}

TEST_CASE("isthmus pki revokes once, and renews the list with everybody who is on it") {
    const Folder f;
    REQUIRE(f.pki("ca " + f.dir()).status == 0);
    REQUIRE(f.pki("cert a " + f.dir() + " --dns a.example.org --key ed25519").status == 0);
    const auto certificate = Certificate::from_pem(as_bytes(f.read("a.pem")));
    REQUIRE(certificate);
    CHECK(f.pki("revoke " + f.dir() + " " + f.path("a.pem")).status == 0);
    const Ran twice = f.pki("revoke " + f.dir() + " " + f.path("a.pem"));
    CHECK(twice.status == 1);
    CHECK(twice.text.find("is on the list already") != std::string::npos);
    CHECK(f.pki("crl " + f.dir()).status == 0);
    const auto list = Crl::from_pem(as_bytes(f.read("ca.crl")));
    REQUIRE(list);
    CHECK(list->front().number() == 3);
    CHECK(list->front().find(certificate->front()));
    CHECK(f.pki("show " + f.path("ca.crl")).text.find("revoked " + certificate->front().serial()) !=
          std::string::npos);
}

TEST_CASE("isthmus pki says what it lacks") {
    const Folder f;
    const Ran without = f.pki("cert a " + f.dir() + " --dns a.example.org");
    CHECK(without.status == 1);
    CHECK(without.text.find("isthmus pki ca makes an authority") != std::string::npos);
    REQUIRE(f.pki("ca " + f.dir()).status == 0);
    CHECK(f.pki("cert a " + f.dir()).text.find("needs a name that peers can match") != std::string::npos);
    CHECK(f.pki("cert a " + f.dir() + " --ip 1.2.3").text.find("'1.2.3' is no IP address") !=
          std::string::npos);
    CHECK(f.pki("cert ../a " + f.dir() + " --dns a.example.org").status == 1);
    CHECK(f.pki("cert ca " + f.dir() + " --dns a.example.org").status == 1);
    CHECK(f.pki("ca " + f.dir() + " --key rsa-1024").status != 0);
    CHECK(f.pki("revoke " + f.dir() + " " + f.path("none.pem")).text.find("none.pem cannot be read") !=
          std::string::npos);
    const Folder other;
    REQUIRE(other.pki("ca " + other.dir()).status == 0);
    REQUIRE(other.pki("cert a " + other.dir() + " --dns a.example.org").status == 0);
    CHECK(f.pki("revoke " + f.dir() + " " + other.path("a.pem")).text.find("is not one of") !=
          std::string::npos);
}

TEST_CASE("isthmus pki makes intermediate authorities, and certificates bring them along") {
    const Folder f;
    REQUIRE(f.pki("ca " + f.dir() + " --levels 2 --subject CN=Root").status == 0);
    const std::string region = f.path("region");
    const std::string branch = f.path("branch/");
    const Ran made = f.pki("intermediate " + region + " " + f.dir() + " --levels 1 --subject CN=Region");
    REQUIRE_MESSAGE(made.status == 0, made.text);
    REQUIRE(f.pki("intermediate " + branch + " --dir " + region + " --domain branch.example.org").status ==
            0);
    CHECK(f.mode("region/ca.key") == 0600);
    const Ran gw = f.pki("cert gw --dir " + branch + " --dns gw.branch.example.org");
    REQUIRE_MESSAGE(gw.status == 0, gw.text);

    const auto root = Certificate::from_pem(as_bytes(f.read("ca.pem")));
    const auto chain = Certificate::from_pem(as_bytes(f.read("branch/gw.pem")));
    REQUIRE(root);
    REQUIRE(chain);
    REQUIRE(chain->size() == 3);
    CHECK((*chain)[1].subject() == "O=Isthmus, CN=branch CA");
    CHECK((*chain)[2].subject() == "CN=Region");
    CHECK(verify_chain(chain->front(), std::span(*chain).subspan(1), *root, chain->front().not_before()));

    // What peers would refuse is not made.
    const Ran outside = f.pki("cert other --dir " + branch + " --dns dc.example.org");
    CHECK(outside.status == 1);
    CHECK(outside.text.find("are not all among those that O=Isthmus, CN=branch CA may certify") !=
          std::string::npos);
    CHECK_FALSE(std::filesystem::exists(f.path("branch/other.pem")));
    const Ran deeper = f.pki("intermediate " + f.path("deeper") + " --dir " + branch);
    CHECK(deeper.status == 1);
    CHECK(deeper.text.find("may certify gateways only") != std::string::npos);
    CHECK_FALSE(std::filesystem::exists(f.path("deeper")));

    // Its issuer can revoke it, and it those whom it certified.
    CHECK(f.pki("revoke " + f.dir() + " " + f.path("region/ca.pem")).status == 0);
    CHECK(f.pki("revoke --dir " + branch + " " + f.path("branch/gw.pem")).status == 0);
    CHECK(f.pki("revoke " + f.dir() + " " + f.path("branch/gw.pem")).status == 1);
}
