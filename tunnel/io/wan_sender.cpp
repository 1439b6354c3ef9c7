#include "tunnel/io/wan_sender.h"

#include <netinet/udp.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

namespace isthmus::tunnel::io {

/// What the kernel is handed. `vectors` and `order` run in parallel: one packet each, in the order of sending. Nothing is read
/// before it was written, and memory that is never written costs none.
struct WanSender::Arrays {
    std::array<std::uint16_t, PacketBatch::kCapacity> order;
    std::array<iovec, PacketBatch::kCapacity> vectors;
    std::array<mmsghdr, PacketBatch::kCapacity> headers;
    std::array<Message, PacketBatch::kCapacity> messages;
    std::array<ControlData, PacketBatch::kCapacity> controls;
    // the packets of a refused run
    std::array<mmsghdr, kMaxSegments> single_headers;
    std::array<Message, kMaxSegments> single_messages;
    std::array<ControlData, kMaxSegments> single_controls;
};

namespace {

void append_control(msghdr& header, std::size_t capacity, int level, int type, const void* value,
                    std::size_t size) noexcept {
    header.msg_controllen += CMSG_SPACE(size);
    if (header.msg_controllen > capacity) return;  // kControlSize holds both kinds: cannot be
    auto* at = reinterpret_cast<cmsghdr*>(static_cast<std::uint8_t*>(header.msg_control) +
                                          header.msg_controllen - CMSG_SPACE(size));
    at->cmsg_level = level;
    at->cmsg_type = type;
    at->cmsg_len = CMSG_LEN(size);
    std::memcpy(CMSG_DATA(at), value, size);
}

/// Refusals of UDP_SEGMENT itself: no checksum offload on the device or an XFRM policy (EIO), segment larger
/// than the device's MTU or options that exclude it (EINVAL, EMSGSIZE).
bool may_be_about_runs(int error) noexcept {
    return error == EIO || error == EINVAL || error == EMSGSIZE;
}

/// Errors that the kernel keeps from an ICMP message about an earlier packet and reports once.
bool may_be_old(int error) noexcept {
    return error == ECONNREFUSED || error == EHOSTUNREACH || error == EPROTO;
}

}  // namespace

WanSender::WanSender(const WanSocket& socket, WanSenderOptions options, SocketCalls& calls)
    : socket_(socket),
      options_(options),
      calls_(calls),
      peers_(std::make_shared<const PeerTable>()),
      arrays_(std::make_unique_for_overwrite<Arrays>()) {
    if (socket.protocol() != WanProtocol::udp) options_.send_runs = false;
}

WanSender::~WanSender() = default;

void WanSender::send(PacketBatch& batch, DropLedger& ledger) noexcept {
    put_in_order(batch);
    const std::size_t count = build_messages(batch);
    if (rest_ > 0) --rest_;
    int patience_ms = options_.patience_ms;
    flush(batch, {arrays_->headers.data(), arrays_->messages.data(), count}, patience_ms);
    batch.sweep(ledger);
    batch.clear();
}

void WanSender::put_in_order(const PacketBatch& batch) noexcept {
    std::size_t at = 0;
    const auto put = [&](bool control) {
        for (std::size_t i = 0; i < batch.size(); ++i) {
            if (!options_.control_first || batch[i].meta.control == control)
                arrays_->order[at++] = static_cast<std::uint16_t>(i);
        }
    };
    put(true);
    if (options_.control_first) put(false);
}

std::size_t WanSender::build_messages(PacketBatch& batch) noexcept {
    std::size_t count = 0;
    Message* last = nullptr;
    for (std::size_t i = 0; i < batch.size(); ++i) {
        PacketBuffer& packet = batch[arrays_->order[i]];
        arrays_->vectors[i] = {packet.data().data(), packet.size()};
        const SocketAddress* to = peers_->find(packet.meta.tunnel);
        if (last != nullptr && extends(*last, batch[arrays_->order[i - 1]], packet, to)) {
            ++last->count;
            last->bytes += static_cast<std::uint32_t>(packet.size());
            continue;
        }
        if (to == nullptr || packet.meta.drop != DropReason::none) {
            if (packet.meta.drop == DropReason::none) packet.meta.drop = DropReason::send_refused;
            last = nullptr;
            continue;
        }
        last = &arrays_->messages[count++];
        const auto size = static_cast<std::uint32_t>(packet.size());
        *last = {static_cast<std::uint16_t>(i), 1, size, size, to};
    }
    for (std::size_t i = 0; i < count; ++i) {
        const Message& message = arrays_->messages[i];
        const PacketBuffer& first = batch[arrays_->order[message.first]];
        fill_header(arrays_->headers[i], arrays_->controls[i], message, first.meta.traffic_class,
                    message.count > 1 ? first.size() : 0);
    }
    return count;
}

bool WanSender::extends(const Message& run, const PacketBuffer& last, const PacketBuffer& next,
                        const SocketAddress* to) const noexcept {
    if (!options_.send_runs || rest_ > 0) return false;
    if (to != run.to || next.meta.drop != DropReason::none) return false;
    if (next.meta.traffic_class != last.meta.traffic_class) return false;
    // A shorter packet ends the run.
    if (last.size() != run.segment || next.size() > run.segment || next.size() == 0) return false;
    return run.count < kMaxSegments && run.bytes + next.size() <= kMaxRunBytes;
}

void WanSender::fill_header(mmsghdr& header, ControlData& control, const Message& message,
                            std::uint8_t traffic_class, std::size_t segment) noexcept {
    header = {};
    msghdr& h = header.msg_hdr;
    h.msg_name = const_cast<sockaddr*>(&message.to->any);
    h.msg_namelen = message.to->size;
    h.msg_iov = &arrays_->vectors[message.first];
    h.msg_iovlen = message.count;
    h.msg_control = control.bytes.data();
    if (traffic_class != 0) {
        const int value = traffic_class;
        const bool v6 = message.to->any.sa_family == AF_INET6;
        append_control(h, kControlSize, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_TCLASS : IP_TOS, &value,
                       sizeof value);
    }
    if (segment != 0) {
        const auto value = static_cast<std::uint16_t>(segment);
        append_control(h, kControlSize, IPPROTO_UDP, UDP_SEGMENT, &value, sizeof value);
    }
    if (h.msg_controllen == 0) h.msg_control = nullptr;
}

void WanSender::flush(PacketBatch& batch, Queue queue, int& patience_ms) noexcept {
    retried_ = false;
    std::size_t at = 0;
    while (at < queue.size) {
        counters_.system_calls.add();
        const int sent = calls_.send_many(socket_.fd(), queue.headers + at,
                                          static_cast<unsigned>(queue.size - at), MSG_DONTWAIT);
        if (sent <= 0) {
            at += on_failure(batch, queue, at, sent < 0 ? errno : EIO, patience_ms);
            continue;
        }
        for (const std::size_t end = at + static_cast<std::size_t>(sent); at < end; ++at) {
            counters_.packets.add(queue.messages[at].count);
            counters_.bytes.add(queue.messages[at].bytes);
            if (queue.messages[at].count > 1) counters_.runs.add();
        }
        retried_ = false;
    }
}

/// The message at `at` was refused. Returns how many messages are done with: 0 to try again.
std::size_t WanSender::on_failure(PacketBatch& batch, Queue queue, std::size_t at, int error,
                                  int& patience_ms) noexcept {
    const Message& message = queue.messages[at];
    if (error == EINTR) return 0;
    if (error == EAGAIN || error == EWOULDBLOCK) {
        if (wait_for_room(patience_ms)) return 0;
        for (std::size_t i = at; i < queue.size; ++i)
            drop(batch, queue.messages[i], DropReason::send_queue_full);
        return queue.size - at;
    }
    if (message.count > 1 && may_be_about_runs(error)) {
        send_singly(batch, message, error, patience_ms);
        return 1;
    }
    if (may_be_old(error) && !retried_) {
        retried_ = true;
        return 0;
    }
    retried_ = false;
    if (error == ENOBUFS || error == ENOMEM || error == EMSGSIZE) {
        drop(batch, message, error == EMSGSIZE ? DropReason::exceeds_path_mtu : DropReason::send_queue_full);
        return 1;
    }
    // No route and the like: as true for what follows to the same peer.
    std::size_t done = 0;
    for (; at + done < queue.size && queue.messages[at + done].to == message.to; ++done)
        drop(batch, queue.messages[at + done], DropReason::send_refused);
    return done;
}

void WanSender::send_singly(PacketBatch& batch, const Message& run, int error, int& patience_ms) noexcept {
    const std::uint8_t traffic_class = batch[arrays_->order[run.first]].meta.traffic_class;
    for (std::size_t i = 0; i < run.count; ++i) {
        const auto first = static_cast<std::uint16_t>(run.first + i);
        Message& single = arrays_->single_messages[i];
        const auto size = static_cast<std::uint32_t>(arrays_->vectors[first].iov_len);
        single = {first, 1, size, size, run.to};
        fill_header(arrays_->single_headers[i], arrays_->single_controls[i], single, traffic_class, 0);
    }
    flush(batch, {arrays_->single_headers.data(), arrays_->single_messages.data(), run.count}, patience_ms);
    // If the first did not go singly either, the run was not what the kernel minded (the last may be shorter, and fit).
    if (batch[arrays_->order[run.first]].meta.drop != DropReason::none) return;
    socket_.refused_runs().count.add();
    socket_.refused_runs().last_error.store(error, std::memory_order_relaxed);
    rest_ = kRestBatches;
}

bool WanSender::wait_for_room(int& patience_ms) noexcept {
    if (patience_ms <= 0) return false;
    counters_.waits.add();
    // There is no clock here: a wait that timed out is charged in full, one that ended early a millisecond.
    const int slice = std::max(1, options_.patience_ms / 4);
    pollfd writable{socket_.fd(), POLLOUT, 0};
    patience_ms -= calls_.wait(&writable, 1, slice) > 0 ? 1 : slice;
    return true;
}

void WanSender::drop(PacketBatch& batch, const Message& message, DropReason reason) noexcept {
    for (std::size_t i = 0; i < message.count; ++i)
        batch[arrays_->order[message.first + i]].meta.drop = reason;
}

DropReason WanSender::send_one(const Endpoint& to, Bytes datagram, std::uint8_t traffic_class) noexcept {
    const SocketAddress address(to);
    const auto size = static_cast<std::uint32_t>(datagram.size());
    Message message{0, 1, size, size, &address};
    arrays_->vectors[0] = {const_cast<std::uint8_t*>(datagram.data()), datagram.size()};
    mmsghdr& header = arrays_->headers[0];
    fill_header(header, arrays_->controls[0], message, traffic_class, 0);
    for (int attempt = 0; attempt < 2; ++attempt) {
        counters_.system_calls.add();
        if (calls_.send_many(socket_.fd(), &header, 1, MSG_DONTWAIT) == 1) {
            counters_.packets.add();
            counters_.bytes.add(datagram.size());
            return DropReason::none;
        }
        if (errno != EINTR && !may_be_old(errno)) break;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS) return DropReason::send_queue_full;
    return errno == EMSGSIZE ? DropReason::exceeds_path_mtu : DropReason::send_refused;
}

DropReason WanSender::send_nat_keepalive(const Endpoint& to) noexcept {
    static constexpr std::array<std::uint8_t, 1> kKeepalive{0xff};
    return send_one(to, kKeepalive);
}

}  // namespace isthmus::tunnel::io
