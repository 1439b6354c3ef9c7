#include "crypto/esp/replay_window.h"

#include <doctest/doctest.h>

#include <set>

#include "crypto/esp/options.h"
#include "tests/crypto/seeded_rng.h"

using isthmus::crypto::esp::ReplayWindow;
using Verdict = ReplayWindow::Verdict;

TEST_CASE("the first packet is 1, never 0") {
    ReplayWindow window(64);
    CHECK(window.check(0) == Verdict::outside);
    CHECK(window.commit(1) == Verdict::fresh);
    CHECK(window.commit(1) == Verdict::replayed);
    CHECK(window.highest() == 1);
}

TEST_CASE("checking moves nothing") {
    ReplayWindow window(64);
    CHECK(window.check(1000) == Verdict::fresh);
    CHECK(window.highest() == 0);
    CHECK(window.check(1) == Verdict::fresh);
}

TEST_CASE("exactly as many packets as the window has are remembered") {
    for (const std::uint32_t size : {64U, 128U, 4096U, 32768U}) {
        ReplayWindow window(size);
        const std::uint64_t top = 1'000'000;
        CHECK(window.commit(top) == Verdict::fresh);
        CHECK(window.check(top - size + 1) == Verdict::fresh);
        CHECK(window.check(top - size) == Verdict::outside);
        CHECK(window.commit(top - size + 1) == Verdict::fresh);
        CHECK(window.commit(top - size + 1) == Verdict::replayed);
    }
}

TEST_CASE("numbers before a restart count as seen") {
    ReplayWindow window(64, 500);
    CHECK(window.check(500) == Verdict::outside);
    CHECK(window.check(499) == Verdict::outside);
    CHECK(window.commit(501) == Verdict::fresh);
}

TEST_CASE("a random walk agrees with a set of all numbers seen") {
    isthmus::test::SeededRng rng(42);
    for (const std::uint32_t size : {64U, 192U, 1024U}) {
        ReplayWindow window(size);
        std::set<std::uint64_t> seen;
        std::uint64_t top = 0;
        for (int i = 0; i < 20'000; ++i) {
            const bool leap = rng.below(500) == 0;
            const std::uint64_t ahead = top + 1 + rng.below(leap ? size * 5 : 8);
            const std::uint64_t behind = top > size * 2 ? top - rng.below(size * 2) : 1 + rng.below(top + 1);
            const std::uint64_t sequence = rng.below(2) == 0 ? ahead : behind;
            const bool old = sequence <= top && top - sequence >= size;
            const Verdict expected = old                         ? Verdict::outside
                                     : seen.count(sequence) != 0 ? Verdict::replayed
                                                                 : Verdict::fresh;
            REQUIRE(window.check(sequence) == expected);
            REQUIRE(window.commit(sequence) == expected);
            seen.insert(sequence);
            top = std::max(top, sequence);
            REQUIRE(window.highest() == top);
        }
    }
}

TEST_CASE("the high half is reconstructed around the window, also where it spans two stretches of 2^32") {
    constexpr std::uint64_t kStretch = std::uint64_t{1} << 32;
    SUBCASE("inside one stretch") {
        ReplayWindow window(64, 5 * kStretch + 1000);
        CHECK(window.extend(1001) == 5 * kStretch + 1001);
        CHECK(window.extend(1000 - 63) == 5 * kStretch + 1000 - 63);
        CHECK(window.extend(1000 - 64) == 6 * kStretch + 1000 - 64);
        CHECK(window.extend(0xffffffff) == 5 * kStretch + 0xffffffff);
    }
    SUBCASE("spanning two") {
        ReplayWindow window(64, 5 * kStretch + 10);
        CHECK(window.extend(11) == 5 * kStretch + 11);
        CHECK(window.extend(0) == 5 * kStretch);
        CHECK(window.extend(0xffffffff) == 5 * kStretch - 1);
        CHECK(window.extend(static_cast<std::uint32_t>(10 - 63)) == 5 * kStretch + 10 - 63);
        CHECK(window.extend(static_cast<std::uint32_t>(10 - 64)) ==
              5 * kStretch + static_cast<std::uint32_t>(10 - 64));
    }
    SUBCASE("there is nothing before the first stretch and nothing after the last") {
        CHECK_FALSE(ReplayWindow(64).extend(0xffffffff));
        CHECK(ReplayWindow(64).extend(1) == 1);
        ReplayWindow last(64, UINT64_MAX);
        CHECK_FALSE(last.extend(5));
        CHECK(last.extend(0xffffffff) == UINT64_MAX);
    }
}

TEST_CASE("every true number within reach of the window is reconstructed") {
    isthmus::test::SeededRng rng(7);
    for (int i = 0; i < 20'000; ++i) {
        const std::uint64_t top = rng.u64() >> (rng.below(40));
        ReplayWindow window(128, top);
        const std::uint64_t ahead = rng.below(std::uint64_t{1} << 31);
        if (top < UINT64_MAX - ahead)
            REQUIRE(window.extend(static_cast<std::uint32_t>(top + ahead)) == top + ahead);
        const std::uint64_t behind = rng.below(128);
        if (behind <= top) REQUIRE(window.extend(static_cast<std::uint32_t>(top - behind)) == top - behind);
    }
}
