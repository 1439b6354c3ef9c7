#include "stp-guard/storm_watch.h"

#include <doctest/doctest.h>

#include <vector>

using namespace isthmus;
using namespace isthmus::stp_guard;
using namespace std::chrono_literals;

namespace {

constexpr PortId kSession{3};
constexpr StormKey kKey{kSession, Direction::to_tunnel, 10, StormClass::broadcast};
constexpr StormLimit kLimit{StormLimit::Unit::packets, 500, 500, 250};

/// Feeds one key with a sample a second.
struct Feed {
    StormWatch watch;
    StormTotals totals;
    TimePoint now{1h};
    std::vector<StormLevel> levels;

    explicit Feed(StormWatchOptions options = {}) : watch(options) { sample(0, 0); }
    void sample(std::uint64_t offered, std::uint64_t dropped) {
        totals.offered += offered;
        totals.dropped += dropped;
        totals.offered_bytes += offered * 60;
        now += 1s;
        watch.on_sample(kKey, kLimit, totals, now);
        while (const auto event = watch.poll_event()) levels.push_back(event->now.level);
    }
    void samples(int count, std::uint64_t offered, std::uint64_t dropped) {
        for (int i = 0; i < count; ++i) sample(offered, dropped);
    }
    [[nodiscard]] StormLevel level() const { return watch.level({kSession, 10}); }
};

using Levels = std::vector<StormLevel>;

}  // namespace

TEST_CASE("traffic within its limit is no event, and shows with its rate") {
    Feed feed;
    feed.samples(20, 400, 0);
    CHECK(feed.levels.empty());
    CHECK(feed.watch.states().at(kKey).offered_per_second == 400);
    CHECK(feed.watch.states().at(kKey).passed_per_second == 400);
}

TEST_CASE("one sample with drops is a burst, two are suppressed, five are a storm") {
    Feed feed;
    feed.sample(900, 100);
    CHECK(feed.level() == StormLevel::ok);
    feed.sample(900, 400);
    CHECK(feed.level() == StormLevel::suppressing);
    feed.samples(2, 900, 400);
    CHECK(feed.level() == StormLevel::suppressing);
    feed.sample(900, 400);
    CHECK(feed.level() == StormLevel::storm);
    CHECK(feed.levels == Levels{StormLevel::suppressing, StormLevel::storm});
    CHECK(feed.watch.states().at(kKey).dropped_per_second == 400);
}

TEST_CASE("bursts that do not follow each other are never a storm") {
    Feed feed;
    for (int i = 0; i < 20; ++i) {
        feed.sample(900, 100);
        feed.sample(100, 0);
    }
    CHECK(feed.levels.empty());
}

TEST_CASE("a storm is over after ten seconds below the falling threshold, not before") {
    Feed feed;
    feed.samples(6, 900, 400);
    CHECK(feed.level() == StormLevel::storm);
    feed.samples(9, 200, 0);
    CHECK(feed.level() == StormLevel::storm);
    feed.sample(200, 0);
    CHECK(feed.level() == StormLevel::ok);
}

TEST_CASE("between the falling threshold and the limit a storm goes on") {
    Feed feed;
    feed.samples(6, 900, 400);
    feed.samples(60, 300, 0);
    CHECK(feed.level() == StormLevel::storm);
    feed.samples(5, 200, 0);
    feed.sample(300, 0);
    feed.samples(9, 200, 0);
    CHECK(feed.level() == StormLevel::storm);
    feed.sample(200, 0);
    CHECK(feed.level() == StormLevel::ok);
}

TEST_CASE("what has become quiet is forgotten") {
    Feed feed;
    feed.samples(6, 900, 400);
    feed.samples(12, 0, 0);
    CHECK(feed.level() == StormLevel::ok);
    CHECK(feed.watch.states().empty());
}

TEST_CASE("suspension needs the wish for it, half a minute of ten times the limit, and evidence") {
    Feed without({false});
    without.watch.on_evidence({kSession, 10}, without.now + 30s);
    without.samples(60, 10'000, 9'500);
    CHECK(without.level() == StormLevel::storm);

    Feed lonely({true});
    lonely.samples(60, 10'000, 9'500);
    CHECK(lonely.level() == StormLevel::storm);
    lonely.watch.on_evidence({kSession, 11}, lonely.now);
    lonely.sample(10'000, 9'500);
    CHECK(lonely.level() == StormLevel::storm);
    lonely.watch.on_evidence({kSession, 10}, lonely.now);
    lonely.sample(10'000, 9'500);
    CHECK(lonely.level() == StormLevel::suspended);
    lonely.samples(9, 10, 0);
    CHECK(lonely.level() == StormLevel::suspended);
    lonely.sample(10, 0);
    CHECK(lonely.level() == StormLevel::ok);

    Feed light({true});
    light.watch.on_evidence({kSession, 10}, light.now + 50s);
    light.samples(60, 900, 400);
    CHECK(light.level() == StormLevel::storm);
}

TEST_CASE("a storm that the kernel cuts on its way to the meters is as heavy as it was") {
    Feed feed({true});
    feed.watch.on_evidence({kSession, 10}, feed.now + 20s);
    feed.watch.set_cut_before(kSession, StormClass::broadcast, 9'000);
    feed.samples(29, 1'000, 500);
    CHECK(feed.level() == StormLevel::storm);
    feed.samples(2, 1'000, 500);
    CHECK(feed.level() == StormLevel::suspended);

    Feed other({true});
    other.watch.on_evidence({kSession, 10}, other.now + 20s);
    other.watch.set_cut_before(kSession, StormClass::multicast, 9'000);
    other.samples(40, 1'000, 500);
    CHECK(other.level() == StormLevel::storm);
}

TEST_CASE("evidence of which nobody knows the VLAN counts in all of them, of its session only") {
    for (const PortId port : {kSession, PortId{4}}) {
        Feed feed({true});
        feed.watch.on_evidence({port, 4'095}, feed.now + 20s);
        feed.samples(40, 10'000, 9'500);
        CHECK((feed.level() == StormLevel::suspended) == (port == kSession));
    }
}

TEST_CASE("old evidence is no evidence") {
    Feed feed({true});
    feed.watch.on_evidence({kSession, 10}, feed.now);
    feed.samples(31, 900, 400);
    feed.samples(40, 10'000, 9'500);
    CHECK(feed.level() == StormLevel::storm);
}

TEST_CASE("limits in bits are compared with bits") {
    StormWatch watch;
    constexpr StormLimit kBits{StormLimit::Unit::bits, 1'000'000, 100'000, 500'000};
    StormTotals totals;
    watch.on_sample(kKey, kBits, totals, TimePoint{1h});
    totals = {1'000, 125'000, 0};
    watch.on_sample(kKey, kBits, totals, TimePoint{1h} + 2s);
    CHECK(watch.states().at(kKey).offered_per_second == 500'000);
    CHECK(watch.states().at(kKey).passed_per_second == 500);
}

TEST_CASE("meters that start anew, and samples that follow at once, say nothing") {
    Feed feed;
    feed.samples(6, 900, 400);
    feed.levels.clear();
    feed.totals = {};
    feed.sample(0, 0);
    CHECK(feed.levels.empty());
    feed.watch.on_sample(kKey, kLimit, {1'000'000, 0, 1'000'000}, feed.now + 1ms);
    CHECK_FALSE(feed.watch.poll_event().has_value());
}

TEST_CASE("the worst of a VLAN's classes and directions counts, and a port that is gone is forgotten") {
    Feed feed;
    feed.samples(6, 900, 400);
    CHECK(feed.watch.level({kSession, 10}) == StormLevel::storm);
    CHECK(feed.watch.level({kSession, 11}) == StormLevel::ok);
    CHECK(feed.watch.level({PortId{4}, 10}) == StormLevel::ok);
    feed.watch.forget(PortId{4});
    CHECK(feed.watch.level({kSession, 10}) == StormLevel::storm);
    feed.watch.forget(kSession);
    CHECK(feed.watch.level({kSession, 10}) == StormLevel::ok);
}

TEST_CASE("unknown unicast after a topology change is no storm, anything else is") {
    constexpr StormKey kUnknown{kSession, Direction::to_tunnel, 10, StormClass::unknown_unicast};
    StormWatch watch;
    StormTotals totals;
    TimePoint now{1h};
    const auto samples = [&](int count) {
        for (int i = 0; i < count; ++i) {
            totals.offered += 900;
            totals.dropped += 400;
            now += 1s;
            watch.on_sample(kUnknown, kLimit, totals, now);
            watch.on_sample(kKey, kLimit, totals, now);
        }
    };
    for (const std::uint16_t vid : {std::uint16_t{10}, std::uint16_t{4095}}) {
        watch = StormWatch();
        samples(1);
        watch.expect_flood({kSession, vid}, now + 10s);
        samples(9);
        CHECK(watch.states().at(kUnknown).level == StormLevel::ok);
        CHECK(watch.states().at(kKey).level == StormLevel::storm);
        samples(6);
        CHECK(watch.states().at(kUnknown).level == StormLevel::storm);
    }
}
