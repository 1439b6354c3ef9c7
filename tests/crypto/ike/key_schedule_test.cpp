#include "crypto/ike/key_schedule.h"

#include <doctest/doctest.h>

#include "tests/crypto/json_vectors.h"

using namespace isthmus;
using namespace isthmus::crypto;
using namespace isthmus::crypto::ike;
using namespace isthmus::test;

TEST_CASE("a post-quantum key changes SK_d, SK_pi and SK_pr and nothing else") {
    const IkeSuite suite;
    const std::vector<std::uint8_t> ni(32, 1);
    const std::vector<std::uint8_t> nr(32, 2);
    const SecretBytes shared(std::vector<std::uint8_t>(32, 3));
    const SpiPair spis{IkeSpi{1}, IkeSpi{2}};
    const auto derive = [&] {
        return derive_ike_keys(suite, skeyseed(suite.prf, {ni, nr}, shared), {ni, nr}, spis);
    };
    const IkeKeys plain = derive();
    IkeKeys mixed = derive();
    const SecretBytes ppk(std::vector<std::uint8_t>(32, 4));
    mix_ppk(suite.prf, mixed, ppk);
    CHECK(mixed.ei == plain.ei);
    CHECK(mixed.er == plain.er);
    CHECK_FALSE(mixed.d == plain.d);
    // RFC 8784 section 3: SK_d = prf+ (PPK, SK_d')
    CHECK(mixed.d == prf_plus(suite.prf, ppk.reveal(), plain.d.reveal(), 32));
    CHECK(mixed.pi == prf_plus(suite.prf, ppk.reveal(), plain.pi.reveal(), 32));
    CHECK(mixed.pr == prf_plus(suite.prf, ppk.reveal(), plain.pr.reveal(), 32));
}

TEST_CASE("the keys are consecutive pieces of prf+, each as long as its algorithm needs") {
    IkeSuite suite;
    suite.cipher = {EncryptionId::aes_cbc, 128, IntegrityId::hmac_sha384_192};
    suite.prf = Prf::hmac_sha512;
    const std::vector<std::uint8_t> ni(16, 5);
    const std::vector<std::uint8_t> nr(20, 6);
    const SecretBytes seed(std::vector<std::uint8_t>(64, 7));
    const SpiPair spis{IkeSpi{0x1111111111111111}, IkeSpi{0x2222222222222222}};
    const IkeKeys keys = derive_ike_keys(suite, seed, {ni, nr}, spis);
    auto text = joined(joined(ni, nr), std::vector<std::uint8_t>(8, 0x11));
    text = joined(text, std::vector<std::uint8_t>(8, 0x22));
    const auto stream = prf_plus(suite.prf, seed.reveal(), text, 64 + 2 * 48 + 2 * 16 + 2 * 64);
    std::size_t at = 0;
    for (const SecretBytes* key : {&keys.d, &keys.ai, &keys.ar, &keys.ei, &keys.er, &keys.pi, &keys.pr}) {
        CHECK(std::ranges::equal(key->reveal(), stream.reveal().subspan(at, key->size())));
        at += key->size();
    }
    CHECK(at == stream.size());
}

TEST_CASE("a rekeyed IKE SA's SKEYSEED comes from the old SK_d, the new shared secret and the new nonces") {
    const SecretBytes d(std::vector<std::uint8_t>(32, 1));
    const SecretBytes shared(std::vector<std::uint8_t>(32, 2));
    const std::vector<std::uint8_t> ni(32, 3);
    const std::vector<std::uint8_t> nr(32, 4);
    const auto text = joined(joined(std::vector<std::uint8_t>(32, 2), ni), nr);
    CHECK(rekey_skeyseed(Prf::hmac_sha256, d, shared, {ni, nr}) == prf(Prf::hmac_sha256, d.reveal(), {text}));
}

TEST_CASE("the hash of NAT detection is SHA-1 over SPIs, address and port") {
    // From strongSwan's log of tests/vectors/golden/ike/ike-direct-udp-psk.
    const auto hash =
        nat_detection_hash({IkeSpi{0xabc3026098d82745}, IkeSpi{0}}, {*IpAddress::parse("192.0.2.1"), 500});
    CHECK(to_hex(hash) == "82e4641f7497a9589b0f66bcd256d441e756eed6");
    CHECK(nat_detection_hash({}, {*IpAddress::parse("2001:db8::1"), 4500}).size() == 20);
}
