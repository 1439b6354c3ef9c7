#include "stp-guard/stray_hosts.h"

#include <doctest/doctest.h>

using namespace isthmus;
using namespace isthmus::stp_guard;
using namespace std::chrono_literals;

TEST_CASE("hosts that went astray are known by bridge and VLAN, until they are back or others forgot them") {
    constexpr TimePoint kNow{1h};
    constexpr MacAddress kHost{{2, 0, 0, 0, 0, 1}};
    constexpr SessionIndex kBridge{7};
    StrayHosts strays(1);
    CHECK_FALSE(strays.knows(kBridge, 10, kHost, kNow));
    strays.note(kBridge, 10, kHost, kNow);
    CHECK(strays.knows(kBridge, 10, kHost, kNow));
    CHECK_FALSE(strays.knows(kBridge, 20, kHost, kNow));
    CHECK_FALSE(strays.knows(SessionIndex{8}, 10, kHost, kNow));
    CHECK(strays.knows(kBridge, 10, kHost, kNow + 299s));
    CHECK_FALSE(strays.knows(kBridge, 10, kHost, kNow + 302s));
    strays.note(kBridge, 10, {{2, 0, 0, 0, 0, 2}}, kNow + 200s);
    CHECK_FALSE_MESSAGE(strays.knows(kBridge, 10, kHost, kNow + 302s), "each for itself");
    strays.note(kBridge, 10, kHost, kNow);
    strays.forget(kBridge, 10, kHost);
    CHECK_FALSE(strays.knows(kBridge, 10, kHost, kNow));
}
