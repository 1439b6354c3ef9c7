#include "crypto/ike/engine.h"

#include <algorithm>
#include <set>

#include "crypto/ike/auth_common.h"
#include "crypto/ike/child.h"
#include "crypto/ike/connect.h"
#include "crypto/ike/core.h"
#include "crypto/ike/deletion.h"
#include "crypto/ike/liveness.h"
#include "crypto/ike/moves.h"
#include "crypto/ike/receive.h"
#include "crypto/ike/snapshot_of.h"
#include "crypto/ike/upkeep.h"

namespace isthmus::crypto::ike {

/// Each call: what happened, then settle(), which does what follows from it.
class Engine::Impl {
  public:
    Impl(EngineOptions options, Rng& rng) : core(std::move(options), rng) {}

    void at(TimePoint now) { core.now = now; }

    /// Queues, peers and deadlines of all that has changed.
    void settle() {
        for (;;) {
            const auto sas = core.take_marked();
            const auto peers = core.take_marked_peers();
            if (sas.empty() && peers.empty()) return;
            for (const IkeSpi spi : sas) settle_sa(spi);
            for (const std::string& name : peers) settle_peer(name);
        }
    }
    void on_timeout() {
        while (!due_.empty() && due_.begin()->first <= core.now) {
            const IkeSpi spi = due_.begin()->second;
            forget_deadline(spi);
            IkeSa* sa = core.sa_with(spi);
            if (sa == nullptr) continue;
            core.mark(*sa);
            upkeep::on_time(core, *sa);
        }
        while (!attempts_due_.empty() && attempts_due_.begin()->first <= core.now) {
            const std::string name = attempts_due_.begin()->second;
            attempts_due_.erase(attempts_due_.begin());
            attempt_of_.erase(name);
            Peer* peer = core.peer_named(name);
            if (peer == nullptr || !peer->attempt_at) continue;
            core.mark_peer(name);
            if (*peer->attempt_at > core.now) continue;
            peer->attempt_at.reset();
            connect::begin_attempt(core, *peer);
        }
        settle();
    }
    [[nodiscard]] std::optional<TimePoint> next_timeout() const {
        TimePoint at = due_.empty() ? TimePoint::max() : due_.begin()->first;
        if (!attempts_due_.empty()) at = std::min(at, attempts_due_.begin()->first);
        if (at == TimePoint::max()) return std::nullopt;
        return at;
    }
    /// Who is not good (any more) by the credentials and the time of now is told goodbye.
    void check_again(IkeSa& sa) {
        const auto still_good = auth::check_again(core, sa);
        if (still_good) return;
        core.fail(sa.peer(), "the peer is not accepted any more: " + still_good.error());
        sa.queue.clear();
        sa.enqueue(DeleteIkeTask{ChildDownReason::terminated});
        core.mark(sa);
    }
    void drop_peer(Peer& peer) {
        for (IkeSa* sa : core.sas_of(peer.options->name)) {
            deletion::say_goodbye(core, *sa);
            upkeep::close(core, *sa, ChildDownReason::terminated);
        }
    }

    Core core;

  private:
    void settle_sa(IkeSpi spi) {
        forget_deadline(spi);
        IkeSa* sa = core.sa_with(spi);
        if (sa == nullptr) return;
        upkeep::pump(core, *sa);
        const bool tells_peer = sa->state != IkeState::half_open;
        if (tells_peer) core.mark_peer(sa->peer());
        const TimePoint at = upkeep::deadline(*sa);
        if (at == TimePoint::max()) return;
        due_.insert({at, spi});
        due_of_[spi] = at;
    }
    void settle_peer(const std::string& name) {
        Peer* peer = core.peer_named(name);
        if (peer != nullptr) upkeep::look_after(core, *peer);
        const auto known = attempt_of_.find(name);
        const bool begins = peer != nullptr && peer->attempt_at.has_value();
        const TimePoint at = begins ? *peer->attempt_at : TimePoint::max();
        if (known != attempt_of_.end()) {
            if (at == known->second) return;
            attempts_due_.erase({known->second, name});
            attempt_of_.erase(known);
        }
        if (!begins) return;
        attempts_due_.insert({at, name});
        attempt_of_[name] = at;
    }
    void forget_deadline(IkeSpi spi) {
        const auto found = due_of_.find(spi);
        if (found == due_of_.end()) return;
        due_.erase({found->second, spi});
        due_of_.erase(found);
    }

    std::set<std::pair<TimePoint, IkeSpi>> due_;
    std::map<IkeSpi, TimePoint> due_of_;
    std::set<std::pair<TimePoint, std::string>> attempts_due_;  ///< peers to begin with
    std::map<std::string, TimePoint, std::less<>> attempt_of_;
};

Engine::Engine(EngineOptions options, Rng& rng) : impl_(std::make_unique<Impl>(std::move(options), rng)) {}
Engine::~Engine() = default;

namespace {

/// The same but for credentials, which count from the next authentication on.
bool same_but_credentials(const PeerOptions& a, PeerOptions b) {
    b.credentials = a.credentials;
    return a == b;
}

}  // namespace

void Engine::configure(std::vector<PeerOptions> peers, TimePoint now) {
    Core& core = impl_->core;
    impl_->at(now);
    std::map<std::string, Peer, std::less<>> before = std::exchange(core.peers, {});
    for (PeerOptions& options : peers) {
        Peer peer;
        const auto known = before.find(options.name);
        auto shared = std::make_shared<const PeerOptions>(std::move(options));
        if (known != before.end() && same_but_credentials(*known->second.options, *shared)) {
            peer = std::move(known->second);
            before.erase(known);
        }
        const bool is_unchanged = peer.options != nullptr;
        peer.options = shared;
        core.mark_peer(shared->name);
        core.peers.insert_or_assign(shared->name, std::move(peer));
        if (!is_unchanged) continue;
        for (IkeSa* sa : core.sas_of(shared->name)) {
            sa->options = shared;
            impl_->check_again(*sa);
        }
    }
    for (auto& [name, gone] : before) {
        impl_->drop_peer(gone);
        core.mark_peer(name);
    }
    impl_->settle();
}

void Engine::reserve_spis(std::span<const Spi> inbound) {
    impl_->core.reserved_spis = {inbound.begin(), inbound.end()};
}

void Engine::on_certain_time(WallTime passed) {
    impl_->core.newest_seen = std::max(impl_->core.newest_seen, passed);
}

void Engine::check_certificates(TimePoint now, WallTime wall) {
    impl_->at(now);
    impl_->core.wall = wall;
    for (const auto& [name, peer] : impl_->core.peers)
        for (IkeSa* sa : impl_->core.sas_of(name)) impl_->check_again(*sa);
    impl_->settle();
}

void Engine::shut_down(TimePoint now) {
    impl_->at(now);
    for (auto& [spi, sa] : impl_->core.sas) {
        deletion::say_goodbye(impl_->core, *sa);
        upkeep::close(impl_->core, *sa, ChildDownReason::terminated);
    }
    impl_->core.peers.clear();
    impl_->settle();
}

void Engine::on_datagram(Bytes message, const Path& path, TimePoint now, WallTime wall) {
    impl_->at(now);
    impl_->core.wall = wall;
    receive::on_datagram(impl_->core, message, path);
    impl_->settle();
}

void Engine::on_timeout(TimePoint now) {
    impl_->at(now);
    impl_->on_timeout();
}

std::optional<TimePoint> Engine::next_timeout() const {
    return impl_->next_timeout();
}

std::optional<Action> Engine::poll_action() {
    auto& actions = impl_->core.actions;
    if (actions.empty()) return std::nullopt;
    std::optional<Action> action(std::move(actions.front()));
    actions.pop_front();
    return action;
}

void Engine::on_resolved(std::string_view peer, std::span<const ResolvedAddress> addresses, TimePoint now) {
    impl_->at(now);
    if (Peer* known = impl_->core.peer_named(peer)) connect::on_resolved(impl_->core, *known, addresses);
    impl_->settle();
}

void Engine::on_sa_usage(Spi inbound, const SaUsage& usage, TimePoint now) {
    impl_->at(now);
    IkeSa* sa = impl_->core.owner_of(inbound);
    ChildSa* pair = sa != nullptr ? sa->child_in(inbound) : nullptr;
    if (pair == nullptr) return;
    child::on_usage(impl_->core, *sa, *pair, usage);
    impl_->settle();
}

void Engine::on_unknown_spi(Spi spi, const Path& path, TimePoint now) {
    impl_->at(now);
    liveness::answer_unknown_spi(impl_->core, spi, path);
}

void Engine::on_esp_path_moved(Spi inbound, const Endpoint& remote, TimePoint now) {
    impl_->at(now);
    if (IkeSa* sa = impl_->core.owner_of(inbound)) moves::on_authentic_esp(impl_->core, *sa, remote);
    impl_->settle();
}

namespace {

Unexpected<std::string> no_such_peer(std::string_view peer) {
    return Unexpected("there is no peer named " + std::string(peer));
}

}  // namespace

Result<void, std::string> Engine::initiate(std::string_view peer, TimePoint now) {
    impl_->at(now);
    Peer* known = impl_->core.peer_named(peer);
    if (known == nullptr) return no_such_peer(peer);
    if (known->options->remote_host.empty())
        return Unexpected("peer " + std::string(peer) + " has no remote address: only it can begin");
    known->by_operator = true;
    known->attempt_at.reset();
    known->resolving = false;
    connect::begin_attempt(impl_->core, *known);
    impl_->settle();
    return {};
}

Result<void, std::string> Engine::rekey(std::string_view peer, std::optional<std::string_view> child,
                                        TimePoint now) {
    impl_->at(now);
    if (impl_->core.peer_named(peer) == nullptr) return no_such_peer(peer);
    const auto all = impl_->core.sas_of(peer);
    const auto up = std::ranges::find_if(all, [](const IkeSa* sa) { return sa->is_up(); });
    if (up == all.end()) return Unexpected("peer " + std::string(peer) + " is not up");
    if (child) {
        const ChildSa* pair = (*up)->live_child(*child);
        if (pair == nullptr)
            return Unexpected("peer " + std::string(peer) + " has no SAs for child " + std::string(*child));
        (*up)->enqueue(RekeyChildTask{pair->inbound});
    } else {
        (*up)->enqueue(RekeyIkeTask{});
    }
    impl_->core.mark(**up);
    impl_->settle();
    return {};
}

Result<void, std::string> Engine::terminate(std::string_view peer, TimePoint now) {
    impl_->at(now);
    if (impl_->core.peer_named(peer) == nullptr) return no_such_peer(peer);
    for (IkeSa* sa : impl_->core.sas_of(peer)) {
        if (sa->in_progress()) upkeep::close(impl_->core, *sa, ChildDownReason::terminated);
        if (!sa->is_up()) continue;
        sa->queue.clear();
        sa->enqueue(DeleteIkeTask{ChildDownReason::terminated});
        impl_->core.mark(*sa);
    }
    impl_->settle();
    return {};
}

Snapshot Engine::snapshot(TimePoint now) const {
    return snapshot_of(impl_->core, now);
}

}  // namespace isthmus::crypto::ike
