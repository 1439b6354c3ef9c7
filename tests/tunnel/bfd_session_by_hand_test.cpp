// One end whose peer is the test itself: RFC 5880 by the letter.
#include "tunnel/bfd_session.h"

#include "tests/crypto/seeded_rng.h"
#include "tests/tunnel/packets.h"

using namespace isthmus;
using namespace isthmus::tunnel;
using namespace isthmus::tunnel::test;
using namespace std::chrono_literals;

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
