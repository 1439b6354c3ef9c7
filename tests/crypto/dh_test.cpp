#include "crypto/dh.h"

#include <doctest/doctest.h>

#include <array>

#include "tests/crypto/json_vectors.h"
#include "tests/crypto/seeded_rng.h"

using namespace isthmus;
using namespace isthmus::crypto;
using namespace isthmus::test;

namespace {
constexpr std::array kAllGroups{DhGroup::modp2048, DhGroup::modp3072, DhGroup::modp4096,  DhGroup::ecp256,
                                DhGroup::ecp384,   DhGroup::ecp521,   DhGroup::curve25519};

std::optional<DhGroup> group_named(const std::string& name) {
    if (name == "MODP_2048_BIT") return DhGroup::modp2048;
    if (name == "MODP_4096_BIT") return DhGroup::modp4096;
    if (name == "ECP_256_BIT") return DhGroup::ecp256;
    if (name == "ECP_521_BIT") return DhGroup::ecp521;
    if (name == "CURVE_25519") return DhGroup::curve25519;
    return std::nullopt;
}

using Blob = std::vector<std::uint8_t>;

/// Wycheproof's private scalars have leading zeros cut or added.
Blob trimmed(Blob scalar) {
    while (scalar.size() > 1 && scalar[0] == 0) scalar.erase(scalar.begin());
    return scalar;
}

void check_agreement(DhGroup group, const nlohmann::json& test, Bytes peer) {
    const auto ours = KeyExchange::from_private(group, trimmed(hex_field(test, "private")));
    REQUIRE(ours);
    const auto shared = ours->agree(peer);
    if (test["result"] == "valid") {
        REQUIRE(shared);
        CHECK(std::ranges::equal(shared->reveal(), hex_field(test, "shared")));
    } else if (test["result"] == "invalid") {
        CHECK_FALSE(shared);
    } else if (shared) {
        CHECK(std::ranges::equal(shared->reveal(), hex_field(test, "shared")));
    }
}
}  // namespace

TEST_CASE("key exchanges of RFC 5114, RFC 7748 and strongSwan come out") {
    const auto vectors = load_vectors("kat/key_exchange.json");
    int run = 0;
    for (const auto& test : vectors["tests"]) {
        const auto group = group_named(test["method"].get<std::string>());
        if (!group) continue;  // MODP-1536 is too short to be offered
        CAPTURE(test["id"].get<std::string>());
        const auto initiator = KeyExchange::from_private(*group, hex_field(test, "priv_i"));
        const auto responder = KeyExchange::from_private(*group, hex_field(test, "priv_r"));
        REQUIRE(initiator);
        REQUIRE(responder);
        CHECK(std::ranges::equal(initiator->public_value(), hex_field(test, "pub_i")));
        CHECK(std::ranges::equal(responder->public_value(), hex_field(test, "pub_r")));
        const auto a = initiator->agree(responder->public_value());
        const auto b = responder->agree(initiator->public_value());
        REQUIRE(a);
        REQUIRE(b);
        CHECK(std::ranges::equal(a->reveal(), hex_field(test, "shared")));
        CHECK(*a == *b);
        ++run;
    }
    CHECK(run == 5);
}

TEST_CASE("two sides that draw their keys agree in every group") {
    SeededRng rng(11);
    for (const DhGroup group : kAllGroups) {
        const auto a = KeyExchange::generate(group, rng);
        const auto b = KeyExchange::generate(group, rng);
        CHECK(a.public_value().size() == public_value_size(group));
        CHECK_FALSE(std::ranges::equal(a.public_value(), b.public_value()));
        const auto one = a.agree(b.public_value());
        const auto other = b.agree(a.public_value());
        REQUIRE(one);
        REQUIRE(other);
        CHECK(*one == *other);
    }
}

TEST_CASE("public values that are no members of the group are refused") {
    SeededRng rng(12);
    for (const DhGroup group : kAllGroups) {
        const auto ours = KeyExchange::generate(group, rng);
        const std::size_t size = public_value_size(group);
        CHECK_FALSE(ours.agree({}));
        CHECK_FALSE(ours.agree(Blob(size - 1, 9)));
        CHECK_FALSE(ours.agree(Blob(size + 1, 9)));
        CHECK_FALSE(ours.agree(Blob(size, 0)));
        Blob one(size, 0);
        one.back() = 1;
        if (group != DhGroup::curve25519) {
            CHECK_FALSE(ours.agree(one));
            CHECK_FALSE(ours.agree(Blob(size, 0xff)));
        }
    }
    const auto x = KeyExchange::generate(DhGroup::curve25519, rng);
    Blob low_order(32, 0);
    low_order[0] = 1;
    CHECK_FALSE(x.agree(low_order));
}

TEST_CASE("p - 1, which generates two values only, and p itself are refused as MODP public values") {
    auto value = from_hex(
        "ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74020bbea63b139b22514a08798e3404dd"
        "ef9519b3cd3a431b302b0a6df25f14374fe1356d6d51c245e485b576625e7ec6f44c42e9a637ed6b0bff5cb6f406b7ed"
        "ee386bfb5a899fa5ae9f24117c4b1fe649286651ece45b3dc2007cb8a163bf0598da48361c55d39a69163fa8fd24cf5f"
        "83655d23dca3ad961c62f356208552bb9ed529077096966d670c354e4abc9804f1746c08ca18217c32905e462e36ce3b"
        "e39e772c180e86039b2783a2ec07a28fb5c55df06f4c52c9de2bcbf6955817183995497cea956ae515d2261898fa0510"
        "15728e5a8aacaa68fffffffffffffffe");
    REQUIRE(value);
    SeededRng rng(13);
    const auto ours = KeyExchange::generate(DhGroup::modp2048, rng);
    CHECK_FALSE(ours.agree(*value));
    value->back() = 0xff;  // p
    CHECK_FALSE(ours.agree(*value));
    value->back() = 0xfd;  // p - 2: between the bounds, but no power of 2
    CHECK_FALSE(ours.agree(*value));
}

TEST_CASE("Wycheproof: X25519") {
    const auto vectors = load_vectors("wycheproof/x25519_test.json");
    for (const auto& group : vectors["testGroups"])
        for (const auto& test : group["tests"]) {
            CAPTURE(test["tcId"].get<int>());
            const auto ours = KeyExchange::from_private(DhGroup::curve25519, hex_field(test, "private"));
            REQUIRE(ours);
            const auto shared = ours->agree(hex_field(test, "public"));
            const auto expected = hex_field(test, "shared");
            const bool zero = std::ranges::all_of(expected, [](std::uint8_t b) { return b == 0; });
            REQUIRE(shared.has_value() == !zero);
            if (shared) CHECK(std::ranges::equal(shared->reveal(), expected));
        }
}

TEST_CASE("Wycheproof: ECDH on P-256, keys in the plain form") {
    const auto vectors = load_vectors("wycheproof/ecdh_secp256r1_test.json");
    const auto plain = from_hex("3059301306072a8648ce3d020106082a8648ce3d03010703420004");
    int run = 0;
    for (const auto& group : vectors["testGroups"])
        for (const auto& test : group["tests"]) {
            const auto key = hex_field(test, "public");
            if (key.size() != plain->size() + 64 || !std::equal(plain->begin(), plain->end(), key.begin()))
                continue;
            CAPTURE(test["tcId"].get<int>());
            check_agreement(DhGroup::ecp256, test, Bytes(key).last(64));
            ++run;
        }
    CHECK(run > 300);
}

TEST_CASE("Wycheproof: ECDH on P-384; a compressed point is no IKEv2 public value") {
    const auto vectors = load_vectors("wycheproof/ecdh_secp384r1_ecpoint_test.json");
    int run = 0;
    for (const auto& group : vectors["testGroups"])
        for (const auto& test : group["tests"]) {
            const auto key = hex_field(test, "public");
            if (key.size() != 97 || key[0] != 4) continue;
            CAPTURE(test["tcId"].get<int>());
            check_agreement(DhGroup::ecp384, test, Bytes(key).subspan(1));
            ++run;
        }
    CHECK(run > 700);
}
