#include "base/checksum.h"

#include <doctest/doctest.h>

#include <vector>

using namespace isthmus;

namespace {

std::uint16_t plain(Bytes in, std::uint32_t sum) {
    for (std::size_t i = 0; i < in.size(); ++i) {
        sum += i % 2 == 0 ? static_cast<std::uint32_t>(in[i] << 8) : in[i];
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return static_cast<std::uint16_t>((sum & 0xffff) + (sum >> 16));
}

}  // namespace

TEST_CASE("the example of RFC 1071 section 3") {
    const std::vector<std::uint8_t> in{0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
    CHECK(ones_complement_sum(in) == 0xddf2);
    CHECK(internet_checksum(in) == 0x220d);
}

TEST_CASE("sums and copies of every size and alignment are what the definition says") {
    std::vector<std::uint8_t> bytes(3000);
    std::uint32_t seed = 7;
    for (auto& b : bytes) {
        seed = seed * 1664525U + 1013904223U;
        b = static_cast<std::uint8_t>(seed >> 24);
    }
    std::vector<std::uint8_t> copy(3000);
    for (std::size_t at = 0; at < 9; ++at) {
        for (std::size_t size = 0; size < 2000; size += size < 300 ? 1 : 61) {
            const auto in = Bytes(bytes).subspan(at, size);
            const auto expected = plain(in, 0x1'2345);
            REQUIRE(ones_complement_sum(in, 0x1'2345) == expected);
            std::fill(copy.begin(), copy.end(), std::uint8_t{0xee});
            const auto out = MutableBytes(copy).subspan(3, size);
            REQUIRE(copy_and_sum(out, in, 0x1'2345) == expected);
            REQUIRE(std::equal(in.begin(), in.end(), out.begin()));
            REQUIRE(copy[2] == 0xee);
            REQUIRE(copy[3 + size] == 0xee);
        }
    }
}

TEST_CASE("a run of ones does not overflow") {
    const std::vector<std::uint8_t> ones(65535, 0xff);
    CHECK(ones_complement_sum(Bytes(ones).first(65534)) == 0xffff);
    CHECK(ones_complement_sum(ones, 0xffff'ffff) == plain(ones, 0xffff));
}

TEST_CASE("folding takes any sum to sixteen bits") {
    CHECK(fold_sum(0) == 0);
    CHECK(fold_sum(0xffff) == 0xffff);
    CHECK(fold_sum(0x1'0000) == 1);
    CHECK(fold_sum(0x1'ffff) == 1);
    CHECK(fold_sum(0xffff'ffff) == 0xffff);
}

TEST_CASE("a packet with its checksum filled in sums to all ones") {
    // A UDP packet: pseudo header, then header and data with the checksum in place.
    const auto source = IpAddress::parse("192.0.2.1");
    const auto destination = IpAddress::parse("198.51.100.7");
    REQUIRE(source);
    REQUIRE(destination);
    std::vector<std::uint8_t> udp{0x06, 0xa5, 0x06, 0xa5, 0, 11, 0, 0, 'a', 'b', 'c'};
    const auto pseudo = pseudo_header_sum(source->bytes(), destination->bytes(), 17, 11);
    store_be16(udp.data() + 6, internet_checksum(udp, pseudo));
    CHECK(ones_complement_sum(udp, pseudo) == 0xffff);
}

TEST_CASE("the pseudo header's sum is that of the header written out") {
    const auto a = IpAddress::parse("2001:db8::1");
    const auto b = IpAddress::parse("2001:db8:ffff::2");
    REQUIRE(a);
    REQUIRE(b);
    ByteWriter header;
    header.bytes(a->bytes()).bytes(b->bytes()).u32(70'000).zeros(3).u8(6);
    CHECK(pseudo_header_sum(a->bytes(), b->bytes(), 6, 70'000) == plain(header.view(), 0));
}
