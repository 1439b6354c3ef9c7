#include "bridge/io/fdb_monitor.h"

#include <linux/rtnetlink.h>

#include <cerrno>

#include "bridge/io/multicast_socket.h"

namespace isthmus::bridge {

struct FdbMonitor::Socket {
    MulticastSocket notices;
    std::uint32_t asked = 0;
};

FdbMonitor::FdbMonitor(std::unique_ptr<Socket> socket) : socket_(std::move(socket)) {}
FdbMonitor::FdbMonitor(FdbMonitor&&) noexcept = default;
FdbMonitor& FdbMonitor::operator=(FdbMonitor&&) noexcept = default;
FdbMonitor::~FdbMonitor() = default;

Result<FdbMonitor, NetlinkError> FdbMonitor::open() {
    MulticastOptions options;
    options.groups = RTMGRP_NEIGH;
    options.receive_queue = 8 * 1024 * 1024;  // holds 40,000 moves, with which a loop begins
    options.max_datagram = 32 * 1024;
    options.datagrams_per_drain = 2'048;
    options.doing = "open a netlink socket for the bridges' hosts";
    auto notices = MulticastSocket::open(options);
    if (!notices) return Unexpected(notices.error());
    return FdbMonitor(std::make_unique<Socket>(Socket{std::move(*notices)}));
}

int FdbMonitor::fd() const noexcept {
    return socket_->notices.fd();
}

Result<void, NetlinkError> FdbMonitor::request_all() {
    netlink::Request request = netlink::dump_fdb();
    auto* const header = reinterpret_cast<nlmsghdr*>(request.bytes.data());
    header->nlmsg_seq = ++socket_->asked;
    if (mnl_socket_sendto(socket_->notices.handle(), request.bytes.data(), request.bytes.size()) < 0)
        return Unexpected(NetlinkError{errno, "ask for the bridges' hosts", {}});
    return {};
}

FdbChanges FdbMonitor::drain() {
    FdbChanges out;
    const auto drained = socket_->notices.drain([&](const auto& message) {
        if (const auto host = netlink::parse_fdb(message)) out.hosts.push_back(*host);
    });
    out.lost = drained.lost;
    out.more = drained.more;
    return out;
}

}  // namespace isthmus::bridge
