// Two engines, joined by a tunnel that delivers after a millisecond. Whole networks are in tests/sim/guard_sim_test.cpp.
#include <deque>

#include "tests/stp-guard/lone_gateway.h"

using namespace isthmus;
using namespace isthmus::test;

namespace {

/// One end, with a session and nothing else.
struct End {
    explicit End(std::uint32_t number)
        : rng(number),
          engine({DomainId{1}, SiteId{number}, NodeId{number}}, GuardOptions{}, authenticator, rng) {
        engine.on_port(port(kTunnel, PortKind::tunnel, "dc"), kStart);
    }
    ToyAuthenticator authenticator;
    SeededRng rng;
    GuardEngine engine;
    std::deque<std::vector<std::uint8_t>> sent;
    std::optional<TimePoint> met;  ///< when it believed that the peer has a guard
};

void collect(End& end, TimePoint now) {
    while (auto action = end.engine.poll_action()) {
        if (auto* message = std::get_if<SendPeer>(&*action)) end.sent.push_back(std::move(message->frame));
        const auto* event = std::get_if<GuardEvent>(&*action);
        if (event != nullptr && event->id == GuardEventId::peer_with_guard && !end.met) end.met = now;
    }
}

void deliver(End& from, End& to, TimePoint now) {
    while (!from.sent.empty()) {
        const auto frame = std::move(from.sent.front());
        from.sent.pop_front();
        to.engine.on_guard_frame(kTunnel, 0, frame, now);
    }
}

void step(End& end, TimePoint now) {
    if (const auto at = end.engine.next_timeout(); at && *at <= now) end.engine.on_timeout(now);
    collect(end, now);
}

}  // namespace

TEST_CASE(
    "two guards know of one another a moment after the second session end is up, whenever the first one last "
    "spoke") {
    for (const auto lead : {0ms, 130ms, 450ms, 720ms, 990ms, 5'500ms}) {
        End first(1);
        End second(2);
        TimePoint now = kStart;
        first.engine.on_link(kTunnel, true, now);
        for (; now < kStart + lead; now += 1ms) {
            step(first, now);
            first.sent.clear();  // there is nobody yet
        }
        const TimePoint up = now;
        second.engine.on_link(kTunnel, true, now);
        for (; now < up + 2s; now += 1ms) {
            step(first, now);
            step(second, now);
            deliver(first, second, now + 1ms);
            deliver(second, first, now + 1ms);
        }
        INFO("the first one was up for ", lead.count(), " ms");
        REQUIRE(first.met);
        REQUIRE(second.met);
        CHECK(*first.met - up <= 250ms);
        CHECK(*second.met - up <= 250ms);
    }
}
