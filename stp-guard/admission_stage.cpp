#include "stp-guard/admission_stage.h"

#include <cstring>
#include <utility>

namespace isthmus::stp_guard {

namespace {

DropReason vlan_verdict(const AdmissionOptions& options, std::uint16_t vid) noexcept {
    if (options.any_vlan) return DropReason::none;
    if (vid == 0) return options.untagged ? DropReason::none : DropReason::untagged_not_allowed;
    return options.vlans.contains_vid(vid) ? DropReason::none : DropReason::vlan_not_allowed;
}

/// What a frame from a TAP becomes on the wire: the kernel leaves the cutting of large ones to us.
std::uint32_t segments_of(const PacketBuffer& packet) noexcept {
    const Offload& offload = packet.meta.offload;
    if (offload.kind == Offload::Kind::none || offload.segment_size == 0 ||
        packet.size() <= offload.header_size)
        return 1;
    const std::size_t payload = packet.size() - offload.header_size;
    return static_cast<std::uint32_t>((payload + offload.segment_size - 1) / offload.segment_size);
}

constexpr std::size_t kDestinationAt = 0;
constexpr std::size_t kSourceAt = 6;

/// The frame is known to have both addresses.
MacAddress address_at(const PacketBuffer& packet, std::size_t offset) noexcept {
    MacAddress mac;
    std::memcpy(mac.bytes.data(), packet.data().data() + offset, mac.bytes.size());
    return mac;
}

}  // namespace

void AdmissionStage::process(PacketBatch& batch, TimePoint now) noexcept {
    for (PacketBuffer& packet : batch) {
        if (packet && packet.meta.drop == DropReason::none) packet.meta.drop = verdict(packet, now);
    }
}

void AdmissionStage::set_sessions(std::shared_ptr<const AdmissionTable> table) {
    std::vector<TokenBucket> buckets;
    buckets.reserve(table ? table->size() : 0);
    for (std::size_t i = 0; table && i < table->size(); ++i) {
        const auto& session = (*table)[i];
        const RateLimit limit = session ? session->options.flood_limit : RateLimit{};
        const bool unchanged =
            i < buckets_.size() && table_ && (*table_)[i] && session && buckets_[i].limit() == limit;
        buckets.push_back(unchanged ? buckets_[i] : TokenBucket(limit));
    }
    buckets_ = std::move(buckets);
    table_ = std::move(table);
}

DropReason AdmissionStage::verdict(const PacketBuffer& packet, TimePoint now) noexcept {
    const auto index = raw(packet.meta.session);
    if (!table_ || index >= table_->size() || !(*table_)[index]) return DropReason::session_down;
    const SessionAdmission& session = *(*table_)[index];

    const FrameClass frame = classify(packet.data());
    if (frame.malformed) return DropReason::malformed_frame;
    if (frame.link_local != LinkLocalKind::none) {
        note_link_local(packet, frame.link_local);
        return DropReason::link_local_protocol;
    }
    if (session.state == PortState::blocked) return DropReason::port_blocked;
    if (const DropReason reason = vlan_verdict(session.options, frame.vid); reason != DropReason::none)
        return reason;
    if (direction_ == Direction::from_tunnel && hosts_ != nullptr)
        hosts_->heard(packet.meta.session, frame.vid, address_at(packet, kSourceAt), now);
    if (frame.cast == Cast::unicast) return unicast_verdict(packet, session, frame.vid, now);
    if (session.state == PortState::flood_closed) return DropReason::port_blocked;
    return flood_verdict(packet, frame.cast == Cast::broadcast ? counters_.broadcast : counters_.multicast,
                         now);
}

DropReason AdmissionStage::unicast_verdict(const PacketBuffer& packet, const SessionAdmission& session,
                                           std::uint16_t vid, TimePoint now) noexcept {
    if (direction_ == Direction::from_tunnel || hosts_ == nullptr) return DropReason::none;
    if (hosts_->knows(packet.meta.session, vid, address_at(packet, kDestinationAt), now))
        return DropReason::none;
    if (session.state == PortState::flood_closed) return DropReason::port_blocked;
    return flood_verdict(packet, counters_.unknown_unicast, now);
}

DropReason AdmissionStage::flood_verdict(const PacketBuffer& packet, Counter& passed,
                                         TimePoint now) noexcept {
    const std::uint32_t segments = segments_of(packet);
    if (direction_ == Direction::to_tunnel && !buckets_[raw(packet.meta.session)].take(segments, now))
        return DropReason::storm_limit;
    passed.add(segments);
    return DropReason::none;
}

void AdmissionStage::note_link_local(const PacketBuffer& packet, LinkLocalKind kind) noexcept {
    counters_.link_local[static_cast<std::size_t>(kind)].add();
    if (punt_ == nullptr || !is_bpdu(kind)) return;
    const Path path = packet.meta.path != nullptr ? *packet.meta.path : Path{};
    // A full ring costs a copy, not the verdict; the ring counts it.
    (void)punt_->offer(PuntClass::bpdu, packet.meta.tunnel, packet.meta.session, path, packet.data());
}

std::uint64_t AdmissionCounters::bpdus() const noexcept {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < kLinkLocalKindCount; ++i)
        if (is_bpdu(static_cast<LinkLocalKind>(i))) sum += link_local[i].read();
    return sum;
}

}  // namespace isthmus::stp_guard
