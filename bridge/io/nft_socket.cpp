#include "bridge/io/nft_socket.h"

#include <linux/netfilter/nfnetlink.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "bridge/io/netlink_handle.h"
#include "bridge/netlink/link_messages.h"
#include "bridge/netlink/message_reader.h"
#include "bridge/netlink/nft_counts.h"

namespace isthmus::bridge {

namespace {

constexpr std::size_t kReceiveBuffer = 64 * 1024;
constexpr int kSendBuffer = 4 * 1024 * 1024;  // a transaction goes in one piece
constexpr time_t kTimeoutSeconds = 5;

NetlinkError last_error(std::string doing) {
    return {errno, std::move(doing), {}};
}

nlmsghdr* header_of(netlink::Request& request) {
    return reinterpret_cast<nlmsghdr*>(request.bytes.data());
}

}  // namespace

struct NftSocket::Socket {
    NetlinkHandle handle;
    std::uint32_t sequence = 0;
    /// Most answers are short, and pages that none reaches cost nothing.
    std::unique_ptr<std::uint8_t[]> buffer = std::make_unique_for_overwrite<std::uint8_t[]>(kReceiveBuffer);

    Result<void, NetlinkError> send(Bytes bytes, const std::string& doing) {
        if (mnl_socket_sendto(handle.get(), bytes.data(), bytes.size()) < 0)
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
    /// Leftovers of a call that failed.
    void drain() {
        while (::recv(mnl_socket_get_fd(handle.get()), buffer.get(), kReceiveBuffer, MSG_DONTWAIT) > 0) {
        }
    }
};

NftSocket::NftSocket(std::unique_ptr<Socket> socket) : socket_(std::move(socket)) {}
NftSocket::NftSocket(NftSocket&&) noexcept = default;
NftSocket& NftSocket::operator=(NftSocket&&) noexcept = default;
NftSocket::~NftSocket() = default;

Result<NftSocket, NetlinkError> NftSocket::open() {
    const std::string doing = "open a netfilter socket";
    auto socket = std::make_unique<Socket>();
    socket->handle.reset(mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC));
    if (!socket->handle || mnl_socket_bind(socket->handle.get(), 0, MNL_SOCKET_AUTOPID) < 0)
        return Unexpected(last_error(doing));
    const int fd = mnl_socket_get_fd(socket->handle.get());
    int one = 1;
    (void)mnl_socket_setsockopt(socket->handle.get(), NETLINK_EXT_ACK, &one, sizeof(one));
    // Without the privilege the buffer is as large as the system's limit; a transaction beyond that is refused in words.
    if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &kSendBuffer, sizeof(kSendBuffer)) < 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &kSendBuffer, sizeof(kSendBuffer));
    const timeval timeout{kTimeoutSeconds, 0};
    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) < 0)
        return Unexpected(last_error(doing));
    return NftSocket(std::move(socket));
}

Result<void, NetlinkError> NftSocket::apply(const GuardRules& rules) {
    return commit(netlink::replace_guard_table(rules), "put the guard's rules into nftables");
}

Result<void, NetlinkError> NftSocket::remove(std::string_view table) {
    return commit(netlink::remove_guard_table(table), "remove the guard's rules from nftables");
}

Result<void, NetlinkError> NftSocket::commit(netlink::NftBatch batch, const std::string& doing) {
    socket_->drain();
    // The last message's acknowledgement comes after every other's error.
    header_of(batch.back())->nlmsg_flags |= NLM_F_ACK;
    batch.insert(batch.begin(), netlink::begin_nft_batch());
    batch.push_back(netlink::end_nft_batch());
    std::vector<std::uint8_t> all;
    const std::uint32_t first = socket_->sequence + 1;
    for (netlink::Request& request : batch) {
        header_of(request)->nlmsg_seq = ++socket_->sequence;
        all.insert(all.end(), request.bytes.begin(), request.bytes.end());
    }
    const std::uint32_t last = socket_->sequence - 1;
    if (auto sent = socket_->send(all, doing); !sent) return sent;
    while (true) {
        const auto datagram = socket_->receive(doing);
        if (!datagram) return Unexpected(datagram.error());
        netlink::MessageReader reader(*datagram);
        while (const auto message = reader.next()) {
            const auto ack = netlink::parse_acknowledgement(*message);
            if (!ack || message->sequence < first || message->sequence > last) continue;
            if (ack->error != 0) return Unexpected(NetlinkError{ack->error, doing, ack->kernel_says});
            if (message->sequence == last) return {};
        }
    }
}

Result<std::vector<RuleCount>, NetlinkError> NftSocket::counts(std::string_view table) {
    const std::string doing = "read the guard's counters from nftables";
    socket_->drain();
    netlink::Request request = netlink::dump_nft_rules(table);
    header_of(request)->nlmsg_seq = ++socket_->sequence;
    if (auto sent = socket_->send(request.bytes, doing); !sent) return Unexpected(sent.error());
    std::vector<RuleCount> out;
    while (true) {
        const auto datagram = socket_->receive(doing);
        if (!datagram) return Unexpected(datagram.error());
        netlink::MessageReader reader(*datagram);
        while (const auto message = reader.next()) {
            if (message->sequence != socket_->sequence) continue;
            if (const auto ack = netlink::parse_acknowledgement(*message)) {
                if (ack->error != 0) return Unexpected(NetlinkError{ack->error, doing, ack->kernel_says});
                return out;
            }
            const auto count = netlink::parse_rule_count(*message);
            if (!count) continue;
            const auto same = std::find_if(out.begin(), out.end(), [&](const RuleCount& r) {
                return r.device == count->device && r.what == count->what;
            });
            if (same == out.end()) {
                out.push_back(*count);
            } else {
                same->packets += count->packets;
                same->bytes += count->bytes;
            }
        }
    }
}

}  // namespace isthmus::bridge
