#include "tunnel/io/wan_socket.h"

#include <netinet/udp.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <utility>

#include "tunnel/io/socket_address.h"

#ifndef UDP_GRO
#define UDP_GRO 104
#endif

namespace isthmus::tunnel::io {

namespace {

using Kind = WanSocketError::Kind;

bool set_int(int fd, int level, int name, int value) noexcept {
    return ::setsockopt(fd, level, name, &value, sizeof value) == 0;
}

std::string protocol_words(WanProtocol protocol) {
    switch (protocol) {
        case WanProtocol::udp: return "UDP";
        case WanProtocol::esp: return "IP protocol 50 (ESP)";
        case WanProtocol::l2tp: return "IP protocol 115 (L2TPv3)";
    }
    return {};
}

WanSocketError open_error(WanProtocol protocol, int error) {
    if (error == EPERM || error == EACCES)
        return {Kind::not_permitted,
                "opening a socket for " + protocol_words(protocol) +
                    " needs CAP_NET_RAW: start isthmusd as root or through its systemd unit"};
    return {Kind::failed,
            "cannot open a socket for " + protocol_words(protocol) + ": " + std::strerror(error)};
}

WanSocketError option_error(const char* what, int error) {
    return {Kind::failed, std::string("cannot set ") + what + " on a socket: " + std::strerror(error)};
}

WanSocketError bind_error(WanProtocol protocol, const Endpoint& local, int error) {
    const std::string port = std::to_string(local.port);
    if (error == EADDRNOTAVAIL)
        return {Kind::waiting, "address " + local.address.text() + " is on no interface of this host yet"};
    if (error == EADDRINUSE)
        return {Kind::in_use, "UDP port " + port + " on " + local.address.text() +
                                  " is in use by another program (`ss -ulpn 'sport = :" + port +
                                  "'` names it): stop that program, or give this tunnel another local_port"};
    if (error == EACCES || error == EPERM)
        return {Kind::not_permitted,
                "binding UDP port " + port +
                    " needs CAP_NET_BIND_SERVICE: start isthmusd as root, or use a port from 1024 on"};
    return {Kind::failed,
            "cannot bind " + protocol_words(protocol) + " to " + local.text() + ": " + std::strerror(error)};
}

/// Asks for `bytes` and returns what was granted. The forced variant passes the system's limit where it is
/// permitted.
std::size_t grow_buffer(int fd, int forced, int plain, std::size_t bytes) noexcept {
    const int wanted = static_cast<int>(std::min<std::size_t>(bytes, INT_MAX / 2));
    if (!set_int(fd, SOL_SOCKET, forced, wanted)) static_cast<void>(set_int(fd, SOL_SOCKET, plain, wanted));
    int granted = 0;
    socklen_t size = sizeof granted;
    if (::getsockopt(fd, SOL_SOCKET, plain, &granted, &size) != 0) return 0;
    return static_cast<std::size_t>(granted);
}

}  // namespace

Result<WanSocket, WanSocketError> WanSocket::open(const WanSocketOptions& options) {
    const bool udp = options.protocol == WanProtocol::udp;
    const int family = options.local.address.is_v6() ? AF_INET6 : AF_INET;
    const int type = (udp ? SOCK_DGRAM : SOCK_RAW) | SOCK_NONBLOCK | SOCK_CLOEXEC;
    const int fd = ::socket(family, type, static_cast<int>(options.protocol));
    if (fd < 0) return Unexpected(open_error(options.protocol, errno));

    WanSocket socket(fd, options);
    if (!udp) socket.local_.port = 0;
    if (auto set = socket.set_options(options); !set) return Unexpected(set.error());
    if (auto bound = socket.bind_local(); !bound) return Unexpected(bound.error());
    return socket;
}

Result<void, WanSocketError> WanSocket::set_options(const WanSocketOptions& options) {
    if (local_.address.is_v6()) {
        // Raw sockets have no such option: they are of one family anyway.
        if (protocol_ == WanProtocol::udp && !set_int(fd_, IPPROTO_IPV6, IPV6_V6ONLY, 1))
            return Unexpected(option_error("IPV6_V6ONLY", errno));
        if (!set_int(fd_, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE))
            return Unexpected(option_error("IPV6_MTU_DISCOVER", errno));
        if (!set_int(fd_, IPPROTO_IPV6, IPV6_DONTFRAG, 1))
            return Unexpected(option_error("IPV6_DONTFRAG", errno));
        if (!set_int(fd_, IPPROTO_IPV6, IPV6_RECVTCLASS, 1))
            return Unexpected(option_error("IPV6_RECVTCLASS", errno));
    } else {
        if (!set_int(fd_, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE))
            return Unexpected(option_error("IP_MTU_DISCOVER", errno));
        if (!set_int(fd_, IPPROTO_IP, IP_RECVTOS, 1)) return Unexpected(option_error("IP_RECVTOS", errno));
    }
    if (protocol_ == WanProtocol::udp && options.receive_runs)
        receives_runs_ = set_int(fd_, IPPROTO_UDP, UDP_GRO, 1);  // kernels before 5.0 do without
    receive_buffer_ = grow_buffer(fd_, SO_RCVBUFFORCE, SO_RCVBUF, options.receive_buffer);
    send_buffer_ = grow_buffer(fd_, SO_SNDBUFFORCE, SO_SNDBUF, options.send_buffer);
    return {};
}

Result<void, WanSocketError> WanSocket::bind_local() {
    SocketAddress address(local_);
    if (::bind(fd_, &address.any, address.size) != 0) return Unexpected(bind_error(protocol_, local_, errno));
    if (protocol_ != WanProtocol::udp || local_.port != 0) return {};
    if (::getsockname(fd_, &address.any, &address.size) != 0)
        return Unexpected(bind_error(protocol_, local_, errno));
    local_.port = address.endpoint().port;
    return {};
}

WanSocket::WanSocket(WanSocket&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      protocol_(other.protocol_),
      local_(other.local_),
      receives_runs_(other.receives_runs_),
      refused_runs_(std::move(other.refused_runs_)),
      receive_buffer_(other.receive_buffer_),
      send_buffer_(other.send_buffer_) {}

WanSocket& WanSocket::operator=(WanSocket&& other) noexcept {
    std::swap(fd_, other.fd_);
    std::swap(protocol_, other.protocol_);
    std::swap(local_, other.local_);
    std::swap(receives_runs_, other.receives_runs_);
    std::swap(refused_runs_, other.refused_runs_);
    std::swap(receive_buffer_, other.receive_buffer_);
    std::swap(send_buffer_, other.send_buffer_);
    return *this;
}

WanSocket::~WanSocket() {
    if (fd_ >= 0) ::close(fd_);
}

}  // namespace isthmus::tunnel::io
