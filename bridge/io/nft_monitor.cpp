#include "bridge/io/nft_monitor.h"

#include <linux/netfilter/nfnetlink.h>

#include "bridge/io/multicast_socket.h"
#include "bridge/netlink/nft_events.h"

namespace isthmus::bridge {

struct NftMonitor::Socket {
    MulticastSocket notices;
    netlink::NftLosses losses;
};

NftMonitor::NftMonitor(std::unique_ptr<Socket> socket) : socket_(std::move(socket)) {}
NftMonitor::NftMonitor(NftMonitor&&) noexcept = default;
NftMonitor& NftMonitor::operator=(NftMonitor&&) noexcept = default;
NftMonitor::~NftMonitor() = default;

Result<NftMonitor, NetlinkError> NftMonitor::open() {
    MulticastOptions options;
    options.bus = NETLINK_NETFILTER;
    options.groups = 1U << (NFNLGRP_NFTABLES - 1);
    options.receive_queue =
        8 * 1024 * 1024;  // our own tables with 4,094 VLANs on several ports are told element by element
    options.max_datagram = 64 * 1024;
    options.datagrams_per_drain = 1'024;
    options.doing = "open a netfilter socket for notices";
    auto notices = MulticastSocket::open(options);
    if (!notices) return Unexpected(notices.error());
    return NftMonitor(std::make_unique<Socket>(Socket{std::move(*notices), {}}));
}

int NftMonitor::fd() const noexcept {
    return socket_->notices.fd();
}

RuleLosses NftMonitor::drain() {
    const auto drained =
        socket_->notices.drain([this](const auto& message) { socket_->losses.on_message(message); });
    return {socket_->losses.take(), drained.lost, drained.more};
}

}  // namespace isthmus::bridge
