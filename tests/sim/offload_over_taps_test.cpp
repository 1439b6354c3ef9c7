// Two kernels' TCP and UDP through two TAPs, with segmenter, MSS clamp and coalescer between them: the kernel is the
// reference for all three. Skipped, in words, without the privilege to make namespaces.
#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "tests/sim/tap_relay.h"
#include "tests/support/frame_builder.h"

using namespace isthmus;
using namespace isthmus::test;

namespace {

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

constexpr int kPatience = 5000;  // ms without any progress

sockaddr_storage address(bool v6, int host, std::uint16_t port) {
    sockaddr_storage out{};
    if (v6) {
        auto& a = reinterpret_cast<sockaddr_in6&>(out);
        a.sin6_family = AF_INET6;
        a.sin6_port = htons(port);
        ::inet_pton(AF_INET6, host == 1 ? "fd00:77::1" : "fd00:77::2", &a.sin6_addr);
    } else {
        auto& a = reinterpret_cast<sockaddr_in&>(out);
        a.sin_family = AF_INET;
        a.sin_port = htons(port);
        ::inet_pton(AF_INET, host == 1 ? "10.77.0.1" : "10.77.0.2", &a.sin_addr);
    }
    return out;
}

class Socket {
  public:
    Socket(bool v6, int type)
        : fd_(::socket(v6 ? AF_INET6 : AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {}
    explicit Socket(int fd) : fd_(fd) {}
    Socket(Socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Socket& operator=(Socket&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~Socket() {
        if (fd_ >= 0) ::close(fd_);
    }
    [[nodiscard]] int fd() const { return fd_; }
    [[nodiscard]] bool bind(const sockaddr_storage& a) const {
        return ::bind(fd_, reinterpret_cast<const sockaddr*>(&a), sizeof a) == 0;
    }
    void connect(const sockaddr_storage& a) const {
        (void)::connect(fd_, reinterpret_cast<const sockaddr*>(&a), sizeof a);
    }

  private:
    int fd_;
};

/// Of this thread's namespace: a counter of /proc/net/snmp ("Tcp", "InCsumErrors").
std::uint64_t kernel_counter(const std::string& protocol, const std::string& name) {
    std::ifstream file("/proc/thread-self/net/snmp");
    std::string names, values, word, value;
    while (std::getline(file, names) && std::getline(file, values)) {
        if (names.rfind(protocol + ":", 0) != 0) continue;
        std::istringstream n(names), v(values);
        while (n >> word && v >> value)
            if (word == name) return std::stoull(value);
    }
    FAIL("no such counter");
    return 0;
}

void wait(std::initializer_list<pollfd> what) {
    std::vector<pollfd> all(what);
    REQUIRE(::poll(all.data(), all.size(), kPatience) > 0);
}

void tcp_through(bool v6) {
    CAPTURE(v6);
    Site one;
    if (!one.own.usable_for("TCP over TAPs")) return;
    REQUIRE(one.prepare("ist-one", 1));
    Socket client(v6, SOCK_STREAM);
    {
        Site two;
        REQUIRE(two.prepare("ist-two", 2));
        Socket listener(v6, SOCK_STREAM);
        REQUIRE((listener.bind(address(v6, 2, 7777)) && ::listen(listener.fd(), 1) == 0));
        Relay there(*one.tap, *two.tap);
        Relay back(*two.tap, *one.tap);
        client.connect(address(v6, 2, 7777));
        Socket server(-1);
        const auto sent = test::pattern(8'000'000);
        std::vector<std::uint8_t> got(sent.size());
        std::size_t at_sender = 0;
        std::size_t at_receiver = 0;
        while (at_receiver < sent.size()) {
            const bool accepted = server.fd() >= 0;
            wait({{one.tap->fd(), POLLIN, 0},
                  {two.tap->fd(), POLLIN, 0},
                  {accepted ? server.fd() : listener.fd(), POLLIN, 0},
                  {at_sender < sent.size() ? client.fd() : -1, POLLOUT, 0}});
            there.pump();
            back.pump();
            if (!accepted)
                server = Socket(::accept4(listener.fd(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
            const auto put = ::send(client.fd(), sent.data() + at_sender,
                                    std::min<std::size_t>(sent.size() - at_sender, 400'000), MSG_NOSIGNAL);
            if (put > 0) at_sender += static_cast<std::size_t>(put);
            const auto taken =
                server.fd() < 0 ? 0
                                : ::recv(server.fd(), got.data() + at_receiver, got.size() - at_receiver, 0);
            if (taken > 0) at_receiver += static_cast<std::size_t>(taken);
        }
        CHECK((got == sent));
        CHECK(there.refused + back.refused == 0);
        CHECK(there.big_reads > 0);
        CHECK(there.largest_run > 4);
        CHECK(there.writes * 2 < there.segments);
        CHECK(there.clamp().clamped().read() == 1);
        CHECK(back.clamp().clamped().read() == 1);
        CHECK(there.largest_segment <= 1200 + 40 + 20 + 14);
        int mss = 0;
        socklen_t size = sizeof mss;
        CHECK(::getsockopt(client.fd(), IPPROTO_TCP, TCP_MAXSEG, &mss, &size) == 0);
        CHECK(mss <= (v6 ? 1180 : 1200));
        CHECK(mss > 1100);
        CHECK(kernel_counter("Tcp", "InCsumErrors") == 0);
        CHECK(kernel_counter("Tcp", "InErrs") == 0);
        MESSAGE(there.segments << " segments from " << there.big_reads << " big reads, in " << there.writes
                               << " writes, runs of up to " << there.largest_run);
    }
    CHECK(kernel_counter("Tcp", "InCsumErrors") == 0);
}

void udp_through(bool v6) {
    CAPTURE(v6);
    Site one;
    if (!one.own.usable_for("UDP over TAPs")) return;
    REQUIRE(one.prepare("ist-one", 1));
    Socket client(v6, SOCK_DGRAM);
    Site two;
    REQUIRE(two.prepare("ist-two", 2));
    Socket server(v6, SOCK_DGRAM);
    REQUIRE(server.bind(address(v6, 2, 7777)));
    const int run = 1000;
    client.connect(address(v6, 2, 7777));
    if (::setsockopt(client.fd(), IPPROTO_UDP, UDP_SEGMENT, &run, sizeof run) != 0 ||
        !one.tap->offloads().uso4) {
        std::printf("SKIP UDP over TAPs: this kernel has no UDP_SEGMENT or no USO on TAPs\n");
        return;
    }
    Relay there(*one.tap, *two.tap);
    Relay back(*two.tap, *one.tap);
    const auto sent = test::pattern(20'500);
    REQUIRE(::send(client.fd(), sent.data(), sent.size(), 0) == 20'500);
    std::vector<std::uint8_t> got;
    std::vector<std::size_t> sizes;
    std::array<std::uint8_t, 2000> datagram{};
    while (got.size() < sent.size()) {
        wait({{one.tap->fd(), POLLIN, 0}, {two.tap->fd(), POLLIN, 0}, {server.fd(), POLLIN, 0}});
        there.pump();
        back.pump();
        const auto taken = ::recv(server.fd(), datagram.data(), datagram.size(), 0);
        if (taken < 0) continue;
        got.insert(got.end(), datagram.begin(), datagram.begin() + taken);
        sizes.push_back(static_cast<std::size_t>(taken));
    }
    CHECK((got == sent));
    CHECK(sizes.size() == 21);
    CHECK(sizes.back() == 500);
    CHECK(there.big_reads >= 1);
    CHECK(there.largest_run == 21);
    CHECK(there.refused + back.refused == 0);
    CHECK(kernel_counter("Udp", "InCsumErrors") == 0);
}

}  // namespace

TEST_CASE(
    "a TCP stream of the kernel crosses two TAPs in big units, its MSS clamped, without a bad checksum") {
    tcp_through(false);
    tcp_through(true);
}

TEST_CASE("UDP runs of the kernel cross two TAPs and stay the datagrams they were") {
    udp_through(false);
    udp_through(true);
}
