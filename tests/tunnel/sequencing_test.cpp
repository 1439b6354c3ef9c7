#include "tunnel/sequencing.h"

#include <doctest/doctest.h>

#include <vector>

using namespace isthmus::tunnel;

namespace {
std::vector<bool> accepted(SequenceReceiver& receiver, const std::vector<std::uint32_t>& numbers) {
    std::vector<bool> out;
    for (const auto n : numbers) out.push_back(receiver.accept(n));
    return out;
}
const std::vector<bool> kSixthPasses{false, false, false, false, false, true};
}  // namespace

TEST_CASE("a sender counts from 0 and wraps after 2^24 - 1") {
    SequenceSender sender;
    CHECK(sender.take() == 0);
    CHECK(sender.take() == 1);
    while (sender.next() != kSequenceModulus - 1) static_cast<void>(sender.take());
    CHECK(sender.take() == 0xff'ffff);
    CHECK(sender.take() == 0);
}

TEST_CASE("packets in order pass, across the wrap too") {
    SequenceReceiver receiver;
    CHECK(accepted(receiver, {0xff'fffe, 0xff'ffff, 0, 1}) == std::vector<bool>(4, true));
}

TEST_CASE("the first packet sets the position, whatever its number") {
    SequenceReceiver receiver;
    CHECK(accepted(receiver, {77, 78}) == std::vector<bool>{true, true});
    CHECK(receiver.expected() == 79U);
}

TEST_CASE("a duplicate and a late packet are dropped and disturb nothing") {
    SequenceReceiver receiver;
    CHECK(accepted(receiver, {0, 1, 1, 0, 2, 3}) == std::vector<bool>{true, true, false, false, true, true});
}

TEST_CASE("after a gap five in a row are dropped and the next one makes the new position") {
    SequenceReceiver receiver;
    static_cast<void>(accepted(receiver, {0, 1}));
    CHECK(accepted(receiver, {10, 11, 12, 13, 14, 15}) == kSixthPasses);
    CHECK(accepted(receiver, {16, 17}) == std::vector<bool>{true, true});
}

TEST_CASE("a peer that restarted at 0 is found again") {
    SequenceReceiver receiver;
    static_cast<void>(accepted(receiver, {100, 101}));
    CHECK(accepted(receiver, {0, 1, 2, 3, 4, 5}) == kSixthPasses);
}

TEST_CASE("a resync run may cross the wrap") {
    SequenceReceiver receiver;
    static_cast<void>(accepted(receiver, {5}));
    CHECK(accepted(receiver, {0xff'fffd, 0xff'fffe, 0xff'ffff, 0, 1, 2}) == kSixthPasses);
}

TEST_CASE("a run that is broken starts over") {
    SequenceReceiver receiver;
    static_cast<void>(accepted(receiver, {0}));
    CHECK(accepted(receiver, {10, 11, 12, 13, 20, 21, 22, 23, 24}) == std::vector<bool>(9, false));
    CHECK(receiver.accept(25));
}

TEST_CASE("a packet in order ends a run of strays") {
    SequenceReceiver receiver;
    static_cast<void>(accepted(receiver, {0}));
    CHECK(accepted(receiver, {10, 11, 12, 13, 14}) == std::vector<bool>(5, false));
    CHECK(receiver.accept(1));
    CHECK_FALSE(receiver.accept(15));
}
