#include "base/bytes.h"

#include <doctest/doctest.h>

using namespace isthmus;

namespace {
using Vector = std::vector<std::uint8_t>;
}

TEST_CASE("big-endian loads give back what stores wrote") {
    std::array<std::uint8_t, 8> raw{};
    store_be16(raw.data(), 0x0102);
    CHECK(load_be16(raw.data()) == 0x0102);
    CHECK(raw[0] == 1);
    store_be24(raw.data(), 0x010203);
    CHECK(load_be24(raw.data()) == 0x010203);
    store_be32(raw.data(), 0xfffefdfc);
    CHECK(load_be32(raw.data()) == 0xfffefdfc);
    store_be64(raw.data(), 0xfffefdfcfbfaf9f8);
    CHECK(load_be64(raw.data()) == 0xfffefdfcfbfaf9f8);
    CHECK(raw[7] == 0xf8);
}

TEST_CASE("a reader reads what a writer wrote") {
    ByteWriter writer;
    writer.u8(1).u16(0x0203).u24(0x040506).u32(0x0708090a).u64(0x0b0c0d0e0f101112).text("ab").zeros(2);
    ByteReader reader(writer.view());
    CHECK(reader.u8() == 1);
    CHECK(reader.u16() == 0x0203);
    CHECK(reader.u24() == 0x040506);
    CHECK(reader.u32() == 0x0708090a);
    CHECK(reader.u64() == 0x0b0c0d0e0f101112);
    const auto text = reader.bytes(2);
    REQUIRE(text);
    CHECK((*text)[0] == 'a');
    CHECK(reader.remaining() == 2);
    CHECK(reader.rest().size() == 2);
}

TEST_CASE("a read past the end returns nothing and consumes nothing, at every length") {
    const Vector all{1, 2, 3, 4, 5, 6, 7, 8};
    for (std::size_t size = 0; size <= all.size(); ++size) {
        CAPTURE(size);
        const Bytes in(all.data(), size);
        const auto refuses = [in](std::size_t need, auto read) {
            ByteReader reader(in);
            const bool got = read(reader);
            CHECK(got == (in.size() >= need));
            CHECK(reader.remaining() == (got ? in.size() - need : in.size()));
        };
        refuses(1, [](ByteReader& r) { return r.u8().has_value(); });
        refuses(2, [](ByteReader& r) { return r.u16().has_value(); });
        refuses(3, [](ByteReader& r) { return r.u24().has_value(); });
        refuses(4, [](ByteReader& r) { return r.u32().has_value(); });
        refuses(8, [](ByteReader& r) { return r.u64().has_value(); });
        refuses(5, [](ByteReader& r) { return r.bytes(5).has_value(); });
    }
}

TEST_CASE("a length field is patched after what it counts was written") {
    ByteWriter writer;
    writer.u16(0).text("four");
    writer.patch_u16(0, static_cast<std::uint16_t>(writer.size()));
    CHECK(to_hex(writer.view()) == "0006666f7572");
    CHECK(std::move(writer).take().size() == 6);
}

TEST_CASE("hex goes both ways and anything else is refused") {
    CHECK(to_hex(Vector{0x00, 0xab, 0xff}) == "00abff");
    CHECK(from_hex("00ABff") == Vector{0x00, 0xab, 0xff});
    CHECK(from_hex("0x0102") == Vector{1, 2});
    CHECK(from_hex("") == Vector{});
    CHECK_FALSE(from_hex("abc"));
    CHECK_FALSE(from_hex("zz"));
    CHECK_FALSE(from_hex("a b "));
    CHECK_FALSE(from_hex("+1"));
}

TEST_CASE("the constant time comparison sees a difference in any byte and in length") {
    const Vector a{1, 2, 3, 4};
    CHECK(equal_constant_time(a, Vector{1, 2, 3, 4}));
    CHECK(equal_constant_time({}, {}));
    CHECK_FALSE(equal_constant_time(a, Vector{1, 2, 3}));
    for (std::size_t i = 0; i < a.size(); ++i) {
        for (unsigned bit = 0; bit < 8; ++bit) {
            Vector b = a;
            b[i] = static_cast<std::uint8_t>(b[i] ^ (1U << bit));
            CHECK_FALSE(equal_constant_time(a, b));
        }
    }
}

TEST_CASE("comparing in constant time sees each bit of each byte, at every length") {
    for (std::size_t size = 1; size <= 40; ++size) {
        const Vector original(size, 0xa5);
        CHECK(equal_constant_time(original, original));
        for (std::size_t bit = 0; bit < 8 * size; ++bit) {
            Vector other = original;
            other[bit / 8] ^= static_cast<std::uint8_t>(1U << bit % 8);
            CHECK_FALSE(equal_constant_time(original, other));
        }
    }
}
