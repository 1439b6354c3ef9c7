#include "stp-guard/said_lately.h"

#include <doctest/doctest.h>

using namespace isthmus;
using namespace isthmus::stp_guard;
using namespace std::chrono_literals;

TEST_CASE("of each host is spoken once in a fortieth of a second") {
    SaidLately said;
    constexpr TimePoint kNow{1h};
    CHECK(said.may_say(HostHash{1}, kNow));
    CHECK(said.may_say(HostHash{2}, kNow));
    CHECK_FALSE(said.may_say(HostHash{1}, kNow + 24ms));
    CHECK_FALSE(said.may_say(HostHash{2}, kNow + 24ms));
    CHECK(said.may_say(HostHash{1}, kNow + 25ms));
    CHECK_FALSE(said.may_say(HostHash{1}, kNow + 49ms));
    CHECK(said.may_say(HostHash{}, kNow));
    CHECK_FALSE(said.may_say(HostHash{}, kNow));
}
