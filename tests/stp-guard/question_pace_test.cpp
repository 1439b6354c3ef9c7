#include "stp-guard/question_pace.h"

#include <doctest/doctest.h>

using namespace isthmus;
using namespace isthmus::stp_guard;
using namespace std::chrono_literals;

namespace {

constexpr TimePoint kStart{1h};
constexpr auto kLost = QuestionPace::Need::lost;
constexpr auto kStale = QuestionPace::Need::stale;

MacAddress host(std::uint32_t number) {
    return {{2, 0, 0, 0, static_cast<std::uint8_t>(number >> 8), static_cast<std::uint8_t>(number)}};
}

bool may_ask(QuestionPace& pace, std::uint16_t vid, std::uint32_t number, TimePoint now,
             QuestionPace::Need need = kLost) {
    return pace.may_ask(vid, host(number), need, now).has_value();
}

}  // namespace

TEST_CASE("a host is asked at once, then after a twentieth of a second, twice that, and each second") {
    QuestionPace pace;
    std::vector<Duration> asked;
    for (Duration at = 0ms; at < 4s; at += 10ms)
        if (may_ask(pace, 10, 1, kStart + at)) asked.push_back(at);
    CHECK(asked == std::vector<Duration>{0ms, 50ms, 150ms, 350ms, 750ms, 1550ms, 2550ms, 3550ms});
    // Quiet for a while, it is as if it had never been asked.
    pace.expire(kStart + 9s);
    CHECK(pace.may_ask(10, host(1), kLost, kStart + 9s) == 0U);
    CHECK_FALSE(may_ask(pace, 10, 1, kStart + 9s + 40ms));
    CHECK(pace.may_ask(10, host(1), kLost, kStart + 9s + 50ms) == 1U);
}

TEST_CASE("a host that frames reach is asked ever more seldom, and at once again when they do not any more") {
    QuestionPace pace;
    std::vector<Duration> asked;
    for (Duration at = 0ms; at < 120s; at += 50ms)
        if (may_ask(pace, 10, 1, kStart + at, kStale)) asked.push_back(at);
    CHECK(asked == std::vector<Duration>{0ms, 50ms, 150ms, 350ms, 750ms, 1550ms, 3150ms, 6350ms, 12750ms,
                                         25550ms, 51150ms, 83150ms, 115150ms});
    CHECK_FALSE(may_ask(pace, 10, 1, kStart + 116s));
    CHECK(may_ask(pace, 10, 1, kStart + 117s));
    CHECK(may_ask(pace, 10, 1, kStart + 118s));
    pace.expire(kStart + 122s);
    CHECK(pace.may_ask(10, host(1), kStale, kStart + 122s).value_or(0) > 0);
    pace.expire(kStart + 127s);
    CHECK(pace.may_ask(10, host(1), kStale, kStart + 127s) == 0U);
}

TEST_CASE("the hosts of a VLAN share a limit, and those of another one do not feel it") {
    QuestionPace pace;
    std::uint32_t asked = 0;
    for (std::uint32_t number = 0; number < 1'000; ++number)
        asked += may_ask(pace, 10, number, kStart) ? 1U : 0U;
    CHECK(asked == 40);
    CHECK(may_ask(pace, 20, 1, kStart));
    // Who was refused was not asked: it may be, as soon as there is room.
    CHECK(may_ask(pace, 10, 999, kStart + 50ms));
}

TEST_CASE("whose frames arrive leave half of the limit to those whose frames do not") {
    QuestionPace pace;
    std::uint32_t stale = 0;
    std::uint32_t lost = 0;
    for (std::uint32_t number = 0; number < 1'000; ++number)
        stale += may_ask(pace, 10, number, kStart, kStale) ? 1U : 0U;
    for (std::uint32_t number = 500; number < 1'500; ++number)
        lost += may_ask(pace, 10, number, kStart) ? 1U : 0U;
    CHECK(stale == 20);
    CHECK(lost == 20);
}

TEST_CASE("more hosts than it can remember are not asked") {
    QuestionPace pace;
    TimePoint now = kStart;
    for (std::uint16_t vid = 1; vid <= 103; ++vid)
        for (std::uint32_t number = 0; number < 40; ++number) (void)may_ask(pace, vid, number, now);
    CHECK_FALSE(may_ask(pace, 200, 1, now));
    CHECK(may_ask(pace, 200, 1, now + 5s));
}
