#include "stp-guard/remote_hosts.h"

#include <doctest/doctest.h>

#include <thread>

using namespace isthmus;
using namespace isthmus::stp_guard;
using namespace std::chrono_literals;

namespace {

constexpr SessionIndex kSession{3};
constexpr TimePoint kNow{1h};

MacAddress host(std::uint32_t number) {
    MacAddress mac{{0x02, 0, 0, 0, 0, 0}};
    store_be32(mac.bytes.data() + 2, number);
    return mac;
}

}  // namespace

TEST_CASE("a host is known once it was heard, in its session and VLAN only") {
    RemoteHosts hosts(1);
    CHECK_FALSE(hosts.knows(kSession, 10, host(1), kNow));
    hosts.heard(kSession, 10, host(1), kNow);
    CHECK(hosts.knows(kSession, 10, host(1), kNow));
    CHECK_FALSE(hosts.knows(kSession, 20, host(1), kNow));
    CHECK_FALSE(hosts.knows(SessionIndex{4}, 10, host(1), kNow));
    CHECK_FALSE(hosts.knows(kSession, 10, host(2), kNow));
}

TEST_CASE("a host is forgotten after 300 s of silence, and every frame starts them anew") {
    RemoteHosts hosts(1);
    hosts.heard(kSession, 0, host(1), kNow);
    CHECK(hosts.knows(kSession, 0, host(1), kNow + 300s));
    CHECK_FALSE(hosts.knows(kSession, 0, host(1), kNow + 301s));
    hosts.heard(kSession, 0, host(1), kNow + 290s);
    CHECK(hosts.knows(kSession, 0, host(1), kNow + 590s));
}

TEST_CASE("a reader whose clock is a second behind the writer's still knows the host") {
    RemoteHosts hosts(1);
    hosts.heard(kSession, 0, host(1), kNow + 1s);
    CHECK(hosts.knows(kSession, 0, host(1), kNow));
}

TEST_CASE("a group address is no host") {
    RemoteHosts hosts(1);
    const MacAddress group{{0x01, 0, 0x5e, 0, 0, 1}};
    hosts.heard(kSession, 0, group, kNow);
    CHECK_FALSE(hosts.knows(kSession, 0, group, kNow));
}

TEST_CASE("the first second after boot is as good as any other") {
    RemoteHosts hosts(1);
    hosts.heard(kSession, 0, host(1), TimePoint{});
    CHECK(hosts.knows(kSession, 0, host(1), TimePoint{}));
}

TEST_CASE("forty thousand hosts fit, and what does not fit pushes out the longest silent") {
    RemoteHosts hosts(1);
    for (std::uint32_t i = 0; i < 40'000; ++i) hosts.heard(kSession, 0, host(i), kNow);
    std::uint32_t known = 0;
    for (std::uint32_t i = 0; i < 40'000; ++i) known += hosts.knows(kSession, 0, host(i), kNow) ? 1U : 0U;
    CHECK(known > 39'600);

    RemoteHosts four(1, 1);
    for (std::uint32_t i = 0; i < 5; ++i) four.heard(kSession, 0, host(i), kNow + std::chrono::seconds(i));
    CHECK_FALSE(four.knows(kSession, 0, host(0), kNow + 5s));
    for (std::uint32_t i = 1; i < 5; ++i) CHECK(four.knows(kSession, 0, host(i), kNow + 5s));
}

TEST_CASE("one thread may hear while another asks") {
    RemoteHosts hosts(1, 64);
    std::thread receiver([&] {
        for (std::uint32_t i = 0; i < 20'000; ++i) hosts.heard(kSession, 0, host(i % 100), kNow);
    });
    std::uint32_t known = 0;
    for (std::uint32_t i = 0; i < 20'000; ++i)
        known += hosts.knows(kSession, 0, host(i % 100), kNow) ? 1U : 0U;
    receiver.join();
    CHECK(known <= 20'000);
    CHECK(hosts.knows(kSession, 0, host(99), kNow));
}
