#include "stp-guard/flood_memory.h"

#include <doctest/doctest.h>

#include "tests/stp-guard/frames.h"
#include "tests/support/counting_allocator.h"

using namespace isthmus;
using namespace isthmus::stp_guard;
using namespace isthmus::test;
using namespace std::chrono_literals;

namespace {

constexpr TimePoint kStart{1h};
constexpr FrameOrigin kLan = FrameOrigin::lan;
constexpr FrameOrigin kOne = out_of(SessionIndex{0});
constexpr FrameOrigin kOther = out_of(SessionIndex{1});

Octets numbered(std::uint32_t number, std::size_t size = 98) {
    Octets frame = frame_to(kBroadcast, kIpv4);
    frame.resize(size);
    store_be32(frame.data() + 40, number);
    return frame;
}

}  // namespace

TEST_CASE("a frame is known for a quarter of a second by the way that it came first") {
    FloodMemory memory(1);
    CHECK(memory.note(7, numbered(1), kLan, kStart) == std::nullopt);
    CHECK(memory.note(7, numbered(1), kOne, kStart) == kLan);
    CHECK(memory.note(7, numbered(1), kOther, kStart + 250ms) == kLan);
    CHECK(memory.note(7, numbered(1), kOther, kStart + 251ms) == std::nullopt);
    CHECK(memory.note(7, numbered(1), kLan, kStart + 252ms) == kOther);
}

TEST_CASE("who repeats himself by the same way is remembered longer, who comes by another is not") {
    FloodMemory memory(1);
    CHECK(memory.note(7, numbered(1), kLan, kStart) == std::nullopt);
    CHECK(memory.note(7, numbered(1), kLan, kStart + 200ms) == kLan);
    CHECK(memory.note(7, numbered(1), kOne, kStart + 400ms) == kLan);
    CHECK(memory.note(7, numbered(1), kOne, kStart + 500ms) == std::nullopt);
}

TEST_CASE("frames of another bridge, another length or another content have nothing to do with it") {
    FloodMemory memory(1);
    CHECK(memory.note(7, numbered(1), kLan, kStart) == std::nullopt);
    CHECK(memory.note(8, numbered(1), kOne, kStart) == std::nullopt);
    CHECK(memory.note(7, numbered(2), kOne, kStart) == std::nullopt);
    CHECK(memory.note(7, numbered(1, 99), kOne, kStart) == std::nullopt);
    CHECK(memory.note(7, numbered(1), kOne, kStart) == kLan);
}

TEST_CASE("thousands of frames at a time are kept apart, and none is taken for another") {
    FloodMemory memory(1);
    const AllocationCount allocations;
    for (std::uint32_t i = 0; i < 10'000; ++i)
        CHECK(memory.note(7, numbered(i), i % 2 == 0 ? kLan : kOne, kStart) == std::nullopt);
    std::uint32_t known = 0;
    for (std::uint32_t i = 0; i < 10'000; ++i) {
        const auto first = memory.note(7, numbered(i), i % 2 == 0 ? kLan : kOne, kStart + 100ms);
        known += first ? 1U : 0U;
        if (first) CHECK(*first == (i % 2 == 0 ? kLan : kOne));
    }
    CHECK(known > 9'900);
}

TEST_CASE("the workers' clocks may differ by some milliseconds, and time may begin anywhere") {
    for (const TimePoint start : {TimePoint{0s}, TimePoint{1h}, TimePoint{1'048'576ms}, TimePoint{9'000h}}) {
        FloodMemory memory(2);
        CHECK(memory.note(7, numbered(1), kLan, start + 10ms) == std::nullopt);
        CHECK(memory.note(7, numbered(1), kOne, start) == kLan);
    }
}

TEST_CASE("sessions are told apart from one another and from the LAN") {
    CHECK(out_of(SessionIndex{0}) != FrameOrigin::lan);
    for (std::uint32_t i = 1; i < 5'000; ++i) {
        CHECK(out_of(SessionIndex{i}) != FrameOrigin::lan);
        CHECK(out_of(SessionIndex{i}) != out_of(SessionIndex{i - 1}));
    }
}
