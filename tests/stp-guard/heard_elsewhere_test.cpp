#include "stp-guard/heard_elsewhere.h"

#include <doctest/doctest.h>

using namespace isthmus;
using namespace isthmus::stp_guard;
using namespace std::chrono_literals;

TEST_CASE("who was heard elsewhere is known for a second, each for itself") {
    constexpr TimePoint kNow{1h};
    constexpr HostHash kHost{0x1234'5678'9abc'def0};
    constexpr HostHash kSamePlace{0x0234'5678'9abc'def0};
    HeardElsewhere heard;
    CHECK_FALSE(heard.knows(kHost, kNow));
    heard.note(kHost, kNow);
    CHECK(heard.knows(kHost, kNow));
    CHECK(heard.knows(kHost, kNow + 1s));
    CHECK_FALSE(heard.knows(kHost, kNow + 1001ms));
    CHECK_MESSAGE(heard.knows(kHost, kNow - 5ms), "the other worker's clock");
    CHECK_FALSE(heard.knows(kSamePlace, kNow));
    heard.note(kSamePlace, kNow);
    CHECK(heard.knows(kSamePlace, kNow));
    CHECK_FALSE_MESSAGE(heard.knows(kHost, kNow), "there is room for the latest");
}
