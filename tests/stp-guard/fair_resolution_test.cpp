// Storms of address resolution, simulated: who of the honest hosts is answered. Ten seconds each, both directions alike.
#include <doctest/doctest.h>

#include <array>
#include <functional>

#include "tests/stp-guard/admission_bench.h"

using namespace isthmus;
using namespace isthmus::stp_guard;
using namespace isthmus::test;
using namespace std::chrono_literals;

namespace {

constexpr std::uint32_t kHonest = 1'000'000;  ///< numbers of hosts that are known from here on
constexpr std::uint32_t kNewcomer = 2'000'000;
constexpr std::uint32_t kHosts = 50;
constexpr int kPerMillisecond = 8;

/// `number`: whose address the frame has; `asked`: whom it looks for.
Octets question(std::uint32_t number, std::uint32_t asked, std::string_view to = kBroadcast) {
    Octets frame = frame_to(to, kArp);
    store_be32(frame.data() + 8, number);
    store_be32(frame.data() + 38, asked);
    return frame;
}

/// A stage that knows hosts, with the limits that it has by default.
struct Simulation {
    Direction direction;
    KnownHosts hosts{7};
    Bench bench;
    TimePoint now = kNow;

    explicit Simulation(Direction d) : direction(d), bench({by_default()}, d, nullptr, tables(d)) {}

    static SessionAdmission by_default() {
        SessionAdmission session = whole_port();
        session.options.storm = StormLimits{};
        return session;
    }
    HostTables tables(Direction d) {
        if (d == Direction::to_tunnel) return {&hosts.lan, &hosts.tunnel, nullptr};
        return {&hosts.tunnel, &hosts.lan, &hosts.bridge};
    }
    HostTable& here() { return direction == Direction::to_tunnel ? hosts.lan : hosts.tunnel; }

    bool passes(std::uint32_t number, std::uint32_t asked = 1) {
        return bench.fate(question(number, asked), 0, now) == DropReason::none;
    }
    /// Before the storm each honest host asks, one after the other.
    void greet() {
        for (std::uint32_t i = 0; i < kHosts; ++i) {
            now += 20ms;
            CHECK(passes(kHonest + i));
        }
        now += 2s;
    }

    struct Outcome {
        int asked = 0;
        int answered = 0;
        int of_storm = 0;
        std::optional<Duration> newcomer;  ///< until its first question passed
    };
    /// Each honest host asks once a second, and a host that nobody knows as well; `storm` says whose each of its frames is.
    Outcome storm(const std::function<std::uint32_t(int)>& who, Duration length = 10s) {
        Outcome out;
        const TimePoint begin = now;
        int frame = 0;
        for (int ms = 0; now - begin < length; ++ms, now += 1ms) {
            for (int i = 0; i < kPerMillisecond; ++i) out.of_storm += passes(who(frame++)) ? 1 : 0;
            if (ms % 20 == 0) {
                const auto host = static_cast<std::uint32_t>(ms / 20) % kHosts;
                ++out.asked;
                out.answered += passes(kHonest + host, static_cast<std::uint32_t>(ms)) ? 1 : 0;
            }
            if (ms % 1'000 == 500 && passes(kNewcomer) && !out.newcomer) out.newcomer = now - begin;
        }
        return out;
    }
};

constexpr std::array kBothWays{Direction::to_tunnel, Direction::from_tunnel};

}  // namespace

TEST_CASE(
    "a storm with a new source in each frame leaves every known host its questions, and a new one comes "
    "through") {
    for (const Direction way : kBothWays) {
        Simulation simulation(way);
        simulation.greet();
        const auto out = simulation.storm([](int frame) { return static_cast<std::uint32_t>(frame); });
        CHECK(out.answered == out.asked);
        REQUIRE(out.newcomer.has_value());
        CHECK(*out.newcomer <= 3s);
        CHECK(out.of_storm <= 75 + 10 * 75 + 10);  // a quarter of the class, and its burst
    }
}

TEST_CASE("made-up sources are not known by their storm, and take up no room of real hosts") {
    Simulation simulation(Direction::to_tunnel);
    simulation.greet();
    (void)simulation.storm([](int frame) { return static_cast<std::uint32_t>(frame); }, 60s);
    CHECK(simulation.here().count(SessionIndex{0}) <= kHosts + 75);
    // Once it is over, a new host is known by its first question.
    simulation.now += 2s;
    CHECK(simulation.passes(kNewcomer + 1));
    CHECK(simulation.here().knows(SessionIndex{0}, 0, MacAddress{{0x02, 0x00, 0x00, 0x1e, 0x84, 0x81}},
                                  simulation.now));
}

TEST_CASE("a storm of made-up sources that repeat leaves every known host its questions") {
    for (const Direction way : kBothWays) {
        for (const std::uint32_t sources : {10U, 100U, 1'000U, 5'000U}) {
            Simulation simulation(way);
            simulation.greet();
            const auto out = simulation.storm(
                [sources](int frame) { return static_cast<std::uint32_t>(frame) % sources; });
            CHECK_MESSAGE(out.answered == out.asked, sources, " sources");
            CHECK(out.of_storm <= 300 + 10 * 300);
        }
    }
}

TEST_CASE("one flooder, known or new, leaves all others theirs, and a new host comes through") {
    for (const std::uint32_t flooder : {1U, kHonest + 3}) {
        Simulation simulation(Direction::to_tunnel);
        simulation.greet();
        const auto out = simulation.storm([&](int) { return flooder; });
        const int lost = out.asked - out.answered;
        CHECK(lost <= (flooder == 1 ? 0 : 10));  // who floods loses its own
        CHECK(out.newcomer.has_value());
    }
}

TEST_CASE("many known hosts that ask a lot leave those that ask little theirs") {
    Simulation simulation(Direction::to_tunnel);
    simulation.greet();
    for (std::uint32_t i = 0; i < 60; ++i) {  // these are known too
        simulation.now += 20ms;
        CHECK(simulation.passes(i));
    }
    simulation.now += 2s;
    const auto out = simulation.storm([](int frame) { return static_cast<std::uint32_t>(frame) % 60; });
    CHECK(out.answered == out.asked);
    // Nothing of the class is wasted on fairness.
    CHECK(out.of_storm + out.answered >= 10 * 300 - 30);
}

TEST_CASE("who speaks to a known host is known, whatever storm there is") {
    Simulation simulation(Direction::to_tunnel);
    simulation.greet();
    (void)simulation.storm([](int frame) { return static_cast<std::uint32_t>(frame); }, 2s);
    const MacAddress remote = MacAddress::parse(kHost).value();
    (void)simulation.hosts.tunnel.heard(SessionIndex{0}, 0, remote, {0, 0}, simulation.now);
    CHECK(simulation.bench.fate(question(kNewcomer + 7, 1, kHost), 0, simulation.now) == DropReason::none);
    for (int i = 0; i < 20; ++i) {
        (void)simulation.storm(
            [i](int frame) { return static_cast<std::uint32_t>(100'000 * (i + 1) + frame); }, 500ms);
        CHECK(simulation.passes(kNewcomer + 7));
    }
}

TEST_CASE("thousands of hosts that come up at once are all answered before long") {
    Simulation simulation(Direction::to_tunnel);
    constexpr int kMany = 1'000;
    std::vector<bool> done(kMany);
    int left = kMany;
    // Each asks once a second until it is answered, at an instant of its own.
    for (int ms = 0; ms < 12'000 && left > 0; ++ms, simulation.now += 1ms) {
        const int host = ms % kMany;
        if (done[static_cast<std::size_t>(host)]) continue;
        if (!simulation.passes(static_cast<std::uint32_t>(host))) continue;
        done[static_cast<std::size_t>(host)] = true;
        --left;
    }
    CHECK(left == 0);
}
