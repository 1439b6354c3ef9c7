#include "tunnel/avp_hiding.h"

#include "tests/tunnel/control_samples.h"
#include "tests/tunnel/packets.h"

using namespace isthmus;
using namespace isthmus::tunnel;
using namespace isthmus::tunnel::test;

// The expected values were worked out apart from this code, with Python's hashlib and hmac.
TEST_CASE("hidden values that were made elsewhere are revealed") {
    const auto keys = keys_of({"correct horse"});
    const AvpHider hider = keys->hider(0);
    const Octets vector = counting(0xf0, 16);
    const auto cookie = hider.reveal(avp::kAssignedCookie, hex("e593e3db43536659e06c84bed4189b07"), vector);
    REQUIRE(cookie);
    CHECK(to_hex(*cookie) == "0102030405060708");
    const auto three_blocks =
        hider.reveal(avp::kRemoteEndId,
                     hex("0b68fdcdcb6c6ec238aaeab0d4a228efe4a2b0946d62c77ba377cb1decd629c9"
                         "7b62eae3f0982916f35f2358f5eb7d49"),
                     vector);
    REQUIRE(three_blocks);
    CHECK(*three_blocks == octets_of("an end id that is longer than one block"));
    const auto unpadded = hider.reveal(avp::kRemoteEndId, hex("0b4cecd4da"), vector);
    REQUIRE(unpadded);
    CHECK(*unpadded == octets_of("pw1"));
}

TEST_CASE("what is hidden is revealed, whatever its size, and its length shows in steps of 16 only") {
    const auto keys = keys_of({"s"});
    isthmus::test::SeededRng rng(1);
    const Octets vector = counting(7, 16);
    for (const std::size_t size : {0U, 1U, 13U, 14U, 15U, 30U, 100U, 1006U}) {
        const Octets value = counting(3, size);
        const auto hidden = keys->hider(0).hide(avp::kRemoteEndId, value, vector, rng);
        CHECK(hidden.size() % 16 == 0);
        CHECK(hidden.size() <= kMaxAvpValue);
        const auto revealed = keys->hider(0).reveal(avp::kRemoteEndId, hidden, vector);
        REQUIRE(revealed);
        CHECK(*revealed == value);
    }
}

TEST_CASE("another secret, type or random vector reveals nothing of the value") {
    const auto keys = keys_of({"s", "t"});
    isthmus::test::SeededRng rng(2);
    const Octets value = counting(3, 8);
    const auto hidden = keys->hider(0).hide(avp::kAssignedCookie, value, counting(7, 16), rng);
    CHECK(keys->hider(1).reveal(avp::kAssignedCookie, hidden, counting(7, 16)) != std::optional(value));
    CHECK(keys->hider(0).reveal(avp::kRemoteEndId, hidden, counting(7, 16)) != std::optional(value));
    CHECK(keys->hider(0).reveal(avp::kAssignedCookie, hidden, counting(8, 16)) != std::optional(value));
}

TEST_CASE("a hidden value that is cut is refused or shorter, never read past its end") {
    const auto keys = keys_of({"s"});
    isthmus::test::SeededRng rng(3);
    const Octets value = counting(3, 40);
    const auto hidden = keys->hider(0).hide(avp::kRemoteEndId, value, counting(7, 16), rng);
    for (std::size_t size = 0; size < 42; ++size)
        CHECK_FALSE(keys->hider(0).reveal(avp::kRemoteEndId, Bytes(hidden).first(size), counting(7, 16)));
    CHECK(keys->hider(0).reveal(avp::kRemoteEndId, Bytes(hidden).first(42), counting(7, 16)));
}
