#include "crypto/digest.h"

#include <doctest/doctest.h>

#include "tests/crypto/json_vectors.h"

using namespace isthmus;
using namespace isthmus::crypto;
using namespace isthmus::test;

namespace {
void check_wycheproof(const char* file, Hash hash) {
    const auto vectors = load_vectors(file);
    for (const auto& group : vectors["testGroups"])
        for (const auto& test : group["tests"]) {
            CAPTURE(test["tcId"].get<int>());
            const auto tag = hex_field(test, "tag");
            const auto mac = hmac(hash, hex_field(test, "key"), {hex_field(test, "msg")});
            const std::size_t size = group["tagSize"].get<std::size_t>() / 8;
            const bool same = tag.size() == size && std::ranges::equal(Bytes(mac).first(size), tag);
            CHECK(same == (test["result"] == "valid"));
        }
}
}  // namespace

TEST_CASE("HMAC-SHA-2 gives the answers of RFC 4868") {
    const auto vectors = load_vectors("kat/prf_and_integ.json");
    int run = 0;
    for (const auto& test : vectors["tests"]) {
        const auto algorithm = test["alg"].get<std::string>();
        const bool sha256 = algorithm.find("HMAC_SHA2_256") != std::string::npos;
        const bool sha384 = algorithm.find("HMAC_SHA2_384") != std::string::npos;
        const bool sha512 = algorithm.find("HMAC_SHA2_512") != std::string::npos;
        if (!sha256 && !sha384 && !sha512) continue;
        CAPTURE(test["id"].get<std::string>());
        const Hash hash = sha256 ? Hash::sha256 : sha384 ? Hash::sha384 : Hash::sha512;
        const auto expected = hex_field(test, "output");  // integrity: cut to half
        const auto mac = hmac(hash, hex_field(test, "key"), {hex_field(test, "message")});
        CHECK(std::ranges::equal(Bytes(mac).first(expected.size()), expected));
        ++run;
    }
    CHECK(run >= 15);
}

TEST_CASE("Wycheproof: HMAC-SHA-256") {
    check_wycheproof("wycheproof/hmac_sha256_test.json", Hash::sha256);
}
TEST_CASE("Wycheproof: HMAC-SHA-512") {
    check_wycheproof("wycheproof/hmac_sha512_test.json", Hash::sha512);
}

TEST_CASE("digests of \"abc\" are those of FIPS 180-4, and parts are hashed as one") {
    const std::vector<std::uint8_t> abc{'a', 'b', 'c'};
    CHECK(to_hex(digest(Hash::sha1, abc)) == "a9993e364706816aba3e25717850c26c9cd0d89d");
    CHECK(to_hex(digest(Hash::sha256, abc)) ==
          "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    const std::vector<std::uint8_t> key(200, 0xaa);
    CHECK(hmac(Hash::sha384, key, {Bytes(abc).first(1), Bytes(abc).subspan(1)}) ==
          hmac(Hash::sha384, key, {abc}));
}

TEST_CASE("MD5 and HMAC-MD5 give the answers of RFC 1321 and RFC 2202") {
    const auto text = [](std::string_view s) { return std::vector<std::uint8_t>(s.begin(), s.end()); };
    CHECK(to_hex(digest(Hash::md5, text(""))) == "d41d8cd98f00b204e9800998ecf8427e");
    CHECK(to_hex(digest(Hash::md5, text("message digest"))) == "f96b697d7cb7938d525a2f31aaf161d0");
    CHECK(to_hex(hmac(Hash::md5, std::vector<std::uint8_t>(16, 0x0b), {text("Hi There")})) ==
          "9294727a3638bb1c13f48ef8158bfc9d");
    CHECK(to_hex(hmac(Hash::md5, text("Jefe"), {text("what do ya want "), text("for nothing?")})) ==
          "750c783e6ab0b503eaa86e310a5db738");
    CHECK(to_hex(hmac(Hash::md5, std::vector<std::uint8_t>(80, 0xaa),
                      {text("Test Using Larger Than Block-Size Key - Hash Key First")})) ==
          "6b1ab7fe4bd7bf8f0b62e6ce61b9d0cd");
}

TEST_CASE("HMAC-SHA-1 gives the answers of RFC 2202") {
    const auto text = [](std::string_view s) { return std::vector<std::uint8_t>(s.begin(), s.end()); };
    CHECK(to_hex(hmac(Hash::sha1, std::vector<std::uint8_t>(20, 0x0b), {text("Hi There")})) ==
          "b617318655057264e28bc0b6fb378c8ef146be00");
    CHECK(to_hex(hmac(Hash::sha1, text("Jefe"), {text("what do ya want for nothing?")})) ==
          "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
}
