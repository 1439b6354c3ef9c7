#include "crypto/ike/snapshot_of.h"

#include <algorithm>

#include "crypto/ike/identity.h"
#include "crypto/ike/init.h"

namespace isthmus::crypto::ike {

namespace {

std::string_view name_of(const ChildSa& child) noexcept {
    switch (child.state) {
        case ChildState::installed: return "installed";
        case ChildState::replaced: return "replaced";
        case ChildState::deleting: return "deleting";
        case ChildState::late: return "closing";
    }
    return "";
}

std::optional<Duration> until(TimePoint at, TimePoint now) {
    if (at == TimePoint::max()) return std::nullopt;
    return std::max(at - now, Duration::zero());
}

ChildSnapshot describe(const IkeSa& sa, const ChildSa& child, TimePoint now) {
    ChildSnapshot out;
    const auto* offer = sa.under_way<ChildOffer>();
    const bool rekeying = offer != nullptr && offer->rekeys == child.inbound;
    out.name = child.name;
    out.state = rekeying ? "rekeying" : std::string(name_of(child));
    out.inbound = child.inbound;
    out.outbound = child.outbound;
    out.sends = child.sends;
    out.mode = child.mode;
    out.path = sa.esp_path();
    out.suite = child.suite_text;
    out.local_selectors = child.local;
    out.remote_selectors = child.remote;
    out.age = now - child.born;
    out.rekey_in = until(child.rekey_at, now);
    out.packets_in = child.packets_in;
    out.packets_out = child.packets_out;
    out.bytes_in = child.bytes_in;
    out.bytes_out = child.bytes_out;
    return out;
}

IkeSaSnapshot describe(const IkeSa& sa, TimePoint now) {
    IkeSaSnapshot out;
    out.initiator_spi = sa.spis.initiator;
    out.responder_spi = sa.spis.responder;
    out.we_initiated = sa.we_initiated;
    out.state = sa.under_way<IkeRekey>() != nullptr ? "rekeying" : std::string(name_of(sa.state));
    out.local = sa.local;
    out.remote = sa.remote;
    out.local_identity = text_of(sa.options->local_id);
    if (sa.peer_id) out.remote_identity = text_of(*sa.peer_id);
    out.local_auth = sa.local_auth;
    out.remote_auth = sa.remote_auth;
    if (sa.sealer) out.suite = text_of(sa.suite);
    out.local_behind_nat = sa.nat.local_behind;
    out.remote_behind_nat = sa.nat.remote_behind;
    out.in_udp = sa.in_udp;
    out.fragmentation = sa.peer_fragments && sa.options->fragment_size != 0;
    out.ppk = sa.ppk_used;
    out.age = now - (sa.is_authenticated() ? sa.up_at : sa.born);
    out.silent_for = now - (sa.is_authenticated() ? sa.heard_at : sa.born);
    if (sa.is_up()) {
        out.rekey_in = until(sa.rekey_at, now);
        out.reauthentication_in = until(sa.reauthenticate_at, now);
    }
    out.retransmissions = sa.exchanges.retransmissions();
    for (const ChildSa& child : sa.children) out.children.push_back(describe(sa, child, now));
    return out;
}

PeerSnapshot describe(const Core& core, const Peer& peer, TimePoint now) {
    PeerSnapshot out;
    out.name = peer.options->name;
    out.state = peer.state;
    out.why = peer.why;
    out.remote_host = peer.options->remote_host;
    if (peer.last_error) {
        out.last_error = peer.last_error->text;
        out.last_error_age = now - peer.last_error->at;
    }
    out.mismatch = peer.mismatch;
    if (peer.attempt_at) out.next_attempt_in = until(*peer.attempt_at, now);
    out.failed_attempts = peer.failures;
    for (const IkeSa* sa : core.sas_of(out.name)) out.ike_sas.push_back(describe(*sa, now));
    return out;
}

}  // namespace

Snapshot snapshot_of(const Core& core, TimePoint now) {
    Snapshot out;
    for (const auto& [name, peer] : core.peers) out.peers.push_back(describe(core, peer, now));
    out.half_open = core.half_open;
    out.cookies_demanded = init::cookies_demanded(core);
    out.cookies_sent = core.counters.cookies_sent;
    out.invalid_spi_sent = core.counters.invalid_spi_sent;
    out.dropped_datagrams = core.counters.dropped;
    return out;
}

}  // namespace isthmus::crypto::ike
