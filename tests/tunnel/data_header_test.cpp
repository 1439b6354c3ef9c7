#include "tunnel/data_header.h"

#include "tests/tunnel/packets.h"

using namespace isthmus;
using namespace isthmus::tunnel;
using namespace isthmus::tunnel::test;

namespace {

struct Shape {
    Encapsulation encapsulation;
    const char* cookie;
    Sublayer sublayer;
    const char* wire;
};

const Shape kShapes[] = {
    {Encapsulation::udp, "", Sublayer::none, "00030000 51627384"},
    {Encapsulation::udp, "deadbeef", Sublayer::none, "00030000 51627384 deadbeef"},
    {Encapsulation::udp, "0102030405060708", Sublayer::none, "00030000 51627384 0102030405060708"},
    {Encapsulation::udp, "", Sublayer::standard, "00030000 51627384 00000000"},
    {Encapsulation::udp, "0102030405060708", Sublayer::standard,
     "00030000 51627384 0102030405060708 00000000"},
    {Encapsulation::ip, "", Sublayer::none, "51627384"},
    {Encapsulation::ip, "deadbeef", Sublayer::none, "51627384 deadbeef"},
    {Encapsulation::ip, "0102030405060708", Sublayer::none, "51627384 0102030405060708"},
    {Encapsulation::ip, "deadbeef", Sublayer::standard, "51627384 deadbeef 00000000"},
    {Encapsulation::ip, "0102030405060708", Sublayer::standard, "51627384 0102030405060708 00000000"},
};

DataHeader header_of(const Shape& shape) {
    DataHeader h;
    h.session = SessionId{0x51627384};
    h.cookie = cookie(shape.cookie);
    if (shape.sublayer == Sublayer::standard) h.sublayer = SublayerWord{};
    return h;
}

Result<DataHeader, DropReason> parse(const Shape& shape, Bytes packet) {
    return DataHeader::parse(shape.encapsulation, cookie(shape.cookie).size, shape.sublayer, packet);
}

}  // namespace

TEST_CASE("a header template is the header in wire form, for every encapsulation, cookie and sublayer") {
    for (const Shape& shape : kShapes) {
        const HeaderTemplate made(shape.encapsulation, header_of(shape));
        CHECK(to_hex(made.view()) == to_hex(hex(shape.wire)));
        CHECK(made.size() == header_of(shape).size(shape.encapsulation));
    }
}

TEST_CASE("what a template emits parses to the same header") {
    for (const Shape& shape : kShapes) {
        const auto parsed = parse(shape, hex(shape.wire) + frame());
        REQUIRE(parsed);
        CHECK(raw(parsed->session) == 0x51627384);
        CHECK(to_hex(parsed->cookie.view()) == shape.cookie);
        CHECK(parsed->sublayer.has_value() == (shape.sublayer == Sublayer::standard));
    }
}

TEST_CASE("a header cut at any byte is truncated") {
    for (const Shape& shape : kShapes) {
        const Octets wire = hex(shape.wire);
        for (std::size_t size = 0; size < wire.size(); ++size) {
            const auto parsed = parse(shape, Bytes(wire).first(size));
            REQUIRE_FALSE(parsed);
            CHECK(parsed.error() == DropReason::l2tp_truncated);
        }
    }
}

TEST_CASE("a template takes a sequence number into its sublayer, with the S bit") {
    const Shape& shape = kShapes[4];
    const HeaderTemplate made(shape.encapsulation, header_of(shape));
    Octets out(made.size());
    made.copy_to(out.data(), 0xabcdef);
    CHECK(to_hex(out) == to_hex(hex("00030000 51627384 0102030405060708 40abcdef")));
    const auto parsed = parse(shape, out);
    REQUIRE(parsed);
    CHECK(parsed->sublayer->sequence == 0xabcdefU);
}

TEST_CASE("reserved bits are ignored on receipt") {
    const auto over_udp = parse_front(Encapsulation::udp, hex("7ff3ffff 00000001"));
    REQUIRE(over_udp);
    CHECK_FALSE(over_udp->is_control);
    CHECK(raw(over_udp->session) == 1);
    CHECK(SublayerWord::parse(0xbf00'0007).sequence == std::nullopt);
    CHECK(SublayerWord::parse(0xff00'0007).sequence == 7U);
}

TEST_CASE("over UDP the T bit says control, over IP Session ID 0") {
    CHECK(parse_front(Encapsulation::udp, hex("c8030014 00000000"))->is_control);
    CHECK_FALSE(parse_front(Encapsulation::udp, hex("00030000 00000000"))->is_control);
    CHECK(parse_front(Encapsulation::ip, hex("00000000 c8030014"))->is_control);
    CHECK_FALSE(parse_front(Encapsulation::ip, hex("00000001"))->is_control);
}

TEST_CASE("over UDP a version other than 3 is refused, in data and control") {
    for (int version = 0; version < 16; ++version) {
        for (const int first : {0x00, 0x80, 0xc8}) {
            Octets packet = hex("00000000 00000001");
            packet[0] = static_cast<std::uint8_t>(first);
            packet[1] = static_cast<std::uint8_t>(version);
            const auto front = parse_front(Encapsulation::udp, packet);
            CHECK(front.has_value() == (version == 3));
            if (!front) CHECK(front.error() == DropReason::l2tp_bad_version);
        }
    }
}
