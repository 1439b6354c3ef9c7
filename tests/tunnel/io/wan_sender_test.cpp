// The sender against a kernel that refuses: what the real one does only on other devices, or under load.
#include "tunnel/io/wan_sender.h"

#include <netinet/udp.h>

#include <array>
#include <cerrno>
#include <deque>

#include "tests/support/counting_allocator.h"
#include "tests/tunnel/packets.h"

using namespace isthmus;
using namespace isthmus::tunnel;
using namespace isthmus::tunnel::io;
using namespace isthmus::tunnel::test;

namespace {

/// One message as the kernel would have seen it.
struct Seen {
    std::vector<std::size_t> sizes;
    int segment = 0;
    int traffic_class = 0;
    std::uint16_t port = 0;
};

/// Takes messages; each entry of `refusals` refuses one call's first message. A refusal of runs lasts.
class FakeCalls final : public SocketCalls {
  public:
    int send_many(int, mmsghdr* messages, unsigned count, int) noexcept override {
        ++calls;
        if (!refusals.empty()) {
            const int error = refusals.front();
            refusals.pop_front();
            if (error != 0) return fail(error);
        }
        unsigned taken = 0;
        for (; taken < count && taken < at_most; ++taken) {
            const Seen message = read(messages[taken].msg_hdr);
            const int error = verdict(message);
            if (error != 0) {
                if (taken == 0) return fail(error);
                break;
            }
            seen.push_back(message);
        }
        return static_cast<int>(taken);
    }
    int receive_many(int, mmsghdr*, unsigned, int) noexcept override { return fail(EAGAIN); }
    int wait(pollfd*, nfds_t, int timeout_ms) noexcept override {
        waited_ms += timeout_ms;
        return wait_result;
    }

    std::deque<int> refusals;
    int run_error = 0;             ///< for messages with a segment size
    std::size_t largest = 65'536;  ///< longer packets: EMSGSIZE
    unsigned at_most = 1024;       ///< messages a call takes
    int wait_result = 1;
    int waited_ms = 0;
    int calls = 0;
    std::vector<Seen> seen;

  private:
    static int fail(int error) {
        errno = error;
        return -1;
    }
    [[nodiscard]] int verdict(const Seen& message) const {
        if (message.segment != 0 && run_error != 0) return run_error;
        for (const std::size_t size : message.sizes)
            if (size > largest) return EMSGSIZE;
        return 0;
    }
    static Seen read(msghdr& header) {
        Seen out;
        for (std::size_t i = 0; i < header.msg_iovlen; ++i) out.sizes.push_back(header.msg_iov[i].iov_len);
        out.port = ntohs(static_cast<sockaddr_in*>(header.msg_name)->sin_port);
        for (cmsghdr* c = CMSG_FIRSTHDR(&header); c != nullptr; c = CMSG_NXTHDR(&header, c)) {
            if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_SEGMENT) {
                std::uint16_t value = 0;
                std::memcpy(&value, CMSG_DATA(c), sizeof value);
                out.segment = value;
            }
            if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS)
                std::memcpy(&out.traffic_class, CMSG_DATA(c), sizeof(int));
        }
        return out;
    }
};

struct Bench : Worker {
    FakeCalls calls;
    WanSocket socket;
    WanSender sender;

    explicit Bench(WanSenderOptions options = {}) : socket(opened()), sender(socket, options, calls) {
        sender.set_peers(std::make_shared<PeerTable>(std::vector<std::optional<Endpoint>>{
            Endpoint{ip("192.0.2.2"), 1000}, Endpoint{ip("192.0.2.3"), 1001}}));
    }
    static WanSocket opened() {
        WanSocketOptions options;
        options.local = {ip("127.0.0.1"), 0};
        auto socket = WanSocket::open(options);
        REQUIRE(socket);
        return std::move(*socket);
    }
    PacketBuffer& packet(std::size_t size, std::uint16_t tunnel = 0, std::uint8_t traffic_class = 0) {
        PacketBuffer& p = add(Octets(size, 7));
        p.meta.tunnel = TunnelIndex{tunnel};
        p.meta.traffic_class = traffic_class;
        return p;
    }
    void packets(int count, std::size_t size) {
        for (int i = 0; i < count; ++i) packet(size);
    }
    void send() {
        sender.send(batch, ledger);
        CHECK(batch.empty());
    }
    /// Packets of each message.
    std::vector<std::size_t> counts() {
        std::vector<std::size_t> out;
        for (const Seen& s : calls.seen) out.push_back(s.sizes.size());
        return out;
    }
};
using Counts = std::vector<std::size_t>;

}  // namespace

TEST_CASE("a socket knows the peers of its own tunnels only") {
    const Endpoint one{ip("192.0.2.1"), 4500};
    const Endpoint other{ip("192.0.2.2"), 4500};
    const PeerTable peers({std::nullopt, std::nullopt, one, std::nullopt, other, std::nullopt});
    REQUIRE(peers.find(TunnelIndex{2}) != nullptr);
    CHECK(peers.find(TunnelIndex{2})->endpoint() == one);
    REQUIRE(peers.find(TunnelIndex{4}) != nullptr);
    CHECK(peers.find(TunnelIndex{4})->endpoint() == other);
    for (const std::uint16_t none : std::array<std::uint16_t, 6>{0, 1, 3, 5, 6, 0xffff})
        CHECK(peers.find(TunnelIndex{none}) == nullptr);
    CHECK(PeerTable({std::nullopt, std::nullopt}).find(TunnelIndex{0}) == nullptr);
    CHECK(PeerTable(std::vector<std::optional<Endpoint>>{}).find(TunnelIndex{0}) == nullptr);
}

TEST_CASE("a run ends with a shorter packet, a longer one, another class, another peer") {
    Bench b;
    b.packets(3, 1000);
    b.packet(400);  // last of the first run
    b.packet(400);
    b.packet(500);  // longer than its predecessor
    b.packet(500, 0, 0x20);
    b.packet(500, 0, 0x20);
    b.packet(500, 1, 0x20);
    b.packet(500, 1, 0x20);
    b.send();
    CHECK(b.counts() == Counts{4, 1, 1, 2, 2});
    CHECK(b.calls.calls == 1);
    CHECK(b.calls.seen[0].segment == 1000);
    CHECK(b.calls.seen[1].segment == 0);
    CHECK(b.calls.seen[3].segment == 500);
    CHECK(b.calls.seen[3].traffic_class == 0x20);
    CHECK(b.calls.seen[0].traffic_class == 0);
    CHECK(b.calls.seen[3].port == 1000);
    CHECK(b.calls.seen[4].port == 1001);
}

TEST_CASE("a run has at most 64 packets and 65,000 bytes") {
    Bench b;
    b.packets(150, 100);
    b.send();
    CHECK(b.counts() == Counts{64, 64, 22});
    b.calls.seen.clear();
    b.packets(100, 1400);
    b.send();
    CHECK(b.counts() == Counts{46, 46, 8});
}

TEST_CASE("control leaves first unless the order is already given away") {
    Bench b;
    b.packet(100);
    b.packet(200).meta.control = true;
    b.packet(100);
    b.send();
    REQUIRE(b.counts() == Counts{2, 1});
    CHECK(b.calls.seen[0].sizes == Counts{200, 100});

    WanSenderOptions keep;
    keep.control_first = false;
    Bench kept(keep);
    kept.packet(100);
    kept.packet(200).meta.control = true;
    kept.packet(100);
    kept.send();
    REQUIRE(kept.counts() == Counts{1, 2});
    CHECK(kept.calls.seen[1].sizes == Counts{200, 100});
}

TEST_CASE("a refused run goes out packet by packet and is noted, and runs rest for a while") {
    for (const int error : {EIO, EINVAL, EMSGSIZE}) {
        Bench b;
        b.calls.run_error = error;
        b.packet(50, 1);
        b.packets(10, 1000);
        b.packet(60, 1);
        b.send();
        CHECK(b.calls.seen.size() == 12);
        CHECK(b.calls.seen.back().sizes[0] == 60);
        CHECK(b.sender.counters().packets.read() == 12);
        CHECK(b.socket.refused_runs().count.read() == 1);
        CHECK(b.socket.refused_runs().last_error == error);
        CHECK(b.drops(DropReason::send_refused) == 0);

        b.calls.seen.clear();
        b.packets(10, 1000);
        b.send();
        CHECK(b.calls.seen.size() == 10);
        CHECK(b.socket.refused_runs().count.read() == 1);

        b.calls.run_error = 0;
        for (std::uint32_t i = 0; i < WanSender::kRestBatches; ++i) {
            b.packet(50);
            b.send();
        }
        b.calls.seen.clear();
        b.packets(10, 1000);
        b.send();
        CHECK(b.counts() == Counts{10});
        CHECK(b.socket.refused_runs().count.read() == 1);
    }
}

TEST_CASE("a run whose packets are too large singly too is no reason to rest") {
    Bench b;
    b.calls.largest = 900;
    b.packets(3, 1000);
    b.packet(500);  // last of the run, and small enough by itself
    b.packet(500);
    b.send();
    CHECK(b.drops(DropReason::exceeds_path_mtu) == 3);
    CHECK(b.sender.counters().packets.read() == 2);
    CHECK(b.socket.refused_runs().count.read() == 0);

    Bench c;
    c.calls.largest = 900;
    c.packets(3, 1000);
    c.send();
    CHECK(c.drops(DropReason::exceeds_path_mtu) == 3);
    CHECK(c.socket.refused_runs().count.read() == 0);
    c.packets(3, 800);
    c.send();
    CHECK(c.counts() == Counts{3});
}

TEST_CASE(
    "a full send buffer is waited for, within bounds, and then the rest is dropped as send_queue_full") {
    Bench b;
    b.calls.refusals = {EAGAIN, 0};
    b.packets(3, 100);
    b.send();
    CHECK(b.sender.counters().packets.read() == 3);
    CHECK(b.sender.counters().waits.read() == 1);

    Bench full;
    full.calls.refusals.assign(1000, EAGAIN);
    full.calls.wait_result = 0;
    full.packets(3, 100);
    full.packet(50, 1);
    full.send();
    CHECK(full.drops(DropReason::send_queue_full) == 4);
    CHECK(full.calls.waited_ms <= 20);
    CHECK(full.calls.calls < 10);

    Bench flapping;  // writable at once, and full again
    flapping.calls.refusals.assign(1000, EAGAIN);
    flapping.packets(3, 100);
    flapping.send();
    CHECK(flapping.drops(DropReason::send_queue_full) == 3);
    CHECK(flapping.calls.calls <= 22);
}

TEST_CASE("an old ICMP error costs no packet") {
    for (const int error : {ECONNREFUSED, EHOSTUNREACH, EINTR}) {
        Bench b;
        b.calls.refusals = {error};
        b.packets(2, 100);
        b.send();
        CHECK(b.sender.counters().packets.read() == 2);
    }
}

TEST_CASE("no route, forbidden and the like drop what goes to that peer, and only that") {
    for (const int error : {ENETUNREACH, EPERM, ENETDOWN, EADDRNOTAVAIL}) {
        Bench b;
        b.calls.refusals = {error};
        b.packet(100);
        b.packet(200);
        b.packet(300);
        b.packet(50, 1);
        b.send();
        CHECK(b.drops(DropReason::send_refused) == 3);
        CHECK(b.calls.seen.size() == 1);
        CHECK(b.calls.calls == 2);
    }
}

TEST_CASE("a kernel without memory costs the packet at hand") {
    Bench b;
    b.calls.refusals = {ENOBUFS};
    b.packet(100);
    b.packet(200);
    b.send();
    CHECK(b.drops(DropReason::send_queue_full) == 1);
    CHECK(b.sender.counters().packets.read() == 1);
}

TEST_CASE("a call that takes part of the messages is gone on with") {
    Bench b;
    b.calls.at_most = 2;
    for (std::size_t i = 0; i < 7; ++i) b.packet(100 + i);
    b.send();
    CHECK(b.calls.seen.size() == 7);
    CHECK(b.calls.calls == 4);
}

TEST_CASE("runs can be switched off") {
    WanSenderOptions options;
    options.send_runs = false;
    Bench b(options);
    b.packets(5, 100);
    b.send();
    CHECK(b.counts() == Counts{1, 1, 1, 1, 1});
}

TEST_CASE("sending allocates nothing") {
    Bench b;
    b.calls.seen.reserve(100);
    b.packets(100, 1000);
    for (PacketBuffer& p : b.batch)
        p.meta.tunnel = TunnelIndex{9};  // refused before the fake kernel, which allocates
    const isthmus::test::AllocationCount count;
    b.sender.send(b.batch, b.ledger);
    CHECK(count.so_far() == 0);
}
