#include "tunnel/io/send_datagram.h"

#include <array>
#include <cerrno>
#include <cstring>

#include "tunnel/io/socket_address.h"

namespace isthmus::tunnel::io {

namespace {

/// Errors that the kernel keeps from an ICMP message about an earlier packet and reports once.
bool may_be_old(int error) noexcept {
    return error == ECONNREFUSED || error == EHOSTUNREACH || error == EPROTO;
}

DropReason reason_of(int error) noexcept {
    if (error == EAGAIN || error == EWOULDBLOCK || error == ENOBUFS) return DropReason::send_queue_full;
    return error == EMSGSIZE ? DropReason::exceeds_path_mtu : DropReason::send_refused;
}

}  // namespace

DropReason send_datagram(const WanSocket& socket, const Endpoint& to, Bytes datagram,
                         std::uint8_t traffic_class) noexcept {
    SocketAddress address(to);
    iovec vector{const_cast<std::uint8_t*>(datagram.data()), datagram.size()};
    alignas(cmsghdr) std::array<std::uint8_t, CMSG_SPACE(sizeof(int))> control{};
    msghdr message{};
    message.msg_name = &address.any;
    message.msg_namelen = address.size;
    message.msg_iov = &vector;
    message.msg_iovlen = 1;
    if (traffic_class != 0) {
        message.msg_control = control.data();
        message.msg_controllen = control.size();
        cmsghdr* header = CMSG_FIRSTHDR(&message);
        const bool v6 = to.address.is_v6();
        header->cmsg_level = v6 ? IPPROTO_IPV6 : IPPROTO_IP;
        header->cmsg_type = v6 ? IPV6_TCLASS : IP_TOS;
        header->cmsg_len = CMSG_LEN(sizeof(int));
        const int value = traffic_class;
        std::memcpy(CMSG_DATA(header), &value, sizeof value);
    }
    for (int attempt = 0; attempt < 2; ++attempt) {
        if (sendmsg(socket.fd(), &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) return DropReason::none;
        if (errno != EINTR && !may_be_old(errno)) break;
    }
    return reason_of(errno);
}

}  // namespace isthmus::tunnel::io
