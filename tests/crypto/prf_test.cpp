#include "crypto/prf.h"

#include <doctest/doctest.h>

#include "tests/crypto/json_vectors.h"

using namespace isthmus;
using namespace isthmus::crypto;
using namespace isthmus::test;

namespace {
Prf prf_named(const std::string& name) {
    if (name == "HMAC_SHA2_256") return Prf::hmac_sha256;
    if (name == "HMAC_SHA2_384") return Prf::hmac_sha384;
    REQUIRE(name == "HMAC_SHA2_512");
    return Prf::hmac_sha512;
}
}  // namespace

TEST_CASE("SKEYSEED and prf+ give the answers of NIST's CAVP") {
    const auto vectors = load_vectors("kat/ikev2_kdf.json");
    for (const auto& test : vectors["skeyseed_and_prfplus"]) {
        CAPTURE(test["id"].get<std::string>());
        const Prf function = prf_named(test["prf"].get<std::string>());
        if (test["op"] == "SKEYSEED") {
            const auto out = prf(function, hex_field(test, "ni_nr"), {hex_field(test, "g_ir")});
            CHECK(std::ranges::equal(out.reveal(), hex_field(test, "skeyseed")));
        } else {
            const auto expected = hex_field(test, "out");
            const auto out =
                prf_plus(function, hex_field(test, "key"), hex_field(test, "seed"), expected.size());
            CHECK(std::ranges::equal(out.reveal(), expected));
        }
    }
}

TEST_CASE("prf+ gives any number of bytes up to 255 blocks, each a prefix of the longer") {
    const std::vector<std::uint8_t> key(32, 1);
    const std::vector<std::uint8_t> seed(40, 2);
    const auto longest = prf_plus(Prf::hmac_sha256, key, seed, 255 * 32);
    for (const std::size_t size : {0U, 1U, 31U, 32U, 33U, 64U, 200U, 8159U}) {
        const auto out = prf_plus(Prf::hmac_sha256, key, seed, size);
        CHECK(std::ranges::equal(out.reveal(), longest.reveal().first(size)));
    }
    CHECK_THROWS_AS((void)prf_plus(Prf::hmac_sha256, key, seed, 255 * 32 + 1), std::length_error);
}
