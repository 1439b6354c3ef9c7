#include "bridge/io/event_monitor.h"

#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <cerrno>

#include "bridge/io/netlink_handle.h"
#include "bridge/netlink/link_messages.h"

namespace isthmus::bridge {

namespace {

constexpr int kReceiveQueue = 4 * 1024 * 1024;  // a thousand TAPs come up at once
constexpr std::size_t kMaxDatagram = 64 * 1024;
constexpr int kDatagramsPerCall = 1024;

}  // namespace

struct EventMonitor::Socket {
    NetlinkHandle handle;
    std::vector<std::uint8_t> buffer = std::vector<std::uint8_t>(kMaxDatagram);

    static void digest(Bytes datagram, Changes& into) {
        netlink::MessageReader reader(datagram);
        while (const auto message = reader.next()) {
            if (auto link = netlink::parse_link(*message))
                into.links.push_back({std::move(link->link), link->removed && !link->bridge_family});
            else if (const auto address = netlink::parse_address(*message))
                into.addresses.push_back({address->address, address->removed});
        }
        if (reader.truncated()) into.lost = true;
    }
};

EventMonitor::EventMonitor(std::unique_ptr<Socket> socket) : socket_(std::move(socket)) {}
EventMonitor::EventMonitor(EventMonitor&&) noexcept = default;
EventMonitor& EventMonitor::operator=(EventMonitor&&) noexcept = default;
EventMonitor::~EventMonitor() = default;

Result<EventMonitor, NetlinkError> EventMonitor::open() {
    const std::string doing = "open a netlink socket for events";
    auto socket = std::make_unique<Socket>();
    socket->handle.reset(mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK));
    const unsigned groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR;
    if (!socket->handle || mnl_socket_bind(socket->handle.get(), groups, MNL_SOCKET_AUTOPID) < 0)
        return Unexpected(NetlinkError{errno, doing, {}});
    const int fd = mnl_socket_get_fd(socket->handle.get());
    // Beyond the system's limit only for the privileged; a smaller queue is no failure, as losses are noticed.
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &kReceiveQueue, sizeof(kReceiveQueue)) < 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &kReceiveQueue, sizeof(kReceiveQueue));
    return EventMonitor(std::move(socket));
}

int EventMonitor::fd() const noexcept {
    return mnl_socket_get_fd(socket_->handle.get());
}

Changes EventMonitor::drain() {
    Changes out;
    for (int i = 0; i < kDatagramsPerCall; ++i) {
        const ssize_t n =
            mnl_socket_recvfrom(socket_->handle.get(), socket_->buffer.data(), socket_->buffer.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 &&
            (errno == ENOBUFS || errno == ENOSPC)) {  // libmnl says ENOSPC where a datagram was cut off
            out.lost = true;
            continue;
        }
        if (n < 0) return out;
        Socket::digest({socket_->buffer.data(), static_cast<std::size_t>(n)}, out);
    }
    out.more = true;
    return out;
}

}  // namespace isthmus::bridge
