#include "stp-guard/token_bucket.h"

#include <doctest/doctest.h>

using namespace isthmus;
using namespace isthmus::stp_guard;
using namespace std::chrono_literals;

namespace {
constexpr TimePoint kStart{1'000h};
}

TEST_CASE("a bucket starts full and gives its burst at once") {
    TokenBucket bucket({10, 3});
    CHECK(bucket.take(1, kStart));
    CHECK(bucket.take(2, kStart));
    CHECK_FALSE(bucket.take(1, kStart));
}

TEST_CASE("tokens come back one by one, to the nanosecond") {
    TokenBucket bucket({10, 1});
    CHECK(bucket.take(1, kStart));
    CHECK_FALSE(bucket.take(1, kStart + 100ms - 1ns));
    CHECK(bucket.take(1, kStart + 100ms));
    CHECK_FALSE(bucket.take(1, kStart + 200ms - 1ns));
}

TEST_CASE("a rate that does not divide a second does not drift over a day") {
    for (const std::uint32_t rate : {1U, 3U, 7U, 997U, 2'000U}) {
        TokenBucket bucket({rate, rate});
        CHECK(bucket.take(rate, kStart));
        std::uint64_t taken = 0;
        // Steps of a length that is no multiple of anything, over 24 hours.
        const Duration step = std::chrono::milliseconds(100) / rate + 37ns;
        const std::uint64_t steps_a_second = static_cast<std::uint64_t>(1s / step);
        TimePoint now = kStart;
        for (std::uint64_t i = 0; i < 20'000; ++i) {
            now += step;
            if (bucket.take(1, now)) ++taken;
        }
        const auto expected = static_cast<std::uint64_t>((now - kStart).count()) * rate / 1'000'000'000;
        CHECK(taken == expected);
        CHECK(steps_a_second > 0);
        now += 24h;
        CHECK(bucket.take(rate, now));
        CHECK_FALSE(bucket.take(1, now));
    }
}

TEST_CASE("hours of a flood let through exactly the rate and the first burst") {
    TokenBucket bucket({500, 100});
    std::uint64_t passed = 0;
    const auto end = kStart + 3h;
    for (TimePoint now = kStart; now <= end; now += 900us)
        if (bucket.take(1, now)) ++passed;
    const std::uint64_t allowed = 100 + 500 * 3 * 3600;
    CHECK(passed <= allowed);
    CHECK(passed + 1 >= allowed);
}

TEST_CASE("the largest rates and the longest pauses do not overflow") {
    TokenBucket bucket({0xffff'ffff, 0xffff'ffff});
    CHECK(bucket.take(0xffff'ffff, kStart));
    CHECK_FALSE(bucket.take(0xffff'ffff, kStart));
    CHECK(bucket.take(0xffff'ffff, TimePoint::max()));
    TokenBucket slow({1, 0xffff'ffff});
    CHECK(slow.take(0xffff'ffff, TimePoint::min()));
    CHECK_FALSE(slow.take(0xffff'ffff, TimePoint::min() + 24h));
    CHECK(slow.take(86'400, TimePoint::min() + 24h));
    CHECK_FALSE(slow.take(1, TimePoint::min() + 24h));
}

TEST_CASE("time that stands still or runs backwards fills nothing, and later time is not counted twice") {
    TokenBucket bucket({10, 10});
    CHECK(bucket.take(10, kStart));
    CHECK_FALSE(bucket.take(1, kStart - 1h));
    CHECK_FALSE(bucket.take(1, kStart));
    CHECK(bucket.take(5, kStart + 500ms));
    CHECK_FALSE(bucket.take(1, kStart + 100ms));
    CHECK_FALSE(bucket.take(1, kStart + 500ms));
}

TEST_CASE("more than the burst at once never passes, and a rate of 0 lets nothing through") {
    TokenBucket bucket({1'000, 10});
    CHECK_FALSE(bucket.take(11, kStart));
    CHECK(bucket.take(10, kStart));
    TokenBucket closed({0, 10});
    CHECK_FALSE(closed.take(1, kStart));
    CHECK_FALSE(closed.take(1, kStart + 1h));
}
