#include "crypto/esp/sequence_state.h"

#include <doctest/doctest.h>

#include "tests/crypto/esp/esp_fixture.h"

using namespace isthmus;
using namespace isthmus::test;

namespace {
Bytes bytes_of(const std::string& text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

SequenceState some_state() {
    return {identity_of(options_for(Suite::aes256_gcm16), SaDirection::out), 16777216};
}
}  // namespace

TEST_CASE("a state file reads back as it was written and shows no key") {
    for (const std::uint64_t sequence : {std::uint64_t{0}, std::uint64_t{16777216}, UINT64_MAX})
        for (const auto direction : {SaDirection::out, SaDirection::in}) {
            SequenceState state = some_state();
            state.sequence = sequence;
            state.identity.direction = direction;
            const std::string text = state.emit();
            const auto back = SequenceState::parse(bytes_of(text));
            REQUIRE(back);
            CHECK(*back == state);
            CHECK(text.find(to_hex(Bytes(counted_bytes(36, 7)).first(4))) == std::string::npos);
        }
}

TEST_CASE("a state file cut anywhere, with any byte altered or anything behind it is damaged") {
    const std::string text = some_state().emit();
    for (std::size_t n = 0; n < text.size(); ++n)
        CHECK_FALSE(SequenceState::parse(bytes_of(text.substr(0, n))));
    for (std::size_t n = 0; n < text.size(); ++n)
        for (const int change : {1, 0x20}) {
            std::string altered = text;
            altered[n] = static_cast<char>(altered[n] ^ change);
            CHECK_FALSE(SequenceState::parse(bytes_of(altered)));
        }
    CHECK_FALSE(SequenceState::parse(bytes_of(text + "\n")));
    CHECK_FALSE(SequenceState::parse(bytes_of(text + text)));
}

TEST_CASE("a state file is taken by the SA it belongs to only") {
    const auto options = options_for(Suite::aes256_gcm16);
    const std::string text = some_state().emit();
    CHECK(resume(bytes_of(text), identity_of(options, SaDirection::out)));
    CHECK(resume(bytes_of(text), identity_of(options, SaDirection::in)).error() ==
          "the state file belongs to the other direction");
    auto other = options_for(Suite::aes256_gcm16);
    other.spi = Spi{0xc0000009};
    CHECK(resume(bytes_of(text), identity_of(other, SaDirection::out)).error() ==
          "the state file belongs to SPI 0xc0000001, not 0xc0000009");
    other = options_for(Suite::aes256_gcm16);
    other.key = crypto::SecretBytes(counted_bytes(36, 8));
    CHECK(resume(bytes_of(text), identity_of(other, SaDirection::out)).error() ==
          "the state file belongs to another key under the same SPI");
}

TEST_CASE("a fingerprint depends on the key and on nothing else") {
    auto a = options_for(Suite::aes256_gcm16);
    auto b = options_for(Suite::chacha20_poly1305);
    b.spi = Spi{0x5555};
    CHECK(fingerprint_of(a.key) == fingerprint_of(b.key));
    a.key = crypto::SecretBytes(counted_bytes(36, 8));
    CHECK(fingerprint_of(a.key) != fingerprint_of(b.key));
}

TEST_CASE("nothing may be sent before the first block is on disk") {
    auto reservation = SequenceReservation::after(100, true);
    REQUIRE(reservation);
    CHECK(reservation->range().first == 101);
    CHECK(reservation->range().limit == 100);
    const auto wanted = reservation->wanted(100);
    REQUIRE(wanted);
    CHECK(*wanted == 100 + kExtendedBlock);
    reservation->on_written(*wanted);
    CHECK(reservation->range().limit == 100 + kExtendedBlock);
    CHECK_FALSE(reservation->wanted(100));
}

TEST_CASE("the next block is wanted when half of one is left, and the limit only grows") {
    for (const bool extended : {false, true}) {
        auto reservation = SequenceReservation::after(0, extended);
        const std::uint64_t block = reservation->block();
        reservation->on_written(*reservation->wanted(0));
        CHECK_FALSE(reservation->wanted(block / 2));
        const auto wanted = reservation->wanted(block / 2 + 1);
        REQUIRE(wanted);
        CHECK(*wanted == 2 * block);
        CHECK(reservation->wanted(block) == 2 * block);  // the disk was slow: asked again
        reservation->on_written(*wanted);
        reservation->on_written(5);
        CHECK(reservation->range().limit == 2 * block);
    }
}

TEST_CASE("the last block is short, and behind it there is nothing") {
    for (const bool extended : {false, true}) {
        const std::uint64_t last = last_sequence_of(extended);
        auto reservation = SequenceReservation::after(last - 10, extended);
        REQUIRE(reservation);
        CHECK(reservation->wanted(last - 10) == last);
        CHECK_FALSE(reservation->exhausted());
        reservation->on_written(last);
        CHECK(reservation->exhausted());
        CHECK_FALSE(reservation->wanted(last));
        CHECK(reservation->range().first == last - 9);
        CHECK_FALSE(SequenceReservation::after(last, extended));
    }
    CHECK_FALSE(SequenceReservation::after(0x1'0000'0000, false));
}

TEST_CASE("over a thousand restarts at random moments no sequence number is used twice") {
    EspFixture f;
    SeededRng rng(3);
    const auto options = options_for(Suite::aes256_gcm16);
    std::uint64_t on_disk = 0;
    std::uint64_t highest_ever = 0;
    for (int life = 0; life < 1000; ++life) {
        auto reservation = SequenceReservation::after(on_disk, true);
        REQUIRE(reservation);
        on_disk = *reservation->wanted(on_disk);
        reservation->on_written(on_disk);
        const auto sa = f.outbound(options, reservation->range());
        for (std::uint64_t n = rng.below(5); n > 0; --n) {
            (void)f.sealed(*sa, {});
            REQUIRE(sa->last_sequence() > highest_ever);
            highest_ever = sa->last_sequence();
            REQUIRE(highest_ever <= on_disk);
        }
    }
}
