// TAPs of the real kernel, in a namespace of the test's own; skipped, in words, without the privilege to make one.
#include "bridge/io/tap.h"

#include <doctest/doctest.h>
#include <poll.h>

#include <algorithm>

#include "tests/bridge/private_namespace.h"
#include "tests/support/frame_builder.h"

using namespace isthmus;
using namespace isthmus::bridge;

namespace {

struct Buffers {
    PacketPool slots{2048, 4};
    PacketPool blocks{70'000, 2};
    PacketBuffer slot = *slots.allocate(128);
    PacketBuffer large = *blocks.allocate(128 + 2048);
};

/// What the kernel sends on the TAP of itself is skipped: IPv6 neighbour and router discovery.
Tap::Read read_next(Tap& tap, Buffers& buffers, std::uint16_t type) {
    for (int tries = 0; tries < 100; ++tries) {
        pollfd p{tap.fd(), POLLIN, 0};
        if (::poll(&p, 1, 5000) != 1) return Tap::Read::empty;
        const auto outcome = tap.read(buffers.slot, buffers.large);
        const Bytes frame =
            outcome == Tap::Read::in_large ? Bytes(buffers.large.data()) : Bytes(buffers.slot.data());
        if (frame.size() >= 14 && load_be16(frame.data() + 12) == type) return outcome;
        buffers.slot.trim_back(buffers.slot.size());
        buffers.large.trim_back(buffers.large.size());
    }
    return Tap::Read::empty;
}

}  // namespace

TEST_CASE("a name that is none, or taken, is refused in a sentence") {
    for (const auto* name : {"", "sixteen-letters-", "a/b", "a b", "tap%d"}) {
        const auto tap = Tap::open(name);
        REQUIRE_FALSE(tap);
        CHECK(tap.error().find("no interface name") != std::string::npos);
    }
    const PrivateNamespace own;
    if (!own.usable_for("taken TAP names")) return;
    auto first = Tap::open("ist-one");
    REQUIRE(first);
    const auto second = Tap::open("ist-one");
    REQUIRE_FALSE(second);
    CHECK(second.error() ==
          "ist-one: an interface of that name exists already; remove it or choose another name");
    CHECK_FALSE(Tap::open("lo"));
}

TEST_CASE("a TAP is there while its object is, and says what it negotiated") {
    const PrivateNamespace own;
    if (!own.usable_for("TAP offloads")) return;
    Hands hands;
    {
        auto tap = Tap::open("ist-one");
        REQUIRE(tap);
        CHECK(hands.exists("ist-one"));
        CHECK(hands.link("ist-one").index == tap->index());
        CHECK(tap->offloads().checksum);
        CHECK(tap->offloads().tso4);
        CHECK(tap->offloads().tso6);
        const Tap moved = std::move(*tap);
        CHECK(hands.exists("ist-one"));
        CHECK(moved.name() == "ist-one");
    }
    CHECK_FALSE(hands.exists("ist-one"));

    TapOffloads wanted;
    auto plain = Tap::open("ist-two", wanted);
    REQUIRE(plain);
    CHECK(plain->offloads() == wanted);
    CHECK(plain->offloads().text() == "none");
    CHECK(plain->offloads().refused() == "checksum tso4 tso6 tso-ecn uso4 uso6");
    wanted.checksum = wanted.tso6 = true;
    auto some = Tap::open("ist-three", wanted);
    REQUIRE(some);
    CHECK(some->offloads().text() == "checksum tso6");
}

TEST_CASE("nothing waits in a new TAP, and one that is down takes nothing") {
    const PrivateNamespace own;
    if (!own.usable_for("TAP that is down")) return;
    auto tap = Tap::open("ist-one");
    REQUIRE(tap);
    Buffers buffers;
    CHECK(tap->read(buffers.slot, buffers.large) == Tap::Read::empty);
    CHECK(buffers.slot.size() == 0);
    CHECK(buffers.large.size() == 0);
    CHECK(buffers.large.headroom() == 128 + 2048);
    const auto frame = test::build({});
    const Bytes piece = frame;
    CHECK(tap->write({}, {&piece, 1}) == DropReason::tap_refused);
    CHECK(tap->write({}, {}) == DropReason::tap_refused);
}

TEST_CASE("frames go from one TAP through a bridge to another: small ones into the slot, large ones whole") {
    const PrivateNamespace own;
    if (!own.usable_for("frames through a bridge")) return;
    Hands hands;
    auto from = Tap::open("ist-from");
    auto to = Tap::open("ist-to");
    REQUIRE((from && to && hands.bridge("br-test")));
    for (const auto& name : {"ist-from", "ist-to"}) {
        REQUIRE(hands.change(netlink::set_master(hands.link(name).index, hands.link("br-test").index)));
        REQUIRE(hands.change(netlink::set_up(hands.link(name).index, true)));
    }
    REQUIRE(hands.change(netlink::set_up(hands.link("br-test").index, true)));

    for (const std::size_t size : {18UL, 1400UL, 40'000UL}) {
        for (const std::uint8_t protocol : {std::uint8_t{6}, std::uint8_t{17}}) {
            CAPTURE(size);
            CAPTURE(protocol);
            if (protocol == 17 && size > 1500 && !from->offloads().uso4) continue;
            test::FrameSpec spec;
            spec.protocol = protocol;
            spec.payload = test::pattern(size);
            spec.partial_checksum = size > 1500;
            Offload offload;
            if (spec.partial_checksum) offload = test::offload_for(spec, 1400);
            const auto frame = test::build(spec);
            const std::array<Bytes, 3> pieces{Bytes(frame).first(20), Bytes(frame).subspan(20, 35),
                                              Bytes(frame).subspan(55)};
            Buffers buffers;
            auto written = DropReason::tap_refused;
            // A bridge port may take a while until it forwards.
            for (int tries = 0; tries < 50; ++tries) {
                written = from->write(offload, pieces);
                REQUIRE(written == DropReason::none);
                pollfd p{to->fd(), POLLIN, 0};
                if (::poll(&p, 1, 100) == 1) break;
            }
            const auto outcome = read_next(*to, buffers, 0x0800);
            const bool is_large = outcome == Tap::Read::in_large;
            REQUIRE((is_large || outcome == Tap::Read::in_slot));
            CHECK(is_large == (size > 1500));
            const PacketBuffer& got = is_large ? buffers.large : buffers.slot;
            CHECK(test::bytes_of(got) == frame);
            CHECK((is_large ? buffers.slot : buffers.large).size() == 0);
            CHECK(got.headroom() >= 128);
            CHECK(got.meta.offload.kind == offload.kind);
            CHECK(got.meta.offload.needs_checksum == offload.needs_checksum);
            CHECK(got.meta.offload.segment_size == offload.segment_size);
            CHECK(got.meta.offload.header_size == offload.header_size);
            // Frames that were sent more than once while the port was not ready.
            while (to->read(buffers.slot = *buffers.slots.allocate(128),
                            buffers.large = *buffers.blocks.allocate(2176)) != Tap::Read::empty) {
            }
        }
    }
}

TEST_CASE("a TAP that somebody else removes is gone") {
    const PrivateNamespace own;
    if (!own.usable_for("removed TAP")) return;
    Hands hands;
    auto tap = Tap::open("ist-one");
    REQUIRE(tap);
    REQUIRE(hands.change(netlink::delete_link(tap->index())));
    Buffers buffers;
    CHECK(tap->read(buffers.slot, buffers.large) == Tap::Read::gone);
    const auto frame = test::build({});
    const Bytes piece = frame;
    CHECK(tap->write({}, {&piece, 1}) == DropReason::tap_refused);
}
