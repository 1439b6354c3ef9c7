#include "stp-guard/question_pace.h"

#include <doctest/doctest.h>

using namespace isthmus;
using namespace isthmus::stp_guard;
using namespace std::chrono_literals;

namespace {

constexpr TimePoint kStart{1h};
constexpr IpAddress kHost = IpAddress::v4({192, 0, 2, 1});

IpAddress host(std::uint32_t number) {
    return IpAddress::v4({10, 0, static_cast<std::uint8_t>(number >> 8), static_cast<std::uint8_t>(number)});
}

}  // namespace

TEST_CASE("a host is asked at once, then after a fifth of a second, twice that, and each second") {
    QuestionPace pace;
    std::vector<Duration> asked;
    for (Duration at = 0ms; at < 4s; at += 10ms)
        if (pace.may_ask(10, kHost, kStart + at)) asked.push_back(at);
    CHECK(asked == std::vector<Duration>{0ms, 200ms, 600ms, 1400ms, 2400ms, 3400ms});
    // Quiet for a while, it is as if it had never been asked.
    pace.expire(kStart + 9s);
    CHECK(pace.may_ask(10, kHost, kStart + 9s));
    CHECK_FALSE(pace.may_ask(10, kHost, kStart + 9s + 190ms));
    CHECK(pace.may_ask(10, kHost, kStart + 9s + 200ms));
}

TEST_CASE("the hosts of a VLAN share a limit, and those of another one do not feel it") {
    QuestionPace pace;
    std::uint32_t asked = 0;
    for (std::uint32_t number = 0; number < 1'000; ++number)
        asked += pace.may_ask(10, host(number), kStart) ? 1U : 0U;
    CHECK(asked == 40);
    CHECK(pace.may_ask(20, host(1), kStart));
    // Who was refused was not asked: it may be, as soon as there is room.
    CHECK(pace.may_ask(10, host(999), kStart + 50ms));
}

TEST_CASE("more hosts than it can remember are not asked") {
    QuestionPace pace;
    TimePoint now = kStart;
    for (std::uint16_t vid = 1; vid <= 103; ++vid)
        for (std::uint32_t number = 0; number < 40; ++number) (void)pace.may_ask(vid, host(number), now);
    CHECK_FALSE(pace.may_ask(200, kHost, now));
    CHECK(pace.may_ask(200, kHost, now + 5s));
}
