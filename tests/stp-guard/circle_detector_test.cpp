#include "stp-guard/circle_detector.h"

#include <doctest/doctest.h>

#include <vector>

#include "tests/stp-guard/frames.h"
#include "tests/support/counting_allocator.h"

using namespace isthmus;
using namespace isthmus::stp_guard;
using namespace isthmus::test;
using namespace std::chrono_literals;

namespace {

constexpr TimePoint kStart{1h};
constexpr SessionIndex kSession{3};
constexpr Duration kPause = CircleDetector::kPause;

Octets numbered(std::uint32_t number, std::size_t size = 98) {
    Octets frame = frame_to(kHost, kIpv4);
    frame.resize(size);
    store_be32(frame.data() + 40, number);
    return frame;
}

/// Rounds that a frame makes at that pace until it is dropped; 0: it never is, in `most`.
int rounds_until_dropped(CircleDetector& detector, const Octets& frame, TimePoint& now, Duration pace,
                         int most = 200) {
    for (int round = 1; round <= most; ++round) {
        now += pace;
        if (detector.comes_round(kSession, frame, now, kPause)) return round;
    }
    return 0;
}

}  // namespace

TEST_CASE(
    "a frame that goes round is dropped the fourth time, whether a round takes microseconds or tenths") {
    for (const Duration pace :
         {Duration(0), Duration(50us), Duration(5ms), Duration(100ms), Duration(250ms)}) {
        CircleDetector detector(1);
        TimePoint now = kStart;
        CHECK(rounds_until_dropped(detector, numbered(1), now, pace) == 4);
        CHECK(rounds_until_dropped(detector, numbered(2, 1514), now, pace) == 4);
        CHECK(rounds_until_dropped(detector, numbered(3, 60'000), now, pace) == 4);
    }
}

TEST_CASE("retransmissions and keepalives pass, however long they go on") {
    CircleDetector detector(1);
    // As fast as TCP ever does: twice after a loss, then after 200 ms (RFC 6298: after 1 s), doubling.
    TimePoint now = kStart;
    CHECK_FALSE(detector.comes_round(kSession, numbered(1), now, kPause));
    for (const Duration wait :
         {Duration(10ms), Duration(20ms), Duration(300ms), Duration(600ms), Duration(1200ms)})
        CHECK_FALSE(detector.comes_round(kSession, numbered(1), now += wait, kPause));
    CHECK(rounds_until_dropped(detector, numbered(2), now, 1s) == 0);
    CHECK(rounds_until_dropped(detector, numbered(3), now, 251ms) == 0);
}

TEST_CASE("where the pause is short, only what comes round fast is dropped") {
    CircleDetector detector(1);
    TimePoint now = kStart;
    for (int i = 0; i < 20; ++i)
        CHECK_FALSE(detector.comes_round(kSession, numbered(1), now += 11ms, CircleDetector::kShortPause));
    for (int i = 1; i <= 4; ++i)
        CHECK(detector.comes_round(kSession, numbered(2), now += 10ms, CircleDetector::kShortPause) ==
              (i == 4));
}

TEST_CASE("a flow whose packets differ is never dropped, at any rate") {
    CircleDetector detector(1);
    TimePoint now = kStart;
    int dropped = 0;
    for (std::uint32_t i = 0; i < 200'000; ++i)
        dropped += detector.comes_round(kSession, numbered(i), now += 1us, kPause) ? 1 : 0;
    CHECK(dropped == 0);
}

TEST_CASE("frames of other sessions, other lengths and other contents are other frames") {
    CircleDetector detector(1);
    for (int i = 0; i < 3; ++i) {
        CHECK_FALSE(detector.comes_round(kSession, numbered(1), kStart, kPause));
        CHECK_FALSE(detector.comes_round(SessionIndex{4}, numbered(1), kStart, kPause));
        CHECK_FALSE(detector.comes_round(kSession, numbered(1, 99), kStart, kPause));
        CHECK_FALSE(detector.comes_round(kSession, numbered(2), kStart, kPause));
    }
    CHECK(detector.comes_round(kSession, numbered(1), kStart, kPause));
    CHECK(detector.comes_round(SessionIndex{4}, numbered(1), kStart, kPause));
}

TEST_CASE("who says the same over and over loses less and less of it, and has his four again after a pause") {
    CircleDetector detector(1);
    TimePoint now = kStart;
    for (const int expected : {4, 8, 16, 32, 64, 64, 64})
        CHECK(rounds_until_dropped(detector, numbered(1), now, 1ms) == expected);
    now += 300ms;
    CHECK(rounds_until_dropped(detector, numbered(1), now, 1ms) == 4);
}

TEST_CASE("however many frames go round at once, they become fewer until none is left") {
    CircleDetector detector(1);
    for (const std::uint32_t count : {1'000U, 50'000U, 200'000U}) {
        std::vector<std::uint32_t> going(count);
        for (std::uint32_t i = 0; i < count; ++i) going[i] = i + count;
        TimePoint now = kStart + std::chrono::seconds(count);
        int rounds = 0;
        while (!going.empty() && ++rounds < 200) {
            now += 20ms;
            std::erase_if(going, [&](std::uint32_t number) {
                return detector.comes_round(kSession, numbered(number), now, kPause);
            });
        }
        CHECK_MESSAGE(going.empty(), count, " frames: ", going.size(), " left");
    }
}

TEST_CASE("a VLAN is suspect for two seconds, and no other one is") {
    CircleDetector detector(1);
    CHECK_FALSE(detector.is_suspect(kSession, 10, kStart));
    detector.suspect(kSession, 10, kStart);
    CHECK(detector.is_suspect(kSession, 10, kStart + 1999ms));
    CHECK_FALSE(detector.is_suspect(kSession, 20, kStart));
    CHECK_FALSE(detector.is_suspect(SessionIndex{4}, 10, kStart));
    CHECK_FALSE(detector.is_suspect(kSession, 10, kStart + 2s));
    // 74 shares its place: the later one has it.
    detector.suspect(kSession, 74, kStart);
    CHECK(detector.is_suspect(kSession, 74, kStart));
    CHECK_FALSE(detector.is_suspect(kSession, 10, kStart));
}

TEST_CASE("looking at frames allocates nothing") {
    CircleDetector detector(1);
    std::vector<Octets> frames;
    for (std::uint32_t i = 0; i < 1'000; ++i) frames.push_back(numbered(i));
    const AllocationCount allocations;
    int dropped = 0;
    for (int round = 0; round < 8; ++round)
        for (const Octets& frame : frames)
            dropped += detector.comes_round(kSession, frame, kStart + round * 1ms, kPause) ? 1 : 0;
    detector.suspect(kSession, 10, kStart);
    CHECK(allocations.so_far() == 0);
    CHECK(dropped > 900);
}
