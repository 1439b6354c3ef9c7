#include "crypto/ike/psk_strength.h"

#include <doctest/doctest.h>

using namespace isthmus;
using namespace isthmus::crypto;
using namespace isthmus::crypto::ike;

namespace {
SecretBytes psk(std::string_view text) {
    return SecretBytes(Bytes(reinterpret_cast<const std::uint8_t*>(text.data()), text.size()));
}
}  // namespace

TEST_CASE("what a good generator makes is strong enough") {
    for (const char* text : {"0xNwCkV7h5zDyQm2uHRd9tYfJbA3gKqXpLs8vTeZr1o=",      // base64 of 32 bytes
                             "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822c",  // 24 bytes in hex
                             "Tq7#vK2!pZ9@mX4$wB6^nC8"})
        CHECK_FALSE(psk_warning(psk(text)));
    std::vector<std::uint8_t> raw(16);
    for (std::size_t i = 0; i < raw.size(); ++i) raw[i] = static_cast<std::uint8_t>(i * 83 + 200);
    CHECK_FALSE(psk_warning(SecretBytes(raw)));
}

TEST_CASE("words, runs and repetitions are not, however long") {
    for (const char* text :
         {"", "secret", "password123", "interop-psk-0123456789",
          "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "abcdefghijklmnopqrstuvwxyz0123456789",
          "correct horse", "xK9!xK9!xK9!xK9!xK9!xK9!xK9!xK9!xK9!xK9!",
          "PasswordPasswordPasswordPasswordPassword", "1234567890123456789012345678901234567890"}) {
        CAPTURE(text);
        const auto warning = psk_warning(psk(text));
        REQUIRE(warning);
        CHECK(warning->find("openssl rand") != std::string::npos);
        if (*text != '\0') CHECK(warning->find(text) == std::string::npos);
    }
    CHECK(estimated_bits(SecretBytes(std::vector<std::uint8_t>(100'000, 7))) < kGoodPskBits);
}
