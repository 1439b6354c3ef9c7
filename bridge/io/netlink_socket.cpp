#include "bridge/io/netlink_socket.h"

#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "bridge/io/netlink_handle.h"
#include "bridge/io/sysctl.h"
#include "bridge/netlink/link_messages.h"
#include "bridge/netlink/link_requests.h"

namespace isthmus::bridge {

namespace {

constexpr int kDumpTries = 5;
constexpr std::size_t kReceiveBuffer = 256 * 1024;  // one link with 4,094 VLANs, uncompressed, takes 33 KB
constexpr time_t kTimeoutSeconds = 5;

NetlinkError last_error(std::string doing) {
    return {errno, std::move(doing), {}};
}

}  // namespace

struct NetlinkSocket::Socket {
    NetlinkHandle handle;
    std::uint32_t sequence = 0;
    /// Most answers are short, and pages that none reaches cost nothing.
    std::unique_ptr<std::uint8_t[]> buffer = std::make_unique_for_overwrite<std::uint8_t[]>(kReceiveBuffer);

    bool interrupted = false;  ///< the dump saw a table that changed under it

    Result<void, NetlinkError> send(netlink::Request& request, const std::string& doing) {
        auto* header = reinterpret_cast<nlmsghdr*>(request.bytes.data());
        header->nlmsg_seq = ++sequence;
        if (mnl_socket_sendto(handle.get(), request.bytes.data(), request.bytes.size()) < 0)
            return Unexpected(last_error(doing));
        return {};
    }

    Result<Bytes, NetlinkError> receive(const std::string& doing) {
        while (true) {
            const ssize_t n = mnl_socket_recvfrom(handle.get(), buffer.get(), kReceiveBuffer);
            if (n >= 0) return Bytes{buffer.get(), static_cast<std::size_t>(n)};
            if (errno == EINTR) continue;
            if (errno == EAGAIN)
                return Unexpected(NetlinkError{ETIMEDOUT, doing, "the kernel did not answer"});
            return Unexpected(last_error(doing));
        }
    }

    /// One datagram of an answer. True: it was the last.
    Result<bool, NetlinkError> digest(Bytes datagram, const std::string& doing,
                                      const std::function<void(const netlink::MessageView&)>& each) {
        netlink::MessageReader reader(datagram);
        while (const auto message = reader.next()) {
            if (message->sequence != sequence) continue;  // the late answer to a request that timed out
            interrupted = interrupted || (message->flags & NLM_F_DUMP_INTR) != 0;
            if (message->type == NLMSG_ERROR || message->type == NLMSG_DONE) {
                const auto ack = netlink::parse_acknowledgement(*message);
                if (!ack) return Unexpected(NetlinkError{EBADMSG, doing, "malformed acknowledgement"});
                if (ack->error != 0) return Unexpected(NetlinkError{ack->error, doing, ack->kernel_says});
                return true;
            }
            each(*message);
            if ((message->flags & NLM_F_MULTI) == 0) return true;
        }
        return false;
    }
};

NetlinkSocket::NetlinkSocket(std::unique_ptr<Socket> socket) : socket_(std::move(socket)) {}
NetlinkSocket::NetlinkSocket(NetlinkSocket&&) noexcept = default;
NetlinkSocket& NetlinkSocket::operator=(NetlinkSocket&&) noexcept = default;
NetlinkSocket::~NetlinkSocket() = default;

Result<NetlinkSocket, NetlinkError> NetlinkSocket::open() {
    const std::string doing = "open a netlink socket";
    auto socket = std::make_unique<Socket>();
    socket->handle.reset(mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC));
    if (!socket->handle || mnl_socket_bind(socket->handle.get(), 0, MNL_SOCKET_AUTOPID) < 0)
        return Unexpected(last_error(doing));
    int one = 1;
    // Both only make errors say more; kernels before 4.12 do without.
    (void)mnl_socket_setsockopt(socket->handle.get(), NETLINK_EXT_ACK, &one, sizeof(one));
    (void)mnl_socket_setsockopt(socket->handle.get(), NETLINK_CAP_ACK, &one, sizeof(one));
    const timeval timeout{kTimeoutSeconds, 0};
    if (setsockopt(mnl_socket_get_fd(socket->handle.get()), SOL_SOCKET, SO_RCVTIMEO, &timeout,
                   sizeof(timeout)) < 0)
        return Unexpected(last_error(doing));
    return NetlinkSocket(std::move(socket));
}

Result<void, NetlinkError> NetlinkSocket::change(netlink::Request request, std::string doing) {
    return ask(
        std::move(request), std::move(doing), [] {}, [](const netlink::MessageView&) {});
}

Result<void, NetlinkError> NetlinkSocket::ask(netlink::Request request, std::string doing,
                                              const std::function<void()>& restart,
                                              const std::function<void(const netlink::MessageView&)>& each) {
    for (int i = 0; i < kDumpTries; ++i) {
        restart();
        socket_->interrupted = false;
        if (auto sent = socket_->send(request, doing); !sent) return sent;
        bool last = false;
        while (!last) {
            const auto datagram = socket_->receive(doing);
            if (!datagram) return Unexpected(datagram.error());
            auto digested = socket_->digest(*datagram, doing, each);
            if (!digested) return Unexpected(std::move(digested).error());
            last = *digested;
        }
        if (!socket_->interrupted) return {};
    }
    return Unexpected(NetlinkError{EINTR, std::move(doing), "interfaces changed all the while"});
}

Result<Link, NetlinkError> NetlinkSocket::link(std::string_view name) {
    return one_link(netlink::get_link(name), "look at interface " + std::string(name));
}

Result<Link, NetlinkError> NetlinkSocket::link(IfIndex index) {
    return one_link(netlink::get_link(index), "look at interface number " + std::to_string(raw(index)));
}

Result<Link, NetlinkError> NetlinkSocket::one_link(netlink::Request request, std::string doing) {
    std::optional<Link> found;
    auto answered = ask(
        std::move(request), doing, [&] { found.reset(); },
        [&](const netlink::MessageView& m) {
            if (auto parsed = netlink::parse_link(m)) found = std::move(parsed->link);
        });
    if (!answered) return Unexpected(std::move(answered).error());
    if (!found) return Unexpected(NetlinkError{EBADMSG, std::move(doing), "malformed answer"});
    return std::move(*found);
}

Result<std::uint32_t, NetlinkError> NetlinkSocket::carrier_changes(IfIndex index) {
    const std::string doing = "count the links of interface number " + std::to_string(raw(index));
    std::optional<std::uint32_t> found;
    auto answered = ask(
        netlink::get_link(index), doing, [&] { found.reset(); },
        [&](const netlink::MessageView& m) { found = netlink::parse_carrier_changes(m); });
    if (!answered) return Unexpected(std::move(answered).error());
    if (!found) return Unexpected(NetlinkError{EBADMSG, doing, "malformed answer"});
    return *found;
}

Result<std::vector<InterfaceAddress>, NetlinkError> NetlinkSocket::addresses() {
    std::vector<InterfaceAddress> found;
    auto answered = ask(
        netlink::dump_addresses(), "list addresses", [&] { found.clear(); },
        [&](const netlink::MessageView& m) {
            if (const auto parsed = netlink::parse_address(m)) found.push_back(parsed->address);
        });
    if (!answered) return Unexpected(std::move(answered).error());
    return found;
}

Result<ActualState, NetlinkError> dump_state(NetlinkSocket& socket) {
    ActualState state;
    auto links = socket.ask(
        netlink::dump_links(), "list interfaces", [&] { state.links.clear(); },
        [&](const netlink::MessageView& m) {
            if (auto parsed = netlink::parse_link(m)) state.links.push_back(std::move(parsed->link));
        });
    if (!links) return Unexpected(std::move(links).error());

    std::vector<std::pair<IfIndex, VlanTable>> vlans;
    auto bridges = socket.ask(
        netlink::dump_bridge_vlans(), "list VLANs of bridge ports", [&] { vlans.clear(); },
        [&](const netlink::MessageView& m) {
            if (auto parsed = netlink::parse_link(m))
                vlans.emplace_back(parsed->link.index, parsed->link.vlans);
        });
    // EOPNOTSUPP: no bridge module, so no VLANs either.
    if (!bridges && bridges.error().code != EOPNOTSUPP) return Unexpected(std::move(bridges).error());
    for (auto& [index, table] : vlans)
        for (auto& link : state.links)
            if (link.index == index) link.vlans = table;

    auto addresses = socket.addresses();
    if (!addresses) return Unexpected(std::move(addresses).error());
    state.addresses = std::move(*addresses);

    state.netfilter = read_bridge_netfilter();
    state.ipv6_disabled_by_default = read_flag(ipv6_sysctl("default", "disable_ipv6")).value_or(false);
    return state;
}

}  // namespace isthmus::bridge
