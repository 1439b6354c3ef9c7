#include "crypto/ike/upkeep.h"

#include <algorithm>

#include "crypto/ike/child.h"
#include "crypto/ike/child_create.h"
#include "crypto/ike/child_rekey.h"
#include "crypto/ike/connect.h"
#include "crypto/ike/deletion.h"
#include "crypto/ike/ike_rekey.h"
#include "crypto/ike/jitter.h"
#include "crypto/ike/liveness.h"
#include "crypto/ike/messages.h"

namespace isthmus::crypto::ike::upkeep {

namespace {

/// A closed IKE SA answers a request whose answer was lost, as long as peers usually repeat.
constexpr std::chrono::seconds kAnswersAfterEnd{5};

bool can_request(const IkeSa& sa) noexcept {
    if (!sa.sealer || !sa.exchanges.is_idle()) return false;
    return sa.state != IkeState::closed && sa.state != IkeState::half_open && sa.state != IkeState::init_sent;
}

/// True: a request is on its way. False: the task has become needless.
bool start(Core& core, IkeSa& sa, const Task& task) {
    struct Starter {
        Core& core;
        IkeSa& sa;
        bool operator()(const CreateChildTask& t) const { return child_create::start(core, sa, t); }
        bool operator()(const RekeyChildTask& t) const { return child_rekey::start(core, sa, t); }
        bool operator()(const RekeyIkeTask&) const { return ike_rekey::start(core, sa); }
        bool operator()(const DeleteChildTask& t) const { return deletion::start(core, sa, t); }
        bool operator()(const DeleteIkeTask& t) const { return deletion::start(core, sa, t); }
        bool operator()(const LivenessTask&) const { return liveness::start(core, sa); }
        bool operator()(const RefuseTask& t) const {
            send_request(core, sa, ExchangeType::informational, {notify(t.error)});
            sa.request = Refusal{};
            return true;
        }
    };
    return std::visit(Starter{core, sa}, task);
}

void children_on_time(Core& core, IkeSa& sa) {
    std::vector<Spi> gone;
    for (ChildSa& child : sa.children) {
        const bool leaves = child.leave_at && *child.leave_at <= core.now;
        if (child.state == ChildState::late && leaves) gone.push_back(child.inbound);
        if (child.state == ChildState::replaced && leaves) {
            // The peer should have deleted it.
            child.leave_at.reset();
            sa.enqueue(DeleteChildTask{child.inbound, ChildDownReason::replaced});
        }
        if (!child.is_live()) continue;
        if (child.use_at && *child.use_at <= core.now) {
            child.use_at.reset();
            child::use(core, sa, child);
        }
        if (child.expires_at <= core.now) {
            child.expires_at = TimePoint::max();
            core.fail(sa.peer(), "child " + child.name + " has reached the end of its life without new keys");
            sa.enqueue(DeleteChildTask{child.inbound, ChildDownReason::expired});
        } else if (child.rekey_at <= core.now) {
            child.rekey_at = TimePoint::max();
            sa.enqueue(RekeyChildTask{child.inbound});
        }
    }
    for (const Spi inbound : gone) child::remove(core, sa, inbound, ChildDownReason::replaced);
}

void expire(Core& core, IkeSa& sa, std::string_view why) {
    sa.expires_at = sa.authentic_until = TimePoint::max();
    core.fail(sa.peer(), "the IKE SA has reached the end of its life " + std::string(why));
    sa.enqueue(DeleteIkeTask{ChildDownReason::expired});
}

/// Make before break: the old IKE SA stays until the new one is authenticated.
void reauthenticate(Core& core, IkeSa& sa) {
    sa.reauthenticate_at = TimePoint::max();
    Peer* peer = core.peer_named(sa.peer());
    if (peer == nullptr || !peer->begins()) return;
    core.note(NoteLevel::info, sa.peer(), "reauthentication: beginning anew beside the IKE SA");
    connect::begin_attempt(core, *peer);
}

void established_on_time(Core& core, IkeSa& sa) {
    if (sa.is_up() && sa.reauthenticate_at <= core.now) reauthenticate(core, sa);
    if (sa.is_up() && sa.expires_at <= core.now) {
        expire(core, sa, "without new keys");
    } else if (sa.is_up() && sa.authentic_until <= core.now) {
        expire(core, sa, "without authentication anew");
    } else if (sa.is_up() && sa.rekey_at <= core.now) {
        sa.rekey_at = TimePoint::max();
        sa.enqueue(RekeyIkeTask{});
    }
    children_on_time(core, sa);
    liveness::on_time(core, sa);
}

void leave(Core& core, IkeSa& sa) {
    switch (sa.state) {
        case IkeState::init_sent:
        case IkeState::auth_sent: return connect::on_attempt_timeout(core, sa);
        case IkeState::half_open: return close(core, sa, ChildDownReason::failed);
        case IkeState::replaced:
            // The peer should have deleted it.
            sa.leave_at.reset();
            if (!sa.is_queued<DeleteIkeTask>()) sa.enqueue(DeleteIkeTask{ChildDownReason::replaced});
            return;
        case IkeState::closed: return core.erase(sa);
        case IkeState::deleting: return close(core, sa, sa.deletion_reason());
        case IkeState::established: sa.leave_at.reset(); return;
    }
}

bool keeps_nat_open(const IkeSa& sa) noexcept {
    const bool behind = sa.nat.local_behind || sa.options->encapsulation == Encapsulation::always;
    return sa.is_up() && sa.floated && behind && sa.options->keepalive > Duration::zero();
}

TimePoint keepalive_at(const IkeSa& sa) noexcept {
    return keeps_nat_open(sa) ? sa.sent_at + sa.options->keepalive : TimePoint::max();
}

TimePoint queue_ready_at(const IkeSa& sa) noexcept {
    TimePoint earliest = TimePoint::max();
    if (!can_request(sa)) return earliest;
    for (const QueuedTask& queued : sa.queue) earliest = std::min(earliest, queued.not_before);
    return earliest;
}

/// Missing children are asked for by whoever may; the side that began with the IKE SA is first.
void see_to_children(Core& core, IkeSa& sa) {
    constexpr std::chrono::seconds kAfterYou{3};
    for (const ChildOptions& options : sa.options->children) {
        if (sa.live_child(options.name) != nullptr) continue;
        const auto* offer = sa.under_way<ChildOffer>();
        if (offer != nullptr && offer->child == options.name) continue;
        const bool is_queued = std::ranges::any_of(sa.queue, [&](const QueuedTask& queued) {
            const auto* create = std::get_if<CreateChildTask>(&queued.task);
            return create != nullptr && create->child == options.name;
        });
        if (!is_queued)
            sa.enqueue(CreateChildTask{options.name}, sa.we_initiated ? core.now : core.now + kAfterYou);
    }
}

/// The peer's rekeying that crossed ours has made an IKE SA that nobody will come back to.
void close_pending(Core& core, const IkeSa& sa, ChildDownReason reason) {
    const auto* rekey = sa.under_way<IkeRekey>();
    IkeSa* heir = rekey != nullptr && rekey->crossing ? core.sa_with(*rekey->crossing) : nullptr;
    if (heir == nullptr || !heir->pending) return;
    deletion::say_goodbye(core, *heir);
    close(core, *heir, reason);
}

struct Standing {
    PeerState state = PeerState::idle;
    std::string why;
};
Standing standing_of(Core& core, const Peer& peer) {
    const auto all = core.sas_of(peer.options->name);
    for (IkeSa* sa : all) {
        if (!sa->is_up()) continue;
        for (const ChildOptions& child : peer.options->children)
            if (sa->live_child(child.name) == nullptr)
                return {PeerState::degraded, "child " + child.name + " has no SAs"};
        return {PeerState::up, "with " + sa->remote.text()};
    }
    for (IkeSa* sa : all)
        if (sa->in_progress()) return {PeerState::connecting, "with " + sa->remote.text()};
    if (peer.resolving) return {PeerState::resolving, "looking up " + peer.options->remote_host};
    if (peer.attempt_at)
        return {PeerState::waiting, peer.last_error ? peer.last_error->text : "about to begin"};
    return {PeerState::idle, peer.last_error ? peer.last_error->text : "waiting for the peer to begin"};
}

/// SPIs that were offered and have no pair, or will have none.
void release_offered(Core& core, const IkeSa& sa) {
    if (const auto* offer = sa.under_way<ChildOffer>()) core.release(offer->inbound);
    if (const auto* deletion = sa.under_way<ChildDeletion>()) core.release_unused(deletion->inbound);
    for (const QueuedTask& queued : sa.queue)
        if (const auto* deletion = std::get_if<DeleteChildTask>(&queued.task))
            core.release_unused(deletion->inbound);
}

}  // namespace

void on_time(Core& core, IkeSa& sa) {
    if (sa.leave_at && *sa.leave_at <= core.now) return leave(core, sa);
    if (sa.is_authenticated() && sa.state != IkeState::closed) established_on_time(core, sa);
    if (sa.state == IkeState::closed) return;
    const auto again = sa.exchanges.retransmit_at();
    if (again && *again <= core.now) transmit(core, sa, sa.exchanges.retransmit(core.now, core.rng));
    if (keepalive_at(sa) <= core.now) {
        core.emit(SendKeepalive{sa.local, sa.remote});
        sa.sent_at = core.now;
    }
}

void pump(Core& core, IkeSa& sa) {
    while (can_request(sa)) {
        const auto ready = [&](const QueuedTask& queued) { return queued.not_before <= core.now; };
        const auto ends = [&](const QueuedTask& queued) {
            return ready(queued) && (std::holds_alternative<DeleteIkeTask>(queued.task) ||
                                     std::holds_alternative<RefuseTask>(queued.task));
        };
        auto next = std::ranges::find_if(sa.queue, ends);
        if (next == sa.queue.end()) next = std::ranges::find_if(sa.queue, ready);
        if (next == sa.queue.end()) return;
        const Task task = std::move(next->task);
        sa.queue.erase(next);
        if (start(core, sa, task)) return;
    }
}

TimePoint deadline(const IkeSa& sa) {
    TimePoint at = std::min({sa.leave_at.value_or(TimePoint::max()), queue_ready_at(sa), keepalive_at(sa)});
    if (sa.state == IkeState::closed) return at;
    at = std::min(at, sa.exchanges.retransmit_at().value_or(TimePoint::max()));
    if (!sa.is_authenticated()) return at;
    at = std::min(at, liveness::deadline(sa));
    if (sa.is_up()) at = std::min({at, sa.rekey_at, sa.expires_at, sa.reauthenticate_at, sa.authentic_until});
    for (const ChildSa& child : sa.children) {
        at = std::min(at, child.leave_at.value_or(TimePoint::max()));
        if (child.is_live())
            at = std::min({at, child.rekey_at, child.expires_at, child.use_at.value_or(TimePoint::max())});
    }
    return at;
}

void look_after(Core& core, Peer& peer) {
    bool has_one = false;
    for (IkeSa* sa : core.sas_of(peer.options->name)) {
        has_one = has_one || sa->is_up() || sa->in_progress();
        if (sa->is_up()) {
            see_to_children(core, *sa);
            pump(core, *sa);
        }
    }
    if (!has_one && !peer.attempt_at && peer.begins()) connect::schedule(core, peer, connect::Pace::at_once);
    const Standing standing = standing_of(core, peer);
    if (standing.state == peer.state && standing.why == peer.why) return;
    peer.state = standing.state;
    peer.why = standing.why;
    core.emit(PeerStateChanged{peer.options->name, peer.state, peer.why});
}

void close(Core& core, IkeSa& sa, ChildDownReason reason) {
    close_pending(core, sa, reason);
    child::remove_all(core, sa, reason);
    release_offered(core, sa);
    sa.queue.clear();
    sa.request.reset();
    sa.exchanges.abandon();
    sa.pending = false;
    core.set_state(sa, IkeState::closed);
    sa.leave_at = core.now + kAnswersAfterEnd;
    core.mark_peer(sa.peer());
}

void lose(Core& core, IkeSa& sa, ChildDownReason reason, std::string why) {
    const bool was_up = sa.is_up();
    if (was_up) core.fail(sa.peer(), std::move(why));
    close(core, sa, reason);
    Peer* peer = core.peer_named(sa.peer());
    if (was_up && peer != nullptr && !peer->attempt_at)
        connect::schedule(core, *peer, connect::Pace::at_once);
}

void retry_child(Core& core, IkeSa& sa, std::string_view child) {
    constexpr std::chrono::seconds kPause{5};
    sa.enqueue(CreateChildTask{std::string(child)}, core.now + spread(kPause, 20, core.rng));
}

void on_sign_of_life(Core& core, IkeSa& sa) {
    sa.heard_at = core.now;
    sa.hinted_at.reset();
}

}  // namespace isthmus::crypto::ike::upkeep
