#include "stp-guard/host_table.h"

#include <doctest/doctest.h>

#include <thread>

using namespace isthmus;
using namespace isthmus::stp_guard;
using namespace std::chrono_literals;

namespace {

constexpr SessionIndex kSession{3};
constexpr TimePoint kNow{1h};
constexpr MacLimits kNoLimits{0, 0};

MacAddress host(std::uint32_t number) {
    MacAddress mac{{0x02, 0, 0, 0, 0, 0}};
    store_be32(mac.bytes.data() + 2, number);
    return mac;
}

}  // namespace

TEST_CASE("a host is known once it was heard, in its session and VLAN only") {
    HostTable hosts(1);
    CHECK_FALSE(hosts.knows(kSession, 10, host(1), kNow));
    hosts.heard(kSession, 10, host(1), kNoLimits, kNow);
    CHECK(hosts.knows(kSession, 10, host(1), kNow));
    CHECK_FALSE(hosts.knows(kSession, 20, host(1), kNow));
    CHECK_FALSE(hosts.knows(SessionIndex{4}, 10, host(1), kNow));
    CHECK_FALSE(hosts.knows(kSession, 10, host(2), kNow));
}

TEST_CASE("a host that is said to be gone is not known any more, nor counted") {
    HostTable hosts(1);
    hosts.heard(kSession, 10, host(1), kNoLimits, kNow);
    hosts.heard(kSession, 10, host(2), kNoLimits, kNow);
    hosts.forget(kSession, 10, host(1));
    hosts.forget(kSession, 10, host(3));
    hosts.forget(kSession, 20, host(2));
    CHECK_FALSE(hosts.knows(kSession, 10, host(1), kNow));
    CHECK(hosts.knows(kSession, 10, host(2), kNow));
    CHECK(hosts.count(kSession, 10) == 1);
}

TEST_CASE("a host is forgotten after 300 s of silence, and every frame starts them anew") {
    HostTable hosts(1);
    hosts.heard(kSession, 0, host(1), kNoLimits, kNow);
    CHECK(hosts.knows(kSession, 0, host(1), kNow + 300s));
    CHECK_FALSE(hosts.knows(kSession, 0, host(1), kNow + 301s));
    hosts.heard(kSession, 0, host(1), kNoLimits, kNow + 290s);
    CHECK(hosts.knows(kSession, 0, host(1), kNow + 590s));
}

TEST_CASE("a reader whose clock is a second behind the writer's still knows the host") {
    HostTable hosts(1);
    hosts.heard(kSession, 0, host(1), kNoLimits, kNow + 1s);
    CHECK(hosts.knows(kSession, 0, host(1), kNow));
}

TEST_CASE("a group address is no host") {
    HostTable hosts(1);
    const MacAddress group{{0x01, 0, 0x5e, 0, 0, 1}};
    hosts.heard(kSession, 0, group, kNoLimits, kNow);
    CHECK_FALSE(hosts.knows(kSession, 0, group, kNow));
}

TEST_CASE("the first second after boot is as good as any other") {
    HostTable hosts(1);
    hosts.heard(kSession, 0, host(1), kNoLimits, TimePoint{});
    CHECK(hosts.knows(kSession, 0, host(1), TimePoint{}));
}

TEST_CASE("a hundred thousand hosts fit, and what does not fit pushes out the longest silent") {
    constexpr std::uint32_t kMany = 100'000;
    HostTable hosts(1);
    for (std::uint32_t i = 0; i < kMany; ++i) hosts.heard(kSession, 0, host(i), kNoLimits, kNow);
    std::uint32_t known = 0;
    for (std::uint32_t i = 0; i < kMany; ++i) known += hosts.knows(kSession, 0, host(i), kNow) ? 1U : 0U;
    CHECK(known > kMany * 99 / 100);

    constexpr std::uint32_t kWays = HostTable::kWays;
    HostTable one_set(1, 1);
    for (std::uint32_t i = 0; i <= kWays; ++i)
        one_set.heard(kSession, 0, host(i), kNoLimits, kNow + std::chrono::seconds(i));
    CHECK_FALSE(one_set.knows(kSession, 0, host(0), kNow + 9s));
    for (std::uint32_t i = 1; i <= kWays; ++i) CHECK(one_set.knows(kSession, 0, host(i), kNow + 9s));
}

TEST_CASE("a host's hash says the same as its address") {
    HostTable hosts(1);
    const HostHash one = hosts.hash(kSession, 10, host(1));
    CHECK(hosts.heard(one, kSession, 10, host(1), kNoLimits, kNow) == HostTable::Heard::fresh);
    CHECK(hosts.knows(kSession, 10, host(1), kNow));
    CHECK(hosts.knows(one, kNow));
    CHECK_FALSE(hosts.knows(hosts.hash(kSession, 20, host(1)), kNow));
    CHECK_FALSE(hosts.knows(hosts.hash(kSession, 10, host(2)), kNow));
}

TEST_CASE("one thread may hear while another asks") {
    HostTable hosts(1, 64);
    std::thread receiver([&] {
        for (std::uint32_t i = 0; i < 20'000; ++i) hosts.heard(kSession, 0, host(i % 100), kNoLimits, kNow);
    });
    std::uint32_t known = 0;
    for (std::uint32_t i = 0; i < 20'000; ++i)
        known += hosts.knows(kSession, 0, host(i % 100), kNow) ? 1U : 0U;
    receiver.join();
    CHECK(known <= 20'000);
    CHECK(hosts.knows(kSession, 0, host(99), kNow));
}

TEST_CASE("what a host was before it was heard is told") {
    HostTable hosts(1);
    CHECK(hosts.heard(kSession, 10, host(1), kNoLimits, kNow) == HostTable::Heard::fresh);
    CHECK(hosts.heard(kSession, 10, host(1), kNoLimits, kNow) == HostTable::Heard::known);
    CHECK(hosts.heard(kSession, 10, host(1), kNoLimits, kNow + 9s) == HostTable::Heard::known);
    CHECK(hosts.heard(kSession, 10, MacAddress{{0x01, 0, 0x5e, 0, 0, 1}}, kNoLimits, kNow) ==
          HostTable::Heard::group);
}

TEST_CASE("limits refuse new hosts of a VLAN or session, and leave known ones and others alone") {
    HostTable hosts(1);
    const MacLimits limits{3, 5};
    for (std::uint32_t i = 0; i < 3; ++i)
        CHECK(hosts.heard(kSession, 10, host(i), limits, kNow) == HostTable::Heard::fresh);
    CHECK(hosts.heard(kSession, 10, host(3), limits, kNow) == HostTable::Heard::refused);
    CHECK_FALSE(hosts.knows(kSession, 10, host(3), kNow));
    CHECK(hosts.heard(kSession, 10, host(2), limits, kNow + 1s) == HostTable::Heard::known);
    CHECK(hosts.heard(kSession, 20, host(3), limits, kNow) == HostTable::Heard::fresh);
    CHECK(hosts.heard(kSession, 20, host(4), limits, kNow) == HostTable::Heard::fresh);
    CHECK(hosts.heard(kSession, 30, host(5), limits, kNow) == HostTable::Heard::refused);
    CHECK(hosts.heard(SessionIndex{4}, 10, host(6), limits, kNow) == HostTable::Heard::fresh);
    CHECK(hosts.count(kSession) == 5);
    CHECK(hosts.count(kSession, 10) == 3);
    CHECK(hosts.count(kSession, 20) == 2);
    CHECK(hosts.count(kSession, 30) == 0);
}

TEST_CASE("hosts that fell silent make room for others") {
    HostTable hosts(1, 64);
    const MacLimits limits{3, 0};
    for (std::uint32_t i = 0; i < 3; ++i) (void)hosts.heard(kSession, 10, host(i), limits, kNow);
    (void)hosts.heard(kSession, 10, host(0), limits, kNow + 100s);
    for (int i = 0; i < 100; ++i) hosts.sweep(kNow + 301s + std::chrono::milliseconds(10 * i));
    CHECK(hosts.count(kSession, 10) == 1);
    CHECK(hosts.count(kSession) == 1);
    CHECK(hosts.heard(kSession, 10, host(7), limits, kNow + 302s) == HostTable::Heard::fresh);
    CHECK(hosts.knows(kSession, 10, host(0), kNow + 302s));
}

TEST_CASE("who is pushed out of a full set is counted out") {
    HostTable one_set(1, 1);
    for (std::uint32_t i = 0; i < 2 * HostTable::kWays; ++i)
        (void)one_set.heard(kSession, static_cast<std::uint16_t>(10 + i), host(i), kNoLimits,
                            kNow + std::chrono::seconds(i));
    CHECK(one_set.count(kSession) == HostTable::kWays);
    CHECK(one_set.count(kSession, 10) == 0);
    CHECK(one_set.count(kSession, 9 + 2 * HostTable::kWays) == 1);
}

TEST_CASE("sessions beyond those that are counted are known, and not limited") {
    HostTable hosts(1);
    const SessionIndex far{HostTable::kCountedSessions};
    for (std::uint32_t i = 0; i < 5; ++i)
        CHECK(hosts.heard(far, 10, host(i), {1, 1}, kNow) == HostTable::Heard::fresh);
    CHECK(hosts.knows(far, 10, host(0), kNow));
    CHECK(hosts.count(far) == 0);
}
