// The L2TPv3 control plane under many sessions: two engines, joined without loss or delay. Prints one line of JSON.
//   l2tp-control-bench CONNECTIONS SESSIONS
// setups_per_second: sessions that came up on both sides, by processor time of both engines together.
// bytes_per_session: heap of one engine when all are up, less that of none. idle_cpu: of one engine, HELLO every 10 s.
#include <malloc.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <deque>
#include <memory>

#include "tests/crypto/seeded_rng.h"
#include "tunnel/control_engine.h"

using namespace isthmus;
using namespace isthmus::tunnel;

namespace {

constexpr auto kIdle = std::chrono::minutes(10);  // of the engines' time

double processor_seconds() {
    timespec t{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

std::size_t heap() {
    return mallinfo2().uordblks;
}

IpAddress peer_address(std::size_t i) {
    return IpAddress::v4({10, 1, static_cast<std::uint8_t>(i >> 8), static_cast<std::uint8_t>(i)});
}

ControlPlan plan_of(bool calls, std::size_t connections, std::size_t sessions) {
    const IpAddress hub = IpAddress::v4({10, 0, 0, 1});
    ControlPlan plan;
    plan.self.host_name = calls ? "hub" : "spoke";
    plan.self.router_id = calls ? 1 : 2;
    for (std::size_t i = 0; i < connections; ++i) {
        ConnectionOptions c;
        c.tunnel = TunnelIndex{static_cast<std::uint16_t>(i)};
        c.name = "t" + std::to_string(i);
        c.local = calls ? hub : peer_address(i);
        c.remote = calls ? peer_address(i) : hub;
        c.role = calls ? ConnectionRole::initiator : ConnectionRole::responder;
        c.receive_window = 16;
        plan.connections.push_back(std::move(c));
    }
    for (std::size_t i = 0; i < sessions; ++i) {
        PseudowireOptions p;
        p.session = SessionIndex{static_cast<std::uint32_t>(i)};
        p.tunnel = TunnelIndex{static_cast<std::uint16_t>(i % connections)};
        p.name = p.remote_end_id = "pw" + std::to_string(i);
        plan.pseudowires.push_back(std::move(p));
    }
    return plan;
}

/// Both engines and the wire between them.
class Two {
  public:
    Two(std::size_t connections, std::size_t sessions) {
        for (Side& side : sides_) side.engine = std::make_unique<ControlEngine>(rng_);
        for (std::size_t s = 0; s < 2; ++s) {
            ControlPlan plan = plan_of(s == 0, connections, sessions);
            for (const auto& c : plan.connections) sides_[s].engine->on_transport(c.tunnel, true, now_);
            sides_[s].engine->configure(std::move(plan), now_);
        }
    }
    /// Until every session is up on both sides, or ten minutes of the engines' time are over.
    bool come_up(std::size_t sessions) {
        const TimePoint limit = now_ + std::chrono::minutes(10);
        while (sides_[0].up < sessions || sides_[1].up < sessions) {
            settle();
            if (sides_[0].up >= sessions && sides_[1].up >= sessions) break;
            if (!next_timer(limit)) return false;
        }
        return true;
    }
    void idle(Duration time) {
        const TimePoint end = now_ + time;
        settle();
        while (next_timer(end)) settle();
        now_ = end;
    }

  private:
    struct Side {
        std::unique_ptr<ControlEngine> engine;
        std::size_t up = 0;
    };
    struct Packet {
        std::size_t to = 0;
        SendControl what;
    };
    void settle() {
        for (;;) {
            for (std::size_t s = 0; s < 2; ++s) take(s);
            if (wire_.empty()) return;
            const Packet packet = std::move(wire_.front());
            wire_.pop_front();
            ControlArrival arrival;
            arrival.encapsulation = packet.what.encapsulation;
            arrival.path.local = packet.what.path.remote;
            arrival.path.remote = packet.what.path.local;
            sides_[packet.to].engine->on_message(packet.what.bytes, arrival, now_);
        }
    }
    void take(std::size_t s) {
        while (auto action = sides_[s].engine->poll_action()) {
            if (auto* send = std::get_if<SendControl>(&*action)) wire_.push_back({1 - s, std::move(*send)});
            if (std::holds_alternative<SessionUp>(*action)) ++sides_[s].up;
            if (std::holds_alternative<SessionDown>(*action)) --sides_[s].up;
        }
    }
    bool next_timer(TimePoint end) {
        std::optional<TimePoint> next;
        for (const Side& side : sides_)
            if (const auto t = side.engine->next_timeout())
                if (!next || *t < *next) next = t;
        if (!next || *next > end) return false;
        now_ = std::max(now_, *next);
        for (Side& side : sides_) side.engine->on_timeout(now_);
        return true;
    }

    isthmus::test::SeededRng rng_{1};
    TimePoint now_{std::chrono::hours(1)};
    Side sides_[2];
    std::deque<Packet> wire_;
};

}  // namespace

int main(int argc, char** argv) {
    const std::size_t connections = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 1;
    const std::size_t sessions = argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 10'000;
    if (connections == 0 || connections > 60'000 || sessions == 0 || sessions > 65'536) {
        std::fputs("usage: l2tp-control-bench CONNECTIONS SESSIONS\n", stderr);
        return 2;
    }
    std::size_t without = 0;
    {
        const std::size_t before = heap();
        Two empty(connections, 0);
        if (!empty.come_up(0)) return 1;
        empty.idle(std::chrono::seconds(5));
        without = heap() - before;
    }
    const std::size_t before = heap();
    const double start = processor_seconds();
    Two two(connections, sessions);
    if (!two.come_up(sessions)) {
        std::fputs("not all sessions came up\n", stderr);
        return 1;
    }
    const double took = processor_seconds() - start;
    two.idle(std::chrono::seconds(60));
    const std::size_t with = heap() - before;
    const double idle_start = processor_seconds();
    two.idle(kIdle);
    const double idle = processor_seconds() - idle_start;
    const double seconds = std::chrono::duration<double>(kIdle).count();
    const double bytes =
        with > without ? static_cast<double>(with - without) / 2 / static_cast<double>(sessions) : 0;
    std::printf(
        "{\"connections\": %zu, \"sessions\": %zu, \"setups_per_second\": %.0f, \"bytes_per_session\": %.0f, "
        "\"idle_cpu\": %.6f}\n",
        connections, sessions, static_cast<double>(sessions) / took, bytes, idle / 2 / seconds);
    return 0;
}
