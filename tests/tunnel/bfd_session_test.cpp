#include "tunnel/bfd_session.h"

#include <map>

#include "tests/crypto/seeded_rng.h"
#include "tests/tunnel/packets.h"

using namespace isthmus;
using namespace isthmus::tunnel;
using namespace isthmus::tunnel::test;
using namespace std::chrono_literals;

namespace {

/// Two ends and what is between them.
class Pair {
  public:
    explicit Pair(std::uint64_t seed, BfdOptions a = {}, BfdOptions b = {}) : rng_(seed) {
        ends_[0].options = a;
        ends_[1].options = b;
        restart(0);
        restart(1);
    }
    void restart(std::size_t end) {
        End& e = ends_[end];
        e.session.emplace(e.options, BfdDiscriminator{++last_discriminator_}, rng_, now_);
        e.changes.clear();
        e.last_sent.reset();
    }
    void run(Duration time) {
        const TimePoint end = now_ + time;
        for (;;) {
            drain(0);
            drain(1);
            TimePoint next = end;
            for (const End& e : ends_)
                if (const auto t = e.session->next_timeout()) next = std::min(next, *t);
            if (!wire_.empty()) next = std::min(next, wire_.begin()->first);
            if (next >= end) break;
            now_ = std::max(now_, next);
            deliver();
            for (End& e : ends_) e.session->on_timeout(now_);
        }
        now_ = end;
    }
    [[nodiscard]] BfdSession& operator[](std::size_t end) { return *ends_[end].session; }
    [[nodiscard]] BfdState state(std::size_t end) const { return ends_[end].session->state(); }
    [[nodiscard]] bool both_up() const { return state(0) == BfdState::up && state(1) == BfdState::up; }
    [[nodiscard]] const std::vector<BfdChanged>& changes(std::size_t end) const { return ends_[end].changes; }
    [[nodiscard]] const std::vector<Duration>& gaps(std::size_t end) const { return ends_[end].gaps; }
    [[nodiscard]] TimePoint now() const { return now_; }

    double loss[2] = {0, 0};  ///< towards the other end, 0 to 1
    Duration delay = 10ms;
    Duration jitter{};

  private:
    struct End {
        BfdOptions options;
        std::optional<BfdSession> session;
        std::vector<BfdChanged> changes;
        std::optional<TimePoint> last_sent;
        std::vector<Duration> gaps;
    };
    struct Packet {
        std::size_t to;
        Octets bytes;
    };
    void drain(std::size_t from) {
        End& e = ends_[from];
        while (const auto action = e.session->poll_action()) {
            if (const auto* change = std::get_if<BfdChanged>(&*action)) {
                e.changes.push_back(*change);
                continue;
            }
            const auto& bytes = std::get<BfdSend>(*action).bytes;
            if (e.last_sent) e.gaps.push_back(now_ - *e.last_sent);
            e.last_sent = now_;
            if (static_cast<double>(rng_.below(1000)) < loss[from] * 1000) continue;
            const Duration extra = jitter == Duration{} ? Duration{}
                                                        : Duration(static_cast<std::int64_t>(rng_.below(
                                                              static_cast<std::uint64_t>(jitter.count()))));
            wire_.emplace(now_ + delay + extra, Packet{1 - from, copy(Bytes(bytes))});
        }
    }
    void deliver() {
        while (!wire_.empty() && wire_.begin()->first <= now_) {
            const Packet packet = wire_.begin()->second;
            wire_.erase(wire_.begin());
            ends_[packet.to].session->on_packet(packet.bytes, now_);
        }
    }

    isthmus::test::SeededRng rng_;
    TimePoint now_{1h};
    std::uint32_t last_discriminator_ = 100;
    End ends_[2];
    std::multimap<TimePoint, Packet> wire_;
};

}  // namespace

TEST_CASE("two ends come up within three seconds, and stay up") {
    Pair pair(1);
    pair.run(3s);
    REQUIRE(pair.both_up());
    pair.run(1h);
    CHECK(pair.both_up());
    CHECK(pair.changes(0).back().state == BfdState::up);
    CHECK(pair[0].status().times_lost == 0);
    CHECK(pair[0].status().refused == 0);
    CHECK(pair[0].status().detection_time == 900ms);
    CHECK(pair[0].status().send_interval == 300ms);
}

TEST_CASE("while up, gaps are three quarters to all of the interval; while down, of a second") {
    Pair pair(2);
    pair.loss[0] = pair.loss[1] = 1;
    pair.run(60s);
    for (const Duration gap : pair.gaps(0)) {
        CHECK(gap >= 749ms);
        CHECK(gap <= 1s);
    }
    Pair live(3);
    live.run(10s);
    const std::size_t settled = live.gaps(0).size();
    live.run(60s);
    for (std::size_t i = settled; i < live.gaps(0).size(); ++i) {
        CHECK(live.gaps(0)[i] >= 224ms);
        CHECK(live.gaps(0)[i] <= 300ms);
    }
    CHECK(live.gaps(0).size() - settled > 200);
}

TEST_CASE("a path that dies is known on both sides within a second") {
    for (std::uint64_t seed = 0; seed < 50; ++seed) {
        Pair pair(seed);
        pair.run(5s + seed * 7ms);
        REQUIRE(pair.both_up());
        pair.loss[0] = pair.loss[1] = 1;
        pair.run(1s);
        CHECK(pair.state(0) == BfdState::down);
        CHECK(pair.state(1) == BfdState::down);
        CHECK(pair.changes(0).back().why == BfdDiagnostic::detection_expired);
        CHECK(pair.changes(1).back().why == BfdDiagnostic::detection_expired);
        pair.loss[0] = pair.loss[1] = 0;
        pair.run(4s);
        CHECK(pair.both_up());
        CHECK(pair[0].status().times_lost == 1);
    }
}

TEST_CASE("one direction that dies is known on both sides, and each knows which it is") {
    Pair pair(4);
    pair.run(5s);
    REQUIRE(pair.both_up());
    pair.loss[0] = 1;  // the second end hears nothing any more
    pair.run(1s);
    CHECK(pair.changes(1).back().why == BfdDiagnostic::detection_expired);
    CHECK(pair.changes(0).back().why == BfdDiagnostic::neighbour_down);
    pair.run(1min);
    CHECK(pair.state(1) == BfdState::down);
    CHECK(pair.state(0) != BfdState::up);
    CHECK(pair[0].status().peer_diagnostic == BfdDiagnostic::detection_expired);
    pair.loss[0] = 0;
    pair.run(4s);
    CHECK(pair.both_up());
}

TEST_CASE("loss below what the multiplier forgives does not flap for ten minutes") {
    Pair pair(5);
    pair.run(5s);
    pair.loss[0] = pair.loss[1] = 0.02;  // three in a row: once in 125,000 packets
    pair.run(10min);
    CHECK(pair.both_up());
    CHECK(pair[0].status().times_lost + pair[1].status().times_lost == 0);
}

TEST_CASE("with heavy loss both ends come back up whenever they go down") {
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
        Pair pair(seed);
        pair.loss[0] = pair.loss[1] = 0.3;
        pair.jitter = 50ms;
        pair.run(5min);
        pair.loss[0] = pair.loss[1] = 0;
        pair.run(6s);
        CHECK(pair.both_up());
    }
}

TEST_CASE("an end that restarts is noticed and both come back up") {
    for (std::uint64_t seed = 0; seed < 30; ++seed) {
        Pair pair(seed);
        pair.run(5s + seed * 13ms);
        REQUIRE(pair.both_up());
        pair.restart(1);
        pair.run(1s);
        CHECK(pair[0].status().times_lost == 1);
        pair.run(5s);
        CHECK(pair.both_up());
    }
}

TEST_CASE("an end taken down on purpose tells the peer, stays down, and comes back when told") {
    Pair pair(6);
    pair.run(5s);
    pair[0].set_admin_down(true, pair.now());
    pair.run(1s);
    CHECK(pair.state(0) == BfdState::admin_down);
    CHECK(pair.state(1) == BfdState::down);
    CHECK(pair.changes(1).back().why == BfdDiagnostic::neighbour_down);
    CHECK(pair[1].status().peer_state == BfdState::admin_down);
    CHECK(pair[1].status().peer_diagnostic == BfdDiagnostic::administratively_down);
    pair.run(1min);
    CHECK(pair.state(0) == BfdState::admin_down);
    pair[0].set_admin_down(false, pair.now());
    pair.run(5s);
    CHECK(pair.both_up());
}

TEST_CASE("the slower of both wishes counts, and detection follows it") {
    Pair pair(7, {100ms, 3}, {500ms, 4});
    pair.run(10s);
    REQUIRE(pair.both_up());
    CHECK(pair[0].status().send_interval == 500ms);
    CHECK(pair[1].status().send_interval == 500ms);
    CHECK(pair[0].status().detection_time == 2s);      // the peer's 4 times 500 ms
    CHECK(pair[1].status().detection_time == 1500ms);  // the peer's 3 times 500 ms
}

TEST_CASE("new intervals are agreed while up without a flap, faster and slower") {
    Pair pair(8);
    pair.run(5s);
    pair[0].set_options({50ms, 5}, pair.now());
    pair[1].set_options({50ms, 5}, pair.now());
    pair.run(5s);
    CHECK(pair[0].status().send_interval == 50ms);
    CHECK(pair[0].status().detection_time == 250ms);
    pair[0].set_options({1s, 3}, pair.now());
    pair.run(20s);
    CHECK(pair.both_up());
    CHECK(pair[0].status().times_lost + pair[1].status().times_lost == 0);
    CHECK(pair[1].status().detection_time == 3s);
}
