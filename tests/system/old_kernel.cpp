// Preloaded into a daemon: a kernel that does less. OLD_KERNEL is a list of words: checksum, tso4, tso6, tso_ecn, uso (offloads that
// TAPs refuse), udp_gro (no such socket option), udp_segment=ERRNO (sends of runs fail with it), nftables (no netfilter sockets, as
// without the module nfnetlink).
#include <dlfcn.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdarg>
#include <cstdlib>
#include <cstring>
#include <string>

namespace {

// linux/if_tun.h and linux/udp.h; older headers lack some.
constexpr unsigned long kTunSetOffload = 0x400454d0;
constexpr int kUdpSegment = 103;
constexpr int kUdpGro = 104;

std::string words() {
    const char* list = std::getenv("OLD_KERNEL");
    return " " + std::string(list != nullptr ? list : "") + " ";
}

bool lacks(const char* word) {
    return words().find(" " + std::string(word) + " ") != std::string::npos;
}

unsigned long refused_offloads() {
    return (lacks("checksum") ? 0x01UL : 0) | (lacks("tso4") ? 0x02UL : 0) | (lacks("tso6") ? 0x04UL : 0) |
           (lacks("tso_ecn") ? 0x08UL : 0) | (lacks("uso") ? 0x60UL : 0);
}

/// 0: runs are sent.
int run_error() {
    const std::string list = words();
    const auto at = list.find(" udp_segment=");
    return at == std::string::npos ? 0 : std::atoi(list.c_str() + at + std::strlen(" udp_segment="));
}

bool is_run(msghdr& header) {
    for (cmsghdr* c = CMSG_FIRSTHDR(&header); c != nullptr; c = CMSG_NXTHDR(&header, c))
        if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == kUdpSegment) return true;
    return false;
}

template <class Function>
Function* real(const char* name) noexcept {
    return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

int refuse(int error) noexcept {
    errno = error;
    return -1;
}

}  // namespace

// What the C library declares, with the refusals in front.
extern "C" {
int ioctl(int fd, unsigned long request, ...) {
    static auto* const next = real<int(int, unsigned long, void*)>("ioctl");
    static const unsigned long refused = refused_offloads();
    va_list rest;
    va_start(rest, request);
    void* const argument = va_arg(rest, void*);
    va_end(rest);
    if (request == kTunSetOffload && (reinterpret_cast<unsigned long>(argument) & refused) != 0)
        return refuse(EINVAL);
    return next(fd, request, argument);
}
int socket(int domain, int type, int protocol) noexcept {
    static auto* const next = real<decltype(::socket)>("socket");
    static const bool no_nftables = lacks("nftables");
    if (no_nftables && domain == AF_NETLINK && protocol == NETLINK_NETFILTER) return refuse(EPROTONOSUPPORT);
    return next(domain, type, protocol);
}
int setsockopt(int fd, int level, int name, const void* value, socklen_t size) {
    static auto* const next = real<decltype(::setsockopt)>("setsockopt");
    static const bool no_gro = lacks("udp_gro");
    if (no_gro && level == IPPROTO_UDP && name == kUdpGro) return refuse(ENOPROTOOPT);
    return next(fd, level, name, value, size);
}
int sendmmsg(int fd, mmsghdr* messages, unsigned n, int flags) {
    static auto* const next = real<decltype(::sendmmsg)>("sendmmsg");
    static const int error = run_error();
    unsigned before = 0;
    while (before < n && (error == 0 || !is_run(messages[before].msg_hdr))) ++before;
    if (n > 0 && before == 0) return refuse(error);
    return next(fd, messages, before, flags);
}
}
