// blast: packet load for the bench, 32 packets a system call.
//   blast send DST PORT SIZES RATE SECS    SIZES: UDP payload bytes, as "64" or "18x7,548x4,1472x1"; RATE 0 = as fast as it goes
//   blast recv BIND PORT MAXSECS           ends 0.4 s after the last packet
//   blast frames SIZE RATE SECS VIDS MACS INTERFACE...
//                                          Ethernet frames out of interfaces in turn; VIDS, MACS: how many tags and source
//                                          addresses to rotate through (VIDS 0 = untagged)
// Each prints one JSON object. Sequence numbers in the payload give loss and reordering.
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

namespace {

constexpr std::size_t kBatch = 32;
constexpr std::size_t kBuffer = 2048;

struct Batch {
    std::uint8_t bytes[kBatch][kBuffer] = {};
    iovec parts[kBatch] = {};
    mmsghdr messages[kBatch] = {};
    Batch() {
        for (std::size_t i = 0; i < kBatch; ++i) {
            parts[i] = {bytes[i], kBuffer};
            messages[i].msg_hdr.msg_iov = &parts[i];
            messages[i].msg_hdr.msg_iovlen = 1;
        }
    }
};

double now() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

[[noreturn]] void die(const char* what) {
    std::perror(what);
    std::exit(1);
}

sockaddr_in address(const char* host, const char* port) {
    sockaddr_in a{};
    a.sin_family = AF_INET;
    a.sin_port = htons(static_cast<std::uint16_t>(std::atoi(port)));
    if (inet_pton(AF_INET, host, &a.sin_addr) != 1) die(host);
    return a;
}

/// "18x7,548x4" becomes a cycle of sizes, mixed so that no size comes in one lump.
std::vector<std::size_t> size_cycle(const std::string& text) {
    std::vector<std::pair<std::size_t, std::size_t>> parts;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = std::min(text.find(',', at), text.size());
        const std::string part = text.substr(at, end - at);
        const std::size_t times = part.find('x');
        parts.emplace_back(std::stoul(part),
                           times == std::string::npos ? 1 : std::stoul(part.substr(times + 1)));
        at = end + 1;
    }
    std::vector<std::size_t> out;
    for (bool any = true; any;) {
        any = false;
        for (auto& [size, left] : parts) {
            if (left == 0) continue;
            out.push_back(size);
            --left;
            any = true;
        }
    }
    for (const std::size_t size : out) {
        if (size < 8 || size > kBuffer) {
            std::fprintf(stderr, "sizes are 8 to %zu\n", kBuffer);
            std::exit(2);
        }
    }
    return out;
}

/// Calls send(count) with up to kBatch packets at a time, at `rate` a second or as fast as it goes; returns packets sent.
template <class Send>
std::uint64_t pace(double rate, double secs, double& took, Send send) {
    const double start = now();
    std::uint64_t sent = 0;
    for (double t = 0; t < secs; t = now() - start) {
        const std::uint64_t due = rate > 0 ? static_cast<std::uint64_t>(rate * t) : sent + kBatch;
        if (due <= sent) {
            std::this_thread::sleep_for(std::chrono::microseconds(100));
            continue;
        }
        sent += send(sent, static_cast<std::size_t>(std::min<std::uint64_t>(due - sent, kBatch)));
    }
    took = now() - start;
    return sent;
}

bool passing(int error) {
    return error == ECONNREFUSED || error == ENOBUFS || error == EAGAIN || error == ENETDOWN;
}

int send_udp(char** v) {
    static Batch batch;
    const sockaddr_in to = address(v[2], v[3]);
    const int fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) die("connect");
    const auto sizes = size_cycle(v[4]);
    double took = 0;
    std::uint64_t errors = 0;
    const std::uint64_t sent =
        pace(std::atof(v[5]), std::atof(v[6]), took, [&](std::uint64_t first, std::size_t count) {
            for (std::size_t i = 0; i < count; ++i) {
                const std::uint64_t number = first + i;
                std::memcpy(batch.bytes[i], &number, sizeof number);
                batch.parts[i].iov_len = sizes[number % sizes.size()];
            }
            const int done = sendmmsg(fd, batch.messages, static_cast<unsigned>(count), 0);
            if (done > 0) return static_cast<std::uint64_t>(done);
            if (!passing(errno)) die("sendmmsg");
            ++errors;
            return std::uint64_t{0};
        });
    std::printf("{\"sent\":%llu,\"secs\":%.4f,\"errors\":%llu}\n", static_cast<unsigned long long>(sent),
                took, static_cast<unsigned long long>(errors));
    return 0;
}

int receive_udp(char** v) {
    static Batch batch;
    const sockaddr_in here = address(v[2], v[3]);
    const int fd = socket(AF_INET, SOCK_DGRAM, 0);
    const int space = 8 << 20;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &space, sizeof space);
    if (bind(fd, reinterpret_cast<const sockaddr*>(&here), sizeof here) != 0) die("bind");
    std::puts("ready");
    std::fflush(stdout);
    const double end = now() + std::atof(v[4]);
    double first = 0, last = 0;
    std::uint64_t packets = 0, bytes = 0, highest = 0, behind = 0;
    while (now() < end) {
        pollfd wait{fd, POLLIN, 0};
        if (poll(&wait, 1, 100) == 0) {
            if (packets > 0 && now() - last > 0.4) break;
            continue;
        }
        const int got = recvmmsg(fd, batch.messages, kBatch, MSG_DONTWAIT, nullptr);
        if (got <= 0) continue;
        last = now();
        if (packets == 0) first = last;
        for (int i = 0; i < got; ++i) {
            std::uint64_t number = 0;
            std::memcpy(&number, batch.bytes[i], sizeof number);
            if (packets > 0 && number < highest)
                ++behind;
            else
                highest = number;
            ++packets;
            bytes += batch.messages[i].msg_len;
        }
    }
    std::printf("{\"received\":%llu,\"bytes\":%llu,\"secs\":%.4f,\"behind\":%llu}\n",
                static_cast<unsigned long long>(packets), static_cast<unsigned long long>(bytes),
                last - first, static_cast<unsigned long long>(behind));
    return 0;
}

/// destination (unicast, made up), source `mac`, tag `vid` if not 0, local experimental EtherType.
void fill_header(std::uint8_t* frame, std::uint32_t mac, std::uint16_t vid) {
    const std::uint8_t to[6] = {0x02, 0xee, 0, 0, 0, 1};
    const std::uint8_t from[6] = {0x02,
                                  0xdd,
                                  std::uint8_t(mac >> 24),
                                  std::uint8_t(mac >> 16),
                                  std::uint8_t(mac >> 8),
                                  std::uint8_t(mac)};
    std::memcpy(frame, to, 6);
    std::memcpy(frame + 6, from, 6);
    std::uint8_t* type = frame + 12;
    if (vid != 0) {
        const std::uint8_t tag[4] = {0x81, 0x00, std::uint8_t(vid >> 8), std::uint8_t(vid)};
        std::memcpy(type, tag, 4);
        type += 4;
    }
    type[0] = 0x88;
    type[1] = 0xb5;
}

int send_frames(int c, char** v) {
    static Batch batch;
    const std::size_t size = std::stoul(v[2]);
    const std::uint64_t vids = std::stoul(v[5]), macs = std::max(1UL, std::stoul(v[6]));
    if (size < 60 || size > kBuffer || vids > 4094) return 2;
    // One socket and whole batches however many interfaces there are: a frame costs the sender the same.
    const int fd = socket(AF_PACKET, SOCK_RAW, 0);
    if (fd < 0) die("socket");
    std::vector<sockaddr_ll> interfaces;
    for (int i = 7; i < c; ++i) {
        sockaddr_ll at{};
        at.sll_family = AF_PACKET;
        at.sll_ifindex = static_cast<int>(if_nametoindex(v[i]));
        if (at.sll_ifindex == 0) die(v[i]);
        interfaces.push_back(at);
    }
    std::size_t turn = 0;
    std::uint64_t errors = 0;
    double took = 0;
    const std::uint64_t sent =
        pace(std::atof(v[3]), std::atof(v[4]), took, [&](std::uint64_t first, std::size_t count) {
            for (std::size_t i = 0; i < count; ++i) {
                const std::uint64_t number = first + i;
                fill_header(batch.bytes[i], static_cast<std::uint32_t>(number % macs),
                            vids == 0 ? std::uint16_t{0} : static_cast<std::uint16_t>(1 + number % vids));
                batch.parts[i].iov_len = size;
                batch.messages[i].msg_hdr.msg_name = &interfaces[turn++ % interfaces.size()];
                batch.messages[i].msg_hdr.msg_namelen = sizeof(sockaddr_ll);
            }
            const int done = sendmmsg(fd, batch.messages, static_cast<unsigned>(count), 0);
            if (done > 0) return static_cast<std::uint64_t>(done);
            if (!passing(errno)) die("sendmmsg");
            ++errors;
            return std::uint64_t{0};
        });
    std::printf("{\"sent\":%llu,\"secs\":%.4f,\"errors\":%llu}\n", static_cast<unsigned long long>(sent),
                took, static_cast<unsigned long long>(errors));
    return 0;
}

}  // namespace

int main(int c, char** v) {
    const std::string mode = c > 1 ? v[1] : "";
    if (mode == "send" && c == 7) return send_udp(v);
    if (mode == "recv" && c == 5) return receive_udp(v);
    if (mode == "frames" && c > 7) return send_frames(c, v);
    std::fprintf(stderr, "usage: see the head of blast.cpp\n");
    return 2;
}
