#include "crypto/ike/connect.h"

#include <algorithm>

#include "crypto/ike/init.h"
#include "crypto/ike/jitter.h"
#include "crypto/ike/upkeep.h"

namespace isthmus::crypto::ike::connect {

namespace {

/// A driver that does not answer Resolve is asked again.
constexpr std::chrono::seconds kResolvePatience{10};
constexpr std::chrono::milliseconds kSoon{300};

bool is_under_way(Core& core, const Peer& peer) {
    return std::ranges::any_of(core.sas_of(peer.options->name),
                               [](const IkeSa* sa) { return sa->in_progress(); });
}

/// Why there was no answer, as far as can be guessed.
std::string silence_text(const IkeSa& sa) {
    const std::string text = "no answer from " + sa.remote.text() + " to ";
    if (sa.state == IkeState::init_sent) return text + "IKE_SA_INIT";
    if (!sa.setup->hearsay.empty())
        return text + "IKE_AUTH but in clear, which may be anybody's: " + sa.setup->hearsay;
    return text + "IKE_AUTH: " + (sa.floated ? "UDP 4500 or a" : "a") +
           " long packet may not get through, or the peer gave up";
}

Duration back_off(const Peer& peer, Rng& rng) {
    const Duration longest = peer.options->longest_back_off;
    const std::uint32_t doublings = std::min<std::uint32_t>(peer.failures > 0 ? peer.failures - 1 : 0, 6);
    const Duration grown = std::min(longest * (1 << doublings) / 10, longest * 9 / 10);
    return spread(grown, 10, rng);
}

}  // namespace

void begin_attempt(Core& core, Peer& peer) {
    if (is_under_way(core, peer)) return;
    peer.attempt_at = core.now + kResolvePatience;
    peer.resolving = true;
    core.emit(Resolve{peer.options->name, peer.options->remote_host});
    core.mark_peer(peer.options->name);
}

void on_resolved(Core& core, Peer& peer, std::span<const ResolvedAddress> addresses) {
    const PeerOptions& options = *peer.options;
    core.mark_peer(options.name);
    if (!peer.resolving) return;
    peer.resolving = false;
    peer.addresses.assign(addresses.begin(), addresses.end());
    if (addresses.empty()) {
        ++peer.failures;
        core.fail(options.name, "no address is known for " + options.remote_host);
        return schedule(core, peer, Pace::backing_off);
    }
    peer.attempt_at.reset();
    const ResolvedAddress& to = peer.addresses[peer.next_address++ % peer.addresses.size()];
    const IpAddress local = options.local.is_unspecified() ? to.local : options.local;
    init::begin(core, peer, {local, core.options.ike_port}, {to.remote, options.remote_port});
}

void on_attempt_failed(Core& core, IkeSa& sa, const std::string& why) {
    on_peer_refused(core, sa, why);
    upkeep::close(core, sa, ChildDownReason::failed);
}

void on_peer_refused(Core& core, IkeSa& sa, const std::string& why) {
    constexpr std::chrono::seconds kToTellIt{3};
    core.fail(sa.peer(), why);
    core.set_state(sa, IkeState::deleting);
    sa.leave_at = core.now + kToTellIt;
    if (Peer* peer = core.peer_named(sa.peer())) {
        ++peer->failures;
        schedule(core, *peer, Pace::backing_off);
    }
}

void on_attempt_timeout(Core& core, IkeSa& sa) {
    Peer* peer = core.peer_named(sa.peer());
    const bool was_told_why = peer != nullptr && peer->last_error && peer->last_error->at >= sa.born;
    if (!was_told_why) core.fail(sa.peer(), silence_text(sa));
    upkeep::close(core, sa, ChildDownReason::failed);
    if (peer == nullptr) return;
    ++peer->failures;
    schedule(core, *peer, was_told_why ? Pace::backing_off : Pace::at_once);
}

void schedule(Core& core, Peer& peer, Pace pace) {
    core.mark_peer(peer.options->name);
    if (!peer.begins()) return;
    const Duration wait = pace == Pace::at_once ? random_below(kSoon, core.rng) : back_off(peer, core.rng);
    peer.attempt_at = core.now + wait;
}

}  // namespace isthmus::crypto::ike::connect
