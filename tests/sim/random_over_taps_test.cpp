// Random traffic through two TAPs of the real kernel: what comes out of the far one, after undoing what was merged, is what a plain
// one-frame-at-a-time reference makes of it. Frames go in and come out as the kernel's own do, with their offloads.
// Skipped, in words, without the privilege to make namespaces.
#include <doctest/doctest.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <chrono>
#include <cstring>
#include <thread>

#include "base/vnet_header.h"
#include "tests/sim/tap_relay.h"
#include "tests/support/random_traffic.h"
#include "tests/tunnel/offload/undoing_sink.h"

using namespace isthmus;
using namespace isthmus::test;
using isthmus::tunnel::test::compare_flows;

namespace {

constexpr std::size_t kVlanTag = 4;

/// A raw socket on a TAP's interface, from the kernel's side of it; made in the namespace that the thread is in.
class KernelSide {
  public:
    explicit KernelSide(const bridge::Tap& tap)
        : fd_(::socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {
        const int on = 1, room = 64 << 20;
        sockaddr_ll here{};
        here.sll_family = AF_PACKET;
        here.sll_protocol = __builtin_bswap16(ETH_P_ALL);
        here.sll_ifindex = static_cast<int>(raw(tap.index()));
        REQUIRE(::setsockopt(fd_, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof on) == 0);
        REQUIRE(::setsockopt(fd_, SOL_PACKET, PACKET_AUXDATA, &on, sizeof on) == 0);
        REQUIRE(::setsockopt(fd_, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room) == 0);
        REQUIRE(::bind(fd_, reinterpret_cast<sockaddr*>(&here), sizeof here) == 0);
    }
    KernelSide(const KernelSide&) = delete;
    KernelSide& operator=(const KernelSide&) = delete;
    ~KernelSide() { ::close(fd_); }

    [[nodiscard]] bool send(const HostFrame& host) const {
        VnetHeader header = encode_vnet_header(host.offload);
        const std::array<iovec, 2> pieces{
            iovec{header.data(), header.size()},
            iovec{const_cast<std::uint8_t*>(host.bytes.data()), host.bytes.size()}};
        return ::writev(fd_, pieces.data(), pieces.size()) ==
               static_cast<ssize_t>(header.size() + host.bytes.size());
    }

    /// What has come in, of hosts that Hosts makes up.
    [[nodiscard]] std::vector<HostFrame> received() {
        std::vector<HostFrame> out;
        while (auto one = receive())
            if (one->bytes.size() > 8 && one->bytes[6] == 2 && one->bytes[8] == 0x5e)
                out.push_back(std::move(*one));
        return out;
    }

  private:
    std::optional<HostFrame> receive() {
        VnetHeader header;
        std::array<iovec, 2> pieces{iovec{header.data(), header.size()},
                                    iovec{buffer_.data(), buffer_.size()}};
        alignas(cmsghdr) std::array<std::uint8_t, 256> control{};
        msghdr message{};
        message.msg_iov = pieces.data();
        message.msg_iovlen = pieces.size();
        message.msg_control = control.data();
        message.msg_controllen = control.size();
        const auto got = ::recvmsg(fd_, &message, 0);
        if (got < static_cast<ssize_t>(header.size())) return std::nullopt;
        HostFrame host;
        host.bytes.assign(buffer_.begin(), buffer_.begin() + (got - static_cast<ssize_t>(header.size())));
        const bool tagged = put_tag_back(message, host.bytes);
        // The kernel has taken the outer tag out of the frame: what the header points at was that much further.
        if (tagged && (header[0] & 1) != 0) header[6] = static_cast<std::uint8_t>(header[6] + kVlanTag);
        const auto offload = decode_vnet_header(header, host.bytes);
        REQUIRE(offload);
        host.offload = *offload;
        return host;
    }

    static bool put_tag_back(msghdr& message, Frame& frame) {
        for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
            if (c->cmsg_level != SOL_PACKET || c->cmsg_type != PACKET_AUXDATA) continue;
            tpacket_auxdata aux{};
            std::memcpy(&aux, CMSG_DATA(c), sizeof aux);
            if ((aux.tp_status & TP_STATUS_VLAN_VALID) == 0) return false;
            Frame tag;
            put16(tag, aux.tp_vlan_tpid);
            put16(tag, aux.tp_vlan_tci);
            frame.insert(frame.begin() + 12, tag.begin(), tag.end());
            return true;
        }
        return false;
    }

    int fd_;
    std::vector<std::uint8_t> buffer_ = std::vector<std::uint8_t>(70'000);
};

/// What is one segment goes without an offload, as in the kernel, which may drop it otherwise.
HostFrame as_the_kernel_has_it(HostFrame host) {
    if (host.bytes.size() <= std::size_t{host.offload.header_size} + host.offload.segment_size) {
        host.offload.kind = Offload::Kind::none;
        host.offload.segment_size = 0;
    }
    return host;
}

/// Frames that the kernel itself keeps from getting as far as the far side's socket: with a tag or a header cut in two.
bool kernel_takes(const HostFrame& host) {
    const auto view = TransportView::of(host.bytes);
    if (view.l4 == 0 && host.bytes.size() < 60) return false;
    // Behind two tags the kernel segments by itself: no more than the TAP's queue holds.
    const std::size_t size = host.offload.segment_size;
    return size == 0 || host.bytes.size() / size < 100;
}

}  // namespace

TEST_CASE(
    "random traffic crosses two TAPs of the kernel as a plain reference has it, bit for bit and in order") {
    Site one;
    if (!one.own.usable_for("random traffic over TAPs")) return;
    REQUIRE(one.prepare("ist-one", 1));
    const KernelSide sender(*one.tap);
    Site two;
    REQUIRE(two.prepare("ist-two", 2));
    KernelSide receiver(*two.tap);
    Relay relay(*one.tap, *two.tap);
    Hosts hosts(7);
    Dice dice(8);
    std::size_t frames = 0;
    const std::size_t wanted = frames_wanted(100'000);
    while (frames < wanted) {
        std::vector<Frame> expected;
        for (std::uint32_t n = 1 + dice.roll(20); n > 0; --n) {
            HostFrame host = as_the_kernel_has_it(hosts.next());
            if (!kernel_takes(host)) continue;
            const bool sent = sender.send(host);
            CAPTURE(to_hex(host.bytes));
            REQUIRE(sent);
            relay.read();
            plain_clamp(host, kRelayMss.tcp4, kRelayMss.tcp6);
            const auto segments = plain_segments(host.bytes, host.offload);
            expected.insert(expected.end(), segments.begin(), segments.end());
        }
        // Another core of the kernel may still have some in its hands.
        std::vector<Frame> got;
        for (int tries = 0; got.size() < expected.size() && tries < 500; ++tries) {
            if (tries > 0) std::this_thread::sleep_for(std::chrono::milliseconds(10));
            relay.read();
            relay.flush();
            for (const HostFrame& host : receiver.received()) {
                const auto segments = plain_segments(host.bytes, host.offload);
                got.insert(got.end(), segments.begin(), segments.end());
            }
        }
        const auto wrong = compare_flows(expected, got);
        if (!wrong.empty()) REQUIRE(wrong == "");
        frames += expected.size();
    }
    CHECK(relay.refused == 0);
    CHECK(relay.big_reads > 0);
    CHECK(relay.largest_run > 4);
    MESSAGE(frames << " frames, " << relay.big_reads << " big reads, " << relay.writes << " writes");
}
