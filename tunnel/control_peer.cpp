#include "tunnel/control_peer.h"

#include <algorithm>

namespace isthmus::tunnel {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration kFirstRetry = milliseconds(300);
/// The peer's request is the one that goes on: ours is made again only if that comes to nothing.
constexpr Duration kLeaveToPeer = seconds(4);
/// A peer that may only call is looked up again this often, to know it by its address.
constexpr Duration kLookUpAgain = seconds(30);
constexpr Duration kResolveTime = seconds(10);
/// Requests of one peer that wait for its SCCCN; the oldest gives way.
constexpr std::size_t kMostHalfOpen = 4;
/// Ended ones that are kept for their last acknowledgements.
constexpr std::size_t kMostEnded = 8;

bool have_key_in_common(const std::shared_ptr<const ControlKeys>& a,
                        const std::shared_ptr<const ControlKeys>& b) {
    if (!a || !b) return !a && !b;
    for (std::size_t i = 0; i < a->size(); ++i)
        for (std::size_t j = 0; j < b->size(); ++j)
            if (equal_constant_time(a->authentication_key(i), b->authentication_key(j))) return true;
    return false;
}

}  // namespace

ControlPeer::ControlPeer(ControlContext& context, ConnectionOptions options, const ControlLimits& limits)
    : context_(context),
      options_(std::make_unique<ConnectionOptions>(std::move(options))),
      sessions_(context, options_->tunnel, options_->tolerated),
      requests_(limits.requests_per_second, limits.request_burst),
      repetitions_(limits.requests_per_second, limits.request_burst) {}

// ------------------------------------------------------------------------------------------------- configuration

bool ControlPeer::can_become(const ConnectionOptions& o) const {
    const ConnectionOptions& mine = *options_;
    return !shut_down_ && o.tunnel == mine.tunnel && o.encapsulation == mine.encapsulation &&
           o.local == mine.local && o.local_port == mine.local_port && o.remote == mine.remote &&
           o.remote_name == mine.remote_name && o.remote_port == mine.remote_port && o.role == mine.role &&
           o.is_protected == mine.is_protected && o.peer_identity == mine.peer_identity &&
           o.peer_host_name == mine.peer_host_name && have_key_in_common(o.keys, mine.keys) &&
           o.digest == mine.digest && o.hide_avps == mine.hide_avps &&
           o.receive_window == mine.receive_window;
}

void ControlPeer::become(ConnectionOptions options, TimePoint now) {
    *options_ = std::move(options);
    sessions_.set_tolerated(options_->tolerated);
    for (const auto& connection : connections_) connection->on_keys_changed(now);
    run(now);
}

void ControlPeer::configure_sessions(std::vector<PseudowireOptions> pseudowires, TimePoint now) {
    sessions_.configure(std::move(pseudowires), now);
    run(now);
}

// ------------------------------------------------------------------------------------------------------ messages

void ControlPeer::on_packet(const ControlPacket& packet, const Path& path, TimePoint now) {
    for (const auto& connection : connections_) {
        if (connection->local_id() != packet.header.connection) continue;
        connection->on_packet(packet, path, now);
        break;
    }
    run(now);
}

ControlPeer::Admission ControlPeer::on_request(const ControlPacket& packet, const Path& path, TimePoint now) {
    ControlRequest request;
    std::optional<AvpHider> hider;
    if (packet.trailing > 0 && !options_->tolerated.has(Quirk::trailing_bytes)) {
        ++context_.refusals.malformed;
        return Admission::taken;
    }
    if (options_->keys) {
        const ControlAuth auth(options_->keys, options_->digest);
        const auto verified = auth.verify(packet);
        if (!verified) return Admission::not_authentic;
        request.verified = *verified;
        hider = auth.hider(verified->secret);
    }
    auto parsed = parse_body(packet.body, hider ? &*hider : nullptr, options_->tolerated);
    const Sccrq* sccrq = parsed ? std::get_if<Sccrq>(&parsed->message) : nullptr;
    if (parsed && sccrq == nullptr) return Admission::taken;  // its id says SCCRQ, its type something else
    if (sccrq != nullptr) {
        if (ControlConnection* known = by_remote_id(sccrq->assigned_id, path)) {
            if (!repetitions_.take(now)) {
                ++rate_limited_;
                ++context_.refusals.rate_limited;
                return Admission::taken;
            }
            known->on_packet(packet, path, now);  // acknowledged again
            run(now);
            return Admission::taken;
        }
    }
    if (shut_down_) return Admission::taken;
    if (!requests_.take(now)) {
        ++rate_limited_;
        ++context_.refusals.rate_limited;
        return Admission::taken;
    }
    if (!parsed) {
        say("the peer's SCCRQ is refused: " + parsed.error().text, ControlNote::Level::warning);
        refuse(assigned_id_in(packet.body), parsed.error().stop(), path, std::nullopt);
        return Admission::taken;
    }
    request.sccrq = *sccrq;
    request.quirks = parsed->quirks;
    if (packet.trailing > 0) request.quirks.add(Quirk::trailing_bytes);
    take_request(request, path, now);
    run(now);
    return Admission::taken;
}

void ControlPeer::take_request(const ControlRequest& request, const Path& path, TimePoint now) {
    const Sccrq& sccrq = request.sccrq;
    auto objection = objection_to(sccrq, *options_, context_.self);
    if (!objection && options_->role == ConnectionRole::initiator)
        objection = {StopResult::not_authorized, ErrorCode::none,
                     "this end opens the control connection itself"};
    if (objection) {
        if (current_ == nullptr) reason_ = "the peer's request was refused: " + words(*objection);
        say("the peer's request was refused: " + words(*objection), ControlNote::Level::warning);
        return refuse(sccrq.assigned_id, *objection, path, request);
    }
    if (own_request() != nullptr && !peer_wins_tie(sccrq, now))
        return refuse(sccrq.assigned_id,
                      {StopResult::already_exists, ErrorCode::none, "lost the tie breaker"}, path, request);
    const auto half_open = [](const auto& c) { return c->state() == State::wait_ctl_conn; };
    if (static_cast<std::size_t>(std::count_if(connections_.begin(), connections_.end(), half_open)) >=
        kMostHalfOpen)
        connections_.erase(std::find_if(connections_.begin(), connections_.end(), half_open));
    connections_.push_back(std::make_unique<ControlConnection>(context_, *options_, path, request, now));
}

bool ControlPeer::peer_wins_tie(const Sccrq& sccrq, TimePoint now) {
    ControlConnection& ours = *own_request();
    if (!sccrq.tie_breaker || *sccrq.tie_breaker > ours.tie_breaker()) return false;
    if (*sccrq.tie_breaker == ours.tie_breaker()) {
        ours.abandon();  // both start again with new ones
        try_later(context_.jittered(seconds(1)), now);
        return false;
    }
    // Given up for good when the peer's is established: until then a forged request must not end ours.
    ours.suspend(now);
    return true;
}

void ControlPeer::refuse(ControlConnectionId caller, const Ending<StopResult>& why, const Path& path,
                         const std::optional<ControlRequest>& request) {
    // Without state: should it be lost, the peer asks again.
    ++context_.refusals.refusals_sent;
    const ControlHeader header{caller, 0, 1};
    const auto body = emit_body(StopCcn{why, std::nullopt});
    std::vector<std::uint8_t> message;
    if (options_->keys && request) {
        ControlAuth auth(options_->keys, options_->digest);
        if (request->verified) auth.prefer(request->verified->secret);
        auth.set_remote_nonce(request->sccrq.nonce);
        message = auth.sign(header, body);
    } else {
        message = plain_message(header, body);
    }
    context_.actions.emplace_back(SendControl{options_->tunnel, options_->encapsulation, path,
                                              wire_form(options_->encapsulation, std::move(message))});
}

void ControlPeer::on_unaddressed_stop(const ControlPacket& packet, ControlConnectionId assigned,
                                      const Path& path, TimePoint now) {
    ControlConnection* connection = by_remote_id(assigned, path);
    if (connection == nullptr) return;
    if (connection->state() == State::established) {
        connection->on_unknown_to_peer(now);
    } else {
        connection->on_packet(packet, path, now);
    }
    run(now);
}

ControlConnection* ControlPeer::by_remote_id(ControlConnectionId id, const Path& path) {
    for (const auto& connection : connections_)
        if (id != ControlConnectionId{} && connection->remote_id() == id &&
            connection->state() != State::closed && connection->path().remote.address == path.remote.address)
            return connection.get();
    return nullptr;
}

ControlConnection* ControlPeer::own_request() {
    for (const auto& connection : connections_)
        if (connection->state() == State::wait_ctl_reply) return connection.get();
    return nullptr;
}

// ------------------------------------------------------------------------------------------------ course of events

void ControlPeer::run(TimePoint now) {
    bool more = true;
    while (more) {
        more = false;
        // By index: what happens to one may add another.
        for (std::size_t i = 0; i < connections_.size(); ++i) more |= react(*connections_[i], now);
        deliver_sessions(now);
    }
    note_quirks();
    if (current_ != nullptr && current_->idle()) sessions_.on_acknowledged(now);
    for (const auto& connection : connections_) connection->flush(now);
    clean_up();
}

/// Once for each control connection, as soon as it is seen.
void ControlPeer::note_quirks() {
    if (current_ == nullptr) return;
    QuirkSet seen = current_->quirks();
    seen |= sessions_.quirks();
    for (const auto name : names_of(seen.without(noted_)))
        say("peculiarity of the peer that is tolerated: " + std::string(name), ControlNote::Level::info);
    noted_ = seen;
}

bool ControlPeer::react(ControlConnection& connection, TimePoint now) {
    const auto event = connection.poll_event();
    if (!event) return false;
    if (std::holds_alternative<ControlConnection::Established>(*event)) {
        on_established(connection, now);
    } else if (const auto* closed = std::get_if<ControlConnection::Closed>(&*event)) {
        on_closed(connection, *closed, now);
    } else if (&connection == current_) {
        pass_to_sessions(*event, now);
    }
    return true;
}

void ControlPeer::pass_to_sessions(const ControlConnection::Event& event, TimePoint now) {
    if (const auto* message = std::get_if<ControlConnection::SessionMessage>(&event))
        sessions_.on_message(message->message, now);
    if (const auto* fault = std::get_if<ControlConnection::SessionFault>(&event))
        sessions_.on_fault(fault->fault, now);
    deliver_sessions(now);
}

void ControlPeer::deliver_sessions(TimePoint) {
    for (const auto& message : sessions_.take_outbox())
        if (current_ != nullptr) current_->send(message);
}

void ControlPeer::on_established(ControlConnection& connection, TimePoint now) {
    if (current_ != nullptr) {
        const std::string reason = "the peer has opened a new control connection: it was restarted";
        sessions_.on_disconnected(reason);
        context_.actions.emplace_back(ConnectionDown{options_->tunnel, reason});
        ControlConnection& old = *std::exchange(current_, nullptr);
        old.close({StopResult::general, ErrorCode::none, "replaced by a newer control connection"}, now);
    }
    current_ = &connection;
    for (const auto& other : connections_) {
        const bool rival = other->state() == State::wait_ctl_reply || other->state() == State::wait_ctl_conn;
        if (rival) other->abandon();
    }
    failures_ = 0;
    try_at_.reset();
    reason_.clear();
    ++times_connected_;
    const ConnectionOffer& peer = connection.peer();
    context_.actions.emplace_back(
        ConnectionUp{options_->tunnel, connection.local_id(), connection.remote_id(), connection.path(),
                     printable(peer.host_name), printable(peer.vendor_name), connection.initiated()});
    noted_ = {};
    sessions_.on_connected({connection.initiated(), peer.pseudowires, peer.host_name}, now);
}

void ControlPeer::on_closed(ControlConnection& connection, const ControlConnection::Closed& closed,
                            TimePoint now) {
    const bool was_current = &connection == current_;
    const bool was_request = connection.initiated();
    if (was_current) {
        note_quirks();
        current_ = nullptr;
        sessions_.on_disconnected(closed.reason);
        context_.actions.emplace_back(ConnectionDown{options_->tunnel, closed.reason});
    }
    if (current_ != nullptr) return;
    // A half-open one that the peer did not finish says nothing about our own tries.
    if (!was_current && !was_request) return;
    const bool peer_is_at_it = std::any_of(connections_.begin(), connections_.end(),
                                           [](const auto& c) { return c->state() == State::wait_ctl_conn; });
    if (!was_current && (closed.lost_tie || peer_is_at_it))
        return try_later(context_.jittered(kLeaveToPeer), now);
    if (reason_ != closed.reason) say("not connected: " + closed.reason, ControlNote::Level::warning);
    reason_ = closed.reason;
    failures_ = was_current ? 0 : failures_ + 1;
    if (was_current) return try_later(context_.jittered(kFirstRetry), now);
    // Counted from the last request: a peer that comes back is to be asked soon.
    const Duration wait = context_.back_off(failures_, kFirstRetry, options_->reconnect_cap);
    try_later(std::max(wait - (now - connection.last_sent()), Duration{0}), now);
}

void ControlPeer::clean_up() {
    std::erase_if(connections_,
                  [this](const auto& c) { return c->state() == State::closed && c.get() != current_; });
    const auto ended = [](const auto& c) { return c->state() == State::closing; };
    while (static_cast<std::size_t>(std::count_if(connections_.begin(), connections_.end(), ended)) >
           kMostEnded)
        connections_.erase(std::find_if(connections_.begin(), connections_.end(), ended));
}

// --------------------------------------------------------------------------------------------------------- trying

void ControlPeer::try_later(Duration wait, TimePoint now) {
    const bool only_answers = options_->role == ConnectionRole::responder && options_->remote_name.empty();
    if (only_answers || options_->any_remote() || shut_down_ || current_ != nullptr) return;
    try_at_ = now + wait;
}

void ControlPeer::try_now(TimePoint now) {
    try_at_.reset();
    if (!ready_ || current_ != nullptr || shut_down_ || own_request() != nullptr) return;
    if (options_->remote) return request(*options_->remote, now);
    resolving_ = true;
    context_.actions.emplace_back(Resolve{options_->tunnel, options_->remote_name});
    try_at_ = now + kResolveTime;  // should no answer come
}

void ControlPeer::request(const IpAddress& remote, TimePoint now) {
    const bool ports = options_->encapsulation == Encapsulation::udp;
    Path path;
    path.local = {options_->local, ports ? options_->local_port : std::uint16_t{0}};
    path.remote = {remote, ports ? options_->remote_port : std::uint16_t{0}};
    connections_.push_back(std::make_unique<ControlConnection>(context_, *options_, path, now));
    run(now);
}

void ControlPeer::on_resolved(const std::vector<IpAddress>& addresses, TimePoint now) {
    if (!std::exchange(resolving_, false) || current_ != nullptr || own_request() != nullptr) return;
    addresses_.clear();
    for (const IpAddress& address : addresses)
        if (address.is_v6() == options_->local.is_v6()) addresses_.push_back(address);
    if (addresses_.empty()) {
        const std::string reason = options_->remote_name + " has no " +
                                   (options_->local.is_v6() ? "IPv6" : "IPv4") +
                                   " address, or its name server does not answer";
        if (reason_ != reason) say(reason, ControlNote::Level::warning);
        reason_ = reason;
        return try_later(context_.back_off(++failures_, kFirstRetry, options_->reconnect_cap), now);
    }
    try_at_.reset();
    if (options_->role == ConnectionRole::responder) return try_later(kLookUpAgain, now);
    request(addresses_[next_address_++ % addresses_.size()], now);
}

void ControlPeer::on_transport(bool ready, TimePoint now) {
    if (ready_ == ready) return;
    ready_ = ready;
    if (!ready) {
        if (current_ == nullptr) reason_ = "nothing can be sent to the peer yet";
        try_at_.reset();
        return;
    }
    failures_ = 0;
    if (current_ == nullptr) try_later(Duration{0}, now);
}

void ControlPeer::on_heard(TimePoint now) {
    if (current_ != nullptr) current_->on_heard(now);
}

void ControlPeer::on_circuit(SessionIndex session, const CircuitStatus& status, TimePoint now) {
    sessions_.on_circuit(session, status);
    run(now);
}

void ControlPeer::rotate(SessionIndex session, TimePoint now) {
    sessions_.rotate(session, now);
    run(now);
}

void ControlPeer::send_guard_notice(SessionIndex session, std::vector<std::uint8_t> notice, TimePoint now) {
    sessions_.send_guard_notice(session, std::move(notice));
    run(now);
}

void ControlPeer::shut_down(const Ending<StopResult>& why, TimePoint now) {
    shut_down_ = true;
    try_at_.reset();
    for (const auto& connection : connections_) {
        if (connection->state() == State::wait_ctl_conn && connection.get() != current_)
            connection->abandon();
        else
            connection->close(why, now);
    }
    run(now);
}

void ControlPeer::on_timeout(TimePoint now) {
    for (const auto& connection : connections_) connection->on_timeout(now);
    sessions_.on_timeout(now);
    if (try_at_ && now >= *try_at_) try_now(now);
    run(now);
}

std::optional<TimePoint> ControlPeer::next_timeout() const {
    std::optional<TimePoint> next = try_at_;
    const auto consider = [&next](std::optional<TimePoint> at) {
        if (at && (!next || *at < *next)) next = at;
    };
    for (const auto& connection : connections_) consider(connection->next_timeout());
    consider(sessions_.next_timeout());
    return next;
}

// -------------------------------------------------------------------------------------------------------- looking

bool ControlPeer::is_shut_down() const {
    return shut_down_ &&
           std::all_of(connections_.begin(), connections_.end(), [](const auto& c) { return c->idle(); });
}

bool ControlPeer::has(ControlConnectionId id) const {
    return std::any_of(connections_.begin(), connections_.end(),
                       [id](const auto& c) { return c->local_id() == id; });
}

bool ControlPeer::may_be_from(const ControlArrival& arrival) const {
    const ConnectionOptions& o = *options_;
    if (arrival.encapsulation != o.encapsulation) return false;
    if (o.is_protected)
        return arrival.authenticated_for == o.tunnel &&
               (o.peer_identity.empty() || arrival.identity == o.peer_identity);
    if (!comes_to_us(arrival)) return false;
    const IpAddress& from = arrival.path.remote.address;
    if (o.remote) return from == *o.remote;
    // Without an address to go by, only the secret tells who it is.
    return o.keys != nullptr || std::find(addresses_.begin(), addresses_.end(), from) != addresses_.end();
}

bool ControlPeer::may_be_from(const ControlArrival& arrival, ControlConnectionId id) const {
    if (may_be_from(arrival)) return true;
    if (options_->is_protected || !comes_to_us(arrival)) return false;
    return std::any_of(connections_.begin(), connections_.end(), [&](const auto& c) {
        return c->local_id() == id &&
               (c->takes_answer_from_elsewhere() || c->path().remote.address == arrival.path.remote.address);
    });
}

bool ControlPeer::comes_to_us(const ControlArrival& arrival) const {
    const ConnectionOptions& o = *options_;
    if (arrival.encapsulation != o.encapsulation || arrival.authenticated_for != kNoTunnel) return false;
    if (arrival.path.local.address != o.local) return false;
    return o.encapsulation != Encapsulation::udp || arrival.path.local.port == o.local_port;
}

void ControlPeer::say(const std::string& text, ControlNote::Level level) {
    context_.note(level, options_->tunnel, kNoSession, text);
}

ConnectionStatus ControlPeer::status(TimePoint now) const {
    const ControlConnection* shown = current_;
    if (shown == nullptr)
        for (const auto& connection : connections_)
            if (connection->state() != State::closing) shown = connection.get();
    ConnectionStatus s = shown != nullptr ? shown->status(now) : ConnectionStatus{};
    if (shown == nullptr) s.state = resolving_ ? "resolving" : "idle";
    s.tunnel = options_->tunnel;
    s.name = options_->name;
    s.established = current_ != nullptr;
    s.reason = current_ != nullptr ? "" : reason_;
    for (const auto name : names_of(sessions_.quirks())) s.quirks.emplace_back(name);
    s.rate_limited = rate_limited_;
    s.times_connected = times_connected_;
    s.sessions_up = sessions_.sessions_up();
    return s;
}

}  // namespace isthmus::tunnel
