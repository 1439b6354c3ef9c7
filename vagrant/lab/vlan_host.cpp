// vlan-host: 802.1Q interfaces for a host whose kernel has none (lab only).
//
//     vlan-host --port eth0 --vlan 10:eth0.10 --vlan 20:eth0.20
//
//            eth0.10 (TAP)  eth0.20 (TAP)           what the host sends on a TAP leaves eth0 with that VLAN's
//            tag;
//                  \          /                     what arrives on eth0 with the tag comes out of the TAP
//                  without it;
//            AF_PACKET on eth0                      untagged traffic of eth0 is never touched
//
// Where the kernel has 802.1Q, use `ip link add link eth0 name eth0.10 type vlan id 10`: it does the same.
// Frames travel with their virtio-net header, so units of up to 64 KiB and unfinished checksums pass through
// unharmed.
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace {

constexpr std::size_t kMacs = 12;              ///< destination and source in front of the tag
constexpr std::size_t kTag = 4;                ///< 802.1Q tag
constexpr std::size_t kLargestFrame = 65'600;  ///< a GSO unit and its headers
constexpr int kFramesPerTurn = 64;             ///< of one descriptor before the others have their turn
constexpr int kSocketBuffer = 8 << 20;

/// struct virtio_net_hdr (virtio 1.2 section 5.1.6) without its fields of later versions. The kernel's own
/// header does not compile as C++ everywhere.
struct OffloadHeader {
    std::uint8_t flags;
    std::uint8_t gso_type;
    std::uint16_t hdr_len;
    std::uint16_t gso_size;
    std::uint16_t csum_start;
    std::uint16_t csum_offset;
};
static_assert(sizeof(OffloadHeader) == 10);
constexpr std::uint8_t kNeedsChecksum = 1;
constexpr std::uint8_t kGsoNone = 0;

class Descriptor {
  public:
    explicit Descriptor(int fd, const char* what) : fd_(fd) {
        if (fd < 0) throw std::system_error(errno, std::generic_category(), what);
    }
    Descriptor(Descriptor&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    Descriptor& operator=(Descriptor&&) = delete;
    ~Descriptor() {
        if (fd_ >= 0) ::close(fd_);
    }
    [[nodiscard]] int get() const noexcept { return fd_; }

  private:
    int fd_;
};

void check(int result, const std::string& what) {
    if (result < 0) throw std::system_error(errno, std::generic_category(), what);
}

ifreq request_for(const std::string& name) {
    ifreq request{};
    if (name.empty() || name.size() >= IFNAMSIZ) throw std::invalid_argument("interface name '" + name + "'");
    std::memcpy(request.ifr_name, name.data(), name.size());
    return request;
}

struct Port {
    std::array<std::uint8_t, 6> mac{};
    int mtu = 0;
    int index = 0;
};

Port look_up(const std::string& name) {
    const Descriptor control(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket");
    Port port;
    auto request = request_for(name);
    check(::ioctl(control.get(), SIOCGIFINDEX, &request), name);
    port.index = request.ifr_ifindex;
    request = request_for(name);
    check(::ioctl(control.get(), SIOCGIFMTU, &request), name);
    port.mtu = request.ifr_mtu;
    request = request_for(name);
    check(::ioctl(control.get(), SIOCGIFHWADDR, &request), name);
    std::memcpy(port.mac.data(), request.ifr_hwaddr.sa_data, port.mac.size());
    return port;
}

/// The port's raw socket: tagged frames that arrive, with the tag in the auxiliary data.
Descriptor open_port(const Port& port) {
    Descriptor fd(::socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "AF_PACKET socket");
    const int one = 1;
    check(::setsockopt(fd.get(), SOL_PACKET, PACKET_AUXDATA, &one, sizeof one), "PACKET_AUXDATA");
    check(::setsockopt(fd.get(), SOL_PACKET, PACKET_VNET_HDR, &one, sizeof one), "PACKET_VNET_HDR");
    check(::setsockopt(fd.get(), SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof one),
          "PACKET_IGNORE_OUTGOING");
    (void)::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUFFORCE, &kSocketBuffer, sizeof kSocketBuffer);
    (void)::setsockopt(fd.get(), SOL_SOCKET, SO_SNDBUFFORCE, &kSocketBuffer, sizeof kSocketBuffer);

    std::array<sock_filter, 4> program{{
        {BPF_LD | BPF_B | BPF_ABS, 0, 0, static_cast<std::uint32_t>(SKF_AD_OFF + SKF_AD_VLAN_TAG_PRESENT)},
        {BPF_JMP | BPF_JEQ | BPF_K, 1, 0, 0},
        {BPF_RET | BPF_K, 0, 0, 0x0004'0000},
        {BPF_RET | BPF_K, 0, 0, 0},
    }};
    const sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
    check(::setsockopt(fd.get(), SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter), "SO_ATTACH_FILTER");

    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_protocol = htons(ETH_P_ALL);
    address.sll_ifindex = port.index;
    check(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), "bind to the port");
    packet_mreq promiscuous{};
    promiscuous.mr_ifindex = port.index;
    promiscuous.mr_type = PACKET_MR_PROMISC;
    check(::setsockopt(fd.get(), SOL_PACKET, PACKET_ADD_MEMBERSHIP, &promiscuous, sizeof promiscuous),
          "promiscuous mode");
    return fd;
}

/// A TAP that is up, with the port's MAC address and MTU, as an 802.1Q interface has them. It goes with its
/// descriptor.
Descriptor open_tap(const std::string& name, const Port& port) {
    Descriptor fd(::open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC), "/dev/net/tun");
    auto request = request_for(name);
    request.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
    check(::ioctl(fd.get(), TUNSETIFF, &request), name);
    check(::ioctl(fd.get(), TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6), name + ": offloads");

    const Descriptor control(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), "socket");
    request = request_for(name);
    request.ifr_hwaddr.sa_family = 1;  // ARPHRD_ETHER
    std::memcpy(request.ifr_hwaddr.sa_data, port.mac.data(), port.mac.size());
    check(::ioctl(control.get(), SIOCSIFHWADDR, &request), name + ": MAC address");
    request = request_for(name);
    request.ifr_mtu = port.mtu;
    check(::ioctl(control.get(), SIOCSIFMTU, &request), name + ": MTU");
    request = request_for(name);
    check(::ioctl(control.get(), SIOCGIFFLAGS, &request), name);
    request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP);
    check(::ioctl(control.get(), SIOCSIFFLAGS, &request), name + ": up");
    return fd;
}

struct Vlan {
    std::uint16_t vid = 0;
    std::string tap_name;
};

/// "10:eth0.10"
Vlan parse_vlan(std::string_view text) {
    const auto colon = text.find(':');
    Vlan vlan;
    const auto digits = text.substr(0, colon);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), vlan.vid);
    if (colon == std::string_view::npos || error != std::errc{} || end != digits.data() + digits.size() ||
        vlan.vid < 1 || vlan.vid > 4094)
        throw std::invalid_argument("--vlan " + std::string(text) +
                                    ": expected VID:NAME with a VID of 1 to 4094");
    vlan.tap_name = text.substr(colon + 1);
    return vlan;
}

class VlanHost {
  public:
    VlanHost(const std::string& port_name, const std::vector<Vlan>& vlans)
        : port_(look_up(port_name)), socket_(open_port(port_)), buffer_(kLargestFrame) {
        for (const auto& vlan : vlans) taps_.push_back({vlan.vid, open_tap(vlan.tap_name, port_)});
    }

    /// Until the signal descriptor becomes readable.
    void run(int signals) {
        std::vector<pollfd> waiting{{signals, POLLIN, 0}, {socket_.get(), POLLIN, 0}};
        for (const auto& tap : taps_) waiting.push_back({tap.fd.get(), POLLIN, 0});
        for (;;) {
            if (::poll(waiting.data(), waiting.size(), -1) < 0 && errno != EINTR) check(-1, "poll");
            if (waiting[0].revents != 0) return;
            if (waiting[1].revents != 0) receive_from_port();
            for (std::size_t i = 0; i < taps_.size(); ++i)
                if (waiting[i + 2].revents != 0) send_from(taps_[i]);
        }
    }

  private:
    struct Tap {
        std::uint16_t vid;
        Descriptor fd;
    };

    void receive_from_port() {
        OffloadHeader header{};
        std::array<iovec, 2> parts{{{&header, sizeof header}, {buffer_.data(), buffer_.size()}}};
        alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(tpacket_auxdata))> control{};
        for (int n = 0; n < kFramesPerTurn; ++n) {
            msghdr message{};
            parts[1].iov_len = buffer_.size();
            message.msg_iov = parts.data();
            message.msg_iovlen = parts.size();
            message.msg_control = control.data();
            message.msg_controllen = control.size();
            const auto received = ::recvmsg(socket_.get(), &message, MSG_DONTWAIT);
            if (received <= static_cast<ssize_t>(sizeof header + kMacs)) return;
            const Tap* tap = tap_for(message);
            if (tap == nullptr) continue;
            parts[1].iov_len = static_cast<std::size_t>(received) - sizeof header;
            (void)!::writev(tap->fd.get(), parts.data(),
                            static_cast<int>(parts.size()));  // refused: a lost frame
        }
    }

    /// The TAP of the 802.1Q tag that the kernel took off; null for other tags.
    [[nodiscard]] const Tap* tap_for(msghdr& message) const {
        for (auto* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
            if (c->cmsg_level != SOL_PACKET || c->cmsg_type != PACKET_AUXDATA) continue;
            tpacket_auxdata aux{};
            std::memcpy(&aux, CMSG_DATA(c), sizeof aux);
            if ((aux.tp_status & TP_STATUS_VLAN_VALID) == 0) return nullptr;
            if ((aux.tp_status & TP_STATUS_VLAN_TPID_VALID) != 0 && aux.tp_vlan_tpid != ETH_P_8021Q)
                return nullptr;
            for (const auto& tap : taps_)
                if (tap.vid == (aux.tp_vlan_tci & 0x0fff)) return &tap;
        }
        return nullptr;
    }

    void send_from(const Tap& tap) {
        OffloadHeader header{};
        std::array<std::uint8_t, kMacs + kTag> front{};
        for (int n = 0; n < kFramesPerTurn; ++n) {
            std::array<iovec, 3> parts{
                {{&header, sizeof header}, {front.data(), kMacs}, {buffer_.data(), buffer_.size()}}};
            const auto size = ::readv(tap.fd.get(), parts.data(), static_cast<int>(parts.size()));
            if (size <= static_cast<ssize_t>(sizeof header + kMacs)) return;
            front[kMacs] = 0x81;
            front[kMacs + 1] = 0x00;
            front[kMacs + 2] = static_cast<std::uint8_t>(tap.vid >> 8);
            front[kMacs + 3] = static_cast<std::uint8_t>(tap.vid & 0xff);
            if ((header.flags & kNeedsChecksum) != 0)
                header.csum_start = static_cast<std::uint16_t>(header.csum_start + kTag);
            if (header.gso_type != kGsoNone)
                header.hdr_len = static_cast<std::uint16_t>(header.hdr_len + kTag);
            parts[1].iov_len = front.size();
            parts[2].iov_len = static_cast<std::size_t>(size) - sizeof header - kMacs;
            (void)!::writev(socket_.get(), parts.data(),
                            static_cast<int>(parts.size()));  // refused: a lost frame
        }
    }

    Port port_;
    Descriptor socket_;
    std::vector<Tap> taps_;
    std::vector<std::uint8_t> buffer_;
};

Descriptor block_stop_signals() {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, nullptr);
    return Descriptor(::signalfd(-1, &set, SFD_CLOEXEC), "signalfd");
}

constexpr const char* kUsage = "usage: vlan-host --port INTERFACE --vlan VID:NAME [--vlan VID:NAME ...]\n";

}  // namespace

int main(int argc, char** argv) {
    try {
        std::string port;
        std::vector<Vlan> vlans;
        for (int i = 1; i < argc; i += 2) {
            const std::string_view option = argv[i];
            if (i + 1 >= argc || (option != "--port" && option != "--vlan")) {
                std::fputs(kUsage, stderr);
                return option == "--help" ? 0 : 2;
            }
            if (option == "--port") port = argv[i + 1];
            if (option == "--vlan") vlans.push_back(parse_vlan(argv[i + 1]));
        }
        if (port.empty() || vlans.empty()) {
            std::fputs(kUsage, stderr);
            return 2;
        }
        const auto signals = block_stop_signals();
        VlanHost host(port, vlans);
        std::puts("ready");
        std::fflush(stdout);
        host.run(signals.get());
        return 0;
    } catch (const std::exception& e) {
        std::fprintf(stderr, "vlan-host: %s\n", e.what());
        return 1;
    }
}
