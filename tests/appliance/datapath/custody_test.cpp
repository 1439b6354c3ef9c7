#include "appliance/datapath/custody.h"

#include <doctest/doctest.h>

#include <atomic>
#include <cstdint>
#include <thread>

using namespace isthmus;
using namespace isthmus::appliance;

TEST_CASE("a worker is its own until it is lent, and again when it is given back") {
    Custody custody;
    CHECK_FALSE(custody.is_lent());
    custody.lend();
    CHECK(custody.is_lent());
    custody.give_back();
    CHECK_FALSE(custody.is_lent());
    custody.wait_until_back();  // returns at once
}

TEST_CASE("the helper is quiet once it has had nothing but single packets for a while") {
    Custody custody;
    const TimePoint start(std::chrono::hours(1));
    CHECK(custody.helper_is_quiet(start));
    custody.helper_was_busy(start);
    CHECK_FALSE(custody.helper_is_quiet(start));
    CHECK_FALSE(custody.helper_is_quiet(start + Custody::kLull));
    CHECK(custody.helper_is_quiet(start + Custody::kLull + std::chrono::nanoseconds(1)));
}

TEST_CASE("what one holder of a worker writes the next one sees, however often it changes hands") {
    constexpr std::uint64_t kRounds = 2'000;
    Custody custody;
    std::uint64_t owned = 0;  // not atomic: custody is what guards it
    std::thread helper([&] {
        for (std::uint64_t round = 0; round < kRounds; ++round) {
            while (!custody.is_lent()) std::this_thread::yield();
            ++owned;
            custody.give_back();
        }
    });
    for (std::uint64_t round = 0; round < kRounds; ++round) {
        ++owned;
        custody.lend();
        custody.wait_until_back();
    }
    helper.join();
    CHECK(owned == 2 * kRounds);
}
