#include "tunnel/io/wan_socket.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "tests/tunnel/packets.h"
#include "tunnel/io/socket_address.h"
#include "tunnel/io/wan_receiver.h"
#include "tunnel/io/wan_sender.h"

using namespace isthmus;
using namespace isthmus::tunnel;
using namespace isthmus::tunnel::io;
using namespace isthmus::tunnel::test;

namespace {

WanSocket open(WanSocketOptions options) {
    auto socket = WanSocket::open(options);
    if (!socket) FAIL(socket.error().text);
    return std::move(*socket);
}
WanSocketOptions on(const char* address, WanProtocol protocol = WanProtocol::udp, std::uint16_t port = 0) {
    WanSocketOptions options;
    options.protocol = protocol;
    options.local = {ip(address), port};
    return options;
}
/// Runs f in a network namespace of its own, with nothing but a loopback interface that is up: raw sockets there see
/// no packets of other programs. False: that is not permitted here, and f was not run.
template <class F>
bool in_own_network(F f) {
    bool ran = false;
    std::thread([&] {
        if (::unshare(CLONE_NEWNET) != 0) return;
        const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        ifreq request{};
        std::strcpy(request.ifr_name, "lo");
        request.ifr_flags = IFF_UP | IFF_RUNNING;
        const bool up = ::ioctl(fd, SIOCSIFFLAGS, &request) == 0;
        ::close(fd);
        if (!up) return;
        f();
        ran = true;
    }).join();
    if (!ran) MESSAGE("skipped: needs CAP_NET_RAW and CAP_SYS_ADMIN");
    return ran;
}

/// Two sockets of one host; what one sends the other receives.
struct Pair {
    WanSocket from;
    WanSocket to;
    WanSender sender;
    PacketPool blocks{WanReceiver::kRunBlockSize, 320};
    WanReceiver receiver;
    Worker worker;
    PacketBatch received;

    explicit Pair(const WanSocketOptions& from_options, const WanSocketOptions& to_options,
                  const WanSenderOptions& sender_options = {})
        : from(open(from_options)),
          to(open(to_options)),
          sender(from, sender_options),
          receiver(to, blocks, {}) {
        sender.set_peers(std::make_shared<PeerTable>(std::vector<std::optional<Endpoint>>{to.local()}));
    }
    explicit Pair(const char* address) : Pair(on(address), on(address)) {}

    PacketBuffer& packet(const Octets& bytes, std::uint8_t traffic_class = 0) {
        PacketBuffer& p = worker.add(bytes);
        p.meta.tunnel = TunnelIndex{0};
        p.meta.traffic_class = traffic_class;
        return p;
    }
    void send() { sender.send(worker.batch, worker.ledger); }
    /// Receives until `count` packets are there; a second without any is a failure.
    void receive(std::size_t count) {
        while (received.size() < count) {
            pollfd readable{to.fd(), POLLIN, 0};
            if (::poll(&readable, 1, 1000) != 1) break;
            const auto outcome = receiver.receive(received, worker.ledger);
            REQUIRE(outcome != WanReceiver::Outcome::failed);
            REQUIRE(outcome != WanReceiver::Outcome::no_buffer);
        }
        REQUIRE(received.size() == count);
    }
};

const Octets kShort(40, 0x11);
const Octets kLong(1400, 0x22);

}  // namespace

TEST_CASE("endpoints become socket addresses and back") {
    for (const Endpoint& endpoint :
         {Endpoint{ip("192.0.2.1"), 4500}, Endpoint{ip("2001:db8::1"), 1701}, Endpoint{}}) {
        CHECK(SocketAddress(endpoint).endpoint() == endpoint);
    }
    CHECK(SocketAddress().size == 0);
}

TEST_CASE("packets cross between real sockets, with their path and traffic class, over both families") {
    for (const char* address : {"127.0.0.1", "::1"}) {
        CAPTURE(address);
        Pair pair(address);
        pair.packet(kShort, 0xb8);
        pair.packet(kLong, 0x02);
        pair.packet({}, 0);
        pair.send();
        CHECK(pair.worker.batch.empty());
        pair.receive(3);
        CHECK(copy(pair.received[0].data()) == kShort);
        CHECK(pair.received[0].meta.traffic_class == 0xb8);
        CHECK(pair.received[0].meta.next_header == 17);
        CHECK(pair.received[0].meta.tunnel == kNoTunnel);
        REQUIRE(pair.received[0].meta.path != nullptr);
        CHECK(*pair.received[0].meta.path == Path{pair.to.local(), pair.from.local(), std::nullopt});
        CHECK(copy(pair.received[1].data()) == kLong);
        CHECK(pair.received[1].meta.traffic_class == 0x02);
        CHECK(pair.received[2].size() == 0);
        CHECK(pair.received[2].meta.traffic_class == 0);
        CHECK(pair.sender.counters().packets.read() == 3);
        CHECK(pair.sender.counters().bytes.read() == 1440);
        CHECK(pair.receiver.counters().bytes.read() == 1440);
    }
}

TEST_CASE("equally long packets leave in runs and arrive one by one, in order, with a shorter last one") {
    for (const char* address : {"127.0.0.1", "::1"}) {
        Pair pair(address);
        for (std::uint8_t i = 0; i < 40; ++i) pair.packet(Octets(i == 39 ? 100 : 1400, i), 0x20);
        pair.send();
        CHECK(pair.sender.counters().runs.read() == 1);
        CHECK(pair.sender.counters().system_calls.read() == 1);
        pair.receive(40);
        for (std::uint8_t i = 0; i < 40; ++i) {
            CHECK(copy(pair.received[i].data()) == Octets(i == 39 ? 100 : 1400, i));
            CHECK(pair.received[i].meta.traffic_class == 0x20);
        }
        CHECK(pair.receiver.counters().runs.read() >= 1);
        CHECK(pair.receiver.counters().packets.read() == 40);
        pair.received.clear();
        CHECK(pair.blocks.available() + 64 >= pair.blocks.count());
    }
}

TEST_CASE("mixed lengths and classes arrive as they were sent") {
    Pair pair("127.0.0.1");
    std::vector<Octets> sent;
    std::uint32_t seed = 1;
    for (int i = 0; i < 250; ++i) {
        seed = seed * 1664525U + 1013904223U;
        sent.emplace_back(20 + (seed >> 24) % 7 * 200, static_cast<std::uint8_t>(i));
        pair.packet(sent.back(), static_cast<std::uint8_t>((seed >> 16) % 3 * 4));
    }
    pair.send();
    pair.receive(250);
    for (std::size_t i = 0; i < sent.size(); ++i) CHECK(copy(pair.received[i].data()) == sent[i]);
}

TEST_CASE("a batch without room gets the rest of a run with the next call") {
    Pair pair("127.0.0.1");
    for (int round = 0; round < 5; ++round) {
        for (std::uint8_t i = 0; i < 60; ++i) pair.packet(Octets(1000, i));
        pair.send();
    }
    pollfd readable{pair.to.fd(), POLLIN, 0};
    REQUIRE(::poll(&readable, 1, 1000) == 1);
    CHECK(pair.receiver.receive(pair.received, pair.worker.ledger) == WanReceiver::Outcome::more);
    CHECK(pair.received.size() == 256);
    pair.received.clear();
    static_cast<void>(pair.receiver.receive(pair.received, pair.worker.ledger));
    REQUIRE(pair.received.size() == 44);
    for (std::uint8_t i = 0; i < 44; ++i)
        CHECK(copy(pair.received[i].data()) == Octets(1000, static_cast<std::uint8_t>(16 + i)));
    pair.received.clear();
    CHECK(pair.receiver.receive(pair.received, pair.worker.ledger) == WanReceiver::Outcome::drained);
}

TEST_CASE("an empty pool leaves packets in the kernel") {
    Pair pair("127.0.0.1");
    PacketPool one(2048, 1);
    WanReceiver receiver(pair.to, one, {});
    auto held = one.allocate(0);
    pair.packet(kShort);
    pair.send();
    CHECK(receiver.receive(pair.received, pair.worker.ledger) == WanReceiver::Outcome::no_buffer);
    held.reset();
    CHECK(receiver.receive(pair.received, pair.worker.ledger) == WanReceiver::Outcome::more);
    CHECK(pair.received.size() == 1);
    pair.received.clear();
}

TEST_CASE("receivers that share a pool hold blocks only for what they received") {
    Pair pair("127.0.0.1");
    PacketPool shared(2048, 4);
    const WanSocket quiet_socket = open(on("127.0.0.1"));
    WanReceiver quiet(quiet_socket, shared, {});
    WanReceiver busy(pair.to, shared, {});
    CHECK(quiet.receive(pair.received, pair.worker.ledger) == WanReceiver::Outcome::drained);
    CHECK(shared.available() == 4);
    pair.packet(kShort);
    pair.packet(kShort, 4);
    pair.send();
    CHECK(busy.receive(pair.received, pair.worker.ledger) == WanReceiver::Outcome::drained);
    CHECK(pair.received.size() == 2);
    CHECK(shared.available() == 2);
    pair.received.clear();
    CHECK(shared.available() == 4);
}

TEST_CASE("a flood is received in ever larger gulps, a trickle in small ones") {
    Pair pair("127.0.0.1");
    for (int i = 0; i < 250; ++i)
        pair.packet(Octets(i % 2 == 0 ? 100 : 150), static_cast<std::uint8_t>(i % 2 * 4));
    pair.send();
    std::vector<std::size_t> gulps;
    while (pair.receiver.receive(pair.received, pair.worker.ledger) == WanReceiver::Outcome::more) {
        gulps.push_back(pair.received.size());
        pair.received.clear();
    }
    REQUIRE(gulps.size() >= 4);
    CHECK(std::vector<std::size_t>(gulps.begin(), gulps.begin() + 4) ==
          std::vector<std::size_t>{8, 32, 64, 64});
    pair.received.clear();
}

TEST_CASE("who asks for one message gets one, and the others when they are asked for") {
    Pair pair("127.0.0.1");
    for (std::uint8_t i = 0; i < 3; ++i) pair.packet(Octets(100, i), static_cast<std::uint8_t>(i * 4));
    pair.send();
    for (std::uint8_t i = 0; i < 2; ++i) {
        CHECK(pair.receiver.receive_one(pair.received, pair.worker.ledger) == WanReceiver::Outcome::drained);
        REQUIRE(pair.received.size() == 1);
        CHECK(copy(pair.received[0].data()) == Octets(100, i));
        pair.received.clear();
        CHECK(pair.blocks.available() == pair.blocks.count());
    }
    CHECK(pair.receiver.counters().system_calls.read() == 2);
    CHECK(pair.receiver.receive(pair.received, pair.worker.ledger) == WanReceiver::Outcome::drained);
    CHECK(pair.received.size() == 1);
    pair.received.clear();
    CHECK(pair.receiver.receive_one(pair.received, pair.worker.ledger) == WanReceiver::Outcome::drained);
    CHECK(pair.received.empty());
}

TEST_CASE("one message may be a run that does not fit into the batch") {
    Pair pair("127.0.0.1");
    for (std::uint8_t i = 0; i < 40; ++i) pair.packet(Octets(1000, i));
    pair.send();
    PacketPool filler(64, PacketBatch::kCapacity);
    while (pair.received.room() > 30) pair.received.push(std::move(*filler.allocate(0)));
    CHECK(pair.receiver.receive_one(pair.received, pair.worker.ledger) == WanReceiver::Outcome::more);
    pair.received.clear();
    CHECK(pair.receiver.receive_one(pair.received, pair.worker.ledger) == WanReceiver::Outcome::drained);
    REQUIRE(pair.received.size() == 10);
    CHECK(copy(pair.received[9].data()) == Octets(1000, 39));
    pair.received.clear();
}

TEST_CASE("a datagram larger than a block is counted as truncated") {
    Pair pair("127.0.0.1");
    PacketPool small(256, 4);
    WanReceiver receiver(pair.to, small, {});
    pair.packet(kShort);
    pair.packet(kLong);
    pair.send();
    while (receiver.receive(pair.received, pair.worker.ledger) == WanReceiver::Outcome::more) {
    }
    CHECK(pair.received.size() == 1);
    CHECK(pair.worker.drops(DropReason::receive_truncated) == 1);
    pair.received.clear();
}

TEST_CASE("raw sockets for L2TPv3 and ESP deliver what follows the IP header, over both families") {
    static_cast<void>(in_own_network([] {
        for (const auto protocol : {WanProtocol::l2tp, WanProtocol::esp}) {
            for (const char* address : {"127.0.0.1", "::1"}) {
                CAPTURE(address);
                Pair pair(on(address, protocol), on(address, protocol));
                for (int i = 0; i < 5; ++i) pair.packet(i % 2 == 0 ? kLong : kShort, 0x28);
                pair.send();
                CHECK(pair.sender.counters().system_calls.read() == 1);
                CHECK(pair.sender.counters().runs.read() == 0);
                pair.receive(5);
                for (std::size_t i = 0; i < 5; ++i) {
                    CHECK(copy(pair.received[i].data()) == (i % 2 == 0 ? kLong : kShort));
                    CHECK(pair.received[i].meta.traffic_class == 0x28);
                    CHECK(pair.received[i].meta.next_header == static_cast<std::uint8_t>(protocol));
                    CHECK(*pair.received[i].meta.path ==
                          Path{{ip(address), 0}, {ip(address), 0}, std::nullopt});
                }
            }
        }
    }));
}

TEST_CASE("outer packets carry DF and are refused, not fragmented, when larger than the interface's MTU") {
    static_cast<void>(in_own_network([] {
        const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        ifreq request{};
        std::strcpy(request.ifr_name, "lo");
        request.ifr_mtu = 1500;
        REQUIRE(::ioctl(fd, SIOCSIFMTU, &request) == 0);
        ::close(fd);
        for (const char* address : {"127.0.0.1", "::1"}) {
            CAPTURE(address);
            Pair pair(address);
            const std::size_t largest = 1500 - 8 - (pair.to.local().address.is_v6() ? 40U : 20U);
            pair.packet(Octets(largest));
            pair.packet(Octets(largest + 1));
            for (int i = 0; i < 10; ++i) pair.packet(Octets(largest));
            pair.send();
            pair.receive(11);
            CHECK(pair.worker.drops(DropReason::exceeds_path_mtu) == 1);
            CHECK(pair.from.refused_runs().count.read() == 0);
        }
        // A raw socket for UDP sees the IP header that a datagram came with.
        const int tap = ::socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_UDP);
        REQUIRE(tap >= 0);
        Pair pair("127.0.0.1");
        pair.packet(kShort);
        pair.send();
        std::array<std::uint8_t, 128> seen{};
        REQUIRE(::recv(tap, seen.data(), seen.size(), 0) == 20 + 8 + 40);
        ::close(tap);
        CHECK((load_be16(seen.data() + 6) & 0x4000) != 0);
        CHECK(load_be16(seen.data() + 26) != 0);  // UDP_SEGMENT and UDP_GRO need a checksum
    }));
}

TEST_CASE("a port that is taken is named with what to do; an address that is not here yet is waited for") {
    const WanSocket taken = open(on("127.0.0.1"));
    const auto twice = WanSocket::open(on("127.0.0.1", WanProtocol::udp, taken.local().port));
    REQUIRE_FALSE(twice);
    CHECK(twice.error().kind == WanSocketError::Kind::in_use);
    CHECK(twice.error().text.find("UDP port " + std::to_string(taken.local().port) + " on 127.0.0.1") == 0);
    CHECK(twice.error().text.find("local_port") != std::string::npos);

    const auto absent = WanSocket::open(on("192.0.2.77", WanProtocol::udp, 1701));
    REQUIRE_FALSE(absent);
    CHECK(absent.error().kind == WanSocketError::Kind::waiting);
    CHECK(absent.error().text.find("192.0.2.77") != std::string::npos);
    const auto absent_v6 = WanSocket::open(on("2001:db8::77", WanProtocol::udp, 4500));
    REQUIRE_FALSE(absent_v6);
    CHECK(absent_v6.error().kind == WanSocketError::Kind::waiting);
}

TEST_CASE("kernel buffers grow as asked, as far as the system allows, and say so") {
    auto options = on("127.0.0.1");
    options.receive_buffer = 300'000;
    options.send_buffer = 200'000;
    const WanSocket socket = open(options);
    CHECK(socket.receive_buffer() >= 200'000);
    CHECK(socket.send_buffer() >= 200'000);
    CHECK(socket.receive_buffer() < 10'000'000);
}

TEST_CASE("a tunnel without a peer and a peer without a route are refused, others of the batch are not") {
    Pair pair("127.0.0.1");
    pair.sender.set_peers(std::make_shared<PeerTable>(std::vector<std::optional<Endpoint>>{
        pair.to.local(), std::nullopt, Endpoint{ip("255.255.255.255"), 9}}));
    const std::uint16_t tunnels[] = {0, 1, 2, 2, 0, 7, 2, 0};
    for (const auto tunnel : tunnels) pair.packet(kShort).meta.tunnel = TunnelIndex{tunnel};
    pair.send();
    pair.receive(3);
    CHECK(pair.worker.drops(DropReason::send_refused) == 5);
}

TEST_CASE("a packet larger than the interface takes is dropped as exceeding the path MTU") {
    Pair pair("127.0.0.1");
    PacketPool large(70'000, 1);
    auto huge = large.allocate(0);
    std::memset(huge->append(65'530).data(), 0, 65'530);
    huge->meta.tunnel = TunnelIndex{0};
    pair.worker.batch.push(std::move(*huge));
    pair.packet(kShort);
    pair.send();
    pair.receive(1);
    CHECK(pair.worker.drops(DropReason::exceeds_path_mtu) == 1);
}

TEST_CASE("single datagrams and NAT keepalives go at once") {
    Pair pair("::1");
    CHECK(pair.sender.send_nat_keepalive(pair.to.local()) == DropReason::none);
    CHECK(pair.sender.send_one(pair.to.local(), kShort, 192) == DropReason::none);
    pair.receive(2);
    CHECK(copy(pair.received[0].data()) == Octets{0xff});
    CHECK(copy(pair.received[1].data()) == kShort);
    CHECK(pair.received[1].meta.traffic_class == 192);
}

TEST_CASE("one thread sends while another receives on the same socket") {
    // Each side sends to itself, so that both directions of one socket are busy.
    const WanSocket socket = open(on("127.0.0.1"));
    constexpr std::size_t kRounds = 50;
    constexpr std::size_t kPerRound = 20;
    std::atomic<std::size_t> received{0};
    std::thread receiving([&] {
        PacketPool blocks(WanReceiver::kRunBlockSize, 128);
        WanReceiver receiver(socket, blocks, {});
        PacketBatch batch;
        DropLedger ledger;
        while (received < kRounds * kPerRound) {
            pollfd readable{socket.fd(), POLLIN, 0};
            if (::poll(&readable, 1, 1000) != 1) return;
            static_cast<void>(receiver.receive(batch, ledger));
            received += batch.size();
            batch.clear();
        }
    });
    Worker worker;
    WanSender sender(socket, {});
    sender.set_peers(std::make_shared<PeerTable>(std::vector<std::optional<Endpoint>>{socket.local()}));
    for (std::size_t round = 0; round < kRounds; ++round) {
        for (std::size_t i = 0; i < kPerRound; ++i) worker.add(kShort).meta.tunnel = TunnelIndex{0};
        sender.send(worker.batch, worker.ledger);
        CHECK(socket.refused_runs().last_error == 0);
        // Loopback drops what the receiver is too slow for.
        for (int wait = 0; wait < 1000 && received < (round + 1) * kPerRound; ++wait)
            std::this_thread::yield();
    }
    receiving.join();
    CHECK(received == kRounds * kPerRound);
    CHECK(worker.batch.empty());
}
