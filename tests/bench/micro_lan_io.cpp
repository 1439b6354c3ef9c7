// What a small frame from the LAN costs its reader, by the way it is read: TAP behind a bridge one frame a system call, the
// same through io_uring, and AF_PACKET on the port itself, singly, in batches and through a ring. Prints CPU nanoseconds of
// the reading thread a frame, in Markdown. Needs root: it works in a network namespace of its own.
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/io_uring.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <functional>
#include <string>
#include <thread>
#include <vector>

namespace {

constexpr std::size_t kFrame = 106;  // 64 bytes of UDP payload
constexpr std::size_t kBatch = 64;
constexpr auto kTrial = std::chrono::milliseconds(700);

[[noreturn]] void die(const std::string& what) {
    std::perror(what.c_str());
    std::exit(1);
}

void shell(const std::string& command) {
    if (std::system(command.c_str()) != 0) die(command);
}

double thread_cpu_ns() {
    timespec t{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return static_cast<double>(t.tv_sec) * 1e9 + static_cast<double>(t.tv_nsec);
}

int open_tap() {
    const int fd = ::open("/dev/net/tun", O_RDWR | O_NONBLOCK);
    ifreq request{};
    std::snprintf(request.ifr_name, IFNAMSIZ, "tap0");
    request.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
    if (fd < 0 || ::ioctl(fd, TUNSETIFF, &request) != 0) die("tap0");
    return fd;
}

int packet_socket(const char* device, int protocol) {
    const int fd = ::socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, htons(static_cast<std::uint16_t>(protocol)));
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_protocol = htons(static_cast<std::uint16_t>(protocol));
    address.sll_ifindex = static_cast<int>(::if_nametoindex(device));
    if (fd < 0 || ::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) die(device);
    const int size = 8 << 20;
    (void)::setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size);
    return fd;
}

/// Broadcast frames from the host's end of the link, as fast as they go, until told to stop.
class Blaster {
  public:
    Blaster() : thread_([this] { run(); }) {}
    ~Blaster() {
        stop_ = true;
        thread_.join();
    }

  private:
    void run() {
        const int fd = packet_socket("host0", 0);
        std::array<std::uint8_t, kFrame> frame{};
        std::memset(frame.data(), 0xff, 6);
        frame[6] = 2;
        frame[12] = 0x88;
        frame[13] = 0xb6;
        std::array<mmsghdr, kBatch> messages{};
        iovec piece{frame.data(), frame.size()};
        for (auto& m : messages) m.msg_hdr = {nullptr, 0, &piece, 1, nullptr, 0, 0};
        while (!stop_) (void)::sendmmsg(fd, messages.data(), kBatch, 0);
        ::close(fd);
    }
    std::atomic<bool> stop_{false};
    std::thread thread_;
};

/// `read_some` reads what is there and says how many frames that were; 0: nothing, wait for `fd`.
void measure(const char* name, int fd, const std::function<int()>& read_some) {
    const Blaster blaster;
    std::uint64_t frames = 0;
    const auto end = std::chrono::steady_clock::now() + kTrial;
    const double before = thread_cpu_ns();
    while (std::chrono::steady_clock::now() < end) {
        const int n = read_some();
        if (n > 0) {
            frames += static_cast<std::uint64_t>(n);
            continue;
        }
        pollfd wait{fd, POLLIN, 0};
        (void)::poll(&wait, 1, 50);
    }
    const double used = thread_cpu_ns() - before;
    if (frames == 0) {
        std::printf("| %s | not here | |\n", name);
        return;
    }
    std::printf("| %s | %.0f | %.0f |\n", name, used / static_cast<double>(frames),
                static_cast<double>(frames) / std::chrono::duration<double>(kTrial).count());
    std::fflush(stdout);
}

void tap_by_readv() {
    const int fd = open_tap();
    shell("ip link set tap0 master br0 up");
    std::array<std::uint8_t, 12> header{};
    std::array<std::uint8_t, 2048> frame{};
    const std::array<iovec, 2> pieces{iovec{header.data(), header.size()}, iovec{frame.data(), frame.size()}};
    measure("TAP behind the bridge, a readv a frame", fd,
            [&] { return ::readv(fd, pieces.data(), 2) > 0 ? 1 : 0; });
    ::close(fd);
}

void packet_by_recvmmsg(const char* name, unsigned batch) {
    const int fd = packet_socket("lan0", ETH_P_ALL);
    std::vector<std::array<std::uint8_t, 2048>> frames(kBatch);
    std::vector<iovec> pieces(kBatch);
    std::vector<mmsghdr> messages(kBatch);
    for (std::size_t i = 0; i < kBatch; ++i) {
        pieces[i] = {frames[i].data(), frames[i].size()};
        messages[i].msg_hdr = {nullptr, 0, &pieces[i], 1, nullptr, 0, 0};
    }
    measure(name, fd, [&] { return ::recvmmsg(fd, messages.data(), batch, 0, nullptr); });
    ::close(fd);
}

void packet_by_ring() {
    const int fd = packet_socket("lan0", ETH_P_ALL);
    const int version = TPACKET_V3;
    tpacket_req3 ring{};
    ring.tp_block_size = 1 << 18;
    ring.tp_block_nr = 32;
    ring.tp_frame_size = 2048;
    ring.tp_frame_nr = ring.tp_block_size / ring.tp_frame_size * ring.tp_block_nr;
    ring.tp_retire_blk_tov = 1;
    const std::size_t size = std::size_t{ring.tp_block_size} * ring.tp_block_nr;
    void* memory = MAP_FAILED;
    if (::setsockopt(fd, SOL_PACKET, PACKET_VERSION, &version, sizeof version) == 0 &&
        ::setsockopt(fd, SOL_PACKET, PACKET_RX_RING, &ring, sizeof ring) == 0)
        memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory == MAP_FAILED) {
        std::printf("| AF_PACKET ring (TPACKET_V3) | not here | |\n");
        ::close(fd);
        return;
    }
    std::size_t at = 0;
    std::array<std::uint8_t, 2048> copy{};
    measure("AF_PACKET ring (TPACKET_V3), each frame copied out", fd, [&] {
        auto* block = reinterpret_cast<tpacket_block_desc*>(static_cast<std::uint8_t*>(memory) +
                                                            at * ring.tp_block_size);
        if ((block->hdr.bh1.block_status & TP_STATUS_USER) == 0) return 0;
        const auto n = block->hdr.bh1.num_pkts;
        auto* packet = reinterpret_cast<std::uint8_t*>(block) + block->hdr.bh1.offset_to_first_pkt;
        for (std::uint32_t i = 0; i < n; ++i) {
            const auto* header = reinterpret_cast<const tpacket3_hdr*>(packet);
            std::memcpy(copy.data(), packet + header->tp_mac, header->tp_snaplen);
            packet += header->tp_next_offset;
        }
        block->hdr.bh1.block_status = TP_STATUS_KERNEL;
        at = (at + 1) % ring.tp_block_nr;
        return static_cast<int>(n);
    });
    ::munmap(memory, size);
    ::close(fd);
}

/// The smallest io_uring that can read: rings by mmap, one enter for `kBatch` reads.
class Ring {
  public:
    bool open() {
        io_uring_params p{};
        fd_ = static_cast<int>(::syscall(SYS_io_uring_setup, kBatch, &p));
        if (fd_ < 0) return false;
        auto* sq = map(p.sq_off.array + p.sq_entries * sizeof(unsigned), IORING_OFF_SQ_RING);
        auto* cq = map(p.cq_off.cqes + p.cq_entries * sizeof(io_uring_cqe), IORING_OFF_CQ_RING);
        sqes_ = reinterpret_cast<io_uring_sqe*>(map(p.sq_entries * sizeof(io_uring_sqe), IORING_OFF_SQES));
        sq_tail_ = reinterpret_cast<unsigned*>(sq + p.sq_off.tail);
        sq_array_ = reinterpret_cast<unsigned*>(sq + p.sq_off.array);
        cq_head_ = reinterpret_cast<unsigned*>(cq + p.cq_off.head);
        cq_tail_ = reinterpret_cast<unsigned*>(cq + p.cq_off.tail);
        cqes_ = reinterpret_cast<io_uring_cqe*>(cq + p.cq_off.cqes);
        mask_ = p.sq_entries - 1;
        cq_mask_ = p.cq_entries - 1;
        return true;
    }
    /// One system call for all; frames that came.
    int read_batch(int fd, std::vector<std::array<std::uint8_t, 2048>>& frames) {
        unsigned tail = *sq_tail_;
        for (std::size_t i = 0; i < kBatch; ++i, ++tail) {
            io_uring_sqe& e = sqes_[tail & mask_];
            std::memset(&e, 0, sizeof e);
            e.opcode = IORING_OP_READ;
            e.fd = fd;
            e.addr = reinterpret_cast<std::uint64_t>(frames[i].data());
            e.len = 2048;
            e.rw_flags = 0;
            sq_array_[tail & mask_] = tail & mask_;
        }
        __atomic_store_n(sq_tail_, tail, __ATOMIC_RELEASE);
        (void)::syscall(SYS_io_uring_enter, fd_, kBatch, kBatch, IORING_ENTER_GETEVENTS, nullptr, 0);
        int got = 0;
        unsigned head = *cq_head_;
        while (head != __atomic_load_n(cq_tail_, __ATOMIC_ACQUIRE))
            got += cqes_[head++ & cq_mask_].res > 0 ? 1 : 0;
        __atomic_store_n(cq_head_, head, __ATOMIC_RELEASE);
        return got;
    }

  private:
    std::uint8_t* map(std::size_t size, off_t offset) const {
        void* memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd_, offset);
        if (memory == MAP_FAILED) die("io_uring");
        return static_cast<std::uint8_t*>(memory);
    }
    int fd_ = -1;
    io_uring_sqe* sqes_ = nullptr;
    io_uring_cqe* cqes_ = nullptr;
    unsigned *sq_tail_ = nullptr, *sq_array_ = nullptr, *cq_head_ = nullptr, *cq_tail_ = nullptr;
    unsigned mask_ = 0, cq_mask_ = 0;
};

void tap_by_io_uring() {
    Ring ring;
    if (!ring.open()) {
        std::printf("| TAP behind the bridge, io_uring | not here | |\n");
        return;
    }
    const int fd = open_tap();
    shell("ip link set tap0 master br0 up");
    std::vector<std::array<std::uint8_t, 2048>> frames(kBatch);
    measure("TAP behind the bridge, io_uring, 64 reads a call", fd,
            [&] { return ring.read_batch(fd, frames); });
    ::close(fd);
}

}  // namespace

int main() {
    if (::unshare(CLONE_NEWNET) != 0) die("a network namespace of our own (needs root)");
    shell(
        "ip link add host0 type veth peer name lan0 && ip link add br0 type bridge && ip link set lan0 "
        "master br0 up");
    shell("ip link set host0 up && ip link set br0 up && sysctl -qw net.ipv6.conf.all.disable_ipv6=1");
    std::printf("| way | CPU ns a frame | frames/s |\n|---|---|---|\n");
    for (int round = 0; round < 3; ++round) {
        tap_by_readv();
        tap_by_io_uring();
        packet_by_recvmmsg("AF_PACKET on the port, a recvmmsg a frame", 1);
        packet_by_recvmmsg("AF_PACKET on the port, a recvmmsg for up to 64", kBatch);
        packet_by_ring();
    }
    return 0;
}
