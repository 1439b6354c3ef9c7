#include "crypto/ike/exchanges.h"

#include "tests/crypto/seeded_rng.h"

using namespace isthmus;
using namespace isthmus::crypto::ike;
using namespace std::chrono_literals;

namespace {

constexpr RetransmissionOptions kOptions{
    .first = 500ms, .growth_percent = 200, .longest = 2s, .jitter_percent = 0};

struct Fixture {
    test::SeededRng rng{1};
    TimePoint now{1h};
    Exchanges exchanges{kOptions};
};

}  // namespace

TEST_CASE_FIXTURE(Fixture, "requests are numbered from zero, one at a time") {
    CHECK(exchanges.is_idle());
    exchanges.on_request_sent(ExchangeType::informational, {{1}}, now, rng);
    CHECK_FALSE(exchanges.is_idle());
    CHECK(exchanges.awaits(MessageId{0}, ExchangeType::informational));
    CHECK_FALSE(exchanges.awaits(MessageId{1}, ExchangeType::informational));
    CHECK_FALSE(exchanges.awaits(MessageId{0}, ExchangeType::create_child_sa));
    exchanges.on_answered();
    CHECK(exchanges.is_idle());
    CHECK(exchanges.next_request() == MessageId{1});
}

TEST_CASE_FIXTURE(Fixture, "a request is repeated at growing intervals, up to the longest") {
    exchanges.on_request_sent(ExchangeType::informational, {{1}, {2}}, now, rng);
    for (const Duration interval : {Duration(500ms), Duration(1s), Duration(2s), Duration(2s)}) {
        REQUIRE(exchanges.retransmit_at());
        CHECK(*exchanges.retransmit_at() == now + interval);
        now = *exchanges.retransmit_at();
        CHECK(exchanges.retransmit(now, rng).size() == 2);
    }
    CHECK(exchanges.retransmissions() == 4);
    exchanges.on_answered();
    CHECK_FALSE(exchanges.retransmit_at());
}

TEST_CASE_FIXTURE(Fixture, "a sign of the peer makes the next repetition come at once, but one only") {
    exchanges.on_request_sent(ExchangeType::informational, {{1}}, now, rng);
    exchanges.hasten(now + 10ms);
    CHECK(*exchanges.retransmit_at() == now + 10ms);
    (void)exchanges.retransmit(now + 10ms, rng);
    // Whoever sends signs without end does not get repetitions without end.
    for (const Duration later : {Duration(20ms), Duration(30ms), Duration(509ms)}) {
        exchanges.hasten(now + later);
        CHECK(*exchanges.retransmit_at() == now + 1'010ms);
    }
    exchanges.hasten(now + 510ms);
    CHECK(*exchanges.retransmit_at() == now + 510ms);
}

TEST_CASE_FIXTURE(Fixture, "a request that is sent anew with the same number counts from the first time") {
    exchanges.on_request_sent(ExchangeType::ike_sa_init, {{1}}, now, rng);
    exchanges.on_request_sent(ExchangeType::ike_sa_init, {{2}}, now + 300ms, rng);
    CHECK(*exchanges.waiting_since() == now);
    CHECK(exchanges.next_request() == MessageId{0});
}

TEST_CASE_FIXTURE(Fixture,
                  "the peer's next request is fresh, its last one repeated, all others are outside") {
    CHECK(exchanges.judge(MessageId{0}) == Exchanges::Incoming::fresh);
    CHECK(exchanges.judge(MessageId{1}) == Exchanges::Incoming::outside);
    CHECK(exchanges.judge(MessageId{0xffff'ffff}) == Exchanges::Incoming::outside);
    exchanges.on_response_sent({{9}});
    CHECK(exchanges.judge(MessageId{0}) == Exchanges::Incoming::repeated);
    CHECK(exchanges.judge(MessageId{1}) == Exchanges::Incoming::fresh);
    CHECK(exchanges.last_response() == Datagrams{{9}});
    exchanges.on_response_sent({{10}});
    CHECK(exchanges.judge(MessageId{0}) == Exchanges::Incoming::outside);
}
