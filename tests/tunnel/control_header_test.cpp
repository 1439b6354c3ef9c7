#include "tunnel/control_header.h"

#include "tests/tunnel/packets.h"
#include "tunnel/control_auth.h"

using namespace isthmus;
using namespace isthmus::tunnel;
using namespace isthmus::tunnel::test;

namespace {

const char* const kHello = "c8030014 11223344 0001ffff 8008 0000 0000 0006";

std::string error_of(Encapsulation encapsulation, const Octets& packet) {
    const auto parsed = ControlPacket::parse(encapsulation, packet);
    return parsed ? "parsed" : parsed.error();
}

}  // namespace

TEST_CASE("a control message is cut into header and AVPs, over UDP and over IP") {
    const Octets message = hex(kHello);
    for (const Encapsulation encapsulation : {Encapsulation::udp, Encapsulation::ip}) {
        const Octets packet = wire_form(encapsulation, message);
        const auto parsed = ControlPacket::parse(encapsulation, packet);
        REQUIRE(parsed);
        CHECK(parsed->header == ControlHeader{ControlConnectionId{0x11223344}, 1, 0xffff});
        CHECK(to_hex(parsed->message) == to_hex(message));
        CHECK(to_hex(parsed->body) == "8008000000000006");
        CHECK(parsed->trailing == 0);
        CHECK(to_hex(plain_message(parsed->header, parsed->body)) == to_hex(message));
    }
}

TEST_CASE("a control message cut at any byte is refused with a reason") {
    for (const Encapsulation encapsulation : {Encapsulation::udp, Encapsulation::ip}) {
        const Octets packet = wire_form(encapsulation, hex(kHello));
        for (std::size_t size = 0; size < packet.size(); ++size)
            CHECK_FALSE(ControlPacket::parse(encapsulation, Bytes(packet).first(size)));
    }
}

TEST_CASE("a wrong header field is named") {
    const auto with = [](std::size_t at, std::uint8_t byte) {
        Octets packet = hex(kHello);
        packet[at] = byte;
        return packet;
    };
    CHECK(error_of(Encapsulation::udp, with(1, 0x02)) == "Ver is 2, not 3");
    CHECK(error_of(Encapsulation::udp, with(0, 0x48)) == "the T bit is 0: a data message");
    CHECK(error_of(Encapsulation::udp, with(0, 0x88)) == "the L bit is 0");
    CHECK(error_of(Encapsulation::udp, with(0, 0xc0)) == "the S bit is 0");
    CHECK(error_of(Encapsulation::udp, with(3, 0x0b)) == "Length is 11, less than the header's 12");
    CHECK(error_of(Encapsulation::udp, with(3, 0x15)) == "Length is 21, but only 20 bytes came");
    CHECK(error_of(Encapsulation::ip, hex("00000001") + hex(kHello)) ==
          "the Session ID is not 0: a data message");
}

TEST_CASE("reserved bits are ignored and bytes behind Length are counted and left out") {
    const auto parsed = ControlPacket::parse(Encapsulation::udp, hex("fff3 000c 00000000 0000 0000 abcdef"));
    REQUIRE(parsed);
    CHECK(parsed->message.size() == 12);
    CHECK(parsed->body.empty());
    CHECK(parsed->trailing == 3);
}
