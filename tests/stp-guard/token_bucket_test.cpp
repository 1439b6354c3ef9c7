#include "stp-guard/token_bucket.h"

#include <doctest/doctest.h>

using namespace isthmus;
using namespace isthmus::stp_guard;
using namespace std::chrono_literals;

namespace {
constexpr TimePoint kStart{1'000h};
}

TEST_CASE("a bucket starts full and gives its burst at once") {
    const RateLimit bucket_limit{10, 3};
    TokenBucket bucket;
    CHECK(bucket.take(bucket_limit, 1, kStart));
    CHECK(bucket.take(bucket_limit, 2, kStart));
    CHECK_FALSE(bucket.take(bucket_limit, 1, kStart));
}

TEST_CASE("tokens come back one by one, to the nanosecond") {
    const RateLimit bucket_limit{10, 1};
    TokenBucket bucket;
    CHECK(bucket.take(bucket_limit, 1, kStart));
    CHECK_FALSE(bucket.take(bucket_limit, 1, kStart + 100ms - 1ns));
    CHECK(bucket.take(bucket_limit, 1, kStart + 100ms));
    CHECK_FALSE(bucket.take(bucket_limit, 1, kStart + 200ms - 1ns));
}

TEST_CASE("a rate that does not divide a second does not drift over a day") {
    for (const std::uint32_t rate : {1U, 3U, 7U, 997U, 2'000U}) {
        const RateLimit bucket_limit{rate, rate};
        TokenBucket bucket;
        CHECK(bucket.take(bucket_limit, rate, kStart));
        std::uint64_t taken = 0;
        // Steps of a length that is no multiple of anything, over 24 hours.
        const Duration step = std::chrono::milliseconds(100) / rate + 37ns;
        const std::uint64_t steps_a_second = static_cast<std::uint64_t>(1s / step);
        TimePoint now = kStart;
        for (std::uint64_t i = 0; i < 20'000; ++i) {
            now += step;
            if (bucket.take(bucket_limit, 1, now)) ++taken;
        }
        const auto expected = static_cast<std::uint64_t>((now - kStart).count()) * rate / 1'000'000'000;
        CHECK(taken == expected);
        CHECK(steps_a_second > 0);
        now += 24h;
        CHECK(bucket.take(bucket_limit, rate, now));
        CHECK_FALSE(bucket.take(bucket_limit, 1, now));
    }
}

TEST_CASE("hours of a flood let through exactly the rate and the first burst") {
    const RateLimit bucket_limit{500, 100};
    TokenBucket bucket;
    std::uint64_t passed = 0;
    const auto end = kStart + 3h;
    for (TimePoint now = kStart; now <= end; now += 900us)
        if (bucket.take(bucket_limit, 1, now)) ++passed;
    const std::uint64_t allowed = 100 + 500 * 3 * 3600;
    CHECK(passed <= allowed);
    CHECK(passed + 1 >= allowed);
}

TEST_CASE("the largest rates and the longest pauses do not overflow") {
    const RateLimit fast{100'000'000'000, 100'000'000'000};
    TokenBucket bucket;
    CHECK(bucket.take(fast, 100'000'000'000, kStart));
    CHECK_FALSE(bucket.take(fast, 1'000, kStart));
    CHECK(bucket.take(fast, 100'000'000'000, TimePoint::max()));
    const RateLimit slow{1, 1'000'000};
    TokenBucket patient;
    CHECK(patient.take(slow, 1'000'000, TimePoint::min()));
    CHECK_FALSE(patient.take(slow, 1'000'000, TimePoint{24h}));
    CHECK(patient.take(slow, 86'400, TimePoint{24h}));
    CHECK_FALSE(patient.take(slow, 1, TimePoint{24h}));
    const RateLimit endless{1, UINT64_MAX};
    TokenBucket deep;
    CHECK(deep.take(endless, UINT64_MAX, TimePoint::max()));
    CHECK_FALSE(deep.take(endless, 1, TimePoint::max()));
}

TEST_CASE("rates that divide nothing stay within a thousandth of what they say") {
    for (const std::uint64_t rate : {9'973ULL, 999'999ULL, 7'000'001ULL, 1'234'567'891ULL}) {
        const RateLimit limit{rate, rate};
        TokenBucket bucket;
        std::uint64_t taken = 0;
        const std::uint64_t at_once = rate / 1'000 + 1;
        for (TimePoint now = kStart; now < kStart + 10s; now += 500us)
            if (bucket.take(limit, at_once, now)) taken += at_once;
        CHECK(static_cast<double>(taken) > 10.9 * static_cast<double>(rate));
        CHECK(static_cast<double>(taken) < 11.02 * static_cast<double>(rate) + static_cast<double>(at_once));
    }
}

TEST_CASE("time that stands still or runs backwards fills nothing, and later time is not counted twice") {
    const RateLimit bucket_limit{10, 10};
    TokenBucket bucket;
    CHECK(bucket.take(bucket_limit, 10, kStart));
    CHECK_FALSE(bucket.take(bucket_limit, 1, kStart - 1h));
    CHECK_FALSE(bucket.take(bucket_limit, 1, kStart));
    CHECK(bucket.take(bucket_limit, 5, kStart + 500ms));
    CHECK_FALSE(bucket.take(bucket_limit, 1, kStart + 100ms));
    CHECK_FALSE(bucket.take(bucket_limit, 1, kStart + 500ms));
}

TEST_CASE("more than the burst at once never passes, and a rate of 0 lets nothing through") {
    const RateLimit bucket_limit{1'000, 10};
    TokenBucket bucket;
    CHECK_FALSE(bucket.take(bucket_limit, 11, kStart));
    CHECK(bucket.take(bucket_limit, 10, kStart));
    const RateLimit closed_limit{0, 10};
    TokenBucket closed;
    CHECK_FALSE(closed.take(closed_limit, 1, kStart));
    CHECK_FALSE(closed.take(closed_limit, 1, kStart + 1h));
}
