#include "appliance/injector.h"

#include <chrono>
#include <thread>

#include "crypto/esp/job_scratch.h"
#include "tests/appliance/loopback_gateway.h"
#include "tunnel/data_header.h"

using namespace isthmus;
using namespace isthmus::test;
using appliance::WorkerInjector;
using Octets = std::vector<std::uint8_t>;

namespace {

/// HELLO: header and Message Type AVP.
const Octets kHello{0xc8, 0x03, 0, 20, 0, 0, 0, 1, 0, 0, 0, 0, 0x80, 8, 0, 0, 0, 0, 0, 6};

/// A gateway whose workers run, and its injector.
struct Running {
    explicit Running(bool is_protected) : g(is_protected) {
        g.open_sockets();
        if (is_protected) g.use(0x1000, g.peer.endpoint());
        g.publish();
        g.workers->start();
    }
    LoopbackGateway g;
    WorkerInjector injector{*g.workers, g.inventory.tunnels, g.inventory.sessions, [this] { g.publish(); }};
};

/// What an ESP packet under SPI `spi` holds; nullopt: not authentic.
std::optional<Octets> opened(LoopbackGateway& g, std::uint32_t spi, Bytes esp) {
    PacketPool pool(4096, 1);
    auto packet = *pool.allocate(0);
    std::ranges::copy(esp, packet.append(esp.size()).begin());
    PacketBuffer* one = &packet;
    const auto scratch = std::make_unique<crypto::esp::JobScratch>();
    g.inbound_sa(spi)->open({&one, 1}, *scratch);
    if (packet.meta.drop != DropReason::none) return std::nullopt;
    return Octets(packet.data().begin(), packet.data().end());
}

}  // namespace

TEST_CASE("a control message for an unprotected tunnel leaves as it is, to the tunnel's peer") {
    Running r(false);
    REQUIRE(r.injector.l2tp_message(TunnelIndex{0}, kHello));
    CHECK(r.g.peer.receive() == kHello);
}

TEST_CASE("a control message for a protected tunnel leaves behind UDP 1701 in ESP") {
    Running r(true);
    REQUIRE(r.injector.l2tp_message(TunnelIndex{0}, kHello));
    const auto esp = r.g.peer.receive();
    REQUIRE(esp);
    const auto inner = opened(r.g, 0x1000, *esp);
    REQUIRE(inner);
    REQUIRE(inner->size() == kHello.size() + 8);
    CHECK(load_be16(inner->data()) == 1701);
    CHECK(load_be16(inner->data() + 2) == 1701);
    CHECK(Octets(inner->begin() + 8, inner->end()) == kHello);
}

TEST_CASE("without an SA a control message of a protected tunnel is dropped, never sent in the clear") {
    LoopbackGateway g(true);
    g.open_sockets();
    g.publish();
    g.workers->start();
    WorkerInjector injector(*g.workers, g.inventory.tunnels, g.inventory.sessions, [] {});
    CHECK(injector.l2tp_message(TunnelIndex{0}, kHello));
    const auto dropped = [&] {
        return g.workers->outbound().drops().total().dropped_for(DropReason::esp_no_sa);
    };
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (dropped() == 0 && std::chrono::steady_clock::now() < end) std::this_thread::yield();
    CHECK(dropped() == 1);
    g.use(0x1000, g.peer.endpoint());
    g.publish();
    CHECK(injector.l2tp_message(TunnelIndex{0}, kHello));
    const auto esp = g.peer.receive();
    REQUIRE(esp);
    CHECK(opened(g, 0x1000, *esp));
}

TEST_CASE("what is injected together leaves when the last of those who hold it lets go") {
    Running r(false);
    WorkerInjector injector(*r.g.workers, r.g.inventory.tunnels, r.g.inventory.sessions, [] {});
    // Once this has arrived, nothing else calls the worker.
    REQUIRE(injector.l2tp_message(TunnelIndex{0}, kHello));
    REQUIRE(r.g.peer.receive() == kHello);
    {
        const appliance::Together outer(injector);
        {
            const appliance::Together inner(injector);
            for (int i = 0; i < 5; ++i) REQUIRE(injector.l2tp_message(TunnelIndex{0}, kHello));
        }
        CHECK_FALSE(r.g.peer.receive(50));
    }
    for (int i = 0; i < 5; ++i) CHECK(r.g.peer.receive() == kHello);
}

TEST_CASE("what is injected after a change of keys and peer meets both") {
    Running r(true);
    Peer other;
    for (std::uint32_t spi = 0x2000; spi < 0x2020; ++spi) {
        Peer& to = spi % 2 == 0 ? r.g.peer : other;
        r.g.use(spi, to.endpoint());
        REQUIRE(r.injector.l2tp_message(TunnelIndex{0}, kHello));
        const auto esp = to.receive();
        REQUIRE(esp);
        CHECK(load_be32(esp->data()) == spi);
        CHECK(opened(r.g, spi, *esp));
    }
}

TEST_CASE("a frame goes into its session's pseudowire past the admission that would refuse it") {
    Running r(false);
    Octets bpdu(60, 0);
    const Octets head{0x01, 0x80, 0xc2, 0, 0, 0, 2, 0, 0, 0, 0, 1, 0, 38};
    std::ranges::copy(head, bpdu.begin());
    REQUIRE(r.injector.frame_to_tunnel(InjectClass::guard, SessionIndex{0}, bpdu));
    const auto packet = r.g.peer.receive();
    REQUIRE(packet);
    REQUIRE(packet->size() == bpdu.size() + 8);
    CHECK(load_be32(packet->data() + 4) == 0x22);
    CHECK(Octets(packet->begin() + 8, packet->end()) == bpdu);
}

TEST_CASE("what nobody can take is refused: no such tunnel or session, too large") {
    Running r(false);
    CHECK_FALSE(r.injector.l2tp_message(TunnelIndex{7}, kHello));
    CHECK_FALSE(r.injector.frame_to_tunnel(InjectClass::guard, SessionIndex{7}, kHello));
    CHECK_FALSE(r.injector.l2tp_message(TunnelIndex{0}, Octets(1'600, 1)));
    CHECK(r.injector.frame_to_lan(SessionIndex{0}, kHello) == DropReason::session_down);
}

TEST_CASE("last words that were injected just before the stop still leave") {
    Running r(false);
    for (int i = 0; i < 20; ++i) REQUIRE(r.injector.l2tp_message(TunnelIndex{0}, kHello));
    r.g.workers->stop();
    for (int i = 0; i < 20; ++i) CHECK(r.g.peer.receive() == kHello);
}

TEST_CASE("a datagram to a stranger leaves from the socket that it was asked on") {
    LoopbackGateway g(false);
    g.open_sockets();
    WorkerInjector injector(*g.workers, g.inventory.tunnels, g.inventory.sessions, [] {});
    Peer stranger;
    CHECK(injector.datagram(*g.tunnel().sockets().front(), stranger.endpoint(), kHello, 48 << 2) ==
          DropReason::none);
    CHECK(stranger.receive() == kHello);
}
