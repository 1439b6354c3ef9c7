#include "base/vnet_header.h"

#include <doctest/doctest.h>

#include "tests/support/frame_builder.h"

using namespace isthmus;
using namespace isthmus::test;

namespace {

VnetHeader header(std::uint8_t flags, std::uint8_t type, std::uint16_t header_size, std::uint16_t segment,
                  std::size_t start, std::uint16_t offset) {
    const auto low = [](std::size_t v) { return static_cast<std::uint8_t>(v); };
    const auto high = [](std::size_t v) { return static_cast<std::uint8_t>(v >> 8); };
    return {flags,         type,       low(header_size), high(header_size), low(segment),
            high(segment), low(start), high(start),      low(offset),       high(offset)};
}

Frame frame_of(bool v6, std::uint8_t protocol, std::vector<std::uint32_t> tags = {}) {
    FrameSpec spec;
    spec.v6 = v6;
    spec.protocol = protocol;
    spec.tags = std::move(tags);
    spec.payload = pattern(3000);
    return build(spec);
}

}  // namespace

TEST_CASE("nothing to do is all zeros, both ways") {
    CHECK(encode_vnet_header({}) == VnetHeader{});
    const auto offload = decode_vnet_header({}, Frame(14, 0));
    REQUIRE(offload);
    CHECK(offload->kind == Offload::Kind::none);
    CHECK_FALSE(offload->needs_checksum);
    CHECK(decode_vnet_header(header(2, 0, 0, 0, 0, 0), Frame(14, 0)));  // checksum known to be good
}

TEST_CASE("known headers have known bytes") {
    Offload offload;
    offload.kind = Offload::Kind::tcp4;
    offload.ecn = true;
    offload.needs_checksum = true;
    offload.segment_size = 1448;
    offload.header_size = 66;
    offload.checksum_start = 34;
    offload.checksum_offset = 16;
    CHECK(to_hex(encode_vnet_header(offload)) == "01814200a80522001000");
    offload.kind = Offload::Kind::tcp6;
    offload.ecn = false;
    CHECK(to_hex(encode_vnet_header(offload)) == "01044200a80522001000");
    offload.kind = Offload::Kind::udp;
    CHECK(to_hex(encode_vnet_header(offload)) == "01054200a80522001000");
    offload.kind = Offload::Kind::none;
    CHECK(to_hex(encode_vnet_header(offload)) == "01000000000022001000");
}

TEST_CASE("what fits its frame is taken, whatever hdr_len claims, through tags") {
    for (const auto& tags : {std::vector<std::uint32_t>{}, {0x8100'0064}, {0x88a8'0064, 0x8100'6065}}) {
        const std::size_t more = 4 * tags.size();
        const auto tcp4 =
            decode_vnet_header(header(1, 0x81, 999, 1448, 34 + more, 16), frame_of(false, 6, tags));
        REQUIRE(tcp4);
        CHECK(tcp4->kind == Offload::Kind::tcp4);
        CHECK(tcp4->ecn);
        CHECK(tcp4->header_size == 54 + more);
        CHECK(tcp4->segment_size == 1448);
        CHECK(tcp4->checksum_start == 34 + more);
        const auto tcp6 = decode_vnet_header(header(1, 4, 0, 1448, 54 + more, 16), frame_of(true, 6, tags));
        REQUIRE(tcp6);
        CHECK(tcp6->kind == Offload::Kind::tcp6);
        CHECK(tcp6->header_size == 74 + more);
        for (const bool v6 : {false, true}) {
            const auto udp =
                decode_vnet_header(header(1, 5, 0, 1, (v6 ? 54 : 34) + more, 6), frame_of(v6, 17, tags));
            REQUIRE(udp);
            CHECK(udp->kind == Offload::Kind::udp);
            CHECK(udp->header_size == (v6 ? 62 : 42) + more);
        }
    }
}

TEST_CASE("what does not fit its frame is refused") {
    const auto tcp = frame_of(false, 6);
    const auto refused = [](const VnetHeader& h, const Frame& f) { return !decode_vnet_header(h, f); };
    CHECK(refused(header(4, 0, 0, 0, 0, 0), tcp));       // unknown flag
    CHECK(refused(header(1, 2, 0, 1448, 34, 16), tcp));  // unknown types
    CHECK(refused(header(1, 3, 0, 1448, 34, 16), tcp));
    CHECK(refused(header(1, 0x85, 0, 1448, 34, 6), frame_of(false, 17)));  // ECN on UDP
    CHECK(refused(header(1, 0x80, 0, 0, 34, 16), tcp));
    CHECK(refused(header(0, 1, 0, 1448, 0, 0), tcp));  // segmenting without checksumming
    CHECK(refused(header(1, 1, 0, 0, 34, 16), tcp));   // no size
    CHECK(refused(header(1, 1, 0, 7, 34, 16), tcp));   // smaller than TCP goes
    CHECK(refused(header(1, 5, 0, 0, 34, 6), frame_of(false, 17)));
    CHECK(refused(header(1, 4, 0, 1448, 34, 16), tcp));  // IPv6 said, IPv4 there
    CHECK(refused(header(1, 1, 0, 1448, 54, 16), frame_of(true, 6)));
    CHECK(refused(header(1, 5, 0, 1448, 34, 6), tcp));  // UDP said, TCP there
    CHECK(refused(header(1, 1, 0, 1448, 34, 16), frame_of(false, 17)));
    CHECK(refused(header(1, 1, 0, 1448, 38, 16), tcp));  // not where the header is
    CHECK(refused(header(1, 1, 0, 1448, 34, 6), tcp));
    CHECK(refused(header(1, 0, 0, 0, 13, 1), tcp));  // in the Ethernet header
    CHECK(refused(header(1, 0, 0, 0, tcp.size() - 17, 16), tcp));
    CHECK_FALSE(refused(header(1, 0, 0, 0, tcp.size() - 18, 16), tcp));
    CHECK(refused(header(1, 0, 0, 0, 0xffff, 0xffff), tcp));
    CHECK(refused(header(1, 0, 0, 0, 14, 0), {}));
}

TEST_CASE("a frame cut short anywhere in its headers is refused") {
    const auto tcp = frame_of(false, 6, {0x8100'0064});
    for (std::size_t size = 0; size <= 58; ++size) {
        const Frame cut(tcp.begin(), tcp.begin() + static_cast<std::ptrdiff_t>(size));
        CHECK_FALSE(decode_vnet_header(header(1, 1, 0, 1448, 38, 16), cut));
    }
}

TEST_CASE("what was decoded encodes to what it was, but for hdr_len") {
    const auto h = header(1, 0x81, 54, 1448, 34, 16);
    const auto offload = decode_vnet_header(h, frame_of(false, 6));
    REQUIRE(offload);
    CHECK(encode_vnet_header(*offload) == h);
}
