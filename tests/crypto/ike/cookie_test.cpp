#include "crypto/ike/cookie.h"

#include "tests/crypto/seeded_rng.h"

using namespace isthmus;
using namespace isthmus::crypto::ike;
using namespace std::chrono_literals;

namespace {

struct Fixture {
    test::SeededRng rng{1};
    CookieJar jar{rng};
    TimePoint now{1h};
    std::vector<std::uint8_t> nonce = std::vector<std::uint8_t>(32, 7);
    IpAddress from = IpAddress::v4({192, 0, 2, 1});
    IkeSpi spi{0x1122334455667788};
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "a cookie is good for the one it was given to") {
    const auto cookie = jar.make(nonce, from, spi, now);
    CHECK(cookie.size() == CookieJar::kSize);
    CHECK(jar.is_ours(cookie, nonce, from, spi, now));
}

TEST_CASE_FIXTURE(Fixture, "another address, SPI or nonce makes it worthless") {
    const auto cookie = jar.make(nonce, from, spi, now);
    CHECK_FALSE(jar.is_ours(cookie, nonce, IpAddress::v4({192, 0, 2, 2}), spi, now));
    CHECK_FALSE(jar.is_ours(cookie, nonce, from, IkeSpi{1}, now));
    CHECK_FALSE(jar.is_ours(cookie, std::vector<std::uint8_t>(32, 8), from, spi, now));
    auto changed = cookie;
    changed.back() ^= 1;
    CHECK_FALSE(jar.is_ours(changed, nonce, from, spi, now));
    for (std::size_t size = 0; size < cookie.size(); ++size)
        CHECK_FALSE(jar.is_ours(Bytes(cookie).first(size), nonce, from, spi, now));
}

TEST_CASE_FIXTURE(Fixture, "it outlives one change of secrets, not two") {
    const auto cookie = jar.make(nonce, from, spi, now);
    CHECK(jar.is_ours(cookie, nonce, from, spi, now + 61s));
    CHECK_FALSE(jar.is_ours(cookie, nonce, from, spi, now + 122s));
}

TEST_CASE_FIXTURE(Fixture, "it is not good for ever when nobody asks meanwhile") {
    const auto cookie = jar.make(nonce, from, spi, now);
    CHECK_FALSE(jar.is_ours(cookie, nonce, from, spi, now + 10min));
}
