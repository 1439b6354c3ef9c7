#include "stp-guard/probe_ledger.h"

namespace isthmus::stp_guard {

namespace {

constexpr std::size_t kMaxForeignNodes = 1'024;
constexpr std::size_t kMaxForeignPlaces = 16'384;  ///< of one node
constexpr auto kNonceSilence = std::chrono::seconds(5);

}  // namespace

ProbeLedger::ProbeLedger(Identity self, const ProbeOptions& options, Rng& rng)
    : self_(self), options_(options), rng_(rng), boot_nonce_(rng.u64() | 1) {}  // 0 means none, on the wire

LoopProbe ProbeLedger::next(Place place, PortKind kind, std::uint16_t flags, TimePoint now) {
    Sent& sent = sent_[place];
    sent.at = now;
    ++sent_count_;
    LoopProbe probe;
    probe.flags = flags;
    probe.sender = self_;
    probe.boot_nonce = boot_nonce_;
    probe.port = place.port;
    probe.port_kind = kind;
    probe.vid = place.vid;
    probe.seq = ++sent.last_seq;
    probe.sent_at = now;
    probe.destination = next_destination(sent);
    probe.source = guard_source(self_.node, place.port);
    return probe;
}

MacAddress ProbeLedger::next_destination(Sent& sent) {
    if (rng_.u32() % 4 == 0) {
        MacAddress decoy;
        rng_.fill(decoy.bytes);
        decoy.bytes[0] =
            static_cast<std::uint8_t>((decoy.bytes[0] & 0xfc) | 0x02);  // unicast, locally administered
        return decoy;
    }
    const bool broadcast = sent.broadcast_next;
    sent.broadcast_next = !broadcast;
    return broadcast ? kProbeBroadcast : kProbeGroup;
}

std::optional<TimePoint> ProbeLedger::last_sent(Place place) const {
    const auto found = sent_.find(place);
    return found == sent_.end() ? std::nullopt : std::optional(found->second.at);
}

void ProbeLedger::forget_port(PortId port) {
    std::erase_if(sent_, [port](const auto& entry) { return entry.first.port == port; });
}

Result<AcceptedProbe, ProbeRefusal> ProbeLedger::judge(const ReceivedProbe& received,
                                                       std::uint16_t arrival_vid,
                                                       const FrameAuthenticator& authenticator, TimePoint now,
                                                       Numbering numbering) {
    LoopProbe probe = received.probe;
    if (probe.sender.domain != self_.domain) return Unexpected(ProbeRefusal::unknown_domain);
    if (!is_authentic(received.sealed, received.mac, authenticator)) return Unexpected(ProbeRefusal::bad_mac);

    const bool own = probe.sender.node == self_.node;
    if (own) {
        if (const auto refusal = refuse_own(received, now)) return Unexpected(*refusal);
    } else if (const auto refusal = refuse_foreign(probe, now)) {
        return Unexpected(*refusal);
    }
    const bool others_other =
        numbering == Numbering::others_other || (probe.flags & ProbeFlags::kRenumbered) != 0;
    if (numbering == Numbering::any || (!own && others_other)) probe.vid = arrival_vid;
    if (probe.vid != arrival_vid) return Unexpected(ProbeRefusal::vlan_leak);
    if (received.altered()) return Unexpected(ProbeRefusal::altered);
    return AcceptedProbe{probe, own, own ? now - probe.sent_at : Duration{}, received.arrival_source};
}

std::optional<ProbeRefusal> ProbeLedger::refuse_own(const ReceivedProbe& received, TimePoint now) const {
    const LoopProbe& probe = received.probe;
    if (probe.sender.site != self_.site) return ProbeRefusal::same_identity;
    if (probe.boot_nonce != boot_nonce_) return ProbeRefusal::other_boot;
    const auto sent = sent_.find({probe.port, probe.vid});
    if (sent == sent_.end()) return ProbeRefusal::unknown_port;
    if (probe.seq == 0 || probe.seq > sent->second.last_seq) return ProbeRefusal::never_sent;
    if (sent->second.last_seq - probe.seq >= options_.sequence_window) return ProbeRefusal::stale_sequence;
    if (probe.sent_at > now || now - probe.sent_at >= options_.max_age) return ProbeRefusal::too_old;
    return std::nullopt;
}

std::optional<ProbeRefusal> ProbeLedger::refuse_foreign(const LoopProbe& probe, TimePoint now) {
    const auto node = raw(probe.sender.node);
    if (!foreign_.contains(node) && foreign_.size() >= kMaxForeignNodes) foreign_.clear();
    Foreign& foreign = foreign_[node];
    if (foreign.nonce != probe.boot_nonce) {
        // A node that restarts is silent for a while; who replays what it said before its restart is not believed.
        if (foreign.nonce != 0 && now - foreign.heard_at < kNonceSilence)
            return ProbeRefusal::replayed_foreign;
        foreign = {probe.boot_nonce, now, {}};
    }
    if (foreign.highest.size() >= kMaxForeignPlaces) foreign.highest.clear();
    std::uint64_t& highest = foreign.highest[{probe.port, probe.vid}];
    if (probe.seq + options_.sequence_window <= highest) return ProbeRefusal::replayed_foreign;
    if (probe.seq > highest) highest = probe.seq;
    foreign.heard_at = now;
    return std::nullopt;
}

void ProbeLedger::know_peer(NodeId node, std::uint64_t nonce, TimePoint now) {
    if (!foreign_.contains(raw(node)) && foreign_.size() >= kMaxForeignNodes) foreign_.clear();
    Foreign& foreign = foreign_[raw(node)];
    if (foreign.nonce != nonce) foreign = {nonce, now, {}};
    foreign.heard_at = now;
}

}  // namespace isthmus::stp_guard
