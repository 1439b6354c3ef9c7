#include "tunnel/bfd_packet.h"

#include "tests/tunnel/packets.h"

using namespace isthmus;
using namespace isthmus::tunnel;
using namespace isthmus::tunnel::test;

namespace {

const char* const kWire = "21e00318 11223344 55667788 000493e0 000493e0 00000000";

BfdPacket sample() {
    BfdPacket p;
    p.diagnostic = BfdDiagnostic::detection_expired;
    p.state = BfdState::up;
    p.poll = true;
    p.mine = BfdDiscriminator{0x11223344};
    p.yours = BfdDiscriminator{0x55667788};
    p.desired_min_tx = Microseconds(300'000);
    p.required_min_rx = Microseconds(300'000);
    return p;
}

std::string_view error_of(std::size_t at, std::uint8_t byte) {
    Octets wire = hex(kWire);
    wire[at] = byte;
    const auto parsed = BfdPacket::parse(wire);
    return parsed ? "parsed" : parsed.error();
}

}  // namespace

TEST_CASE("a BFD packet is written and read as RFC 5880 section 4.1 draws it") {
    CHECK(to_hex(sample().emit()) == to_hex(hex(kWire)));
    const auto parsed = BfdPacket::parse(hex(kWire));
    REQUIRE(parsed);
    CHECK(*parsed == sample());
}

TEST_CASE("every state, flag and diagnostic comes back") {
    for (int state = 0; state < 4; ++state) {
        for (int bits = 0; bits < 16; ++bits) {
            BfdPacket p = sample();
            p.state = BfdState{static_cast<std::uint8_t>(state)};
            p.diagnostic = BfdDiagnostic{static_cast<std::uint8_t>(bits * 2 + 1)};
            p.poll = (bits & 1) != 0;
            p.final = (bits & 2) != 0;
            p.control_plane_independent = (bits & 4) != 0;
            p.demand = (bits & 8) != 0;
            const auto wire = p.emit();
            const auto parsed = BfdPacket::parse(wire);
            REQUIRE(parsed);
            CHECK(*parsed == p);
            CHECK_FALSE(words(p.diagnostic).empty());
        }
    }
}

TEST_CASE("a BFD packet cut at any byte is refused") {
    const Octets wire = hex(kWire);
    for (std::size_t size = 0; size < wire.size(); ++size)
        CHECK_FALSE(BfdPacket::parse(Bytes(wire).first(size)));
    CHECK(BfdPacket::parse(wire + hex("00")));  // behind Length: not ours
}

TEST_CASE("what RFC 5880 section 6.8.6 discards is refused by field") {
    CHECK(error_of(0, 0x41) == "Version is not 1");
    CHECK(error_of(3, 23) == "Length is less than 24");
    CHECK(error_of(3, 25) == "Length is more than what came");
    CHECK(error_of(1, 0xe4) == "the A bit is set, but no authentication is in use");
    CHECK(error_of(1, 0xe1) == "the M bit is set");
    CHECK(error_of(2, 0) == "Detect Mult is 0");
    Octets no_mine = hex("20c00318 00000000 55667788 000493e0 000493e0 00000000");
    CHECK(BfdPacket::parse(no_mine).error() == "My Discriminator is 0");
    Octets no_yours = hex("20c00318 11223344 00000000 000493e0 000493e0 00000000");
    CHECK(BfdPacket::parse(no_yours).error() == "Your Discriminator is 0 in state Init or Up");
    no_yours[1] = 0x40;
    CHECK(BfdPacket::parse(no_yours));
}
