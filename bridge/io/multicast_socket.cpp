#include "bridge/io/multicast_socket.h"

#include <sys/socket.h>

#include <cerrno>

namespace isthmus::bridge {

Result<MulticastSocket, NetlinkError> MulticastSocket::open(const MulticastOptions& options) {
    NetlinkHandle handle(mnl_socket_open2(options.bus, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!handle || mnl_socket_bind(handle.get(), options.groups, MNL_SOCKET_AUTOPID) < 0)
        return Unexpected(NetlinkError{errno, options.doing, {}});
    const int fd = mnl_socket_get_fd(handle.get());
    const int queue = options.receive_queue;
    // Beyond the system's limit only for the privileged.
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &queue, sizeof(queue)) < 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &queue, sizeof(queue));
    return MulticastSocket(std::move(handle), options);
}

MulticastSocket::Arrival MulticastSocket::receive() noexcept {
    const ssize_t n = mnl_socket_recvfrom(handle_.get(), buffer_.data(), buffer_.size());
    if (n >= 0) return {Arrival::Kind::datagram, static_cast<std::size_t>(n)};
    if (errno == EINTR) return {Arrival::Kind::again, 0};
    // libmnl says ENOSPC where a datagram was cut off
    if (errno == ENOBUFS || errno == ENOSPC) return {Arrival::Kind::lost, 0};
    return {Arrival::Kind::nothing, 0};
}

}  // namespace isthmus::bridge
