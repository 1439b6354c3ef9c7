#include "tunnel/offload/segmenter.h"

#include <algorithm>
#include <cstring>

#include "base/checksum.h"

namespace isthmus::tunnel {

namespace {

constexpr std::uint16_t kFin = 0x01;
constexpr std::uint16_t kPsh = 0x08;
constexpr std::uint16_t kCwr = 0x80;

bool matches(const Offload& offload, const TransportView& view) noexcept {
    switch (offload.kind) {
        case Offload::Kind::tcp4: return view.is_tcp() && view.ip_version == 4;
        case Offload::Kind::tcp6: return view.is_tcp() && view.ip_version == 6;
        case Offload::Kind::udp: return view.is_udp();
        case Offload::Kind::none: return false;
    }
    return false;
}

constexpr std::uint16_t complement(std::uint32_t sum) noexcept {
    return static_cast<std::uint16_t>(~fold_sum(sum));
}

/// A checksum of zero would mean "none" in UDP (RFC 768) and is sent as its other form, as Linux does for
/// every protocol that it completes.
constexpr std::uint16_t never_zero(std::uint16_t checksum) noexcept {
    return checksum == 0 ? 0xffff : checksum;
}

}  // namespace

DropReason complete_checksum(PacketBuffer& frame) noexcept {
    Offload& offload = frame.meta.offload;
    if (!offload.needs_checksum) return DropReason::none;
    const MutableBytes bytes = frame.data();
    const std::size_t field = std::size_t{offload.checksum_start} + offload.checksum_offset;
    if (field + 2 > bytes.size()) return DropReason::bad_offload_header;
    store_be16(bytes.data() + field, never_zero(internet_checksum(bytes.subspan(offload.checksum_start))));
    offload.needs_checksum = false;
    return DropReason::none;
}

Segmenter::Segmenter(PacketPool& slots, std::size_t headroom, std::size_t tailroom) noexcept
    : slots_(slots), headroom_(headroom), tailroom_(tailroom) {}

DropReason Segmenter::start(PacketBuffer frame) noexcept {
    assert(!busy());
    const Offload offload = frame.meta.offload;
    segment_size_ = 0;
    if (offload.kind == Offload::Kind::none) {
        const auto drop = complete_checksum(frame);
        if (drop == DropReason::none) frame_ = std::move(frame);
        return drop;
    }
    const auto view = TransportView::of(frame.data());
    if (!matches(offload, view) || offload.segment_size == 0 || frame.size() <= view.payload) {
        return DropReason::bad_offload_header;
    }
    const std::size_t largest =
        std::min<std::size_t>(frame.size(), std::size_t{view.payload} + offload.segment_size);
    if (headroom_ + largest + tailroom_ > slots_.block_size()) return DropReason::exceeds_path_mtu;

    frame_ = std::move(frame);
    frame_.meta.offload = Offload{};
    view_ = view;
    segment_size_ = offload.segment_size;
    prepare();
    return DropReason::none;
}

// Reads what differs by segment, zeroes it in the frame, which is ours, and sums the rest once.
void Segmenter::prepare() noexcept {
    at_ = view_.payload;
    index_ = 0;
    const MutableBytes bytes = frame_.data();
    std::uint8_t* ip = bytes.data() + view_.l3;
    std::uint8_t* l4 = bytes.data() + view_.l4;
    if (view_.ip_version == 4) {
        identification_ = load_be16(ip + 4);
        store_be32(ip + 2, 0);
        store_be16(ip + 10, 0);
        ip_sum_ = ones_complement_sum(bytes.subspan(view_.l3, std::size_t{view_.l4} - view_.l3));
    }
    if (view_.is_tcp()) {
        sequence_ = load_be32(l4 + 4);
        data_offset_and_flags_ = load_be16(l4 + 12);
        store_be32(l4 + 4, 0);
        store_be16(l4 + 12, 0);
        store_be16(l4 + kTcpChecksumOffset, 0);
    } else {
        store_be32(l4 + 4, 0);
    }
    transport_sum_ = ones_complement_sum(bytes.subspan(view_.l4, std::size_t{view_.payload} - view_.l4),
                                         view_.pseudo_sum(bytes, 0));
}

std::optional<PacketBuffer> Segmenter::next() noexcept {
    if (!busy()) return std::nullopt;
    if (segment_size_ == 0) return std::move(frame_);
    auto out = slots_.allocate(headroom_);
    if (!out) return out;

    const PacketBuffer& frame = frame_;
    const Bytes from = frame.data();
    const std::size_t size = std::min(segment_size_, from.size() - at_);
    const bool last = at_ + size == from.size();
    const MutableBytes to = out->append(view_.payload + size);
    std::memcpy(to.data(), from.data(), view_.payload);
    const auto payload_sum = copy_and_sum(to.subspan(view_.payload), from.subspan(at_, size));

    finish_ip(to.data() + view_.l3, to.size() - view_.l3);
    const std::size_t transport_size = to.size() - view_.l4;
    if (view_.protocol == kProtocolTcp) {
        finish_tcp(to.data() + view_.l4, transport_size, last, payload_sum);
    } else {
        finish_udp(to.data() + view_.l4, transport_size, payload_sum);
    }
    out->meta = frame.meta;
    at_ += size;
    ++index_;
    if (last) frame_ = PacketBuffer();
    return out;
}

void Segmenter::fill(PacketBatch& batch) noexcept {
    while (batch.room() > 0) {
        auto packet = next();
        if (!packet) return;
        batch.push(std::move(*packet));
    }
}

std::size_t Segmenter::remaining() const noexcept {
    if (!busy()) return 0;
    if (segment_size_ == 0) return 1;
    return (frame_.size() - at_ + segment_size_ - 1) / segment_size_;
}

void Segmenter::finish_ip(std::uint8_t* ip, std::size_t size) const noexcept {
    if (view_.ip_version == 6) {
        store_be16(ip + 4, static_cast<std::uint16_t>(size - kIpv6HeaderSize));
        return;
    }
    const auto length = static_cast<std::uint16_t>(size);
    const auto identification = static_cast<std::uint16_t>(identification_ + index_);
    store_be16(ip + 2, length);
    store_be16(ip + 4, identification);
    store_be16(ip + 10, complement(std::uint32_t{ip_sum_} + length + identification));
}

void Segmenter::finish_tcp(std::uint8_t* tcp, std::size_t size, bool last,
                           std::uint16_t payload_sum) const noexcept {
    const auto sequence = static_cast<std::uint32_t>(sequence_ + index_ * segment_size_);
    std::uint16_t flags = data_offset_and_flags_;
    if (index_ != 0) flags &= static_cast<std::uint16_t>(~kCwr);
    if (!last) flags &= static_cast<std::uint16_t>(~(kFin | kPsh));
    store_be32(tcp + 4, sequence);
    store_be16(tcp + 12, flags);
    const std::uint32_t sum = std::uint32_t{transport_sum_} + static_cast<std::uint32_t>(size) +
                              (sequence >> 16) + (sequence & 0xffff) + flags + payload_sum;
    store_be16(tcp + kTcpChecksumOffset, complement(sum));
}

void Segmenter::finish_udp(std::uint8_t* udp, std::size_t size, std::uint16_t payload_sum) const noexcept {
    const auto length = static_cast<std::uint32_t>(size);
    store_be16(udp + 4, static_cast<std::uint16_t>(length));
    store_be16(udp + kUdpChecksumOffset,
               never_zero(complement(std::uint32_t{transport_sum_} + 2 * length + payload_sum)));
}

}  // namespace isthmus::tunnel
