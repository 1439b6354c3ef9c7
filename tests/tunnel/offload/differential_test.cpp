// Random traffic through segmenter and coalescer against one-frame-at-a-time counterparts: what leaves, after undoing what
// was merged, is the same bytes in the same per-flow order.
// tests/sim/datapath_differential_test.cpp has the whole way between two gateways.
#include <doctest/doctest.h>

#include <algorithm>
#include <string>

#include "tests/support/random_traffic.h"
#include "tests/tunnel/offload/undoing_sink.h"
#include "tunnel/offload/segmenter.h"

using namespace isthmus;
using namespace isthmus::tunnel;
using namespace isthmus::tunnel::test;

TEST_CASE("random traffic is segmented and merged as the plain way would, bit for bit and in order") {
    PacketPool large(70'000, 1);
    PacketPool slots(2048, 1024);
    Segmenter segmenter(slots, 100, 40);
    Coalescer coalescer({true, true, true, true});
    Hosts hosts(20'240'607);
    Dice dice(99);
    const std::size_t wanted = frames_wanted(300'000);
    std::size_t frames = 0;
    std::size_t writes = 0;
    while (frames < wanted) {
        std::vector<Frame> wire;
        const std::size_t burst = 1 + dice.roll(200);
        while (wire.size() < burst) {
            const HostFrame host = hosts.next();
            const auto expected = plain_segments(host.bytes, host.offload);
            REQUIRE(segmenter.start(packet_of(large, host.bytes, host.offload)) == DropReason::none);
            std::size_t n = 0;
            while (auto packet = segmenter.next()) {
                const bool same =
                    n < expected.size() && std::equal(packet->data().begin(), packet->data().end(),
                                                      expected[n].begin(), expected[n].end());
                if (!same)
                    REQUIRE(to_hex(packet->data()) ==
                            (n < expected.size() ? to_hex(expected[n]) : "nothing"));
                wire.push_back(bytes_of(*packet));
                ++n;
            }
            REQUIRE(n == expected.size());
        }
        impair(wire, dice);
        UndoingSink sink;
        for (std::size_t i = 0; i < wire.size(); ++i) {
            coalescer.add(packet_of(slots, wire[i]), sink);
        }
        coalescer.flush(sink);
        const auto wrong = compare_flows(wire, sink.frames);
        if (!sink.sound || !wrong.empty()) REQUIRE(wrong == "");
        REQUIRE(slots.available() == slots.count());
        frames += wire.size();
        writes += sink.writes.size();
    }
    MESSAGE(frames << " frames in " << writes << " writes");
    CHECK(writes * 10 < frames * 9);
}
