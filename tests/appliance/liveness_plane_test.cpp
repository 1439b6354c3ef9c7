#include "appliance/liveness_plane.h"

#include <doctest/doctest.h>

#include <chrono>
#include <nlohmann/json.hpp>

#include "appliance/clock.h"
#include "tests/crypto/seeded_rng.h"
#include "tunnel/vccv.h"

using namespace isthmus;
using namespace std::chrono_literals;
using nlohmann::json;
using tunnel::BfdState;
using Octets = std::vector<std::uint8_t>;

namespace {

constexpr SessionIndex kNegotiated{0};
constexpr tunnel::BfdOptions kFast{50ms, 3};

/// Keeps what goes into channels; all else goes nowhere.
struct ChannelInjector final : appliance::Injector {
    bool l2tp_message(TunnelIndex, Bytes) override { return true; }
    bool frame_to_tunnel(InjectClass, SessionIndex, Bytes) override { return true; }
    bool channel_message(SessionIndex session, Bytes message) override {
        CHECK(session == kNegotiated);
        sent.emplace_back(message.begin(), message.end());
        return true;
    }
    DropReason frame_to_lan(SessionIndex, Bytes) override { return DropReason::none; }
    DropReason datagram(const tunnel::io::WanSocket&, const Endpoint&, Bytes, std::uint8_t) override {
        return DropReason::none;
    }
    std::vector<Octets> sent;
};

struct Asker final : appliance::AnswerStream {
    bool send(const json& part) override {
        parts.push_back(part);
        return is_there;
    }
    void end(Result<void, std::string> outcome) override {
        ended = true;
        if (!outcome) problem = outcome.error();
    }
    std::vector<json> parts;
    bool is_there = true;
    bool ended = false;
    std::string problem;
};

std::shared_ptr<config::Configuration> one_negotiated_one_static() {
    auto c = std::make_shared<config::Configuration>();
    c->bridges.resize(1);
    c->tunnels.resize(1);
    c->tunnels[0].name = "t";
    c->sessions.resize(2);
    c->sessions[0].name = "negotiated";
    c->sessions[0].interface = "ist-n";
    c->sessions[0].negotiation = config::NegotiationConfig{"end", 8, 0, kFast};
    c->sessions[1].name = "static";
    c->sessions[1].interface = "ist-s";
    c->sessions[1].options.local_id = c->sessions[1].options.remote_id = SessionId{7};
    return c;
}

/// The plane on a real clock, and the peer's end of the negotiated session's channel.
struct Watched {
    Watched() {
        configuration = one_negotiated_one_static();
        inventory.apply(configuration);
        plane.configure(*configuration);
        peer.watch(kNegotiated, kFast, appliance::boot_now());
    }
    [[nodiscard]] appliance::SessionControl& session() { return inventory.sessions[kNegotiated]; }
    void negotiate(bool channel = true) {
        tunnel::SessionOptions options;
        options.local_id = SessionId{1};
        options.remote_id = SessionId{2};
        options.local_cookie.size = options.remote_cookie.size = 8;
        options.channel = channel;
        session().set_negotiated(options, 1);
        plane.on_session(kNegotiated);
    }
    void exchange() {
        const TimePoint now = appliance::boot_now();
        for (const Octets& message : std::exchange(injector.sent, {}))
            if (path_is_whole) peer.on_message(kNegotiated, message, now);
        peer.on_timeout(now);
        while (const auto action = peer.poll_action()) {
            const auto* send = std::get_if<tunnel::SendChannel>(&*action);
            if (send == nullptr || !path_is_whole) continue;
            REQUIRE(rings->offer(PuntClass::channel, TunnelIndex{0}, kNegotiated, {}, send->message));
        }
        router.drain();
    }
    /// Until `done` or twenty seconds.
    template <class Done>
    bool run_until(Done done) {
        const auto end = std::chrono::steady_clock::now() + 20s;
        while (!done() && std::chrono::steady_clock::now() < end) {
            io.restart();
            io.run_one_for(5ms);
            exchange();
        }
        return done();
    }
    [[nodiscard]] bool is(BfdState state) {
        const auto status = plane.status_of(kNegotiated);
        return status && status->state == state;
    }
    [[nodiscard]] bool comes_up() {
        return run_until([this] { return is(BfdState::up); });
    }
    Result<void, std::string> ping(json request, const std::shared_ptr<Asker>& asker) {
        request["request"] = "ping";
        return commands.answer(request, asker);
    }

    boost::asio::io_context io;
    appliance::Logger log = std::make_shared<spdlog::logger>("test");
    isthmus::test::SeededRng rng{1};
    appliance::Inventory inventory;
    std::shared_ptr<config::Configuration> configuration;
    appliance::Providers providers;
    appliance::WanSockets sockets;
    appliance::Doorbell bell;
    std::unique_ptr<PuntRings> rings = std::make_unique<PuntRings>();
    appliance::PuntRouter router{io, bell, {{*rings, appliance::PuntOrigin::wan}}};
    ChannelInjector injector;
    appliance::Commands commands;
    appliance::Resolver resolver{io};
    bridge::Report bridges;
    stp_guard::KnownHosts hosts{1};
    int changes = 0;
    appliance::ControlServices services{io,
                                        log,
                                        rng,
                                        {},
                                        inventory.tunnels,
                                        inventory.sessions,
                                        providers,
                                        sockets,
                                        router,
                                        injector,
                                        commands,
                                        resolver,
                                        bridges,
                                        hosts,
                                        [this] { ++changes; },
                                        [] {}};
    appliance::LivenessPlane plane{services};
    tunnel::PseudowireWatch peer{rng};
    bool path_is_whole = true;
};

}  // namespace

TEST_CASE(
    "a session is watched once it has a channel, held while its data path is dead, and let go when it "
    "lives") {
    Watched w;
    CHECK_FALSE(w.plane.status_of(kNegotiated));
    w.negotiate();
    REQUIRE(w.comes_up());
    CHECK(w.session().pseudowire_condition().is_up());
    CHECK(w.plane.status()["watched"] == 1);

    w.path_is_whole = false;
    REQUIRE(w.run_until([&] { return !w.session().pseudowire_condition().is_up(); }));
    CHECK(w.session().pseudowire_condition().reason == "the data path is dead: nothing was heard in time");
    CHECK(w.session().pseudowire_condition().state == appliance::RunState::waiting);
    CHECK(w.session().options());  // the session itself stays
    CHECK(w.plane.status()["dead"] == json::array({"negotiated"}));
    const int changes = w.changes;
    CHECK(changes >= 2);

    w.path_is_whole = true;
    REQUIRE(w.run_until([&] { return w.session().pseudowire_condition().is_up(); }));
    CHECK(w.plane.status()["dead"].empty());
    CHECK(w.changes > changes);
}

TEST_CASE("a session whose path was dead is let go when what comes next has no channel") {
    Watched w;
    w.negotiate();
    REQUIRE(w.comes_up());
    w.path_is_whole = false;
    REQUIRE(w.run_until([&] { return !w.session().pseudowire_condition().is_up(); }));
    w.negotiate(false);
    CHECK(w.run_until([&] { return w.session().pseudowire_condition().is_up(); }));
    CHECK_FALSE(w.plane.status_of(kNegotiated));
}

TEST_CASE("a session that a reload removes is forgotten; one that loses BFD answers pings still") {
    Watched w;
    w.negotiate();
    REQUIRE(w.comes_up());
    SUBCASE("removed") {
        auto next = one_negotiated_one_static();
        next->sessions.erase(next->sessions.begin());
        w.inventory.apply(next);
        w.plane.configure(*next);
        CHECK(w.plane.status()["watched"] == 0);
        CHECK_FALSE(w.plane.status_of(kNegotiated));
    }
    SUBCASE("without BFD") {
        auto next = one_negotiated_one_static();
        next->sessions[0].negotiation->liveness.reset();
        w.inventory.apply(next);
        w.plane.configure(*next);
        w.negotiate();
        CHECK_FALSE(w.plane.status_of(kNegotiated));
        const auto asker = std::make_shared<Asker>();
        REQUIRE(w.ping({{"session", "negotiated"}, {"count", 1}}, asker));
        CHECK(w.run_until([&] { return asker->ended; }));
        CHECK(asker->parts.back()["received"] == 1);
    }
}

TEST_CASE("a session that goes down is watched no more, at once, and held no more") {
    Watched w;
    w.negotiate();
    REQUIRE(w.comes_up());
    w.path_is_whole = false;
    REQUIRE(w.run_until([&] { return !w.session().pseudowire_condition().is_up(); }));
    w.session().clear_negotiated("the peer has ended it");
    w.plane.on_session(kNegotiated);
    CHECK_FALSE(w.plane.status_of(kNegotiated));
    CHECK(w.plane.status()["watched"] == 0);
    CHECK(w.session().pseudowire_condition().reason == "the peer has ended it");
    w.plane.on_session(SessionIndex{999});  // gone from the configuration meanwhile
}

TEST_CASE("thousands of idle sessions cost nothing: the plane does not wake up for them") {
    Watched w;
    constexpr std::uint32_t kSessions = 3000;
    auto many = one_negotiated_one_static();
    const config::SessionConfig first = many->sessions[0];
    many->sessions.clear();
    for (std::uint32_t i = 0; i < kSessions; ++i) {
        many->sessions.push_back(first);
        many->sessions.back().name = "s" + std::to_string(i);
        many->sessions.back().interface = "ist-" + std::to_string(i);
        many->sessions.back().negotiation->end_id = std::to_string(i);
        many->sessions.back().negotiation->liveness.reset();  // only echoes, when asked
    }
    w.inventory.apply(many);
    w.plane.configure(*many);
    for (auto& session : w.inventory.sessions) {
        tunnel::SessionOptions options;
        options.local_id = options.remote_id = SessionId{1 + raw(session.index())};
        options.local_cookie.size = options.remote_cookie.size = 8;
        options.channel = true;
        session.set_negotiated(options, 1);
        w.plane.on_session(session.index());
    }
    CHECK(w.plane.status()["watched"] == kSessions);
    w.io.restart();
    CHECK(w.io.run_for(400ms) == 0);  // handlers that ran
    CHECK(w.injector.sent.empty());
}

TEST_CASE("a ping tells each round trip and the sum") {
    Watched w;
    w.negotiate();
    REQUIRE(w.comes_up());
    const auto asker = std::make_shared<Asker>();
    REQUIRE(w.ping({{"session", "negotiated"}, {"count", 3}, {"interval_ms", 10}}, asker));
    REQUIRE(w.run_until([&] { return asker->ended; }));
    CHECK(asker->problem.empty());
    REQUIRE(asker->parts.size() == 4);
    CHECK(asker->parts[0]["sequence"] == 0);
    CHECK(asker->parts[0]["round_trip_ms"].is_number());
    CHECK(asker->parts[3]["sent"] == 3);
    CHECK(asker->parts[3]["received"] == 3);
}

TEST_CASE("a ping that cannot be is refused in words") {
    Watched w;
    const auto asker = std::make_shared<Asker>();
    const auto refusal = [&](const json& request) {
        const auto answer = w.ping(request, asker);
        return answer ? std::string("taken") : answer.error();
    };
    CHECK(refusal({{"count", 1}}).find("name a session") != std::string::npos);
    CHECK(refusal({{"session", "none"}}) == "there is no session \"none\"");
    CHECK(refusal({{"session", "static"}}).find("only negotiated sessions have one") != std::string::npos);
    CHECK(refusal({{"session", "negotiated"}}).find("it is not up") != std::string::npos);
    for (const char* key : {"count", "interval_ms", "size"})
        CHECK(refusal({{"session", "negotiated"}, {key, 100'000}}).find("from 1 to 1000") !=
              std::string::npos);
    CHECK(refusal({{"session", "negotiated"}, {"count", "many"}}).find("from 1 to 1000") !=
          std::string::npos);
    CHECK(asker->parts.empty());
}

TEST_CASE("who asked for a ping and has gone is sent nothing more") {
    Watched w;
    w.negotiate();
    REQUIRE(w.comes_up());
    const auto asker = std::make_shared<Asker>();
    asker->is_there = false;
    REQUIRE(w.ping({{"session", "negotiated"}, {"count", 1000}, {"interval_ms", 10}}, asker));
    REQUIRE(w.run_until([&] { return !asker->parts.empty(); }));
    const std::size_t parts = asker->parts.size();
    const auto another = std::make_shared<Asker>();
    REQUIRE(w.ping({{"session", "negotiated"}, {"count", 3}, {"interval_ms", 10}}, another));
    REQUIRE(w.run_until([&] { return another->ended; }));
    CHECK(asker->parts.size() == parts);
}

TEST_CASE("a daemon that stops says so in the channel and to those who wait for a ping") {
    Watched w;
    w.negotiate();
    REQUIRE(w.comes_up());
    const auto asker = std::make_shared<Asker>();
    REQUIRE(w.ping({{"session", "negotiated"}, {"count", 1000}}, asker));
    w.plane.stop();
    w.exchange();
    CHECK(w.peer.status(kNegotiated)->peer_state == BfdState::admin_down);
    CHECK(asker->ended);
    CHECK(asker->problem == "the daemon is stopping");
    CHECK(w.session().pseudowire_condition().is_up());
}
