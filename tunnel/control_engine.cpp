#include "tunnel/control_engine.h"

#include <algorithm>
#include <map>
#include <set>

#include "tunnel/control_context.h"
#include "tunnel/control_peer.h"
#include "tunnel/deadlines.h"

namespace isthmus::tunnel {

namespace {

MessageType type_of_first(Bytes body) {
    const auto first = AvpReader(body).next();
    const bool readable =
        first && first->key == avp::kMessageType && !first->hidden && first->value.size() == 2;
    return readable ? MessageType(load_be16(first->value.data())) : MessageType{};
}

std::string host_name_in(Bytes body) {
    for (AvpReader reader(body); !reader.done();) {
        const auto avp = reader.next();
        if (!avp) break;
        if (avp->key == avp::kHostName && !avp->hidden) return {avp->value.begin(), avp->value.end()};
    }
    return {};
}

}  // namespace

class ControlEngine::Impl {
  public:
    Impl(Rng& rng, const ControlLimits& limits)
        : context_(rng), limits_(limits), refusals_(limits.refusals_per_second, limits.refusals_per_second) {}

    void configure(ControlPlan plan, TimePoint now);
    void on_message(Bytes packet, const ControlArrival& arrival, TimePoint now);
    void on_timeout(TimePoint now);
    void stop(const Ending<StopResult>& why, TimePoint now);
    [[nodiscard]] bool stopped() const;
    [[nodiscard]] std::optional<TimePoint> next_timeout() const;
    [[nodiscard]] std::optional<ControlAction> poll_action();
    [[nodiscard]] ControlStatus snapshot(TimePoint now) const;
    void set_ready(TunnelIndex tunnel, bool ready, TimePoint now);
    void set_circuit(SessionIndex session, const CircuitStatus& status, TimePoint now);

    /// Calls f(ControlPeer&) for the peer, if there is one, and looks at its timers afterwards.
    template <class F>
    void with_peer(TunnelIndex tunnel, F&& f) {
        const auto at = peers_.find(tunnel);
        if (at == peers_.end()) return;
        f(*at->second);
        deadlines_.set(tunnel, at->second->next_timeout());
    }
    template <class F>
    void with_session(SessionIndex session, F&& f) {
        if (const auto at = tunnel_of_.find(session); at != tunnel_of_.end()) with_peer(at->second, f);
    }

  private:
    void retire_peers(const ControlPlan& plan, TimePoint now);
    void on_addressed(const ControlPacket& packet, const ControlArrival& arrival, TimePoint now);
    void on_unaddressed(const ControlPacket& packet, const ControlArrival& arrival, TimePoint now);
    void on_request(const ControlPacket& packet, const ControlArrival& arrival, TimePoint now);
    [[nodiscard]] std::vector<TunnelIndex> candidates(const ControlArrival& arrival) const;
    [[nodiscard]] ControlPeer* leaving_with(ControlConnectionId id);
    void send_stateless(ControlConnectionId to, const StopCcn& stop, TunnelIndex tunnel,
                        const ControlArrival& arrival, TimePoint now);

    ControlContext context_;
    ControlLimits limits_;
    RateLimit refusals_;
    std::map<TunnelIndex, std::unique_ptr<ControlPeer>> peers_;
    std::vector<std::unique_ptr<ControlPeer>> leaving_;  ///< their StopCCN is not acknowledged yet
    std::multimap<IpAddress, TunnelIndex> by_address_;   ///< in the clear, with a configured address
    std::vector<TunnelIndex> without_address_;           ///< in the clear, others
    std::map<SessionIndex, TunnelIndex> tunnel_of_;
    std::map<TunnelIndex, bool> ready_;
    std::map<SessionIndex, CircuitStatus> circuits_;
    Deadlines<TunnelIndex> deadlines_;
};

// ------------------------------------------------------------------------------------------------- configuration

void ControlEngine::Impl::configure(ControlPlan plan, TimePoint now) {
    context_.self = plan.self;
    for (const SessionId id : plan.reserved) context_.session_ids.reserve(raw(id));
    retire_peers(plan, now);

    std::map<TunnelIndex, std::vector<PseudowireOptions>> pseudowires;
    std::vector<SessionIndex> moved;
    std::map<SessionIndex, TunnelIndex> tunnel_of;
    for (auto& options : plan.pseudowires) {
        const auto before = tunnel_of_.find(options.session);
        if (before == tunnel_of_.end() || before->second != options.tunnel) moved.push_back(options.session);
        tunnel_of.emplace(options.session, options.tunnel);
        pseudowires[options.tunnel].push_back(std::move(options));
    }
    tunnel_of_ = std::move(tunnel_of);

    by_address_.clear();
    without_address_.clear();
    for (auto& options : plan.connections) {
        const TunnelIndex tunnel = options.tunnel;
        if (!options.is_protected && options.remote) by_address_.emplace(*options.remote, tunnel);
        if (!options.is_protected && !options.remote) without_address_.push_back(tunnel);
        auto& peer = peers_[tunnel];
        const bool is_new = peer == nullptr;
        if (is_new) {
            peer = std::make_unique<ControlPeer>(context_, std::move(options), limits_);
        } else {
            peer->become(std::move(options), now);
        }
        peer->configure_sessions(std::move(pseudowires[tunnel]), now);
        if (is_new) peer->on_transport(ready_[tunnel], now);
        deadlines_.set(tunnel, peer->next_timeout());
    }
    // A new pseudowire, or one in the place of a new peer, does not know its circuit yet.
    for (const auto& known : circuits_)
        with_session(known.first,
                     [&](ControlPeer& peer) { peer.on_circuit(known.first, known.second, now); });
}

void ControlEngine::Impl::retire_peers(const ControlPlan& plan, TimePoint now) {
    std::map<TunnelIndex, const ConnectionOptions*> next;
    for (const auto& options : plan.connections) next.emplace(options.tunnel, &options);
    for (auto at = peers_.begin(); at != peers_.end();) {
        const auto wanted = next.find(at->first);
        if (wanted != next.end() && at->second->can_become(*wanted->second)) {
            ++at;
            continue;
        }
        at->second->shut_down(
            {StopResult::general, ErrorCode::none,
             wanted == next.end() ? "removed from the configuration" : "its configuration has changed"},
            now);
        deadlines_.set(at->first, std::nullopt);
        if (!at->second->is_shut_down()) leaving_.push_back(std::move(at->second));
        at = peers_.erase(at);
    }
}

void ControlEngine::Impl::set_ready(TunnelIndex tunnel, bool ready, TimePoint now) {
    ready_[tunnel] = ready;
    with_peer(tunnel, [&](ControlPeer& peer) { peer.on_transport(ready, now); });
}

void ControlEngine::Impl::set_circuit(SessionIndex session, const CircuitStatus& status, TimePoint now) {
    circuits_[session] = status;
    with_session(session, [&](ControlPeer& peer) { peer.on_circuit(session, status, now); });
}

// ------------------------------------------------------------------------------------------------------ messages

void ControlEngine::Impl::on_message(Bytes bytes, const ControlArrival& arrival, TimePoint now) {
    const auto packet = ControlPacket::parse(arrival.encapsulation, bytes);
    if (!packet) {
        ++context_.refusals.malformed;
        return;
    }
    if (packet->header.connection != ControlConnectionId{})
        on_addressed(*packet, arrival, now);
    else
        on_unaddressed(*packet, arrival, now);
}

void ControlEngine::Impl::on_addressed(const ControlPacket& packet, const ControlArrival& arrival,
                                       TimePoint now) {
    const ControlConnectionId id = packet.header.connection;
    const auto known = context_.connections.find(raw(id));
    if (known == context_.connections.end()) {
        ++context_.refusals.unknown_connection;
        const MessageType type = type_of_first(packet.body);
        const bool asks_for_answer =
            !packet.body.empty() && type != MessageType::ack && type != MessageType::stop_ccn;
        const auto from = candidates(arrival);
        // A peer that talks to a process before this one learns so at once (RFC 3931 section 5.4.2, error 1); it finds
        // its connection by the id that it used (section 5.4.3).
        if (asks_for_answer && !from.empty())
            send_stateless({},
                           {{StopResult::general_error, ErrorCode::no_control_connection, "restarted"}, id},
                           from.front(), arrival, now);
        return;
    }
    ControlPeer* peer = leaving_with(id);
    if (peer != nullptr) {
        if (peer->may_be_from(arrival, id)) peer->on_packet(packet, arrival.path, now);
        return;
    }
    with_peer(known->second, [&](ControlPeer& owner) {
        if (owner.may_be_from(arrival, id))
            owner.on_packet(packet, arrival.path, now);
        else
            ++(owner.options().is_protected ? context_.refusals.wrong_sa : context_.refusals.not_a_peer);
    });
}

void ControlEngine::Impl::on_unaddressed(const ControlPacket& packet, const ControlArrival& arrival,
                                         TimePoint now) {
    const MessageType type = type_of_first(packet.body);
    if (type == MessageType::sccrq) return on_request(packet, arrival, now);
    if (type != MessageType::stop_ccn) {
        // Acknowledgements of a refusal have no id to go to; all else has to have one.
        if (!packet.body.empty() && type != MessageType::ack) ++context_.refusals.malformed;
        return;
    }
    const ControlConnectionId assigned = assigned_id_in(packet.body);
    for (const TunnelIndex tunnel : candidates(arrival))
        with_peer(tunnel,
                  [&](ControlPeer& peer) { peer.on_unaddressed_stop(packet, assigned, arrival.path, now); });
}

void ControlEngine::Impl::on_request(const ControlPacket& packet, const ControlArrival& arrival,
                                     TimePoint now) {
    if (packet.header.ns != 0 || packet.header.nr != 0) {
        ++context_.refusals.malformed;  // the first message of a connection, by its id
        return;
    }
    auto from = candidates(arrival);
    if (from.empty()) {
        const bool sealed = arrival.authenticated_for != kNoTunnel;
        const bool clear_of_protected =
            !sealed && std::any_of(peers_.begin(), peers_.end(), [&](const auto& p) {
                return p.second->options().is_protected &&
                       p.second->options().remote == arrival.path.remote.address;
            });
        ++(sealed || clear_of_protected ? context_.refusals.wrong_sa : context_.refusals.not_a_peer);
        send_stateless(assigned_id_in(packet.body),
                       {{StopResult::not_authorized, ErrorCode::none,
                         clear_of_protected ? "control messages are taken only through IPsec"
                                            : "this address is that of no peer"},
                        std::nullopt},
                       kNoTunnel, arrival, now);
        return;
    }
    // Several peers behind one address are told apart by host name or secret.
    const std::string host = host_name_in(packet.body);
    std::stable_partition(from.begin(), from.end(),
                          [&](TunnelIndex t) { return peers_.at(t)->options().peer_host_name == host; });
    for (const TunnelIndex tunnel : from) {
        auto admission = ControlPeer::Admission::not_authentic;
        with_peer(tunnel, [&](ControlPeer& peer) { admission = peer.on_request(packet, arrival.path, now); });
        if (admission == ControlPeer::Admission::taken) return;
    }
    ++context_.refusals.bad_digest;
}

std::vector<TunnelIndex> ControlEngine::Impl::candidates(const ControlArrival& arrival) const {
    std::vector<TunnelIndex> out;
    const auto consider = [&](TunnelIndex tunnel) {
        const auto at = peers_.find(tunnel);
        if (at != peers_.end() && at->second->may_be_from(arrival)) out.push_back(tunnel);
    };
    if (arrival.authenticated_for != kNoTunnel) {
        consider(arrival.authenticated_for);
        return out;
    }
    const auto [first, last] = by_address_.equal_range(arrival.path.remote.address);
    for (auto at = first; at != last; ++at) consider(at->second);
    for (const TunnelIndex tunnel : without_address_) consider(tunnel);
    return out;
}

ControlPeer* ControlEngine::Impl::leaving_with(ControlConnectionId id) {
    for (const auto& peer : leaving_)
        if (peer->has(id)) return peer.get();
    return nullptr;
}

void ControlEngine::Impl::send_stateless(ControlConnectionId to, const StopCcn& stop, TunnelIndex tunnel,
                                         const ControlArrival& arrival, TimePoint now) {
    if (!refusals_.take(now)) {
        ++context_.refusals.rate_limited;
        return;
    }
    ++context_.refusals.refusals_sent;
    context_.actions.emplace_back(
        SendControl{tunnel, arrival.encapsulation, arrival.path,
                    wire_form(arrival.encapsulation, plain_message({to, 0, 1}, emit_body(stop)))});
}

// -------------------------------------------------------------------------------------------------------- timers

void ControlEngine::Impl::on_timeout(TimePoint now) {
    while (const auto tunnel = deadlines_.take_due(now)) {
        // What is still due afterwards waits for the next call: no peer can keep the others waiting.
        with_peer(*tunnel, [&](ControlPeer& peer) { peer.on_timeout(now); });
        if (const auto next = deadlines_.earliest();
            next && *next <= now && peers_.at(*tunnel)->next_timeout() == next)
            break;
    }
    for (const auto& peer : leaving_) peer->on_timeout(now);
    std::erase_if(leaving_, [](const auto& peer) { return peer->is_shut_down(); });
}

std::optional<TimePoint> ControlEngine::Impl::next_timeout() const {
    std::optional<TimePoint> next = deadlines_.earliest();
    for (const auto& peer : leaving_)
        if (const auto at = peer->next_timeout(); at && (!next || *at < *next)) next = at;
    return next;
}

void ControlEngine::Impl::stop(const Ending<StopResult>& why, TimePoint now) {
    for (const auto& [tunnel, peer] : peers_) {
        peer->shut_down(why, now);
        deadlines_.set(tunnel, peer->next_timeout());
    }
}

bool ControlEngine::Impl::stopped() const {
    return leaving_.empty() &&
           std::all_of(peers_.begin(), peers_.end(), [](const auto& p) { return p.second->is_shut_down(); });
}

std::optional<ControlAction> ControlEngine::Impl::poll_action() {
    if (context_.actions.empty()) return std::nullopt;
    ControlAction action = std::move(context_.actions.front());
    context_.actions.pop_front();
    return action;
}

ControlStatus ControlEngine::Impl::snapshot(TimePoint now) const {
    ControlStatus out;
    for (const auto& [tunnel, peer] : peers_) {
        out.connections.push_back(peer->status(now));
        for (auto& session : peer->sessions().status(now)) out.sessions.push_back(std::move(session));
    }
    std::sort(out.sessions.begin(), out.sessions.end(),
              [](const SessionStatus& a, const SessionStatus& b) { return a.session < b.session; });
    out.refusals = context_.refusals;
    out.connections_held = context_.connections.size();
    for (const auto& [tunnel, peer] : peers_) out.sessions_held += peer->sessions().session_count();
    out.ids_held = context_.connection_ids.size() + context_.session_ids.size();
    return out;
}

// ------------------------------------------------------------------------------------------------------ interface

ControlEngine::ControlEngine(Rng& rng, ControlLimits limits) : impl_(std::make_unique<Impl>(rng, limits)) {}
ControlEngine::~ControlEngine() = default;

void ControlEngine::configure(ControlPlan plan, TimePoint now) {
    impl_->configure(std::move(plan), now);
}
void ControlEngine::on_message(Bytes packet, const ControlArrival& arrival, TimePoint now) {
    impl_->on_message(packet, arrival, now);
}
void ControlEngine::on_transport(TunnelIndex tunnel, bool ready, TimePoint now) {
    impl_->set_ready(tunnel, ready, now);
}
void ControlEngine::on_heard(TunnelIndex tunnel, TimePoint now) {
    impl_->with_peer(tunnel, [&](ControlPeer& peer) { peer.on_heard(now); });
}
void ControlEngine::on_resolved(TunnelIndex tunnel, const std::vector<IpAddress>& addresses, TimePoint now) {
    impl_->with_peer(tunnel, [&](ControlPeer& peer) { peer.on_resolved(addresses, now); });
}
void ControlEngine::on_circuit(SessionIndex session, const CircuitStatus& status, TimePoint now) {
    impl_->set_circuit(session, status, now);
}
void ControlEngine::send_guard_notice(SessionIndex session, std::vector<std::uint8_t> notice, TimePoint now) {
    impl_->with_session(session,
                        [&](ControlPeer& peer) { peer.send_guard_notice(session, std::move(notice), now); });
}
void ControlEngine::rotate_cookies(SessionIndex session, TimePoint now) {
    impl_->with_session(session, [&](ControlPeer& peer) { peer.rotate(session, now); });
}
void ControlEngine::stop(std::string_view reason, TimePoint now) {
    impl_->stop({StopResult::shutting_down, ErrorCode::none, std::string(reason)}, now);
}
bool ControlEngine::stopped() const {
    return impl_->stopped();
}
void ControlEngine::on_timeout(TimePoint now) {
    impl_->on_timeout(now);
}
std::optional<TimePoint> ControlEngine::next_timeout() const {
    return impl_->next_timeout();
}
std::optional<ControlAction> ControlEngine::poll_action() {
    return impl_->poll_action();
}
ControlStatus ControlEngine::snapshot(TimePoint now) const {
    return impl_->snapshot(now);
}

}  // namespace isthmus::tunnel
