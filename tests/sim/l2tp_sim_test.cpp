// Control engines in pairs, over a network that loses, reorders, repeats, and with gateways that are restarted: they
// must come together again, keep no state, and never have a session on one side only for long. ISTHMUS_LONG: 10,000
// seeds.
#include <doctest/doctest.h>

#include <cstdlib>

#include "tests/support/control_digest.h"
#include "tests/tunnel/control_net.h"
#include "tunnel/avp.h"
#include "tunnel/control_header.h"
#include "tunnel/control_ids.h"
#include "tunnel/control_message.h"

using namespace isthmus;
using namespace isthmus::test;
using tunnel::ConnectionRole;

namespace {

std::shared_ptr<const tunnel::ControlKeys> keys(const std::vector<std::string>& secrets) {
    return keys_with(real_digest(), secrets);
}

bool is_long() {
    const char* wish = std::getenv("ISTHMUS_LONG");
    return wish != nullptr && *wish != '\0';
}

std::uint64_t seeds(std::uint64_t usual) {
    return is_long() ? 10'000 : usual;
}

struct Roles {
    ConnectionRole a;
    ConnectionRole b;
};
constexpr Roles kRoles[] = {{ConnectionRole::initiator, ConnectionRole::responder},
                            {ConnectionRole::responder, ConnectionRole::initiator},
                            {ConnectionRole::both, ConnectionRole::responder},
                            {ConnectionRole::both, ConnectionRole::both}};

/// Silence until a HELLO, and all its retransmissions.
constexpr Duration kHelloCycle = 10s + 71s;

void no_complaints(const Pair& pair) {
    for (const auto& text : pair.net.complaints) FAIL_CHECK(text);
    CHECK(pair.net.longest_one_sided <= kHelloCycle);
}

/// One connection and its sessions on each side, nothing else.
void nothing_leaked(Pair& pair) {
    for (auto* gateway : {&pair.a, &pair.b}) {
        const auto status = gateway->engine->snapshot(pair.net.now);
        CHECK(status.connections_held == 1);
        CHECK(status.sessions_held == gateway->plan.pseudowires.size());
    }
}

void converges(Pair& pair, Duration limit) {
    const bool converged = pair.run_until_converged(limit);
    CHECK(converged);
    if (!converged)
        for (auto* gateway : {&pair.a, &pair.b})
            for (const auto& text : gateway->said) MESSAGE(gateway->plan.self.host_name << ": " << text);
    no_complaints(pair);
}

}  // namespace

TEST_CASE("each pair of roles comes up at once on a good network") {
    for (const auto& roles : kRoles) {
        Pair pair(1, 3, roles.a, roles.b);
        pair.start();
        converges(pair, 3s);
        pair.net.run_for(100s);
        CHECK(pair.converged());
        nothing_leaked(pair);
        CHECK(pair.a.ups == 3);
        CHECK(pair.b.ups == 3);
        CHECK(pair.a.downs + pair.b.downs == 0);
    }
}

TEST_CASE("crossing requests end in one control connection and one session each") {
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
        Pair pair(seed, 2);
        for (auto* gateway : {&pair.a, &pair.b})
            for (auto& options : gateway->plan.pseudowires) options.role = tunnel::SessionRole::call;
        pair.start();
        converges(pair, 10s);
        pair.net.run_for(200s);
        CHECK(pair.converged());
        nothing_leaked(pair);
    }
}

TEST_CASE("any one message may be lost") {
    for (const auto& roles : kRoles) {
        for (std::uint64_t lost = 0; lost < 30; ++lost) {
            Pair pair(7, 2, roles.a, roles.b);
            pair.net.filter = [lost](const ControlNet::Packet& packet) { return packet.number != lost; };
            pair.start();
            converges(pair, 12s);
            pair.net.run_for(200s);
            CHECK(pair.converged());
            nothing_leaked(pair);
        }
    }
}

TEST_CASE("any one message may be lost while sessions go, cookies change and gateways stop") {
    for (std::uint64_t lost = 0; lost < 24; ++lost) {
        Pair pair(9, 2);
        pair.start();
        converges(pair, 10s);
        const std::uint64_t first = pair.net.packets_sent;
        pair.net.filter = [=](const ControlNet::Packet& packet) { return packet.number != first + lost; };
        pair.a.engine->rotate_cookies(SessionIndex{0}, pair.net.now);
        pair.net.drain();
        pair.b.plan.pseudowires[1].cookie_size = 4;
        pair.reconfigure(pair.b);
        pair.net.run_for(30s);
        CHECK(pair.converged());
        CHECK(pair.a.sessions.at(SessionIndex{1}).options.remote_cookie.size == 4);
        pair.net.run_for(100s);
        nothing_leaked(pair);
        pair.a.engine->stop("test", pair.net.now);
        pair.net.drain();
        CHECK(pair.net.run_until([&] { return pair.a.engine->stopped(); }, 10s));
        CHECK(pair.a.sessions.empty());
        CHECK(pair.net.run_until([&] { return pair.b.sessions.empty(); }, 10s));
        no_complaints(pair);
    }
}

TEST_CASE("30 % loss, reordering and duplication only make it slower") {
    const std::uint64_t many = seeds(300);
    for (std::uint64_t seed = 0; seed < many; ++seed) {
        CAPTURE(seed);
        const auto& roles = kRoles[seed % std::size(kRoles)];
        Pair pair(seed, static_cast<std::uint32_t>(1 + seed % 4), roles.a, roles.b);
        if (seed % 3 == 0)
            for (auto* gateway : {&pair.a, &pair.b}) gateway->plan.connections[0].keys = keys({"secret"});
        pair.net.weather = {0.3, 0.1, 5ms, 400ms};
        pair.start();
        converges(pair, 300s);
        pair.net.weather = {};
        pair.net.run_for(200s);
        CHECK(pair.converged());
        nothing_leaked(pair);
        no_complaints(pair);
    }
}

TEST_CASE("a gateway may be restarted behind any message") {
    for (const auto& roles : kRoles) {
        for (const bool restart_a : {true, false}) {
            for (std::uint64_t after = 0; after < 24; ++after) {
                CAPTURE(after);
                Pair pair(11, 2, roles.a, roles.b);
                bool restarted = false;
                pair.net.watcher = [&](const ControlNet::Packet& packet) {
                    if (restarted || packet.number != after) return;
                    restarted = true;
                    pair.net.restart(restart_a ? pair.a : pair.b);
                };
                pair.start();
                pair.net.run_for(1s);
                converges(pair, 30s);
                pair.net.run_for(200s);
                CHECK(pair.converged());
                nothing_leaked(pair);
            }
        }
    }
}

TEST_CASE("restarts at any time in bad weather, cookie changes and reloads included") {
    const std::uint64_t many = seeds(200);
    for (std::uint64_t seed = 0; seed < many; ++seed) {
        CAPTURE(seed);
        const auto& roles = kRoles[seed % std::size(kRoles)];
        Pair pair(seed, static_cast<std::uint32_t>(1 + seed % 3), roles.a, roles.b);
        SeededRng script(seed ^ 0xabcdef);
        pair.net.weather = {0.15, 0.1, 5ms, 100ms};
        pair.start();
        for (int i = 0; i < 8; ++i) {
            pair.net.run_for(std::chrono::milliseconds(script.below(4000)));
            SimGateway& gateway = script.below(2) == 0 ? pair.a : pair.b;
            switch (script.below(5)) {
                case 0:
                case 1: pair.net.restart(gateway); break;
                case 2:
                    gateway.engine->rotate_cookies(SessionIndex{0}, pair.net.now);
                    pair.net.drain();
                    break;
                case 3:
                    gateway.plan.pseudowires[0].cookie_size =
                        gateway.plan.pseudowires[0].cookie_size == 8 ? 4 : 8;
                    pair.reconfigure(gateway);
                    break;
                default: {
                    tunnel::CircuitStatus status;
                    status.active = script.below(2) == 0;
                    gateway.engine->on_circuit(SessionIndex{0}, status, pair.net.now);
                    pair.net.drain();
                }
            }
        }
        converges(pair, 200s);
        pair.net.weather = {};
        pair.net.run_for(200s);
        CHECK(pair.converged());
        nothing_leaked(pair);
        no_complaints(pair);
    }
}

// ------------------------------------------------------------------------------------------------------------ floods

namespace {

/// 100,000 forged SCCRQs a second into B, 100 a millisecond.
struct Flood {
    explicit Flood(Pair& p) : pair(p) {}

    Pair& pair;
    SeededRng rng{99};
    tunnel::ControlArrival arrival;
    std::size_t most_held = 0;
    std::size_t most_ids = 0;

    std::vector<std::uint8_t> forged() {
        tunnel::Sccrq sccrq;
        sccrq.host_name = "forged.example";
        sccrq.router_id = tunnel::RouterId{rng.u32()};
        sccrq.assigned_id = ControlConnectionId{rng.u32() | 1};
        sccrq.pseudowires = {tunnel::PseudowireType::ethernet};
        sccrq.tie_breaker = 0;  // wins every tie
        return tunnel::plain_message({}, tunnel::emit_body(sccrq));
    }
    void run(bool from_peer, int milliseconds) {
        arrival.path.local = {pair.b.address, 1701};
        arrival.path.remote = {pair.a.address, 1701};
        for (int ms = 0; ms < milliseconds; ++ms) {
            const auto bytes = forged();
            for (int i = 0; i < 100; ++i) {
                if (!from_peer)
                    arrival.path.remote.address =
                        IpAddress::v4({198, 51, static_cast<std::uint8_t>(rng.below(256)),
                                       static_cast<std::uint8_t>(rng.below(256))});
                pair.b.engine->on_message(bytes, arrival, pair.net.now);
            }
            pair.net.run_for(1ms);
            if (ms % 100 != 0) continue;
            const auto status = pair.b.engine->snapshot(pair.net.now);
            most_held = std::max(most_held, status.connections_held);
            most_ids = std::max(most_ids, status.ids_held);
        }
    }
};

}  // namespace

TEST_CASE(
    "100,000 forged SCCRQs a second: memory stays bounded, sessions stay, a peer that was restarted "
    "connects") {
    for (const bool from_peer : {false, true}) {
        for (const bool with_secret : {false, true}) {
            CAPTURE(from_peer);
            CAPTURE(with_secret);
            Pair pair(21, 2);
            if (with_secret)
                for (auto* gateway : {&pair.a, &pair.b}) gateway->plan.connections[0].keys = keys({"secret"});
            pair.start();
            REQUIRE(pair.run_until_converged(10s));
            Flood flood(pair);
            const auto sent = pair.net.packets_sent;
            const bool whole = is_long() || (from_peer && !with_secret);
            flood.run(from_peer, whole ? 10'000 : 1'000);
            CHECK(pair.a.downs + pair.b.downs == 0);
            CHECK(pair.converged());
            CHECK(flood.most_held <= 12);
            CHECK(flood.most_ids <= 2 * tunnel::IdPool::kRemembered);
            CHECK(pair.net.packets_sent - sent < 1000);  // what is answered is next to nothing

            // Under the flood a peer comes back.
            pair.net.restart(pair.a);
            bool back = false;
            for (int i = 0; i < 100 && !back; ++i) {
                flood.run(from_peer, 200);
                back = pair.converged();
            }
            CHECK(back);
            no_complaints(pair);
        }
    }
}
