#include "crypto/ike/engine.h"
#include "crypto/ike/wire/message.h"
#include "crypto/pki.h"
#include "tests/support/ike_world.h"

using namespace isthmus;
using namespace isthmus::test;
using namespace isthmus::crypto;

namespace {

/// When the simulated world takes place.
constexpr WallTime kNow{std::chrono::seconds(1'700'000'000)};
constexpr pki::Validity kValidity{kNow - std::chrono::hours(1), kNow + std::chrono::hours(24)};

Bytes bytes_of(const std::string& text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

/// An authority, and who it certifies.
class Site {
  public:
    explicit Site(unsigned levels = 0) : authority_(make(levels)) {}

    /// The gateway's own authority stands two levels below the one that the peer trusts.
    std::shared_ptr<Credentials> over_two_intermediates(const std::string& name,
                                                        const std::vector<std::string>& domains = {}) {
        const pki::Authority region =
            below(authority_, {"O=A name long enough, CN=Region of " + name, 1, {}});
        const pki::Authority branch =
            below(region, {"O=A name long enough, CN=Branch of " + name, 0, domains});
        auto made = certified_by(branch, name, kValidity);
        made->own->chain.push_back(branch.certificate);
        made->own->chain.push_back(region.certificate);
        return made;
    }

    std::shared_ptr<Credentials> credentials(const std::string& name,
                                             const pki::Validity& validity = kValidity) {
        return certified_by(authority_, name, validity);
    }
    std::shared_ptr<Credentials> certified_by(const pki::Authority& issuer, const std::string& name,
                                              const pki::Validity& validity) {
        const auto key_pem = pki::generate_key(pki::KeyType::ecdsa_p256).value();
        auto key = PrivateKey::from_pem(key_pem).value();
        const auto pem =
            pki::issue_certificate(issuer, key.public_key(), {"CN=" + name, {name}, {}, {}}, validity, rng_);
        auto made = std::make_shared<Credentials>();
        made->own = OwnCertificate{Certificate::from_pem(bytes_of(pem.value())).value(), std::move(key)};
        made->authorities = {authority_.certificate};
        return made;
    }
    /// The same as `before`, but knowing that this certificate is revoked.
    std::shared_ptr<const Credentials> knowing_of(const Credentials& before, const Certificate& revoked) {
        const Crl::Entry entry{revoked.serial(), kNow, ""};
        const auto pem =
            pki::make_crl(authority_, {&entry, 1}, {kNow, kNow + std::chrono::hours(24), 1}).value();
        auto made = std::make_shared<Credentials>();
        made->own = OwnCertificate{before.own->chain, before.own->key};
        made->authorities = before.authorities;
        made->crls = Crl::from_pem(bytes_of(pem)).value();
        return made;
    }

  private:
    pki::Authority below(const pki::Authority& issuer, const pki::Intermediate& what) {
        auto key = pki::generate_key(pki::KeyType::ecdsa_p256).value();
        const auto own = PrivateKey::from_pem(key).value();
        const auto pem = pki::issue_intermediate(issuer, own.public_key(), what, kValidity, rng_).value();
        return {Certificate::from_pem(bytes_of(pem)).value().front(), std::move(key)};
    }
    pki::Authority make(unsigned levels) {
        auto key = pki::generate_key(pki::KeyType::ecdsa_p256).value();
        const auto pem = pki::make_authority(key, "CN=Test CA", kValidity, rng_, levels).value();
        return {Certificate::from_pem(bytes_of(pem)).value().front(), std::move(key)};
    }
    WorldRng rng_{7};
    pki::Authority authority_;
};

}  // namespace

TEST_CASE("certificates authenticate both sides, and the responder asks for the initiator's") {
    Site site;
    World world(40);
    configure(world);
    world.a().peers[0].credentials = site.credentials("a.example.org");
    world.b().peers[0].credentials = site.credentials("b.example.org");
    bool asked = false;
    world.filter = [&](const Side& from, const SendDatagram& sent) {
        const auto message = parse_message(sent.bytes);
        if (from.name == "b" && message && message->header.exchange == ExchangeType::ike_sa_init)
            asked = find<CertificateRequestPayload>(message->payloads) != nullptr;
        return true;
    };
    world.start(world.a());
    world.start(world.b());
    CHECK(world.run_till([&] { return world.both_up(); }, 5s));
    CHECK(asked);
    const auto sa = world.peer_of(world.a()).ike_sas.at(0);
    CHECK(sa.remote_auth.find("ECDSA P-256") != std::string::npos);
    CHECK(sa.remote_auth.find("method 14") != std::string::npos);
}

TEST_CASE("chains over two intermediates authenticate both sides, and are sent in fragments") {
    Site site(2);
    World world(45);
    configure(world);
    world.a().peers[0].credentials = site.over_two_intermediates("a.example.org");
    world.b().peers[0].credentials = site.over_two_intermediates("b.example.org");
    std::map<std::string, int> fragments;
    world.filter = [&](const Side& from, const SendDatagram& sent) {
        constexpr std::size_t kNextPayload = 16;
        constexpr std::uint8_t kEncryptedFragment = 53;
        if (sent.bytes.size() > kNextPayload && sent.bytes[kNextPayload] == kEncryptedFragment)
            ++fragments[from.name];
        return true;
    };
    world.start(world.a());
    world.start(world.b());
    CHECK(world.run_till([&] { return world.both_up(); }, 5s));
    CHECK(fragments["a"] >= 2);
    CHECK(fragments["b"] >= 2);
}

TEST_CASE("a chain that lacks a link, or whose authority may not certify that name, is refused and named") {
    for (const bool lacking : {true, false}) {
        CAPTURE(lacking);
        Site site(2);
        World world(46);
        configure(world);
        world.a().peers[0].credentials = site.credentials("a.example.org");
        auto theirs =
            site.over_two_intermediates("b.example.org", lacking ? std::vector<std::string>{}
                                                                 : std::vector<std::string>{"elsewhere.org"});
        if (lacking) theirs->own->chain.pop_back();
        world.b().peers[0].credentials = theirs;
        world.start(world.a());
        world.start(world.b());
        world.run_for(3s);
        CHECK_FALSE(world.is_up(world.a()));
        CHECK(world.a().noted(lacking
                                  ? "CN=Branch of b.example.org: its issuer, O=A name long enough, CN=Region"
                                  : "are not all among those that O=A name long enough, CN=Branch"));
    }
}

TEST_CASE("a certificate for another name is refused, and named") {
    Site site;
    World world(41);
    configure(world);
    world.a().peers[0].credentials = site.credentials("a.example.org");
    world.b().peers[0].credentials = site.credentials("other.example.org");
    world.start(world.a());
    world.start(world.b());
    world.run_for(3s);
    CHECK_FALSE(world.is_up(world.a()));
    CHECK(world.a().noted("other.example.org"));
}

TEST_CASE("an expired certificate is refused with its date") {
    Site site;
    World world(42);
    configure(world);
    world.a().peers[0].credentials = site.credentials("a.example.org");
    world.b().peers[0].credentials =
        site.credentials("b.example.org", {kNow - std::chrono::hours(1), kNow - std::chrono::minutes(5)});
    world.start(world.a());
    world.start(world.b());
    world.run_for(3s);
    CHECK_FALSE(world.is_up(world.a()));
    CHECK(world.a().noted("expired"));
    CHECK(world.a().noted("2023-11-14"));
}

TEST_CASE("new credentials keep a peer that they still accept, and drop one whose certificate they revoke") {
    Site site;
    World world(43);
    configure(world);
    const auto a = site.credentials("a.example.org");
    const auto b = site.credentials("b.example.org");
    world.a().peers[0].credentials = a;
    world.b().peers[0].credentials = b;
    world.start(world.a());
    world.start(world.b());
    REQUIRE(world.run_till([&] { return world.both_up(); }, 5s));
    const auto before = world.peer_of(world.a()).ike_sas.at(0).initiator_spi;
    const auto reload = [&] {
        world.call(world.a(), [&](Engine& e, TimePoint now) {
            e.configure(world.a().peers, now);
            return 0;
        });
    };
    world.a().peers[0].credentials = site.knowing_of(*a, a->own->chain.front());
    reload();
    world.run_for(1s);
    CHECK(world.peer_of(world.a()).ike_sas.at(0).initiator_spi == before);
    world.a().peers[0].credentials = site.knowing_of(*a, b->own->chain.front());
    reload();
    world.run_for(3s);
    CHECK_FALSE(world.is_up(world.a()));
    CHECK(world.a().pairs.empty());
    CHECK(world.a().noted("not accepted any more"));
    CHECK(world.a().noted("revoked"));
}

TEST_CASE("a gateway whose clock is behind what it has seen accepts no certificate, unless it is told to") {
    for (const bool told : {false, true}) {
        CAPTURE(told);
        Site site;
        World world(44);
        configure(world);
        const auto a = site.credentials("a.example.org");
        a->accept_without_clock = told;
        world.a().peers[0].credentials = a;
        world.b().peers[0].credentials = site.credentials("b.example.org");
        world.start(world.b());
        world.start(world.a());
        world.a().engine->on_certain_time(kNow + std::chrono::hours(2));
        world.a().engine->on_certain_time(kNow - std::chrono::hours(2));  // the latest counts
        world.run_for(5s);
        CHECK(world.both_up() == told);
        CHECK(world.a().noted("this gateway does not know the time") != told);
    }
}

TEST_CASE("who was accepted while the clock was wrong is looked at again when it is right") {
    for (const bool expired : {false, true}) {
        CAPTURE(expired);
        Site site;
        World world(45);
        configure(world);
        const auto a = site.credentials("a.example.org");
        a->accept_without_clock = true;
        const auto b = expired ? site.credentials("b.example.org", {kNow - std::chrono::hours(48),
                                                                    kNow - std::chrono::hours(24)})
                               : site.credentials("b.example.org");
        world.a().peers[0].credentials = a;
        world.b().peers[0].credentials = b;
        world.start(world.b());
        world.start(world.a());
        world.a().engine->on_certain_time(kNow + std::chrono::hours(2));
        REQUIRE(world.run_till([&] { return world.both_up(); }, 5s));
        const auto before = world.peer_of(world.a()).ike_sas.at(0).initiator_spi;
        world.call(world.a(), [](Engine& e, TimePoint now) {
            e.check_certificates(now, kNow + std::chrono::hours(3));
            return 0;
        });
        world.run_for(100ms);
        CHECK(world.a().pairs.empty() == expired);
        CHECK(world.a().noted("not accepted any more") == expired);
        CHECK(world.a().noted("expired") == expired);
        if (!expired) CHECK(world.peer_of(world.a()).ike_sas.at(0).initiator_spi == before);
    }
}
