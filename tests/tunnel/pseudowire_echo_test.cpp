#include "tunnel/pseudowire_echo.h"

#include "tests/crypto/seeded_rng.h"
#include "tests/tunnel/packets.h"

using namespace isthmus;
using namespace isthmus::tunnel;
using namespace isthmus::tunnel::test;
using namespace std::chrono_literals;

namespace {

const TimePoint kStart{1h};

/// Runs to its end over a link that loses what `lost` says; returns all outcomes.
struct Run {
    std::vector<PingOutcome> outcomes;
    std::optional<PingFinished> finished;
    std::size_t request_size = 0;

    template <class Lost>
    Run(PingOptions options, Duration round_trip, Lost lost) {
        isthmus::test::SeededRng rng(1);
        TimePoint now = kStart;
        PseudowirePing ping(options, rng, now);
        std::vector<std::pair<TimePoint, Octets>> wire;
        for (int guard = 0; !ping.finished() && guard < 10'000; ++guard) {
            take(ping, wire, now, round_trip, lost);
            TimePoint next = now + 1h;
            if (const auto t = ping.next_timeout()) next = *t;
            for (const auto& [at, bytes] : wire) next = std::min(next, at);
            now = std::max(now, next);
            for (auto it = wire.begin(); it != wire.end();) {
                if (it->first > now) {
                    ++it;
                    continue;
                }
                ping.on_reply(*EchoPacket::parse(it->second), now);
                it = wire.erase(it);
            }
            ping.on_timeout(now);
        }
        take(ping, wire, now, round_trip, lost);
    }

  private:
    template <class Lost>
    void take(PseudowirePing& ping, std::vector<std::pair<TimePoint, Octets>>& wire, TimePoint now,
              Duration round_trip, Lost lost) {
        while (auto action = ping.poll_action()) {
            if (const auto* outcome = std::get_if<PingOutcome>(&*action)) outcomes.push_back(*outcome);
            if (const auto* end = std::get_if<PingFinished>(&*action)) finished = *end;
            if (const auto* send = std::get_if<PingSend>(&*action)) {
                request_size = send->payload.size();
                const auto request = EchoPacket::parse(send->payload);
                REQUIRE(request);
                if (!lost(request->sequence)) wire.emplace_back(now + round_trip, request->reply().emit());
            }
        }
    }
};

}  // namespace

TEST_CASE("an echo is written and read as it is drawn, and answered with the same bytes") {
    const Octets padding = hex("aabb");
    const EchoPacket request{EchoPacket::Kind::request, 7, 0x0102030405060708, padding};
    CHECK(to_hex(request.emit()) ==
          "01010007"
          "0102030405060708"
          "aabb");
    CHECK(to_hex(request.reply().emit()) ==
          "01020007"
          "0102030405060708"
          "aabb");
    const Octets wire = request.emit();
    for (std::size_t size = 0; size < EchoPacket::kHeaderSize; ++size)
        CHECK_FALSE(EchoPacket::parse(Bytes(wire).first(size)));
    CHECK(EchoPacket::parse(hex("02010007 0102030405060708")).error() == "Version is not 1");
    CHECK(EchoPacket::parse(hex("01030007 0102030405060708")).error() ==
          "Kind is neither request (1) nor reply (2)");
}

TEST_CASE("a run over a good path tells its round trips") {
    const Run run({5, 200ms, 2s, 100}, 30ms, [](int) { return false; });
    REQUIRE(run.finished);
    CHECK(run.finished->sent == 5);
    CHECK(run.finished->received == 5);
    CHECK(run.finished->least == 30ms);
    CHECK(run.finished->mean == 30ms);
    CHECK(run.finished->most == 30ms);
    CHECK(run.outcomes.size() == 5);
    CHECK(run.request_size == 112);
}

TEST_CASE("a run over a path slower than its interval still counts each reply") {
    const Run run({5, 10ms, 2s, 0}, 500ms, [](int) { return false; });
    REQUIRE(run.finished);
    CHECK(run.finished->received == 5);
}

TEST_CASE("lost requests and replies that come too late are told as lost") {
    const Run run({4, 100ms, 1s, 0}, 20ms, [](int sequence) { return sequence % 2 == 1; });
    REQUIRE(run.finished);
    CHECK(run.finished->received == 2);
    std::size_t lost = 0;
    for (const auto& outcome : run.outcomes) lost += outcome.round_trip ? 0U : 1U;
    CHECK(lost == 2);
    const Run late({3, 100ms, 1s, 0}, 1500ms, [](int) { return false; });
    REQUIRE(late.finished);
    CHECK(late.finished->received == 0);
    CHECK(late.finished->mean == 0ms);
}

TEST_CASE("replies to another run, second replies, altered padding and requests count for nothing") {
    isthmus::test::SeededRng rng(1);
    PseudowirePing ping({1, 1s, 2s, 4}, rng, kStart);
    const auto action = ping.poll_action();
    REQUIRE(action);
    const Octets wire = std::get<PingSend>(*action).payload;
    const auto request = EchoPacket::parse(wire);
    EchoPacket other = request->reply();
    other.token ^= 1;
    ping.on_reply(other, kStart + 1ms);
    EchoPacket altered = request->reply();
    const Octets padding = hex("00000000");
    altered.padding = padding;
    ping.on_reply(altered, kStart + 1ms);
    ping.on_reply(*request, kStart + 1ms);
    CHECK_FALSE(ping.poll_action());
    ping.on_reply(request->reply(), kStart + 2ms);
    CHECK(ping.finished());
    CHECK(std::get<PingOutcome>(*ping.poll_action()).round_trip == 2ms);
    CHECK(std::get<PingFinished>(*ping.poll_action()).received == 1);
    ping.on_reply(request->reply(), kStart + 3ms);
    CHECK_FALSE(ping.poll_action());
    CHECK_FALSE(ping.next_timeout());
}
