#include "crypto/ike/negotiation.h"

#include <doctest/doctest.h>

#include <array>

using namespace isthmus;
using namespace isthmus::crypto;
using namespace isthmus::crypto::ike;

namespace {

constexpr auto kGcm = static_cast<std::uint16_t>(20);
constexpr auto kCbc = static_cast<std::uint16_t>(12);

Proposal ike_proposal(std::vector<Transform> transforms, std::uint8_t number = 1) {
    return {number, ProtocolId::ike, {}, std::move(transforms)};
}
Proposal esp_proposal(std::vector<Transform> transforms, std::uint8_t number = 1) {
    return {number, ProtocolId::esp, Spi{0xabcd}, std::move(transforms)};
}
Transform encr(std::uint16_t id, std::uint16_t bits = 0) {
    return {TransformType::encryption, id, bits};
}
Transform prf_t(std::uint16_t id) {
    return {TransformType::prf, id};
}
Transform integ(std::uint16_t id) {
    return {TransformType::integrity, id};
}
Transform ke(std::uint16_t id) {
    return {TransformType::key_exchange, id};
}
Transform esn(std::uint16_t id) {
    return {TransformType::sequence_numbers, id};
}

/// strongSwan 5.9's default IKE proposals: CBC first, then AEAD.
SaPayload strongswan_ike() {
    std::vector<Transform> cbc{encr(kCbc, 128), encr(kCbc, 192), encr(kCbc, 256), encr(23, 128),
                               integ(12),       integ(13),       integ(14),       integ(2),
                               prf_t(4),        prf_t(8),        prf_t(5),        prf_t(6)};
    std::vector<Transform> aead{encr(16, 128), encr(kGcm, 128), encr(kGcm, 256), encr(28),
                                prf_t(4),      prf_t(5),        prf_t(6),        prf_t(7)};
    for (const std::uint16_t group : std::to_array<std::uint16_t>({19, 20, 21, 31, 32, 15, 16, 17, 14})) {
        cbc.push_back(ke(group));
        aead.push_back(ke(group));
    }
    return {{ike_proposal(cbc, 1), ike_proposal(aead, 2)}};
}

}  // namespace

TEST_CASE("the default offer is answered with its best, by ourselves and out of strongSwan's default offer") {
    const IkePolicy policy = default_ike_policy();
    const SaPayload offered = offer(policy, std::nullopt);
    const auto ours = choose(policy, offered, 31);
    REQUIRE_MESSAGE(ours, ours.error());
    CHECK(text_of(ours->suite) == "aes-256-gcm, sha256, x25519");
    const auto theirs = choose(policy, strongswan_ike(), 19);
    REQUIRE_MESSAGE(theirs, theirs.error());
    CHECK(theirs->number == 2);
    CHECK(text_of(theirs->suite) == "aes-256-gcm, sha256, ecp256");
    // Read back from the wire it is the same.
    ByteWriter out;
    offered.emit(out);
    CHECK(SaPayload::parse(out.view()).value() == offered);
}

TEST_CASE("the group of the KE payload is taken if it is ours at all, otherwise our first that is offered") {
    const IkePolicy policy = default_ike_policy();
    CHECK(choose(policy, strongswan_ike(), 14)->suite.group == DhGroup::modp2048);
    CHECK(choose(policy, strongswan_ike(), 32)->suite.group == DhGroup::curve25519);
    CHECK(choose(policy, strongswan_ike(), std::nullopt)->suite.group == DhGroup::curve25519);
}

TEST_CASE("each cipher can be the only one, and is what comes out of offer, choice, answer and check") {
    for (const char* name : {"aes-256-gcm", "aes-128-gcm", "chacha20-poly1305", "aes-256-cbc-sha256",
                             "aes-256-cbc-sha384", "aes-256-cbc-sha512", "aes-128-cbc-sha512"}) {
        CAPTURE(name);
        IkePolicy policy{{*ike_cipher_named(name)}, {Prf::hmac_sha384}, {DhGroup::modp3072}};
        const SaPayload offered = offer(policy, IkeSpi{5});
        const auto choice = choose(default_ike_policy(), offered, 15);
        if (!choice) {
            CHECK(std::string(name) == "aes-128-cbc-sha512");  // not among the defaults
            continue;
        }
        CHECK(choice->peer_spi == IkeSpi{5});
        const auto accepted = accept_ike(offered, answer(*choice, IkeSpi{6}));
        REQUIRE_MESSAGE(accepted, accepted.error());
        CHECK(accepted->suite == choice->suite);
        CHECK(accepted->peer_spi == IkeSpi{6});
        CHECK(text_of(accepted->suite.cipher) == name);
    }
}

TEST_CASE(
    "ciphers whose integrity differs are in proposals of their own, so that no unwanted pair is offered") {
    IkePolicy policy{{*ike_cipher_named("aes-128-cbc-sha256"), *ike_cipher_named("aes-256-cbc-sha512")},
                     {Prf::hmac_sha256},
                     {DhGroup::ecp256}};
    CHECK(text_of(offer(policy, std::nullopt)) ==
          "1: IKE: AES_CBC_128, HMAC_SHA2_256_128, PRF_HMAC_SHA2_256, ECP_256; "
          "2: IKE: AES_CBC_256, HMAC_SHA2_512_256, PRF_HMAC_SHA2_256, ECP_256");
}

TEST_CASE("a mismatch says what does not match, and both sides' proposals") {
    IkePolicy policy{{*ike_cipher_named("aes-256-gcm")}, {Prf::hmac_sha256}, {DhGroup::ecp256}};
    const SaPayload weak{{ike_proposal({encr(3), integ(2), prf_t(2), ke(2)})}};
    const auto choice = choose(policy, weak, 2);
    REQUIRE_FALSE(choice);
    CHECK(
        choice.error() ==
        "no proposal in common (encryption: we accept AES_GCM_16_256, the peer offers 3DES; pseudo-random "
        "function: we accept PRF_HMAC_SHA2_256, the peer offers PRF_HMAC_SHA1; integrity: we accept none, "
        "the peer "
        "offers HMAC_SHA1_96; key exchange: we accept ECP_256, the peer offers MODP_1024). Ours: 1: IKE: "
        "AES_GCM_16_256, PRF_HMAC_SHA2_256, ECP_256. The peer's: 1: IKE: 3DES, HMAC_SHA1_96, PRF_HMAC_SHA1, "
        "MODP_1024");
    const SaPayload split{{ike_proposal({encr(kGcm, 256), prf_t(5), ke(14)}, 1),
                           ike_proposal({encr(kCbc, 256), integ(12), prf_t(5), ke(19)}, 2)}};
    CHECK(choose(policy, split, 19)
              .error()
              .starts_with("no proposal in common (each algorithm has a match, but no proposal of the peer "
                           "has them all)"));
}

TEST_CASE("proposals for something else, or with transforms that we do not understand, are not chosen") {
    const IkePolicy policy = default_ike_policy();
    const std::vector<Transform> good{encr(kGcm, 256), prf_t(5), ke(19)};
    CHECK(choose(policy, {{ike_proposal(good)}}, 19));
    CHECK_FALSE(choose(policy, {{esp_proposal(good)}}, 19));
    auto unknown_type = good;
    unknown_type.push_back({TransformType::additional_ke1, 36});
    CHECK_FALSE(choose(policy, {{ike_proposal(unknown_type)}}, 19));
    auto attribute = good;
    attribute[0].unknown_attribute = true;
    CHECK_FALSE(choose(policy, {{ike_proposal(attribute)}}, 19));
    CHECK_FALSE(choose(policy, {{ike_proposal({encr(kGcm), prf_t(5), ke(19)})}}, 19));  // no key length
    // AEAD may come with "no integrity" written out, but not with an integrity.
    CHECK(choose(policy, {{ike_proposal({encr(kGcm, 256), integ(0), prf_t(5), ke(19)})}}, 19));
    CHECK_FALSE(choose(policy, {{ike_proposal({encr(kGcm, 256), integ(12), prf_t(5), ke(19)})}}, 19));
    CHECK_FALSE(choose(policy, {}, 19));
}

TEST_CASE("an answer that is no subset of the offer is refused") {
    const SaPayload offered = offer(default_ike_policy(), std::nullopt);
    const auto refused = [&offered](const SaPayload& answered) {
        const auto choice = accept_ike(offered, answered);
        return choice ? std::string("accepted") : choice.error();
    };
    const std::vector<Transform> good{encr(kGcm, 256), prf_t(5), ke(31)};
    CHECK(refused({{ike_proposal(good)}}) == "accepted");
    const auto says = [](const std::string& error, const char* what) {
        CAPTURE(error);
        CHECK(error.find(what) != std::string::npos);
    };
    says(refused({}), "it has 0 proposals instead of one");
    says(refused({{ike_proposal(good), ike_proposal(good)}}), "it has 2 proposals instead of one");
    says(refused({{ike_proposal(good, 9)}}), "we offered no number 9");
    says(refused({{esp_proposal(good)}}), "it is for another protocol");
    says(refused({{ike_proposal({encr(3), prf_t(5), ke(31)})}}), "3DES was not offered");
    says(refused({{ike_proposal({encr(kCbc, 256), integ(12), prf_t(5), ke(31)})}}), "was not offered");
    says(refused({{ike_proposal({encr(kGcm, 256), prf_t(5)})}}), "it has no key exchange");
    says(refused({{ike_proposal({encr(kGcm, 256), encr(28), prf_t(5), ke(31)})}}),
         "more than one encryption");
    says(refused({{ike_proposal({encr(kGcm, 256), prf_t(5), ke(0)})}}), "no key exchange was not offered");
    says(refused({{{1, ProtocolId::ike, IkeSpi{1}, good}}}), "its SPI has another size");
    CHECK(refused({{ike_proposal({encr(kGcm, 256), integ(0), prf_t(5), ke(31)})}}) == "accepted");
}

TEST_CASE("a child of IKE_AUTH has no key exchange; sequence numbers are as both sides can") {
    const ChildPolicy policy = default_child_policy();
    const SaPayload offered = offer(policy, Spi{1}, ChildExchange::ike_auth);
    for (const Proposal& proposal : offered.proposals)
        for (const Transform& t : proposal.transforms) CHECK(t.type != TransformType::key_exchange);
    const auto choice = choose(policy, offered, ChildExchange::ike_auth, std::nullopt);
    REQUIRE_MESSAGE(choice, choice.error());
    CHECK(text_of(choice->suite) == "aes-256-gcm, extended sequence numbers");
    CHECK(choice->peer_spi == Spi{1});
    const auto accepted = accept_child(offered, answer(*choice, Spi{2}));
    REQUIRE_MESSAGE(accepted, accepted.error());
    CHECK(accepted->suite == choice->suite);
    CHECK(accepted->peer_spi == Spi{2});

    const SaPayload short_only{{esp_proposal({encr(kGcm, 128), esn(0)})}};
    CHECK_FALSE(choose(policy, short_only, ChildExchange::ike_auth, std::nullopt)->suite.extended_sequence);
    ChildPolicy strict = policy;
    strict.sequence_numbers = SequenceNumbers::extended_required;
    const auto refused = choose(strict, short_only, ChildExchange::ike_auth, std::nullopt);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().find("sequence numbers: we accept ESN, the peer offers NO_ESN") !=
          std::string::npos);
}

TEST_CASE("every ESP suite goes through offer, choice, answer and check") {
    for (const esp::Suite suite : esp::kAllSuites) {
        ChildPolicy policy;
        policy.suites = {suite};
        const SaPayload offered = offer(policy, Spi{1}, ChildExchange::ike_auth);
        const auto choice = choose(policy, offered, ChildExchange::ike_auth, std::nullopt);
        REQUIRE(choice);
        CHECK(accept_child(offered, answer(*choice, Spi{2}))->suite.esp == suite);
    }
}

TEST_CASE("forward secrecy is taken where both can, and its lack is an error only where it is required") {
    ChildPolicy preferred = default_child_policy();
    ChildPolicy required = preferred;
    required.forward_secrecy = ForwardSecrecy::required;
    ChildPolicy off = preferred;
    off.forward_secrecy = ForwardSecrecy::off;
    constexpr auto kExchange = ChildExchange::create_child_sa;
    const auto group = [](const ChildPolicy& initiator, const ChildPolicy& responder,
                          std::optional<std::uint16_t> ke_group) -> std::string {
        const auto choice = choose(responder, offer(initiator, Spi{1}, kExchange), kExchange, ke_group);
        if (!choice) return "refused";
        return choice->suite.group ? text_of(*choice->suite.group) : "none";
    };
    CHECK(group(preferred, preferred, 31) == "x25519");
    CHECK(group(preferred, preferred, 19) == "ecp256");
    CHECK(group(preferred, off, 31) == "none");
    CHECK(group(preferred, required, 31) == "x25519");
    CHECK(group(required, off, 31) == "refused");
    CHECK(group(off, preferred, std::nullopt) == "none");
    CHECK(group(off, required, std::nullopt) == "refused");
    CHECK(group(required, required, 99) == "x25519");  // INVALID_KE_PAYLOAD will ask for it
    // No round trip is spent on a group where none is needed.
    CHECK(group(preferred, preferred, 99) == "none");
}
