#include "stp-guard/admission_stage.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "stp-guard/guard_frame.h"

namespace isthmus::stp_guard {

namespace {

/// Copies to control of one session, by PuntClass: a ring has 64 places, and is drained many times a second.
constexpr RateLimit copies_of(PuntClass c) noexcept {
    if (c == PuntClass::probe) return {2'000, 64};
    return c == PuntClass::stray_unicast ? RateLimit{400, 48} : RateLimit{100, 32};
}
/// Rounds of probes of several sites, and their bursts.
constexpr RateLimit kProbes{2'000, 1'000};
/// The same ones again, in each VLAN: in a loop that somebody else has to open.
constexpr RateLimit kLoopedProbes{20, 20};

constexpr std::size_t kDestinationAt = 0;
constexpr std::size_t kSourceAt = 6;
constexpr std::size_t kTypeAt = 12;
constexpr std::size_t kGuardNodeAt =
    20;  ///< guard_frame.h: in the payload, which classify() found to be long enough
/// Of FloodMemory: apart from those of bridges, which have 32 bits.
constexpr std::uint64_t kProbeDomain = std::uint64_t{1} << 40;
/// Of a frame that goes round control wants to know whom it is for: two tags, and the longest header with an address.
constexpr std::size_t kAddressedHead = 128;

DropReason vlan_verdict(const AdmissionOptions& options, std::uint16_t vid) noexcept {
    if (options.any_vlan) return DropReason::none;
    if (vid == 0) return options.untagged ? DropReason::none : DropReason::untagged_not_allowed;
    return options.vlans.contains_vid(vid) ? DropReason::none : DropReason::vlan_not_allowed;
}

DropReason crossing_verdict(const SessionAdmission& session, std::uint16_t vid) noexcept {
    switch (session.vlans ? session.vlans->of(vid) : VlanState::closed) {
        case VlanState::open:
        case VlanState::bum_blocked: return DropReason::none;
        case VlanState::suspended: return DropReason::vlan_suspended;
        case VlanState::closed: break;
    }
    return DropReason::port_blocked;
}

DropReason flooding_verdict(const SessionAdmission& session, std::uint16_t vid) noexcept {
    if (session.vlans && session.vlans->of(vid) == VlanState::bum_blocked)
        return DropReason::vlan_bum_blocked;
    return crossing_verdict(session, vid);
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

/// The frame is known to have both addresses.
MacAddress address_at(const PacketBuffer& packet, std::size_t offset) noexcept {
    MacAddress mac;
    std::memcpy(mac.bytes.data(), packet.data().data() + offset, mac.bytes.size());
    return mac;
}

bool same_addresses(const PacketBuffer& a, const PacketBuffer& b) noexcept {
    return std::memcmp(a.data().data(), b.data().data(), kTypeAt) == 0;
}

/// The frames that say who is a gateway.
bool concerns_gateways(FrameProtocol protocol) noexcept {
    switch (protocol) {
        case FrameProtocol::hsrp:
        case FrameProtocol::vrrp:
        case FrameProtocol::glbp:
        case FrameProtocol::router_advertisement:
        case FrameProtocol::dhcp_server:
        case FrameProtocol::igmp_query:
        case FrameProtocol::mld_query: return true;
        default: return false;
    }
}

}  // namespace

void AdmissionStage::process(PacketBatch& batch, TimePoint now) noexcept {
    look_at(batch);
    for (std::size_t i = 0; i < batch.size(); ++i) {
        PacketBuffer& packet = batch[i];
        if (packet && packet.meta.drop == DropReason::none)
            packet.meta.drop = judge(packet, glances_[i], now);
    }
    if (hosts_.here != nullptr) hosts_.here->sweep(now);
}

void AdmissionStage::set_sessions(std::shared_ptr<const AdmissionTable> table) {
    const std::size_t sessions = table ? table->size() : 0;
    const std::size_t before = table_ ? table_->size() : 0;
    buckets_.resize(sessions);
    for (std::size_t i = 0; i < sessions; ++i)
        if (i >= before || !(*table_)[i]) buckets_[i] = {};  // another session than the one that was there
    table_ = std::move(table);
}

void AdmissionStage::look_at(const PacketBatch& batch) noexcept {
    const PacketBuffer* last = nullptr;
    const Glance* of_last = nullptr;
    for (std::size_t i = 0; i < batch.size(); ++i) {
        const PacketBuffer& packet = batch[i];
        if (!packet || packet.meta.drop != DropReason::none) continue;
        Glance& seen = glances_[i];
        seen.frame = classify(packet.data());
        if (seen.frame.malformed) continue;
        if (last == nullptr || last->meta.session != packet.meta.session)
            prefetch_session(packet.meta.session);
        if (last != nullptr && last->meta.session == packet.meta.session &&
            of_last->frame.vid == seen.frame.vid && same_addresses(*last, packet)) {
            seen.source = of_last->source;
            seen.destination = of_last->destination;
        } else {
            find_hosts(packet, seen);
        }
        last = &packet;
        of_last = &seen;
    }
}

void AdmissionStage::find_hosts(const PacketBuffer& packet, Glance& glance) const noexcept {
    const auto find = [&](const HostTable* table, std::size_t offset) {
        if (table == nullptr) return HostHash{};
        const HostHash hash = table->hash(packet.meta.session, glance.frame.vid, address_at(packet, offset));
        table->prefetch(hash);
        return hash;
    };
    glance.source = find(hosts_.here, kSourceAt);
    glance.destination = find(glance.frame.cast == Cast::unicast ? hosts_.there : nullptr, kDestinationAt);
}

void AdmissionStage::prefetch_session(SessionIndex session) const noexcept {
    constexpr std::size_t kLine = 64;
    if (!table_ || raw(session) >= table_->size()) return;
    const auto& entry = (*table_)[raw(session)];
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(&entry);
    __builtin_prefetch(bytes);
    __builtin_prefetch(bytes + kLine);
    __builtin_prefetch(bytes + sizeof(entry) - 1);  // whether there is one
}

DropReason AdmissionStage::judge(const PacketBuffer& packet, const Glance& glance, TimePoint now) noexcept {
    const auto index = raw(packet.meta.session);
    if (!table_ || index >= table_->size() || !(*table_)[index]) return DropReason::session_down;
    const SessionAdmission& session = *(*table_)[index];

    if (glance.frame.malformed) return DropReason::malformed_frame;
    const DropReason reason = verdict(packet, session, glance, now);
    // Unicast that passes is most of all traffic, and tells little of loops and storms.
    const bool ordinary = glance.frame.cast == Cast::unicast && reason == DropReason::none;
    if (ring_ != nullptr && !ordinary)
        ring_->record(now, packet.meta.session, direction_, reason, packet.data());
    return reason;
}

DropReason AdmissionStage::verdict(const PacketBuffer& packet, const SessionAdmission& session,
                                   const Glance& glance, TimePoint now) noexcept {
    const FrameClass& frame = glance.frame;
    if (frame.protocol == FrameProtocol::guard_message) return message_verdict(packet, now);
    if (frame.link_local != LinkLocalKind::none) return link_local_verdict(packet, session, frame, now);
    if (session.state == PortState::blocked) return DropReason::port_blocked;
    if (const DropReason reason = vlan_verdict(session.options, frame.vid); reason != DropReason::none)
        return reason;
    if (frame.protocol == FrameProtocol::loop_probe) return probe_verdict(packet, session, frame, now);
    const DropReason reason = customer_verdict(packet, session, glance, now);
    // A VLAN that was never opened is closed even to those who only observe.
    if (reason == DropReason::none || !session.options.observe || reason == DropReason::port_blocked)
        return reason;
    counters_.observed.add();
    return DropReason::none;
}

DropReason AdmissionStage::link_local_verdict(const PacketBuffer& packet, const SessionAdmission& session,
                                              const FrameClass& frame, TimePoint now) noexcept {
    const auto kind = static_cast<std::size_t>(frame.link_local);
    counters_.link_local[kind].add();
    const bool bpdu = is_bpdu(frame.link_local);
    if (bpdu) copy_up(PuntClass::bpdu, packet, now);
    const bool passes = bpdu ? session.options.bpdus == BpduPolicy::transparent
                             : session.options.link_local.contains(frame.link_local);
    if (!passes) return DropReason::link_local_protocol;
    if (session.state == PortState::blocked) return DropReason::port_blocked;
    if (const DropReason reason = vlan_verdict(session.options, frame.vid); reason != DropReason::none)
        return reason;
    if (bpdu && !passes_bpdu(packet, session, frame, now)) return DropReason::link_local_protocol;
    counters_.link_local_passed[kind].add();
    return DropReason::none;
}

bool AdmissionStage::passes_bpdu(const PacketBuffer& packet, const SessionAdmission& session,
                                 const FrameClass& frame, TimePoint now) noexcept {
    const std::uint32_t changes = session.options.topology_changes_per_minute;
    // A bucket counts seconds; a minute's notifications are 60 tokens each.
    if (frame.link_local == LinkLocalKind::stp_tcn && changes != 0 &&
        !buckets_of(packet).topology_changes.take({changes, std::uint64_t{changes} * 60}, 60, now))
        return false;
    if (direction_ == Direction::to_tunnel || session.protected_roots.empty()) return true;
    const auto claim = claimed_root(packet.data());
    return !claim || std::none_of(session.protected_roots.begin(), session.protected_roots.end(),
                                  [&](const auto& ours) {
                                      return ours.first == claim->vid && claim->root < ours.second;
                                  });
}

DropReason AdmissionStage::probe_verdict(const PacketBuffer& packet, const SessionAdmission& session,
                                         const FrameClass& frame, TimePoint now) noexcept {
    counters_.probes.add();
    copy_up(PuntClass::probe, packet, now);
    const std::uint64_t node = load_be64(packet.data().data() + frame.payload_offset + kGuardNodeAt);
    if (node == raw(session.node)) {
        circles_.suspect(packet.meta.session, frame.vid, now);
        return DropReason::guard_frame;
    }
    if (const DropReason reason = flooding_verdict(session, frame.vid); reason != DropReason::none)
        return reason;
    if (is_looped_probe(packet, frame.vid, now)) return DropReason::storm_limit;
    return buckets_of(packet).probes.take(kProbes, 1, now) ? DropReason::none : DropReason::storm_limit;
}

/// The very same probe was here a moment ago, and so were others of its VLAN, as many as anybody needs to know of the loop.
bool AdmissionStage::is_looped_probe(const PacketBuffer& packet, std::uint16_t vid, TimePoint now) noexcept {
    if (hosts_.floods == nullptr) return false;
    const std::uint64_t session = raw(packet.meta.session);
    const std::uint64_t here = kProbeDomain | session << 1 | (direction_ == Direction::to_tunnel ? 1U : 0U);
    if (!hosts_.floods->note(here, packet.data(), FrameOrigin::lan, now)) return false;
    return !looped_probes_[(session * 31 + vid) % kLoopedProbeSlots].take(kLoopedProbes, 1, now);
}

/// From the tunnel: the peer's, for control. From the LAN: nobody's business, like anything to that address.
DropReason AdmissionStage::message_verdict(const PacketBuffer& packet, TimePoint now) noexcept {
    if (direction_ == Direction::to_tunnel) return DropReason::link_local_protocol;
    copy_up(PuntClass::probe, packet, now);
    return DropReason::guard_frame;
}

DropReason AdmissionStage::customer_verdict(const PacketBuffer& packet, const SessionAdmission& session,
                                            const Glance& glance, TimePoint now) noexcept {
    const FrameClass& frame = glance.frame;
    if (concerns_gateways(frame.protocol)) copy_up(PuntClass::arp, packet, now);
    const bool flooded = is_flooded(packet, session, glance, now);
    const DropReason blocked =
        flooded ? flooding_verdict(session, frame.vid) : crossing_verdict(session, frame.vid);
    if (blocked != DropReason::none) {
        if (flooded && session.meters) session.meters->of(direction_).want(frame.vid);
        if (flooded && blocked == DropReason::vlan_bum_blocked) note_heard_on_lan(packet, frame, now);
        if (!flooded && blocked == DropReason::vlan_suspended) show_stray(packet, session, glance, now);
        return blocked;
    }
    if (session.gateways && session.gateways->applies_to(frame.vid) &&
        session.gateways->keeps(packet.data(), frame))
        return DropReason::gateway_isolation;
    return flooded ? flood_verdict(packet, session, glance, now)
                   : known_unicast_verdict(packet, session, glance, now);
}

DropReason AdmissionStage::known_unicast_verdict(const PacketBuffer& packet, const SessionAdmission& session,
                                                 const Glance& glance, TimePoint now) noexcept {
    const FrameClass& frame = glance.frame;
    const bool blocked = session.vlans->of(frame.vid) == VlanState::bum_blocked;
    if (goes_round(packet, session, frame, blocked, now)) return DropReason::circling_unicast;
    const bool stray = is_stray(packet, session, frame, now);
    if (stray && session.meters) session.meters->strays.add();
    if (blocked || stray) show_stray(packet, session, glance, now);
    const HostHash far = direction_ == Direction::to_tunnel ? glance.destination : glance.source;
    if (blocked && hosts_.elsewhere != nullptr && hosts_.elsewhere->knows(far, now)) {
        if (session.meters) session.meters->stale[static_cast<std::size_t>(direction_)].add();
        return DropReason::circling_unicast;
    }
    if (hosts_.here == nullptr) return DropReason::none;
    const HostTable::Heard heard =
        hosts_.here->heard(glance.source, packet.meta.session, frame.vid, address_at(packet, kSourceAt),
                           session.options.macs, now);
    return heard == HostTable::Heard::refused ? DropReason::mac_limit : DropReason::none;
}

DropReason AdmissionStage::flood_verdict(const PacketBuffer& packet, const SessionAdmission& session,
                                         const Glance& glance, TimePoint now) noexcept {
    const FrameClass& frame = glance.frame;
    if (!session.meters) return DropReason::port_blocked;
    FloodedFrame flooded;
    flooded.storm_class = storm_class_of(frame);
    flooded.vid = frame.vid;
    flooded.source = address_at(packet, kSourceAt);
    flooded.frames = segments_of(packet);
    flooded.bytes = packet.size();
    if (hosts_.here != nullptr) {
        flooded.source_known = hosts_.here->knows(glance.source, now);
        // New hosts that find no room use up none of the flooding's limit.
        if (!flooded.source_known &&
            !hosts_.here->has_room(packet.meta.session, frame.vid, session.options.macs))
            return DropReason::mac_limit;
    }
    StormMeters& meters = session.meters->of(direction_);
    if (!meters.admit(session.options.storm, flooded, now)) return DropReason::storm_limit;
    const auto first = copied_from(packet, session, now);
    if (first && !stays_where_it_was(packet, session, glance, *first, now)) {
        if (frame.cast != Cast::unicast) copy_up(PuntClass::circling, packet, now, kAddressedHead);
        return DropReason::flooded_copy;
    }
    // It may be a loop, or somebody who repeats himself: reason enough to probe, and none to drop.
    if (frame.cast != Cast::unicast &&
        circles_.comes_round(packet.meta.session, packet.data(), now, CircleDetector::kPause))
        copy_up(PuntClass::circling, packet, now, kAddressedHead);
    // A storm teaches nothing: its made-up addresses would fill the limits of MAC addresses, and be known then. Hosts that speak to
    // one another are known by that.
    if (hosts_.here != nullptr &&
        (flooded.source_known || meters.is_calm(session.options.storm, flooded, now)))
        (void)hosts_.here->heard(glance.source, packet.meta.session, frame.vid, flooded.source,
                                 session.options.macs, now);
    counters_.flooded[static_cast<std::size_t>(flooded.storm_class)].add(flooded.frames);
    return DropReason::none;
}

/// It was here by another way, so there is a loop; or it came out of this very tunnel. Towards a tunnel it may come out of another one,
/// as a hub passes frames on; but not where split horizon does not, or it went round through the LAN.
std::optional<FrameOrigin> AdmissionStage::copied_from(const PacketBuffer& packet,
                                                       const SessionAdmission& session,
                                                       TimePoint now) noexcept {
    // Without a guard nobody would block the loop; and without its checksum a frame looks different than when it comes back.
    if (hosts_.floods == nullptr || session.bridge == kNoSession || packet.meta.offload.needs_checksum)
        return std::nullopt;
    const FrameOrigin tunnel = out_of(packet.meta.session);
    const bool to_tunnel = direction_ == Direction::to_tunnel;
    const auto first =
        hosts_.floods->note(raw(session.bridge), packet.data(), to_tunnel ? FrameOrigin::lan : tunnel, now);
    if (!first) return std::nullopt;
    const bool copy =
        to_tunnel ? *first == tunnel || (session.isolated && is_isolated(*first)) : *first != tunnel;
    return copy ? first : std::nullopt;
}

/// Split horizon: its first copy came out of another session of the group, but its sender is known behind this one. So is it by all that
/// others have for it, until something is blocked; the bridge, which learned it from the first one, has to hear this one too. It goes
/// to the LAN alone, where it is one too many.
bool AdmissionStage::stays_where_it_was(const PacketBuffer& packet, const SessionAdmission& session,
                                        const Glance& glance, FrameOrigin first, TimePoint now) noexcept {
    if (direction_ == Direction::to_tunnel || !session.isolated || hosts_.here == nullptr) return false;
    if (!is_isolated(first) || !hosts_.here->knows(glance.source, now)) return false;
    hosts_.here->forget(session_of(first), glance.frame.vid, address_at(packet, kSourceAt));
    return true;
}

/// It is blocked, and does not cross; but who sent it is on the LAN's side, whatever the tunnel said.
void AdmissionStage::note_heard_on_lan(const PacketBuffer& packet, const FrameClass& frame,
                                       TimePoint now) noexcept {
    if (direction_ != Direction::to_tunnel || hosts_.elsewhere == nullptr || hosts_.there == nullptr) return;
    const HostHash sender = hosts_.there->hash(packet.meta.session, frame.vid, address_at(packet, kSourceAt));
    if (hosts_.there->knows(sender, now)) hosts_.elsewhere->note(sender, now);
}

bool AdmissionStage::is_isolated(FrameOrigin origin) const noexcept {
    if (origin == FrameOrigin::lan) return false;
    const auto index = raw(session_of(origin));
    return index < table_->size() && (*table_)[index] && (*table_)[index]->isolated;
}

bool AdmissionStage::is_flooded(const PacketBuffer& packet, const SessionAdmission& session,
                                const Glance& glance, TimePoint now) const noexcept {
    const FrameClass& frame = glance.frame;
    if (frame.cast != Cast::unicast) return true;
    // From the tunnel, those whom the kernel's bridge knows count too: a host may speak in its own site only.
    const bool to_lan = direction_ == Direction::from_tunnel;
    const bool bridge_known = hosts_.bridge != nullptr && session.bridge != kNoSession;
    if (hosts_.there == nullptr || (to_lan && !bridge_known)) return false;
    // An answer to a guard's question teaches all on its way where its sender is, but it must not pass a block.
    if (is_guard_source(address_at(packet, kDestinationAt))) return true;
    if (hosts_.there->knows(glance.destination, now)) return false;
    if (!to_lan) return true;
    return !hosts_.bridge->knows(session.bridge, session.bridge_filters_vlans ? frame.vid : 0,
                                 address_at(packet, kDestinationAt), now);
}

bool AdmissionStage::goes_round(const PacketBuffer& packet, const SessionAdmission& session,
                                const FrameClass& frame, bool blocked, TimePoint now) noexcept {
    if (!blocked && !circles_.is_suspect(packet.meta.session, frame.vid, now)) return false;
    const Duration pause = blocked ? CircleDetector::kPause : CircleDetector::kShortPause;
    if (!circles_.comes_round(packet.meta.session, packet.data(), now, pause)) return false;
    if (!session.options.observe) copy_up(PuntClass::circling, packet, now, kAddressedHead);
    return true;
}

/// Its host is behind a session of the group, as far as the bridge is concerned, and the frame comes out of another one.
bool AdmissionStage::is_stray(const PacketBuffer& packet, const SessionAdmission& session,
                              const FrameClass& frame, TimePoint now) const noexcept {
    return session.isolated && hosts_.strays != nullptr &&
           hosts_.strays->knows(session.bridge, session.bridge_filters_vlans ? frame.vid : 0,
                                address_at(packet, kDestinationAt), now);
}

void AdmissionStage::show_stray(const PacketBuffer& packet, const SessionAdmission& session,
                                const Glance& glance, TimePoint now) noexcept {
    if (!session.options.observe && strays_shown_.may_say(glance.destination, now))
        copy_up(PuntClass::stray_unicast, packet, now, kAddressedHead);
}

void AdmissionStage::copy_up(PuntClass c, const PacketBuffer& packet, TimePoint now,
                             std::size_t most) noexcept {
    if (punt_ == nullptr) return;
    if (!buckets_of(packet).copies[static_cast<std::size_t>(c)].take(copies_of(c), 1, now)) return;
    const Path path = packet.meta.path != nullptr ? *packet.meta.path : Path{};
    // A full ring costs a copy, not the verdict; the ring counts it.
    const Bytes bytes = packet.data();
    (void)punt_->offer(c, packet.meta.tunnel, packet.meta.session, path,
                       bytes.first(std::min(bytes.size(), most)));
}

std::uint64_t AdmissionCounters::bpdus() const noexcept {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < kLinkLocalKindCount; ++i)
        if (is_bpdu(static_cast<LinkLocalKind>(i))) sum += link_local[i].read();
    return sum;
}

}  // namespace isthmus::stp_guard
