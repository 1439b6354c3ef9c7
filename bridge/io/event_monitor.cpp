#include "bridge/io/event_monitor.h"

#include <linux/rtnetlink.h>

#include "bridge/io/multicast_socket.h"
#include "bridge/netlink/link_messages.h"

namespace isthmus::bridge {

struct EventMonitor::Socket {
    MulticastSocket notices;
};

EventMonitor::EventMonitor(std::unique_ptr<Socket> socket) : socket_(std::move(socket)) {}
EventMonitor::EventMonitor(EventMonitor&&) noexcept = default;
EventMonitor& EventMonitor::operator=(EventMonitor&&) noexcept = default;
EventMonitor::~EventMonitor() = default;

Result<EventMonitor, NetlinkError> EventMonitor::open() {
    MulticastOptions options;
    options.groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR;
    options.receive_queue = 4 * 1024 * 1024;  // a thousand TAPs come up at once
    options.max_datagram = 64 * 1024;
    options.datagrams_per_drain = 1024;
    options.doing = "open a netlink socket for events";
    auto notices = MulticastSocket::open(options);
    if (!notices) return Unexpected(notices.error());
    return EventMonitor(std::make_unique<Socket>(Socket{std::move(*notices)}));
}

int EventMonitor::fd() const noexcept {
    return socket_->notices.fd();
}

Changes EventMonitor::drain() {
    Changes out;
    const auto drained = socket_->notices.drain([&](const auto& message) {
        if (auto link = netlink::parse_link(message))
            out.links.push_back({std::move(link->link), link->removed && !link->bridge_family});
        else if (const auto address = netlink::parse_address(message))
            out.addresses.push_back({address->address, address->removed});
    });
    out.lost = drained.lost;
    out.more = drained.more;
    return out;
}

}  // namespace isthmus::bridge
