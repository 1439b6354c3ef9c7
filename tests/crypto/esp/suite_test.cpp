#include "crypto/esp/suite.h"

#include <doctest/doctest.h>

#include "crypto/esp/header.h"

using namespace isthmus;
using namespace isthmus::crypto::esp;

TEST_CASE("each suite's keying material is the sum of its keys") {
    for (const Suite suite : kAllSuites) CHECK(shape_of(suite).key_material() == key_size(suite));
}

TEST_CASE("the sizes of sealed packets are those of the RFCs") {
    CHECK(sealed_size(Suite::aes256_gcm16, 0) == 8 + 8 + 4 + 16);
    CHECK(sealed_size(Suite::aes256_gcm16, 2) == 8 + 8 + 4 + 16);
    CHECK(sealed_size(Suite::aes256_gcm16, 3) == 8 + 8 + 8 + 16);
    CHECK(sealed_size(Suite::aes128_cbc_hmac_sha256_128, 14) == 8 + 16 + 16 + 16);
    CHECK(sealed_size(Suite::aes128_cbc_hmac_sha256_128, 15) == 8 + 16 + 32 + 16);
    CHECK(sealed_size(Suite::aes256_cbc_hmac_sha512_256, 15) == 8 + 16 + 32 + 32);
}

TEST_CASE("the largest payload for a packet fits, and one byte more does not") {
    for (const Suite suite : kAllSuites) {
        for (std::size_t room = 0; room < 200; ++room) {
            const std::size_t payload = largest_payload(suite, room);
            if (sealed_size(suite, 0) > room) {
                CHECK(payload == 0);
                continue;
            }
            CHECK(sealed_size(suite, payload) <= room);
            CHECK(sealed_size(suite, payload + 1) > room);
        }
    }
}

TEST_CASE("no payload needs more room than the overhead says") {
    for (const Suite suite : kAllSuites) {
        const Overhead most = overhead_of(suite);
        for (std::size_t payload = 0; payload < 64; ++payload)
            CHECK(sealed_size(suite, payload) <= payload + most.head + most.tail);
        CHECK(most.head <= largest_overhead().head);
        CHECK(most.tail <= largest_overhead().tail);
    }
    CHECK(largest_overhead() == Overhead{24, 49});
}

TEST_CASE("a header is read at eight bytes and not before") {
    const std::array<std::uint8_t, 8> wire{0xc0, 0, 0, 1, 0, 0, 1, 2};
    for (std::size_t n = 0; n < wire.size(); ++n) CHECK_FALSE(Header::parse(Bytes(wire).first(n)));
    const auto header = Header::parse(wire);
    REQUIRE(header);
    CHECK(*header == Header{Spi{0xc0000001}, 0x102});
    std::array<std::uint8_t, 8> out{};
    header->emit(out);
    CHECK(out == wire);
}
