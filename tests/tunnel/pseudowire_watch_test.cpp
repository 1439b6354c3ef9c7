#include "tunnel/pseudowire_watch.h"

#include <set>

#include "tests/crypto/seeded_rng.h"
#include "tests/tunnel/packets.h"

using namespace isthmus;
using namespace isthmus::tunnel;
using namespace isthmus::tunnel::test;
using namespace std::chrono_literals;

namespace {

constexpr SessionIndex kSession{3};

/// Two gateways that watch the same pseudowires, 5 ms apart.
struct Gateways {
    isthmus::test::SeededRng rng{1};
    PseudowireWatch ends[2]{PseudowireWatch(rng), PseudowireWatch(rng)};
    std::vector<PathChanged> changes[2];
    std::vector<PingOutcome> outcomes;
    std::vector<PingFinished> finished;
    std::multimap<TimePoint, std::pair<std::size_t, SendChannel>> wire;
    TimePoint now{1h};
    bool cut = false;
    std::size_t sent = 0;

    void watch_all(std::uint32_t sessions, std::optional<BfdOptions> bfd = BfdOptions{}) {
        for (std::uint32_t i = 0; i < sessions; ++i)
            for (auto& end : ends) end.watch(SessionIndex{i}, bfd, now);
    }
    void run(Duration time) {
        const TimePoint stop = now + time;
        for (;;) {
            for (std::size_t i : {0U, 1U}) drain(i);
            TimePoint next = stop;
            for (const auto& end : ends)
                if (const auto t = end.next_timeout()) next = std::min(next, *t);
            if (!wire.empty()) next = std::min(next, wire.begin()->first);
            if (next >= stop) break;
            now = std::max(now, next);
            while (!wire.empty() && wire.begin()->first <= now) {
                const auto [to, packet] = wire.begin()->second;
                wire.erase(wire.begin());
                ends[to].on_message(packet.session, packet.message, now);
            }
            for (auto& end : ends) end.on_timeout(now);
        }
        now = stop;
    }

  private:
    void drain(std::size_t from) {
        while (auto action = ends[from].poll_action()) {
            if (auto* packet = std::get_if<SendChannel>(&*action)) {
                ++sent;
                if (!cut) wire.emplace(now + 5ms, std::pair(1 - from, std::move(*packet)));
            } else if (const auto* change = std::get_if<PathChanged>(&*action)) {
                changes[from].push_back(*change);
            } else {
                const auto& what = std::get<PingReport>(*action).what;
                if (const auto* outcome = std::get_if<PingOutcome>(&what)) outcomes.push_back(*outcome);
                if (const auto* end = std::get_if<PingFinished>(&what)) finished.push_back(*end);
            }
        }
    }
};

}  // namespace

TEST_CASE("watched pseudowires are found alive, dead within a second when the path dies, and alive again") {
    Gateways g;
    g.watch_all(10);
    g.run(4s);
    CHECK(g.changes[0].size() == 10);
    CHECK(g.changes[0][0].alive);
    g.cut = true;
    g.run(1s);
    CHECK(g.changes[0].size() == 20);
    CHECK_FALSE(g.changes[0].back().alive);
    CHECK(g.changes[0].back().why == BfdDiagnostic::detection_expired);
    g.cut = false;
    g.run(4s);
    CHECK(g.changes[0].size() == 30);
    CHECK(g.changes[0].back().alive);
}

TEST_CASE("a path that was never found alive is not said to be dead") {
    Gateways g;
    g.ends[0].watch(kSession, BfdOptions{}, g.now);
    g.run(1min);
    CHECK(g.changes[0].empty());
    CHECK(g.ends[0].status(kSession)->state == BfdState::down);
}

TEST_CASE("the interval may change while the path stays alive, and watching may end on one side") {
    Gateways g;
    g.watch_all(1);
    g.run(4s);
    for (auto& end : g.ends) end.watch(SessionIndex{0}, BfdOptions{50ms, 3}, g.now);
    g.run(4s);
    CHECK(g.changes[0].size() == 1);
    CHECK(g.ends[0].status(SessionIndex{0})->send_interval == 50ms);
    g.ends[1].watch(SessionIndex{0}, std::nullopt, g.now);
    g.run(1s);
    CHECK_FALSE(g.changes[0].back().alive);
    CHECK_FALSE(g.ends[1].status(SessionIndex{0}));
}

TEST_CASE("an echo run tells round trips and loss, also without BFD") {
    Gateways g;
    g.watch_all(4, std::nullopt);
    CHECK(g.ends[0].ping(PingId{7}, kSession, {4, 100ms, 1s, 200}, g.now));
    CHECK_FALSE(g.ends[0].ping(PingId{7}, kSession, {}, g.now));
    CHECK_FALSE(g.ends[0].ping(PingId{8}, SessionIndex{99}, {}, g.now));
    g.run(2s);
    REQUIRE(g.finished.size() == 1);
    CHECK(g.finished[0].received == 4);
    CHECK(g.finished[0].mean == 10ms);
    CHECK(g.outcomes.size() == 4);
    g.cut = true;
    CHECK(g.ends[0].ping(PingId{7}, kSession, {2, 100ms, 1s, 0}, g.now));
    g.run(3s);
    CHECK(g.finished.back().received == 0);
    CHECK_FALSE(g.outcomes.back().round_trip);
    CHECK_FALSE(g.ends[0].next_timeout());
}

TEST_CASE("two runs at once do not take each other's replies") {
    Gateways g;
    g.watch_all(4, std::nullopt);
    CHECK(g.ends[0].ping(PingId{1}, kSession, {3, 100ms, 1s, 0}, g.now));
    CHECK(g.ends[0].ping(PingId{2}, kSession, {3, 100ms, 1s, 0}, g.now));
    g.run(2s);
    REQUIRE(g.finished.size() == 2);
    CHECK(g.finished[0].received == 3);
    CHECK(g.finished[1].received == 3);
    CHECK(g.outcomes.size() == 6);
}

TEST_CASE("a run ends when its session goes, or is called off without a word") {
    Gateways g;
    g.watch_all(4, std::nullopt);
    g.cut = true;
    CHECK(g.ends[0].ping(PingId{1}, kSession, {5, 100ms, 10s, 0}, g.now));
    g.run(250ms);
    g.ends[0].forget(kSession);
    g.run(1s);
    REQUIRE(g.finished.size() == 1);
    CHECK(g.finished[0].sent == 3);
    CHECK(g.finished[0].received == 0);
    CHECK_FALSE(g.ends[0].is_watched(kSession));
    CHECK(g.ends[0].ping(PingId{2}, SessionIndex{0}, {5, 100ms, 10s, 0}, g.now));
    g.ends[0].cancel(PingId{2});
    g.run(1s);
    CHECK(g.finished.size() == 1);
    CHECK_FALSE(g.ends[0].next_timeout());
}

TEST_CASE("a flood of echoes is answered at a limited rate, and strangers' messages not at all") {
    Gateways g;
    g.watch_all(1, std::nullopt);
    const Octets request =
        ChannelMessage{ChannelType::echo, EchoPacket{EchoPacket::Kind::request, 1, 2, {}}.emit()}.emit();
    for (int i = 0; i < 10'000; ++i) g.ends[0].on_message(SessionIndex{0}, request, g.now);
    std::size_t answered = 0;
    while (g.ends[0].poll_action()) ++answered;
    CHECK(answered == 200);
    g.ends[0].on_message(SessionIndex{5}, request, g.now + 10s);
    g.ends[0].on_message(SessionIndex{0}, hex("00007ff8"), g.now + 10s);
    g.ends[0].on_message(SessionIndex{0}, hex("80007ff8 02"), g.now + 10s);
    g.ends[0].on_message(SessionIndex{0}, hex("80000021 45"), g.now + 10s);
    g.ends[0].on_message(SessionIndex{0}, hex("80000007 20c8"), g.now + 10s);
    CHECK_FALSE(g.ends[0].poll_action());
}

TEST_CASE("a gateway that stops on purpose is not taken for a dead path") {
    Gateways g;
    g.watch_all(3);
    g.run(4s);
    g.ends[1].stop(g.now);
    g.run(5s);
    for (const auto& changes : g.changes) CHECK(changes.size() == 3);
    CHECK(g.ends[0].status(SessionIndex{0})->peer_state == BfdState::admin_down);
}

TEST_CASE("a session can use the channel that both ends know and that its headers can carry") {
    const VccvCapability both{VccvCapability::kSublayerChannel, VccvCapability::kBfd};
    const VccvCapability ping_only{VccvCapability::kSublayerChannel, VccvCapability::kIcmpPing};
    SessionOptions o;
    CHECK_FALSE(channel_usable(o, both, both));  // neither sublayer nor cookie
    o.local_cookie = o.remote_cookie = cookie("0102030405060708");
    CHECK(channel_usable(o, std::nullopt, both));
    CHECK_FALSE(channel_usable(o, both, std::nullopt));
    CHECK_FALSE(channel_usable(o, std::nullopt, std::nullopt));
    o.send_sublayer = Sublayer::standard;
    CHECK_FALSE(channel_usable(o, both, std::nullopt));  // one way only
    CHECK(channel_usable(o, std::nullopt, both));
    o.receive_sublayer = Sublayer::standard;
    CHECK(channel_usable(o, both, std::nullopt));
    CHECK_FALSE(channel_usable(o, ping_only, std::nullopt));
}

TEST_CASE("of thousands of watched sessions a timeout touches only those that are due") {
    constexpr std::uint32_t kSessions = 5000;
    isthmus::test::SeededRng rng{1};
    PseudowireWatch watch(rng);
    TimePoint now{1h};
    for (std::uint32_t i = 0; i < kSessions; ++i) {
        now += 100us;  // spread over half a second
        watch.watch(SessionIndex{i}, BfdOptions{}, now);
    }
    std::set<SessionIndex> sent;
    const auto count = [&] {
        std::size_t n = 0;
        while (const auto action = watch.poll_action()) {
            const auto* send = std::get_if<SendChannel>(&*action);
            if (send == nullptr) continue;
            ++n;
            sent.insert(send->session);
        }
        return n;
    };
    CHECK(count() == kSessions);
    sent.clear();
    // Each tells its peer once a second at most while it is down: as often the watch has work, and then for a few.
    std::size_t wakes = 0;
    std::size_t messages = 0;
    const TimePoint end = now + 1s;
    while (watch.next_timeout() && *watch.next_timeout() < end) {
        const TimePoint due = *watch.next_timeout();
        REQUIRE(due > now);
        watch.on_timeout(due - 1ns);
        REQUIRE(count() == 0);  // a moment too early: nothing is done
        watch.on_timeout(due);
        const std::size_t n = count();
        REQUIRE(n >= 1);
        ++wakes;
        messages += n;
        now = due;
    }
    CHECK(messages <= 2 * kSessions);
    CHECK(wakes <= messages);
    CHECK(sent.size() > kSessions / 2);
}
