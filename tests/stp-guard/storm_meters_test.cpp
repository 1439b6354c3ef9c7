#include "stp-guard/storm_meters.h"

#include <doctest/doctest.h>

#include <thread>

using namespace isthmus;
using namespace isthmus::stp_guard;
using namespace std::chrono_literals;

namespace {

constexpr TimePoint kNow{1h};

MacAddress host(std::uint32_t number) {
    MacAddress mac{{0x02, 0, 0, 0, 0, 0}};
    store_be32(mac.bytes.data() + 2, number);
    return mac;
}

FloodedFrame frame(StormClass c, std::uint16_t vid = 10, std::uint32_t source = 1, std::uint64_t bytes = 60) {
    FloodedFrame out;
    out.storm_class = c;
    out.vid = vid;
    out.source = host(source);
    out.bytes = bytes;
    return out;
}

/// How many of a second's frames pass, `per_second` of them evenly spread, after the burst is used up.
std::uint64_t passed_in_a_minute(StormMeters& meters, const StormLimits& limits, FloodedFrame one,
                                 std::uint64_t per_second) {
    TimePoint now = kNow;
    while (meters.admit(limits, one, now)) {
    }
    std::uint64_t passed = 0;
    for (std::uint64_t i = 0; i < 60 * per_second; ++i) {
        now = kNow + std::chrono::nanoseconds((i + 1) * 1'000'000'000 / per_second);
        if (meters.admit(limits, one, now)) ++passed;
    }
    return passed;
}

}  // namespace

TEST_CASE("the defaults are those of the guard's table") {
    const StormLimits limits;
    CHECK(limits.of(StormClass::address_resolution)->rate == 300);
    CHECK(limits.of(StormClass::broadcast)->rate == 500);
    CHECK(limits.of(StormClass::local_multicast)->rate == 500);
    CHECK(limits.of(StormClass::multicast)->rate == 2'000);
    CHECK(limits.of(StormClass::unknown_unicast)->rate == 500);
    for (const auto& limit : limits.classes) {
        CHECK(limit->burst == limit->rate);
        CHECK(limit->falling * 2 == limit->rate);
    }
    CHECK(limits.per_source == RateLimit{20, 40});
    CHECK_FALSE(limits.all.has_value());
}

TEST_CASE("a storm of any class is cut to its rate within a hundredth, whatever its own") {
    for (const std::uint64_t offered : {700ULL, 2'500ULL, 20'000ULL}) {
        for (const StormClass c :
             {StormClass::broadcast, StormClass::local_multicast, StormClass::unknown_unicast}) {
            StormMeters meters(1);
            const auto passed = passed_in_a_minute(meters, {}, frame(c), offered);
            CHECK(passed >= 60 * 500 - 300);
            CHECK(passed <= 60 * 500 + 300);
        }
    }
}

TEST_CASE("a storm of one class or VLAN leaves the others their own") {
    StormMeters meters(1);
    const StormLimits limits;
    for (int i = 0; i < 100'000; ++i) (void)meters.admit(limits, frame(StormClass::broadcast), kNow);
    CHECK_FALSE(meters.admit(limits, frame(StormClass::broadcast), kNow));
    CHECK(meters.admit(limits, frame(StormClass::address_resolution), kNow));
    CHECK(meters.admit(limits, frame(StormClass::multicast), kNow));
    CHECK(meters.admit(limits, frame(StormClass::broadcast, 11), kNow));
    CHECK(meters.admit(limits, frame(StormClass::broadcast, 0), kNow));
}

TEST_CASE("limits in bits count what frames weigh") {
    StormLimits limits;
    limits.classes[static_cast<std::size_t>(StormClass::multicast)] =
        StormLimit{StormLimit::Unit::bits, 1'000'000, 100'000, 500'000};
    StormMeters meters(1);
    const auto passed = passed_in_a_minute(meters, limits, frame(StormClass::multicast, 10, 1, 1'250), 1'000);
    CHECK(passed >= 60 * 100 - 10);
    CHECK(passed <= 60 * 100 + 10);
}

TEST_CASE("a percentage of the tunnel's rate limits all classes together") {
    StormLimits limits;
    limits.all = percent_of(10'000'000, 10);
    CHECK(limits.all == StormLimit{StormLimit::Unit::bits, 1'000'000, 100'000, 500'000});
    StormMeters meters(1);
    std::uint64_t bits = 0;
    for (int i = 0; i < 20'000; ++i) {
        const TimePoint now = kNow + i * 500us;
        const StormClass c = i % 2 == 0 ? StormClass::broadcast : StormClass::multicast;
        if (meters.admit(limits, frame(c, 10, 1, 1'514), now)) bits += 1'514 * 8;
    }
    CHECK(bits <= 10'000'000 + 100'000);
    CHECK(bits >= 9'800'000);
}

TEST_CASE("a frame that dies of one limit uses up none of the others") {
    StormLimits limits;
    limits.all = StormLimit{StormLimit::Unit::packets, 1'000, 10, 500};
    limits.classes[static_cast<std::size_t>(StormClass::broadcast)] =
        StormLimit{StormLimit::Unit::packets, 1, 1, 1};
    StormMeters meters(1);
    for (int i = 0; i < 1'000; ++i) (void)meters.admit(limits, frame(StormClass::broadcast), kNow);
    int passed = 0;
    for (int i = 0; i < 100; ++i) passed += meters.admit(limits, frame(StormClass::multicast), kNow) ? 1 : 0;
    CHECK(passed == 9);
}

TEST_CASE("one source's ARP storm leaves every other host its own") {
    StormMeters meters(1);
    const StormLimits limits;
    std::uint64_t flooder = 0;
    std::uint64_t honest = 0;
    std::uint64_t asked = 0;
    // 10,000 a second from one; 50 hosts ask each second, one after the other.
    for (std::uint32_t ms = 0; ms < 10'000; ++ms) {
        const TimePoint now = kNow + std::chrono::milliseconds(ms);
        for (int i = 0; i < 10; ++i)
            flooder += meters.admit(limits, frame(StormClass::address_resolution, 10, 999), now) ? 1U : 0U;
        if (ms % 20 != 0) continue;
        ++asked;
        honest +=
            meters.admit(limits, frame(StormClass::address_resolution, 10, ms / 20 % 50), now) ? 1U : 0U;
    }
    CHECK(honest == asked);
    CHECK(flooder >= 230);
    CHECK(flooder <= 241);
}

TEST_CASE("an ARP storm with made-up sources leaves half of the class to hosts that are known") {
    StormMeters meters(1);
    const StormLimits limits;
    std::uint64_t honest = 0;
    std::uint64_t asked = 0;
    std::uint64_t strangers = 0;
    std::uint32_t made_up = 1'000;
    for (std::uint32_t ms = 0; ms < 10'000; ++ms) {
        const TimePoint now = kNow + std::chrono::milliseconds(ms);
        for (int i = 0; i < 20; ++i) {
            FloodedFrame forged = frame(StormClass::address_resolution, 10, ++made_up);
            forged.source_known = false;
            strangers += meters.admit(limits, forged, now) ? 1U : 0U;
        }
        if (ms % 10 != 0) continue;
        ++asked;
        honest +=
            meters.admit(limits, frame(StormClass::address_resolution, 10, ms / 10 % 50), now) ? 1U : 0U;
    }
    CHECK(honest == asked);
    CHECK(strangers <= 75 + 750);
}

TEST_CASE(
    "a class is calm while half of its burst is there, and address resolution while strangers are few") {
    StormMeters meters(1);
    const StormLimits limits;
    CHECK(meters.is_calm(limits, frame(StormClass::broadcast), kNow));
    int taken = 0;
    while (meters.is_calm(limits, frame(StormClass::broadcast), kNow)) {
        REQUIRE(meters.admit(limits, frame(StormClass::broadcast), kNow));
        ++taken;
    }
    CHECK(taken == 251);
    CHECK(meters.is_calm(limits, frame(StormClass::broadcast, 11), kNow));
    CHECK(meters.is_calm(limits, frame(StormClass::address_resolution), kNow));
    CHECK(meters.is_calm(limits, frame(StormClass::broadcast), kNow + 1s));
    StormLimits none;
    none.classes[static_cast<std::size_t>(StormClass::broadcast)].reset();
    CHECK(meters.is_calm(none, frame(StormClass::broadcast), kNow));
}

TEST_CASE("what was offered and dropped is counted by VLAN and class, and the worst senders are named") {
    StormMeters meters(1);
    StormLimits limits;
    limits.classes[static_cast<std::size_t>(StormClass::broadcast)] =
        StormLimit{StormLimit::Unit::packets, 10, 5, 5};
    FloodedFrame big = frame(StormClass::broadcast, 20, 7, 3'000);
    big.frames = 2;
    for (int i = 0; i < 10; ++i) (void)meters.admit(limits, big, kNow);
    (void)meters.admit(limits, frame(StormClass::multicast, 0), kNow);
    CHECK(meters.totals(20, StormClass::broadcast) == StormTotals{20, 30'000, 16});
    CHECK(meters.totals(0, StormClass::multicast) == StormTotals{1, 60, 0});
    CHECK(meters.totals(20, StormClass::multicast) == StormTotals{});
    const auto active = meters.active();
    CHECK(active.count() == 2);
    CHECK(active.test(0));
    CHECK(active.test(20));
    REQUIRE(meters.talkers().ranking().size() == 1);
    const Talker worst = meters.talkers().ranking().front();
    CHECK(worst.source == host(7));
    CHECK(worst.vid == 20);
    CHECK(worst.storm_class == StormClass::broadcast);
    CHECK(worst.frames == 16);
}

TEST_CASE("among thousands of senders the ones that matter are named, and may be forgotten") {
    TopTalkers talkers;
    for (std::uint32_t i = 0; i < 20'000; ++i) {
        talkers.note(host(100 + i), 10, StormClass::broadcast, 1);
        if (i % 4 == 0) talkers.note(host(1), 10, StormClass::broadcast, 2);
        if (i % 8 == 0) talkers.note(host(2), 10, StormClass::broadcast, 2);
    }
    const auto ranking = talkers.ranking();
    REQUIRE(ranking.size() == TopTalkers::kPlaces);
    CHECK(ranking[0].source == host(1));
    CHECK(ranking[1].source == host(2));
    talkers.forget();
    talkers.note(host(3), 4094, StormClass::unknown_unicast, 1);
    REQUIRE(talkers.ranking().size() == 1);
    CHECK(talkers.ranking()[0].vid == 4094);
    CHECK(talkers.ranking()[0].storm_class == StormClass::unknown_unicast);
}

TEST_CASE("one thread may admit while another reads") {
    StormMeters meters(1);
    const StormLimits limits;
    std::thread worker([&] {
        for (int i = 0; i < 50'000; ++i)
            (void)meters.admit(limits, frame(StormClass::broadcast, static_cast<std::uint16_t>(i % 50)),
                               kNow);
    });
    for (int i = 0; i < 1'000; ++i) {
        const StormTotals totals = meters.totals(7, StormClass::broadcast);
        CHECK(totals.dropped <= totals.offered);
        (void)meters.active();
        (void)meters.talkers().ranking();
    }
    worker.join();
    CHECK(meters.totals(7, StormClass::broadcast).offered == 1'000);
}

TEST_CASE("VLANs that somebody waits for are told once") {
    StormMeters meters(1);
    for (const auto vid : std::initializer_list<std::uint16_t>{0, 63, 64, 4'095, 64}) meters.want(vid);
    const auto wanted = meters.take_wanted();
    CHECK(wanted.count() == 4);
    CHECK((wanted[0] && wanted[63] && wanted[64] && wanted[4'095]));
    CHECK(meters.take_wanted().none());
}
