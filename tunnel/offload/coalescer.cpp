#include "tunnel/offload/coalescer.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/checksum.h"
#include "tunnel/offload/flow_headers.h"

namespace isthmus::tunnel {

namespace {
constexpr std::uint8_t kFreeEntry = 0xff;
// Of the whole frame: keeps the IP length in its field, and within every device's default gso_max_size.
constexpr std::size_t kMaxFrame = 65535;
}  // namespace

Coalescer::Coalescer(CoalesceOptions options) noexcept : options_(options) {
    table_.fill(kFreeEntry);
}

void Coalescer::add(PacketBatch& batch, FrameSink& sink) noexcept {
    for (PacketBuffer& packet : batch) add(std::move(packet), sink);
    batch.clear();
}

void Coalescer::add(PacketBuffer packet, FrameSink& sink) noexcept {
    frames_in_.add();
    const PacketBuffer& frame = packet;
    const auto view = TransportView::of(frame.data());
    if (view.ip_version == 0 || (view.l4 != 0 && !has_ports(view.protocol))) return send_alone(packet, sink);
    if (view.payload == 0 || packet.meta.offload.needs_checksum ||
        packet.meta.offload.kind != Offload::Kind::none) {
        // A fragment, or something whose flow we do not know: overtake nothing.
        flush(sink);
        return send_alone(packet, sink);
    }
    const std::uint32_t hash = flow_hash(frame.data(), view, raw(packet.meta.session));
    Flow* flow = find(hash, packet, view);
    const auto candidate = candidate_of(frame.data(), view);
    if (!candidate) {
        if (flow != nullptr) send(*flow, sink);
        return send_alone(packet, sink);
    }
    if (flow == nullptr) return open(insert(hash, sink), packet, *candidate, false, sink);
    add_candidate(*flow, packet, *candidate, sink);
}

void Coalescer::flush(FrameSink& sink) noexcept {
    for (std::size_t i = 0; open_ != 0 && i < flow_count_; ++i) send(flows_[i], sink);
    if (flow_count_ == 0) return;
    flow_count_ = 0;
    table_.fill(kFreeEntry);
}

void Coalescer::add_candidate(Flow& flow, PacketBuffer& packet, const Candidate& candidate,
                              FrameSink& sink) noexcept {
    if (flow.head == kNone) return open(flow, packet, candidate, false, sink);
    const PacketBuffer& first = held_[flow.head];
    const PacketBuffer& frame = packet;
    if (!fits(flow, candidate) || !same_headers(first.data(), flow.view, frame.data())) {
        send(flow, sink);
        return open(flow, packet, candidate, false, sink);
    }
    const bool good = checksums_good(frame.data(), candidate.view);
    flow.verified = flow.verified || checksums_good(first.data(), flow.view);
    if (good && flow.verified) return append(flow, packet, candidate, sink);
    send(flow, sink);
    if (!good) return send_alone(packet, sink);
    open(flow, packet, candidate, true, sink);
}

/// Sequence, identification and sizes; headers and checksums are compared elsewhere.
bool Coalescer::fits(const Flow& flow, const Candidate& candidate) const noexcept {
    if (candidate.sequence != flow.next_sequence || candidate.cwr) return false;
    if (flow.view.ip_version == 4 && candidate.identification != flow.next_identification) return false;
    return candidate.view.payload == flow.view.payload && candidate.payload_size <= flow.segment_size &&
           flow.size + candidate.payload_size <= kMaxFrame;
}

void Coalescer::open(Flow& flow, PacketBuffer& packet, const Candidate& candidate, bool verified,
                     FrameSink& sink) noexcept {
    if (candidate.last) return send_alone(packet, sink);
    if (held_count_ == kMaxHeld) {
        const std::uint32_t hash = flow.hash;
        flush(sink);
        return open(insert(hash, sink), packet, candidate, verified, sink);
    }
    const auto at = static_cast<Index>(held_count_++);
    flow.head = flow.tail = at;
    flow.count = 1;
    flow.view = candidate.view;
    flow.segment_size = candidate.payload_size;
    flow.verified = verified;
    flow.size = static_cast<std::uint32_t>(packet.size());
    flow.next_sequence = candidate.next_sequence();
    flow.next_identification = static_cast<std::uint16_t>(candidate.identification + 1);
    next_[at] = kNone;
    held_[at] = std::move(packet);
    ++open_;
}

void Coalescer::append(Flow& flow, PacketBuffer& packet, const Candidate& candidate,
                       FrameSink& sink) noexcept {
    if (held_count_ == kMaxHeld) {
        const std::uint32_t hash = flow.hash;
        flush(sink);
        return open(insert(hash, sink), packet, candidate, true, sink);
    }
    const auto at = static_cast<Index>(held_count_++);
    next_[flow.tail] = at;
    next_[at] = kNone;
    flow.tail = at;
    ++flow.count;
    flow.size += candidate.payload_size;
    flow.next_sequence = candidate.next_sequence();
    ++flow.next_identification;
    held_[at] = std::move(packet);

    const std::size_t most = flow.view.protocol == kProtocolUdp ? kMaxUdpSegments : kMaxSegments;
    const bool full = flow.count == most || flow.size + flow.segment_size > kMaxFrame;
    if (full || candidate.last || candidate.payload_size < flow.segment_size) send(flow, sink);
}

void Coalescer::send(Flow& flow, FrameSink& sink) noexcept {
    if (flow.head == kNone) return;
    PacketBuffer& first = held_[flow.head];
    GatheredFrame frame{first.meta.session, first.meta.tunnel, {}, {}, flow.size, flow.count};
    if (flow.count > 1) {
        frame.offload = offload_of(flow);
        merge_headers(first.data(), flow.view, std::as_const(held_[flow.tail]).data(), flow.size);
    }
    std::size_t used = 0;
    for (Index i = flow.head; i != kNone; i = next_[i]) {
        const Bytes whole = std::as_const(held_[i]).data();
        pieces_[used] = used == 0 ? whole : whole.subspan(flow.view.payload);
        ++used;
    }
    frame.pieces = {pieces_.data(), used};
    frames_out_.add();
    sink.on_frame(frame);
    for (Index i = flow.head; i != kNone; i = next_[i]) held_[i] = PacketBuffer();
    flow.head = kNone;
    if (--open_ == 0) held_count_ = 0;
}

void Coalescer::send_alone(PacketBuffer& packet, FrameSink& sink) noexcept {
    const Bytes whole = std::as_const(packet).data();
    frames_out_.add();
    sink.on_frame({packet.meta.session,
                   packet.meta.tunnel,
                   packet.meta.offload,
                   {&whole, 1},
                   static_cast<std::uint32_t>(whole.size()),
                   1});
    packet = PacketBuffer();
}

Offload Coalescer::offload_of(const Flow& flow) const noexcept {
    const bool udp = flow.view.protocol == kProtocolUdp;
    const PacketBuffer& first = held_[flow.head];
    Offload offload;
    offload.kind = udp                         ? Offload::Kind::udp
                   : flow.view.ip_version == 4 ? Offload::Kind::tcp4
                                               : Offload::Kind::tcp6;
    offload.needs_checksum = true;
    offload.ecn = !udp && has_cwr(first.data(), flow.view);
    offload.segment_size = flow.segment_size;
    offload.header_size = flow.view.payload;
    offload.checksum_start = flow.view.l4;
    offload.checksum_offset = udp ? kUdpChecksumOffset : kTcpChecksumOffset;
    return offload;
}

/// Flows that hold nothing fit any frame of their hash: only frames that are held have an order to keep.
Coalescer::Flow* Coalescer::find(std::uint32_t hash, const PacketBuffer& packet,
                                 const TransportView& view) noexcept {
    for (std::size_t at = hash % kTableSize; table_[at] != kFreeEntry; at = (at + 1) % kTableSize) {
        Flow& flow = flows_[table_[at]];
        if (flow.hash != hash) continue;
        if (flow.head == kNone) return &flow;
        const PacketBuffer& first = held_[flow.head];
        if (first.meta.session == packet.meta.session &&
            same_flow(first.data(), flow.view, packet.data(), view)) {
            return &flow;
        }
    }
    return nullptr;
}

Coalescer::Flow& Coalescer::insert(std::uint32_t hash, FrameSink& sink) noexcept {
    if (flow_count_ == kMaxFlows) flush(sink);
    std::size_t at = hash % kTableSize;
    while (table_[at] != kFreeEntry) at = (at + 1) % kTableSize;
    table_[at] = static_cast<std::uint8_t>(flow_count_);
    Flow& flow = flows_[flow_count_++];
    flow.hash = hash;
    flow.head = kNone;
    return flow;
}

std::optional<Candidate> Coalescer::candidate_of(Bytes frame, const TransportView& view) const noexcept {
    const bool v4 = view.ip_version == 4;
    const bool udp = view.protocol == kProtocolUdp;
    const bool wanted = udp ? (v4 ? options_.udp4 : options_.udp6) : (v4 ? options_.tcp4 : options_.tcp6);
    return wanted ? Candidate::of(frame, view) : std::nullopt;
}

}  // namespace isthmus::tunnel
