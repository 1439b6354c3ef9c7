#include "appliance/punt_router.h"

#include "tests/appliance/loopback_gateway.h"

using namespace isthmus;
using namespace isthmus::test;
using appliance::PuntOrigin;
using appliance::PuntRouter;
using Octets = std::vector<std::uint8_t>;

namespace {

/// A gateway whose workers punt to a router on an io_context.
struct Routed {
    explicit Routed(bool is_protected) : g(is_protected) {
        g.workers->connection_ids().insert(ControlConnectionId{1});  // that of kMessage
        g.open_sockets();
        if (is_protected) {
            g.use(0x2000, g.peer.endpoint());
            REQUIRE(g.tunnel().sas().install({g.inbound_sa(0x1000), crypto::esp::Mode::transport, true}));
        }
        g.publish();
        g.workers->start();
        router.start();
    }
    /// Until `done` or ten seconds.
    template <class Done>
    bool run_until(Done done) {
        const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
        while (!done() && std::chrono::steady_clock::now() < end) io.run_one_for(std::chrono::seconds(1));
        return done();
    }
    LoopbackGateway g;
    boost::asio::io_context io;
    PuntRouter router{io,
                      g.workers->bell(),
                      {{g.workers->outbound().punted(), PuntOrigin::lan},
                       {g.workers->inbound().punted(), PuntOrigin::wan}}};
};

struct Heard {
    TunnelIndex tunnel = kNoTunnel;
    Path path;
    Octets bytes;
};

PuntRouter::Handler into(std::vector<Heard>& heard) {
    return [&heard](const PuntMessage& m, PuntOrigin origin, TimePoint) {
        CHECK(origin == PuntOrigin::wan);
        heard.push_back({m.tunnel, m.path, Octets(m.data().begin(), m.data().end())});
    };
}

const Octets kMessage{0xc8, 0x03, 0, 12, 0, 0, 0, 1, 0, 0, 0, 0};

}  // namespace

TEST_CASE("a control message from the WAN wakes the control plane that asked for its class") {
    Routed r(false);
    std::vector<Heard> heard;
    r.router.on(PuntClass::l2tp_control, into(heard));
    r.g.peer.send(kMessage, r.g.port);
    REQUIRE(r.run_until([&] { return !heard.empty(); }));
    CHECK(heard[0].tunnel == TunnelIndex{0});
    CHECK(heard[0].path.remote == r.g.peer.endpoint());
    CHECK(heard[0].bytes == kMessage);
    CHECK(r.router.received(PuntClass::l2tp_control) == 1);
}

TEST_CASE("a control message of no connection that lives comes as a request") {
    Routed r(false);
    r.g.workers->connection_ids().erase(ControlConnectionId{1});
    std::vector<Heard> heard;
    r.router.on(PuntClass::l2tp_request, into(heard));
    r.g.peer.send(kMessage, r.g.port);
    REQUIRE(r.run_until([&] { return !heard.empty(); }));
    CHECK(heard[0].tunnel == TunnelIndex{0});
    CHECK(heard[0].bytes == kMessage);
}

TEST_CASE("a class that nobody asked for is counted as unheard") {
    Routed r(false);
    r.g.peer.send(kMessage, r.g.port);
    CHECK(r.run_until([&] { return r.router.unheard(PuntClass::l2tp_control) == 1; }));
}

TEST_CASE("IKE behind its marker and ESP of an unknown SPI on one port reach their handlers") {
    Routed r(true);
    std::vector<Heard> ike;
    std::vector<Heard> unknown;
    r.router.on(PuntClass::ike, into(ike));
    r.router.on(PuntClass::unknown_spi, into(unknown));
    Octets message(40, 7);
    std::fill_n(message.begin(), 4, 0);
    r.g.peer.send(message, r.g.port);
    Octets esp(60, 1);
    r.g.peer.send(esp, r.g.port);
    REQUIRE(r.run_until([&] { return !ike.empty() && !unknown.empty(); }));
    CHECK(ike[0].bytes == Octets(36, 7));
    CHECK(unknown[0].path.remote == r.g.peer.endpoint());
    CHECK(load_be32(unknown[0].bytes.data()) == 0x01010101);
}

TEST_CASE("a peer that sends authentic packets from another port is reported, until control follows") {
    Routed r(true);
    std::vector<Heard> moved;
    r.router.on(PuntClass::peer_moved, into(moved));
    Peer elsewhere;
    const auto sa = r.g.outbound_sa(0x1000);
    const auto send_from = [&](Peer& from) {
        PacketPool pool(2048, 1);
        auto packet = *pool.allocate(64);
        std::ranges::copy(Octets(60, 1), packet.append(60).begin());
        packet.meta.next_header = 17;
        PacketBuffer* one = &packet;
        const auto scratch = std::make_unique<crypto::esp::JobScratch>();
        sa->seal({&one, 1}, *scratch);
        from.send(packet.data(), r.g.port);
    };
    send_from(r.g.peer);
    send_from(elsewhere);
    REQUIRE(r.run_until([&] { return !moved.empty(); }));
    CHECK(moved.size() == 1);
    CHECK(moved[0].path.remote == elsewhere.endpoint());
    CHECK(moved[0].path.authenticated_by == Spi{0x1000});
    const auto usage = r.g.tunnel().sas().usage_of_inbound(Spi{0x1000});
    REQUIRE(usage);
    CHECK(usage->packets == 2);
    CHECK(usage->last_heard);

    auto way = r.g.tunnel().sas().outbound()->way;
    way.remote = elsewhere.endpoint();
    r.g.tunnel().sas().reroute(way);
    r.g.publish();
    appliance::WorkerInjector injector(*r.g.workers, r.g.inventory.tunnels, r.g.inventory.sessions, [] {});
    REQUIRE(injector.l2tp_message(TunnelIndex{0}, kMessage));
    CHECK(elsewhere.receive());
}

TEST_CASE("an SA that was retired takes nothing any more, one that was installed beside it goes on") {
    Routed r(true);
    REQUIRE(r.g.tunnel().sas().install({r.g.inbound_sa(0x3000), crypto::esp::Mode::transport, false}));
    CHECK_FALSE(r.g.tunnel().sas().install({r.g.inbound_sa(0x3000), crypto::esp::Mode::transport, false}));
    CHECK(r.g.tunnel().sas().retire(Spi{0x1000}));
    CHECK_FALSE(r.g.tunnel().sas().retire(Spi{0x1000}));
    r.g.publish();
    std::vector<Heard> heard;
    std::vector<Heard> unknown;
    r.router.on(PuntClass::l2tp_control, into(heard));
    r.router.on(PuntClass::unknown_spi, into(unknown));
    const auto send = [&](std::uint32_t spi) {
        PacketPool pool(2048, 1);
        auto packet = *pool.allocate(64);
        Octets udp{0x06, 0xa5, 0x06, 0xa5, 0, 20, 0, 0};
        udp.insert(udp.end(), kMessage.begin(), kMessage.end());
        std::ranges::copy(udp, packet.append(udp.size()).begin());
        packet.meta.next_header = 17;
        PacketBuffer* one = &packet;
        const auto scratch = std::make_unique<crypto::esp::JobScratch>();
        r.g.outbound_sa(spi)->seal({&one, 1}, *scratch);
        r.g.peer.send(packet.data(), r.g.port);
    };
    // The worker takes the new table at its next wake-up: what came before may still meet the old one.
    REQUIRE(r.run_until([&] {
        send(0x1000);
        return !unknown.empty();
    }));
    heard.clear();
    send(0x3000);
    REQUIRE(r.run_until([&] { return !heard.empty(); }));
    CHECK(heard[0].tunnel == TunnelIndex{0});
}
