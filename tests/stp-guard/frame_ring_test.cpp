#include "stp-guard/frame_ring.h"

#include <doctest/doctest.h>

#include <numeric>
#include <thread>

#include "tests/stp-guard/frames.h"

using namespace isthmus;
using namespace isthmus::stp_guard;
using namespace isthmus::test;
using namespace std::chrono_literals;

namespace {
constexpr TimePoint kNow{1h};
}

TEST_CASE("the ring keeps the last frames' heads, with what became of them") {
    FrameRing ring(4);
    const Octets small = frame_to(kBroadcast, kArp);
    Octets large = frame_to(kHost, kIpv4);
    large.resize(1'500, 7);
    ring.record(kNow, SessionIndex{3}, Direction::to_tunnel, DropReason::storm_limit, small);
    ring.record(kNow + 1ms, SessionIndex{70'000}, Direction::from_tunnel, DropReason::none, large);
    ring.record(kNow + 2ms, SessionIndex{1}, Direction::from_tunnel, DropReason::malformed_frame, {});
    const auto frames = ring.since(0);
    REQUIRE(frames.size() == 3);
    CHECK(frames[0].at == kNow);
    CHECK(frames[0].session == SessionIndex{3});
    CHECK(frames[0].direction == Direction::to_tunnel);
    CHECK(frames[0].drop == DropReason::storm_limit);
    CHECK(frames[0].head == small);
    CHECK(frames[1].session == SessionIndex{70'000});
    CHECK(frames[1].direction == Direction::from_tunnel);
    CHECK(frames[1].size == 1'500);
    CHECK(frames[1].head == Octets(large.begin(), large.begin() + FrameRing::kHeadSize));
    CHECK(frames[2].head.empty());
    CHECK(ring.since(2).size() == 1);
    CHECK(ring.since(3).empty());
}

TEST_CASE("the oldest make room for the newest") {
    FrameRing ring(3);
    CHECK(ring.capacity() == 4);
    for (std::uint32_t i = 0; i < 10; ++i)
        ring.record(kNow, SessionIndex{i}, Direction::to_tunnel, DropReason::none, kArp);
    CHECK(ring.count() == 10);
    const auto frames = ring.since(0);
    REQUIRE(frames.size() == 4);
    CHECK(frames.front().session == SessionIndex{6});
    CHECK(frames.back().session == SessionIndex{9});
}

TEST_CASE("what is read while it is written is whole or left out") {
    FrameRing ring(8);
    std::thread writer([&] {
        for (std::uint32_t i = 0; i < 50'000; ++i)
            ring.record(kNow, SessionIndex{i}, Direction::to_tunnel, DropReason::none,
                        Octets(64, static_cast<std::uint8_t>(i)));
    });
    for (int i = 0; i < 2'000; ++i)
        for (const RecordedFrame& frame : ring.since(0)) {
            const auto expected = static_cast<std::uint8_t>(raw(frame.session));
            CHECK(frame.head == Octets(64, expected));
        }
    writer.join();
    CHECK(ring.count() == 50'000);
}
