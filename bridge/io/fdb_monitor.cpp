#include "bridge/io/fdb_monitor.h"

#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <cerrno>

#include "bridge/io/netlink_handle.h"
#include "bridge/netlink/message_reader.h"

namespace isthmus::bridge {

namespace {

constexpr int kReceiveQueue = 8 * 1024 * 1024;  // holds 40,000 moves, with which a loop begins
constexpr std::size_t kMaxDatagram = 32 * 1024;
constexpr int kDatagramsPerCall = 2'048;

}  // namespace

struct FdbMonitor::Socket {
    NetlinkHandle handle;
    std::uint32_t asked = 0;
    std::vector<std::uint8_t> buffer = std::vector<std::uint8_t>(kMaxDatagram);
};

FdbMonitor::FdbMonitor(std::unique_ptr<Socket> socket) : socket_(std::move(socket)) {}
FdbMonitor::FdbMonitor(FdbMonitor&&) noexcept = default;
FdbMonitor& FdbMonitor::operator=(FdbMonitor&&) noexcept = default;
FdbMonitor::~FdbMonitor() = default;

Result<FdbMonitor, NetlinkError> FdbMonitor::open() {
    auto socket = std::make_unique<Socket>();
    socket->handle.reset(mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!socket->handle || mnl_socket_bind(socket->handle.get(), RTMGRP_NEIGH, MNL_SOCKET_AUTOPID) < 0)
        return Unexpected(NetlinkError{errno, "open a netlink socket for the bridges' hosts", {}});
    const int fd = mnl_socket_get_fd(socket->handle.get());
    // Beyond the system's limit only for the privileged; a smaller queue is no failure, as losses are noticed.
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &kReceiveQueue, sizeof(kReceiveQueue)) < 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &kReceiveQueue, sizeof(kReceiveQueue));
    return FdbMonitor(std::move(socket));
}

int FdbMonitor::fd() const noexcept {
    return mnl_socket_get_fd(socket_->handle.get());
}

Result<void, NetlinkError> FdbMonitor::request_all() {
    netlink::Request request = netlink::dump_fdb();
    auto* const header = reinterpret_cast<nlmsghdr*>(request.bytes.data());
    header->nlmsg_seq = ++socket_->asked;
    if (mnl_socket_sendto(socket_->handle.get(), request.bytes.data(), request.bytes.size()) < 0)
        return Unexpected(NetlinkError{errno, "ask for the bridges' hosts", {}});
    return {};
}

FdbChanges FdbMonitor::drain() {
    FdbChanges out;
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
        netlink::MessageReader reader({socket_->buffer.data(), static_cast<std::size_t>(n)});
        while (const auto message = reader.next())
            if (const auto host = netlink::parse_fdb(*message)) out.hosts.push_back(*host);
    }
    out.more = true;
    return out;
}

}  // namespace isthmus::bridge
