#include "tunnel/io/wan_receiver.h"

#include <netinet/in.h>
#include <netinet/udp.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "tunnel/io/socket_address.h"

#ifndef UDP_GRO
#define UDP_GRO 104
#endif

namespace isthmus::tunnel::io {

/// One received message: a packet, or a run of them in one block.
struct WanReceiver::Message {
    PacketBuffer packet;
    Path path;
    std::uint32_t segment = 0;  ///< bytes of each packet but the last; 0: a single packet
    std::uint32_t offset = 0;   ///< of the first packet not handed over yet
};

struct WanReceiver::Arrays {
    static constexpr std::size_t kControlSize = 128;
    struct alignas(8) ControlData {
        std::array<std::uint8_t, kControlSize> bytes;
    };
    std::array<Message, kMaxMessages> messages;
    // Written before the kernel reads them.
    std::array<mmsghdr, kMaxMessages> headers;
    std::array<iovec, kMaxMessages> vectors;
    std::array<SocketAddress, kMaxMessages> names;
    std::array<ControlData, kMaxMessages> controls;
};

namespace {

struct Ancillary {
    std::uint8_t traffic_class = 0;
    std::uint32_t segment = 0;
};

Ancillary read_ancillary(const msghdr& header) noexcept {
    Ancillary out;
    auto* mutable_header = const_cast<msghdr*>(&header);
    for (cmsghdr* c = CMSG_FIRSTHDR(mutable_header); c != nullptr; c = CMSG_NXTHDR(mutable_header, c)) {
        int value = 0;
        const bool whole = c->cmsg_len >= CMSG_LEN(sizeof value);
        if (whole) std::memcpy(&value, CMSG_DATA(c), sizeof value);
        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS)
            out.traffic_class = *CMSG_DATA(c);  // one byte
        if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_TCLASS && whole)
            out.traffic_class = static_cast<std::uint8_t>(value);
        if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO && whole && value > 0)
            out.segment = static_cast<std::uint32_t>(value);
    }
    return out;
}

WanReceiver::Outcome outcome_of(int error) noexcept {
    if (error == EAGAIN || error == EWOULDBLOCK) return WanReceiver::Outcome::drained;
    // An ICMP error of an earlier packet is told once, in place of a packet.
    if (error == EINTR || error == ECONNREFUSED || error == EHOSTUNREACH || error == ENETUNREACH)
        return WanReceiver::Outcome::more;
    return WanReceiver::Outcome::failed;
}

}  // namespace

WanReceiver::WanReceiver(const WanSocket& socket, PacketPool& pool, WanReceiverOptions options,
                         SocketCalls& calls)
    : socket_(socket),
      pool_(pool),
      options_(options),
      calls_(calls),
      arrays_(std::make_unique_for_overwrite<Arrays>()) {
    options_.messages = std::clamp<std::size_t>(options_.messages, 1, kMaxMessages);
    options_.headroom = std::min(options_.headroom, pool.block_size() / 2);
}

WanReceiver::~WanReceiver() = default;

WanReceiver::Outcome WanReceiver::receive(PacketBatch& batch, DropLedger& ledger) noexcept {
    if (next_ < count_) {
        hand_over(batch);
        return Outcome::more;
    }
    const std::size_t armed = arm(std::min(wanted_, options_.messages));
    if (armed == 0) return Outcome::no_buffer;
    const auto got = take(armed, ledger);
    adapt(got.value_or(0), armed);
    if (!got) return outcome_of(last_error_);
    hand_over(batch);
    return next_ < count_ || count_ == armed ? Outcome::more : Outcome::drained;
}

WanReceiver::Outcome WanReceiver::receive_one(PacketBatch& batch, DropLedger& ledger) noexcept {
    if (next_ == count_) {
        if (arm(1) == 0) return Outcome::no_buffer;
        if (!take(1, ledger)) return outcome_of(last_error_);
    }
    hand_over(batch);
    return next_ < count_ ? Outcome::more : Outcome::drained;
}

/// Receives into what is armed. nullopt: the kernel has nothing, or refused; last_error_ says which.
std::optional<std::size_t> WanReceiver::take(std::size_t armed, DropLedger& ledger) noexcept {
    counters_.system_calls.add();
    const int got = calls_.receive_many(socket_.fd(), arrays_->headers.data(), static_cast<unsigned>(armed),
                                        MSG_DONTWAIT);
    if (got < 0) last_error_ = errno;
    next_ = 0;
    count_ = got < 0 ? 0 : static_cast<std::size_t>(got);
    for (std::size_t i = 0; i < count_; ++i) note(arrays_->messages[i], arrays_->headers[i], ledger);
    disarm(count_, armed);
    return got < 0 ? std::nullopt : std::optional(count_);
}

/// Gives up to `most` messages a block each; returns how many have one.
std::size_t WanReceiver::arm(std::size_t most) noexcept {
    std::size_t i = 0;
    for (; i < most; ++i) {
        Message& message = arrays_->messages[i];
        auto packet = pool_.allocate(options_.headroom);
        if (!packet) break;
        message.packet = std::move(*packet);
        arrays_->vectors[i] = {message.packet.data().data(), message.packet.tailroom()};
        msghdr& h = arrays_->headers[i].msg_hdr;
        h.msg_name = &arrays_->names[i].any;
        h.msg_namelen = sizeof(sockaddr_in6);
        h.msg_iov = &arrays_->vectors[i];
        h.msg_iovlen = 1;
        h.msg_control = arrays_->controls[i].bytes.data();
        h.msg_controllen = Arrays::kControlSize;
        h.msg_flags = 0;
    }
    return i;
}

/// Blocks that nothing came for go back, the first to be taken next: it is the one most likely still in the cache.
void WanReceiver::disarm(std::size_t first, std::size_t armed) noexcept {
    for (std::size_t i = armed; i-- > first;) arrays_->messages[i].packet = PacketBuffer();
}

void WanReceiver::adapt(std::size_t got, std::size_t armed) noexcept {
    if (got == armed) {
        wanted_ = std::min(wanted_ * 4, options_.messages);
    } else if (got * 4 < wanted_) {
        wanted_ = std::max(wanted_ / 2, std::min(kFewMessages, options_.messages));
    }
}

void WanReceiver::note(Message& message, const mmsghdr& header, DropLedger& ledger) noexcept {
    PacketBuffer& packet = message.packet;
    const auto& name = *static_cast<const SocketAddress*>(header.msg_hdr.msg_name);
    message.path = {socket_.local(), name.endpoint(), std::nullopt};
    if (socket_.protocol() != WanProtocol::udp) message.path.remote.port = 0;
    message.segment = 0;
    message.offset = 0;
    const bool truncated = (header.msg_hdr.msg_flags & MSG_TRUNC) != 0;
    if (!truncated) packet.append(header.msg_len);
    const bool header_gone = truncated || socket_.protocol() == WanProtocol::udp ||
                             socket_.local().address.is_v6() || strip_ip_header(packet);
    if (truncated || !header_gone) {
        ledger.count(DropReason::receive_truncated, kNoTunnel, kNoSession);
        packet = PacketBuffer();
        return;
    }
    const Ancillary ancillary = read_ancillary(header.msg_hdr);
    packet.meta = {};
    packet.meta.traffic_class = ancillary.traffic_class;
    packet.meta.next_header = static_cast<std::uint8_t>(socket_.protocol());
    packet.meta.path = &message.path;
    if (ancillary.segment != 0 && ancillary.segment < packet.size()) {
        message.segment = ancillary.segment;
        counters_.runs.add();
    }
}

/// Raw IPv4 sockets deliver the IP header too (raw(7)). False: it says more than has come.
bool WanReceiver::strip_ip_header(PacketBuffer& packet) noexcept {
    constexpr std::size_t kMinHeader = 20;
    const Bytes bytes = std::as_const(packet).data();
    if (bytes.size() < kMinHeader || bytes[0] >> 4 != 4) return false;
    const std::size_t header = (bytes[0] & 0x0fU) * 4U;
    const std::size_t total = load_be16(bytes.data() + 2);
    if (header < kMinHeader || total < header || total > bytes.size()) return false;
    packet.trim_back(bytes.size() - total);
    packet.trim_front(header);
    return true;
}

void WanReceiver::hand_over(PacketBatch& batch) noexcept {
    for (; next_ < count_; ++next_) {
        Message& message = arrays_->messages[next_];
        if (!message.packet) continue;  // dropped
        if (batch.room() == 0) return;
        if (message.segment != 0) {
            if (!split(message, batch)) return;
            continue;
        }
        counters_.packets.add();
        counters_.bytes.add(message.packet.size());
        batch.push(std::move(message.packet));
    }
}

/// Hands over packets of a run while there is room. True: the run is done with.
bool WanReceiver::split(Message& message, PacketBatch& batch) noexcept {
    const auto total = static_cast<std::uint32_t>(message.packet.size());
    while (message.offset < total) {
        if (batch.room() == 0) return false;
        const std::uint32_t size = std::min(message.segment, total - message.offset);
        counters_.packets.add();
        counters_.bytes.add(size);
        batch.push(message.packet.share(message.offset, size));
        message.offset += size;
    }
    message.packet = PacketBuffer();
    return true;
}

}  // namespace isthmus::tunnel::io
