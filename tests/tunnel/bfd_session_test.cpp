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

namespace {

/// One session whose peer is played by hand.
struct Alone {
    isthmus::test::SeededRng rng{1};
    TimePoint now{1h};
    BfdSession session;
    BfdPacket peer;

    explicit Alone(BfdOptions options = {}) : session(options, BfdDiscriminator{7}, rng, now) {
        peer.mine = BfdDiscriminator{9};
        peer.yours = BfdDiscriminator{7};
        peer.state = BfdState::down;
        peer.desired_min_tx = peer.required_min_rx = std::chrono::milliseconds(300);
        (void)sent();
    }
    void hear() { session.on_packet(peer.emit(), now); }
    void hear(BfdState state) {
        peer.state = state;
        hear();
    }
    /// Up, its poll sequence answered, and a packet after it.
    void come_up() {
        hear(BfdState::down);
        hear(BfdState::init);
        peer.state = BfdState::up;
        hear_final();
        hear();
        REQUIRE(session.state() == BfdState::up);
        (void)sent();
    }
    void hear_final() {
        peer.final = true;
        hear();
        peer.final = false;
    }
    /// What was sent since it was asked last.
    std::vector<BfdPacket> sent() {
        std::vector<BfdPacket> out;
        while (const auto action = session.poll_action())
            if (const auto* send = std::get_if<BfdSend>(&*action))
                out.push_back(*BfdPacket::parse(send->bytes));
        return out;
    }
    /// The peer says the same every 100 ms; what is sent meanwhile.
    std::vector<BfdPacket> run(Duration time, bool peer_talks = true) {
        std::vector<BfdPacket> out;
        for (const TimePoint end = now + time; now < end; now += 100ms) {
            if (peer_talks) hear();
            session.on_timeout(now);
            for (const auto& packet : sent()) out.push_back(packet);
        }
        return out;
    }
};

}  // namespace

TEST_CASE("a peer that wants nothing is sent nothing but answers to polls (RFC 5880 section 6.8.7)") {
    Alone a;
    a.peer.required_min_rx = Microseconds(0);
    a.hear(BfdState::admin_down);
    CHECK(a.run(5s).empty());
    a.peer.poll = true;
    a.hear();
    const auto answers = a.sent();
    REQUIRE(answers.size() == 1);
    CHECK(answers[0].final);
    CHECK_FALSE(answers[0].poll);
}

TEST_CASE("a peer that wanted nothing and then is silent is sent to again (section 6.8.18)") {
    Alone a;
    a.peer.required_min_rx = Microseconds(0);
    a.hear(BfdState::admin_down);
    CHECK(a.run(5s).empty());
    const auto packets = a.run(10s, false);  // its Detection Time is 900 ms
    CHECK(packets.size() >= 8);
    CHECK(a.session.status().send_interval == 1s);
}

TEST_CASE("a peer in Demand mode is sent nothing periodically while both are up (section 6.8.7)") {
    Alone a;
    a.come_up();
    CHECK(a.run(3s).size() >= 8);
    a.peer.demand = true;
    CHECK(a.run(5s).empty());
    CHECK(a.session.state() == BfdState::up);

    SUBCASE("its polls are answered") {
        a.peer.poll = true;
        a.hear();
        const auto answers = a.sent();
        REQUIRE(answers.size() == 1);
        CHECK(answers[0].final);
        CHECK_FALSE(answers[0].demand);
    }
    SUBCASE("our own poll sequence goes on until it is answered") {
        a.session.set_options({500ms, 3}, a.now);
        const auto polls = a.run(3s);
        CHECK(polls.size() >= 5);
        for (const auto& packet : polls) CHECK(packet.poll);
        a.hear_final();
        (void)a.sent();
        CHECK(a.run(5s).empty());
    }
    SUBCASE("without the bit, and when a session is not up any more, packets go again") {
        SUBCASE("without the bit") {
            a.peer.demand = false;
        }
        SUBCASE("down") {
            a.peer.state = BfdState::down;
        }
        CHECK(a.run(5s).size() >= 4);
    }
    SUBCASE("its silence is death as ever: Demand is its own wish, not ours") {
        CHECK(a.run(2s, false).size() >= 1);
        CHECK(a.session.state() == BfdState::down);
    }
}

TEST_CASE("a change of what we want to send is polled: coming up and going down (section 6.8.3)") {
    Alone a;
    a.hear(BfdState::down);
    a.hear(BfdState::init);
    auto packets = a.sent();
    REQUIRE_FALSE(packets.empty());
    CHECK(packets.back().state == BfdState::up);
    CHECK(packets.back().poll);
    CHECK(packets.back().desired_min_tx == std::chrono::milliseconds(300));
    a.peer.state = BfdState::up;
    a.hear_final();
    for (const auto& packet : a.run(1s)) CHECK_FALSE(packet.poll);

    a.hear(BfdState::down);
    packets = a.sent();
    REQUIRE_FALSE(packets.empty());
    CHECK(packets.back().state == BfdState::down);
    CHECK(packets.back().desired_min_tx == std::chrono::seconds(1));
    CHECK(packets.back().poll);
    a.peer.state = BfdState::down;
    a.hear_final();
    for (const auto& packet : a.run(3s)) CHECK_FALSE((packet.poll && packet.state != BfdState::up));
}

TEST_CASE(
    "slower sending waits for the peer's Final, faster detection too; the rest counts at once (section "
    "6.8.3)") {
    Alone a;
    a.come_up();
    SUBCASE("slower") {
        a.session.set_options({2s, 3}, a.now);
        CHECK(a.session.status().send_interval == 300ms);
        CHECK(a.session.status().detection_time == 6s);  // the peer may take its time from now on
        const auto packets = a.sent();
        REQUIRE_FALSE(packets.empty());
        CHECK(packets.back().poll);
        CHECK(packets.back().desired_min_tx == std::chrono::seconds(2));
        a.hear_final();
        CHECK(a.session.status().send_interval == 2s);
    }
    SUBCASE("faster") {
        a.peer.desired_min_tx = a.peer.required_min_rx = std::chrono::milliseconds(50);
        a.hear();
        a.session.set_options({100ms, 3}, a.now);
        CHECK(a.session.status().send_interval == 100ms);
        CHECK(a.session.status().detection_time == 900ms);
        a.hear_final();
        CHECK(a.session.status().detection_time == 300ms);
    }
    SUBCASE("another multiplier alone needs no poll (section 6.8.12)") {
        a.session.set_options({300ms, 5}, a.now);
        const auto packets = a.sent();
        REQUIRE_FALSE(packets.empty());
        CHECK_FALSE(packets.back().poll);
        CHECK(packets.back().detect_multiplier == 5);
    }
    SUBCASE("a session that goes down waits for nothing") {
        a.session.set_options({2s, 3}, a.now);
        a.hear(BfdState::down);
        CHECK(a.session.status().send_interval == 2s);
    }
}

TEST_CASE("a second change waits until nobody can take the first one's Final for its own (section 6.8.3)") {
    Alone a;
    a.come_up();
    a.session.set_options({2s, 3}, a.now);
    a.session.set_options({100ms, 3}, a.now);
    for (const auto& packet : a.sent()) CHECK(packet.required_min_rx == std::chrono::seconds(2));
    a.hear_final();
    a.hear_final();  // repeated on the way
    CHECK(a.session.status().send_interval == 2s);
    a.hear();
    const auto packets = a.sent();
    REQUIRE_FALSE(packets.empty());
    CHECK(packets.back().required_min_rx == std::chrono::milliseconds(100));
    CHECK(packets.back().poll);
    a.peer.required_min_rx = a.peer.desired_min_tx = std::chrono::milliseconds(100);
    a.hear_final();
    CHECK(a.session.status().send_interval == 100ms);
    CHECK(a.session.status().detection_time == 300ms);
}

TEST_CASE("a change that waits counts at once when the session goes down") {
    Alone a;
    a.come_up();
    a.session.set_options({2s, 3}, a.now);
    a.session.set_options({500ms, 3}, a.now);
    a.hear(BfdState::down);
    const auto packets = a.sent();
    REQUIRE_FALSE(packets.empty());
    CHECK(packets.back().required_min_rx == std::chrono::milliseconds(500));
}

TEST_CASE("packets for another session and damaged ones change nothing") {
    isthmus::test::SeededRng rng(1);
    const TimePoint start{1h};
    BfdSession session({}, BfdDiscriminator{7}, rng, start);
    BfdPacket packet;
    packet.mine = BfdDiscriminator{9};
    packet.yours = BfdDiscriminator{8};
    packet.state = BfdState::init;
    session.on_packet(packet.emit(), start);
    session.on_packet({}, start);
    CHECK(session.state() == BfdState::down);
    CHECK(session.status().refused == 2);
    CHECK(session.status().received == 0);
    CHECK(session.status().detection_time == 0ms);
}

TEST_CASE("every pair of states reacts as RFC 5880 section 6.8.6 says") {
    struct Row {
        BfdState ours;
        BfdState received;
        BfdState next;
    };
    using enum BfdState;
    const Row rows[] = {
        {down, down, init},
        {down, init, up},
        {down, up, down},
        {down, admin_down, down},
        {init, down, init},
        {init, init, up},
        {init, up, up},
        {init, admin_down, down},
        {up, down, down},
        {up, init, up},
        {up, up, up},
        {up, admin_down, down},
        {admin_down, down, admin_down},
        {admin_down, init, admin_down},
        {admin_down, up, admin_down},
    };
    for (const Row& row : rows) {
        CAPTURE(words(row.ours));
        CAPTURE(words(row.received));
        isthmus::test::SeededRng rng(1);
        BfdSession session({}, BfdDiscriminator{7}, rng, TimePoint{1h});
        BfdPacket packet;
        packet.mine = BfdDiscriminator{9};
        packet.yours = BfdDiscriminator{7};
        const auto hear = [&](BfdState state) {
            packet.state = state;
            session.on_packet(packet.emit(), TimePoint{1h});
        };
        if (row.ours == init || row.ours == up) hear(down);
        if (row.ours == up) hear(init);
        if (row.ours == admin_down) session.set_admin_down(true, TimePoint{1h});
        REQUIRE(session.state() == row.ours);
        hear(row.received);
        CHECK(session.state() == row.next);
    }
}

TEST_CASE("early and repeated timeouts are harmless") {
    isthmus::test::SeededRng rng(1);
    const TimePoint start{1h};
    BfdSession session({}, BfdDiscriminator{7}, rng, start);
    while (session.poll_action()) {
    }
    for (int i = 0; i < 10; ++i) session.on_timeout(start + i * 1ms);
    CHECK_FALSE(session.poll_action());
    REQUIRE(session.next_timeout());
    const TimePoint due = *session.next_timeout();
    session.on_timeout(due);
    session.on_timeout(due);
    CHECK(session.poll_action());
    CHECK_FALSE(session.poll_action());
}
