#include "stp-guard/probe_scheduler.h"

#include <doctest/doctest.h>

#include <map>
#include <set>

#include "tests/crypto/seeded_rng.h"

using namespace isthmus;
using namespace isthmus::stp_guard;
using namespace isthmus::test;
using namespace std::chrono_literals;

namespace {

constexpr TimePoint kStart{1000s};

Place place(std::uint32_t port, std::uint16_t vid) {
    return {PortId{port}, vid};
}

/// What is sent when, driven as a daemon drives it.
struct Run {
    explicit Run(const ProbeOptions& options = {}) : rng(7), scheduler(options, rng) {}

    std::map<Place, std::vector<TimePoint>> until(TimePoint end) {
        std::map<Place, std::vector<TimePoint>> sent;
        while (true) {
            while (const auto next = scheduler.next(now)) {
                sent[*next].push_back(now);
                ++total;
            }
            const auto at = scheduler.next_at();
            if (!at || *at > end) break;
            REQUIRE_MESSAGE(*at > now, "it must not spin");
            now = *at;
        }
        now = end;
        return sent;
    }

    SeededRng rng;
    ProbeScheduler scheduler;
    TimePoint now = kStart;
    std::size_t total = 0;
};

}  // namespace

TEST_CASE("every place is probed about once a second, at instants that vary") {
    Run run;
    for (std::uint16_t vid = 1; vid <= 10; ++vid) run.scheduler.add(place(1, vid), run.now);
    const auto sent = run.until(kStart + 60s);
    REQUIRE(sent.size() == 10);
    for (const auto& [where, times] : sent) {
        CHECK(times.size() >= 55);
        CHECK(times.size() <= 66);
    }
    const auto& times = sent.begin()->second;
    CHECK(times[2] - times[1] != times[1] - times[0]);
    CHECK(run.scheduler.full_round() == 1s);
}

TEST_CASE("a hundred active places among thousands are probed each second, within the budget") {
    Run run;
    for (std::uint16_t vid = 1; vid <= 4'000; ++vid) run.scheduler.add(place(1, vid), run.now);
    for (std::uint16_t vid = 1; vid <= 100; ++vid) run.scheduler.set_active(vid, run.now);
    CHECK(run.scheduler.active_places() == 100);
    CHECK(run.scheduler.idle_places() == 3'900);
    const auto sent = run.until(kStart + 30s);
    for (std::uint16_t vid = 1; vid <= 100; ++vid) {
        const auto& times = sent.at(place(1, vid));
        REQUIRE(times.size() >= 20);
        for (std::size_t i = 1; i < times.size(); ++i) CHECK(times[i] - times[i - 1] < 1600ms);
    }
    CHECK(run.total <= 30 * 200 + 20);
    CHECK(run.scheduler.active_round() == 1s);
    CHECK_MESSAGE(run.scheduler.full_round() == 39s, "3,900 idle places share the other hundred a second");
}

TEST_CASE("with more active places than the budget their round stretches, and idle ones keep a tenth") {
    Run run;
    for (std::uint16_t vid = 1; vid <= 1'000; ++vid) run.scheduler.add(place(1, vid), run.now);
    for (std::uint16_t vid = 1; vid <= 900; ++vid) run.scheduler.set_active(vid, run.now);
    CHECK(run.scheduler.active_round() > 4999ms);
    CHECK(run.scheduler.full_round() < 5001ms);
    const auto sent = run.until(kStart + 20s);
    CHECK(sent.size() == 1'000);
    CHECK(run.total <= 20 * 200 + 20);
}

TEST_CASE("a VLAN that carries nothing for a minute is idle again") {
    Run run;
    for (std::uint16_t vid = 1; vid <= 5; ++vid) run.scheduler.add(place(1, vid), run.now);
    run.scheduler.set_active(3, run.now);
    (void)run.until(kStart + 59s);
    CHECK(run.scheduler.active_places() == 1);
    (void)run.until(kStart + 65s);
    CHECK(run.scheduler.active_places() == 0);
    CHECK(run.scheduler.idle_places() == 5);
}

TEST_CASE("a burst jumps the queue and is spaced; twice asked is not twice sent") {
    Run run;
    for (std::uint16_t vid = 1; vid <= 4'000; ++vid) run.scheduler.add(place(1, vid), run.now);
    (void)run.until(kStart + 5s);
    run.scheduler.burst(place(1, 4'000), 6, run.now);
    run.scheduler.burst(place(1, 4'000), 6, run.now);
    const auto sent = run.until(kStart + 6s);
    const auto& times = sent.at(place(1, 4'000));
    REQUIRE(times.size() >= 6);
    CHECK(times.size() <= 7);
    CHECK(times[0] - (kStart + 5s) <= 10ms);
    CHECK(times[5] - times[0] < 700ms);
    CHECK(times[1] - times[0] >= 100ms);
}

TEST_CASE("requests have a budget of their own, and none is sent twice") {
    Run run;
    for (std::uint16_t vid = 1; vid <= 4'000; ++vid) run.scheduler.add(place(1, vid), run.now);
    for (int twice = 0; twice < 2; ++twice)
        for (std::uint16_t vid = 1; vid <= 4'000; ++vid) run.scheduler.request(place(1, vid));
    (void)run.until(kStart + 2s);
    CHECK(run.total >= 1'600);
    CHECK(run.total <= 2 * 1'000 + 40);
    (void)run.until(kStart + 6s);
    CHECK(run.total <= 4'000 + 6 * 200 + 20);
}

TEST_CASE("a VLAN that begins to carry something while it waits with thousands goes ahead of them") {
    Run run;
    for (std::uint16_t vid = 1; vid <= 4'000; ++vid) {
        run.scheduler.add(place(1, vid), run.now);
        run.scheduler.request(place(1, vid));
    }
    (void)run.until(kStart + 1s);
    run.scheduler.set_active(3'999, run.now);
    const auto sent = run.until(kStart + 1s + 100ms);
    CHECK(sent.contains(place(1, 3'999)));
    CHECK_FALSE(sent.contains(place(1, 3'998)));
}

TEST_CASE("what was removed is never probed, and what stays is") {
    Run run;
    for (std::uint32_t port = 1; port <= 3; ++port)
        for (std::uint16_t vid = 1; vid <= 4; ++vid) {
            run.scheduler.add(place(port, vid), run.now);
            run.scheduler.request(place(port, vid));
            run.scheduler.burst(place(port, vid), 3, run.now);
        }
    run.scheduler.set_active(2, run.now);
    run.scheduler.remove_port(PortId{2});
    run.scheduler.remove(place(1, 2));
    run.scheduler.remove(place(1, 2));
    const auto sent = run.until(kStart + 10s);
    CHECK(sent.size() == 7);
    for (const auto& [where, times] : sent) CHECK(where.port != PortId{2});
    CHECK_FALSE(sent.contains(place(1, 2)));
    for (std::uint32_t port = 1; port <= 3; ++port) run.scheduler.remove_port(PortId{port});
    CHECK_FALSE(run.scheduler.next_at().has_value());
}

TEST_CASE("many probes a second leave in turns, so that threads are woken fifty times a second at most") {
    Run run;
    for (std::uint16_t vid = 1; vid <= 4'000; ++vid) run.scheduler.add(place(1, vid), run.now);
    for (std::uint16_t vid = 1; vid <= 4'000; ++vid) run.scheduler.request(place(1, vid));
    const auto sent = run.until(kStart + 4s);
    std::map<TimePoint, int> turns;
    for (const auto& [where, times] : sent)
        for (const TimePoint at : times) ++turns[at];
    CHECK(run.total >= 4 * 1'000 - 60);
    CHECK(turns.size() <= 201);
    for (const auto& [at, probes] : turns)
        CHECK_MESSAGE(probes <= 32, "no flood either: two budgets of sixteen");
}

TEST_CASE("steady rounds wake threads some twelve times a second, with all the probes of their budget") {
    Run run;
    for (std::uint16_t vid = 1; vid <= 4'000; ++vid) run.scheduler.add(place(1, vid), run.now);
    (void)run.until(kStart + 1s);
    const std::size_t before = run.total;
    const auto sent = run.until(kStart + 11s);
    std::set<TimePoint> turns;
    for (const auto& [where, times] : sent)
        for (const TimePoint at : times)
            if (at > kStart + 1s) turns.insert(at);
    CHECK(turns.size() >= 80);
    CHECK(turns.size() <= 150);
    CHECK(run.total - before >= 10 * 200 - 100);
    CHECK(run.total - before <= 10 * 200 + 40);
}

TEST_CASE("what waits to be opened does not wait for a turn of the steady rounds") {
    Run run;
    for (std::uint16_t vid = 1; vid <= 4'000; ++vid) run.scheduler.add(place(1, vid), run.now);
    (void)run.until(kStart + 1s);
    for (TimePoint last = run.now; !run.scheduler.next(run.now); run.now += 1ms)
        REQUIRE(run.now - last < 200ms);
    while (run.scheduler.next(run.now)) {
    }
    run.now += 1ms;
    run.scheduler.request(place(1, 7));
    REQUIRE(run.scheduler.next_at().has_value());
    CHECK(*run.scheduler.next_at() <= run.now + 20ms);
    run.now += 20ms;
    CHECK(run.scheduler.next(run.now) == place(1, 7));
}

TEST_CASE("an event's probes do not wait for a turn") {
    Run run;
    for (std::uint16_t vid = 1; vid <= 4'000; ++vid) run.scheduler.add(place(1, vid), run.now);
    (void)run.until(kStart + 1s);
    while (run.scheduler.next(run.now)) {
    }
    run.now += 1ms;
    run.scheduler.burst(place(1, 7), 1, run.now);
    CHECK(run.scheduler.next(run.now) == place(1, 7));
}

TEST_CASE("VLANs that carry something are probed each second also while thousands of bursts are under way") {
    Run run;
    for (std::uint16_t vid = 1; vid <= 4'000; ++vid) run.scheduler.add(place(1, vid), run.now);
    for (std::uint16_t vid = 1; vid <= 40; ++vid) run.scheduler.set_active(vid, run.now);
    for (std::uint16_t vid = 100; vid <= 4'000; ++vid) run.scheduler.burst(place(1, vid), 6, run.now);
    const auto sent = run.until(kStart + 20s);
    for (std::uint16_t vid = 1; vid <= 40; ++vid) {
        const auto& times = sent.at(place(1, vid));
        REQUIRE(times.size() >= 15);
        for (std::size_t i = 1; i < times.size(); ++i) CHECK(times[i] - times[i - 1] < 1700ms);
    }
    CHECK(run.total <= 20 * 200 + 20);
    CHECK_MESSAGE(run.total >= 20 * 200 - 100, "and nothing of the budget is left unused");
}

TEST_CASE(
    "thousands of VLANs that open at once and carry nothing are left to the steady rounds; one that carries "
    "something is not") {
    Run run;
    for (std::uint16_t vid = 1; vid <= 4'000; ++vid) run.scheduler.add(place(1, vid), run.now);
    run.scheduler.set_active(4'000, run.now);
    for (std::uint16_t vid = 1; vid <= 4'000; ++vid) run.scheduler.burst(place(1, vid), 6, run.now);
    const auto sent = run.until(kStart + 6s);
    std::size_t in_bursts = 0;
    for (const auto& [where, times] : sent)
        if (times.size() >= 3) ++in_bursts;
    CHECK(in_bursts == 65);
    CHECK(sent.at(place(1, 4'000)).size() >= 10);
}

TEST_CASE("a pause is not made up for") {
    Run run;
    for (std::uint16_t vid = 1; vid <= 10; ++vid) run.scheduler.add(place(1, vid), run.now);
    (void)run.until(kStart + 2s);
    const std::size_t before = run.total;
    run.now = kStart + 1h;
    while (run.scheduler.next(run.now)) ++run.total;
    CHECK(run.total - before <= 2);
}
