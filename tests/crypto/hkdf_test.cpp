#include "crypto/hkdf.h"

#include <doctest/doctest.h>

using namespace isthmus;
using namespace isthmus::crypto;

namespace {

std::string derive(Hash hash, const char* key, const char* salt, const char* info, std::size_t size) {
    return to_hex(
        hkdf(hash, from_hex(key).value(), from_hex(salt).value(), from_hex(info).value(), size).reveal());
}

}  // namespace

TEST_CASE("RFC 5869 appendix A: SHA-256 and SHA-1, long inputs, no salt, no info") {
    CHECK(derive(Hash::sha256, "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "000102030405060708090a0b0c",
                 "f0f1f2f3f4f5f6f7f8f9", 42) ==
          "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");
    CHECK(derive(Hash::sha256, "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "", "", 42) ==
          "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8");
    CHECK(derive(Hash::sha1, "0b0b0b0b0b0b0b0b0b0b0b", "000102030405060708090a0b0c", "f0f1f2f3f4f5f6f7f8f9",
                 42) ==
          "085a01ea1b10f36933068b56efa5ad81a4f14b822f5b091568a9cdd4f155fda2c22e422478d305f3f896");
}

TEST_CASE("any size up to 255 digests, a shorter one being the beginning of a longer one") {
    const auto key = from_hex("0b0b").value();
    const auto whole = to_hex(hkdf(Hash::sha256, key, {}, {}, 255 * 32).reveal());
    CHECK(whole.size() == 255 * 64);
    for (const std::size_t size : {0U, 1U, 31U, 32U, 33U, 64U})
        CHECK(to_hex(hkdf(Hash::sha256, key, {}, {}, size).reveal()) == whole.substr(0, 2 * size));
    CHECK_THROWS((void)hkdf(Hash::sha256, key, {}, {}, 255 * 32 + 1));
}
