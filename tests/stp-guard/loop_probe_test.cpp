#include "stp-guard/loop_probe.h"

#include <doctest/doctest.h>

#include "base/ethernet.h"
#include "stp-guard/frame_class.h"
#include "tests/stp-guard/frames.h"
#include "tests/stp-guard/toy_authenticator.h"

using namespace isthmus;
using namespace isthmus::stp_guard;
using namespace isthmus::test;

namespace {

LoopProbe example() {
    LoopProbe probe;
    probe.flags = ProbeFlags::kAble;
    probe.sender = {DomainId{0x01020304}, SiteId{0x1112131415161718}, NodeId{0x2122232425262728}};
    probe.boot_nonce = 0x3132333435363738;
    probe.port = PortId{0x41424344};
    probe.port_kind = PortKind::tunnel;
    probe.vid = 110;
    probe.seq = 0x5152535455565758;
    probe.sent_at = TimePoint(Duration(0x0102030405060708));
    probe.destination = kProbeGroup;
    probe.source = guard_source(probe.sender.node, probe.port);
    return probe;
}

}  // namespace

TEST_CASE("a probe is written as its diagram says") {
    const ToyAuthenticator authenticator;
    const auto frame = emit(example(), authenticator);
    REQUIRE(frame.size() == 18 + kProbePayloadSize);
    CHECK(to_hex(Bytes(frame).subspan(0, 6)) == "034c32424701");
    CHECK(to_hex(Bytes(frame).subspan(12, 6)) == "8100c06e88b5");  // PCP 6, VID 110
    CHECK(to_hex(Bytes(frame).subspan(18, 60)) ==
          "4c324c47010100020102030411121314151617182122232425262728"
          "3132333435363738414243440200006e51525354555657580102030405060708");
    CHECK(Bytes(frame).subspan(18 + 60, 12).front() == 0x03);
    CHECK(to_hex(Bytes(frame).subspan(18 + 60, 20)) ==
          "034c32424701" + to_hex(example().source.bytes) + "0000000000000000");
}

TEST_CASE("a probe read is the probe written, tagged or not") {
    const ToyAuthenticator authenticator;
    for (const std::uint16_t vid : std::to_array<std::uint16_t>({0, 1, 110, 4094})) {
        LoopProbe probe = example();
        probe.vid = vid;
        const auto frame = emit(probe, authenticator);
        const auto received = parse_loop_probe(frame);
        REQUIRE(received);
        CHECK(received->probe == probe);
        CHECK(received->arrival_vid == vid);
        CHECK_FALSE(received->altered());
        CHECK(is_authentic(received->sealed, received->mac, authenticator));
        CHECK_FALSE(is_authentic(received->sealed, received->mac, ToyAuthenticator(2)));
    }
}

TEST_CASE("no truncation of a probe is a probe, and padding does not matter") {
    auto frame = emit(example(), ToyAuthenticator{});
    for (std::size_t size = 0; size < frame.size(); ++size)
        CHECK_FALSE_MESSAGE(parse_loop_probe(Bytes(frame).first(size)), size);
    frame.insert(frame.end(), 30, 0xaa);
    CHECK(parse_loop_probe(frame));
}

TEST_CASE("any byte of the payload changed makes the MAC wrong or the probe another one's refusal") {
    const ToyAuthenticator authenticator;
    const auto frame = emit(example(), authenticator);
    for (std::size_t at = 18; at < frame.size(); ++at) {
        auto changed = frame;
        changed[at] ^= 0x10;
        const auto received = parse_loop_probe(changed);
        if (received) CHECK_FALSE_MESSAGE(is_authentic(received->sealed, received->mac, authenticator), at);
    }
}

TEST_CASE("port kinds and VIDs that do not exist are refused by name") {
    auto frame = emit(example(), ToyAuthenticator{});
    frame[18 + 40] = 3;
    CHECK(parse_loop_probe(frame).error() == ProbeRefusal::bad_port_kind);
    frame[18 + 40] = 1;
    frame[18 + 42] = 0x0f;
    frame[18 + 43] = 0xff;
    CHECK(parse_loop_probe(frame).error() == ProbeRefusal::bad_vid);
    CHECK(parse_loop_probe(Bytes(frame).first(60)).error() == ProbeRefusal::not_a_probe);
    CHECK(parse_loop_probe(Bytes(frame).first(18 + 80)).error() == ProbeRefusal::truncated);
}

TEST_CASE("addresses that were rewritten on the way show") {
    auto frame = emit(example(), ToyAuthenticator{});
    frame[11] ^= 1;
    CHECK(parse_loop_probe(frame)->altered());
    frame[11] ^= 1;
    frame[5] ^= 1;
    CHECK(parse_loop_probe(frame)->altered());
}

TEST_CASE(
    "probes are nobody's link-local protocol: bridges flood all three kinds, and switches have no use for "
    "them") {
    for (const MacAddress& destination : {kProbeGroup, kProbeBroadcast, MacAddress{{0x02, 1, 2, 3, 4, 5}}}) {
        LoopProbe probe = example();
        probe.destination = destination;
        const FrameClass kind = classify(emit(probe, ToyAuthenticator{}));
        CHECK(kind.link_local == LinkLocalKind::none);
        CHECK(kind.vid == 110);
    }
    CHECK(kind_of(kProbeGroup) == ProbeKind::multicast);
    CHECK(kind_of(kProbeBroadcast) == ProbeKind::broadcast);
    CHECK(kind_of(MacAddress{{0x02, 1, 2, 3, 4, 5}}) == ProbeKind::decoy);
}

TEST_CASE("a port's source address is local, unicast, its own, and recognised") {
    const MacAddress one = guard_source(NodeId{1}, PortId{1});
    CHECK(one == guard_source(NodeId{1}, PortId{1}));
    CHECK(one != guard_source(NodeId{1}, PortId{2}));
    CHECK(one != guard_source(NodeId{2}, PortId{1}));
    CHECK(is_guard_source(one));
    CHECK_FALSE(one.is_group());
    CHECK((one.bytes[0] & 2) != 0);
    CHECK_FALSE(is_guard_source(MacAddress{{0x02, 0, 0x5e, 0x10, 0, 1}}));
}
