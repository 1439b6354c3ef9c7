#include "tunnel/control_connection.h"

#include <algorithm>
#include <array>

namespace isthmus::tunnel {

namespace {

/// The peer acknowledges but does not go on: longer than this makes no sense.
constexpr Duration kSetUpTime = std::chrono::seconds(15);
/// An SCCRQ is repeated this often, then a new one with new ids is tried (RFC 3931 section 4.2 allows fewer for it).
constexpr std::uint32_t kRequestTries = 2;
/// After a hint that the peer has forgotten us.
constexpr Duration kHurryInterval = std::chrono::milliseconds(500);
constexpr std::uint32_t kHurryTries = 4;
/// A peer whose request won the tie has this long to finish before ours goes on.
constexpr Duration kSuspension = std::chrono::seconds(3);

Retransmission for_request(const ConnectionOptions& options) {
    Retransmission r = options.retransmission;
    r.tries = std::min(r.tries, kRequestTries);
    r.cap = std::min(r.cap, std::max(options.reconnect_cap, r.first));
    return r;
}

bool is_acknowledgement(Bytes body) {
    if (body.empty()) return true;
    const auto first = AvpReader(body).next();
    return first && first->key == avp::kMessageType && !first->hidden && first->value.size() == 2 &&
           load_be16(first->value.data()) == static_cast<std::uint16_t>(MessageType::ack);
}

std::vector<std::uint8_t> random_bytes(Rng& rng, std::size_t n) {
    std::vector<std::uint8_t> out(n);
    rng.fill(out);
    return out;
}

}  // namespace

Duration full_cycle(const Retransmission& r) noexcept {
    Duration total{0};
    Duration wait = r.first;
    for (std::uint32_t i = 0; i <= r.tries; ++i) {
        total += std::min(wait, r.cap);
        if (wait < r.cap) wait *= 2;
    }
    return total;
}

ControlConnectionId assigned_id_in(Bytes body) {
    for (AvpReader reader(body); !reader.done();) {
        const auto avp = reader.next();
        if (!avp) break;
        if (avp->key == avp::kAssignedConnectionId && !avp->hidden && avp->value.size() == 4)
            return ControlConnectionId(load_be32(avp->value.data()));
    }
    return {};
}

std::string_view name_of(ControlConnection::State state) noexcept {
    constexpr std::array<std::string_view, 5> kNames{"wait-ctl-reply", "wait-ctl-conn", "established",
                                                     "closing", "closed"};
    return kNames[static_cast<std::size_t>(state)];
}

std::optional<Ending<StopResult>> objection_to(const ConnectionOffer& offer, const ConnectionOptions& options,
                                               const GatewayIdentity& self) {
    const auto refuse = [](std::string text) {
        return Ending<StopResult>{StopResult::not_authorized, ErrorCode::none, std::move(text)};
    };
    if (!options.peer_host_name.empty() && offer.host_name != options.peer_host_name)
        return refuse("expected the host name \"" + options.peer_host_name + "\", got \"" +
                      printable(offer.host_name) + "\"");
    if (!options.keys && !offer.nonce.empty())
        return refuse("the peer wants control messages to be authenticated; no secret is configured here");
    if (options.keys && (offer.nonce.empty() || offer.nonce.size() > kMaxNonce))
        return refuse(
            "control messages must be authenticated here; the peer sent no nonce that could be used");
    if (!offer.node_id.empty() && offer.node_id == self.node_id)
        return refuse("both gateways have the same node id: a cloned image?");
    if (!offer.site_id.empty() && offer.site_id == self.site_id)
        return refuse("both gateways say that they are of the same site: a cloned image?");
    return std::nullopt;
}

ControlConnection::ControlConnection(ControlContext& context, const ConnectionOptions& options,
                                     const Path& path, TimePoint now)
    : context_(context),
      options_(options),
      state_(State::wait_ctl_reply),
      initiated_(true),
      local_id_(ControlConnectionId(context.connection_ids.take())),
      tie_breaker_(context.rng.u64()),
      path_(path),
      nonce_(random_bytes(context.rng, options.keys ? kNonceSize : 0)),
      delivery_(for_request(options), options.receive_window),
      hello_interval_(context.jittered(options.hello_interval)),
      last_heard_(now),
      give_up_at_(now + kSetUpTime) {
    context_.connections[raw(local_id_)] = options.tunnel;
    context_.actions.emplace_back(ConnectionIdUse{local_id_, true});
    if (options.keys) {
        auth_.emplace(options.keys, options.digest);
        auth_->set_local_nonce(nonce_);
    }
    Sccrq sccrq;
    static_cast<ConnectionOffer&>(sccrq) = own_offer();
    // A known initiator needs no tie breaker (RFC 3931 section 5.4.3).
    if (options.role == ConnectionRole::both) sccrq.tie_breaker = tie_breaker_;
    delivery_.send(body_of(sccrq));
}

ControlConnection::ControlConnection(ControlContext& context, const ConnectionOptions& options,
                                     const Path& path, const ControlRequest& request, TimePoint now)
    : context_(context),
      options_(options),
      state_(State::wait_ctl_conn),
      initiated_(false),
      answered_(true),
      local_id_(ControlConnectionId(context.connection_ids.take())),
      path_(path),
      quirks_(request.quirks),
      nonce_(random_bytes(context.rng, options.keys ? kNonceSize : 0)),
      delivery_(options.retransmission, options.receive_window),
      hello_interval_(context.jittered(options.hello_interval)),
      last_heard_(now),
      give_up_at_(now + kSetUpTime) {
    context_.connections[raw(local_id_)] = options.tunnel;
    context_.actions.emplace_back(ConnectionIdUse{local_id_, true});
    if (options.keys) {
        auth_.emplace(options.keys, options.digest);
        auth_->set_local_nonce(nonce_);
        if (request.verified) auth_->prefer(request.verified->secret);
    }
    learn_peer(request.sccrq);
    (void)delivery_.on_message(0, 0, false, {}, now);
    (void)delivery_.poll_received();
    Sccrp sccrp;
    static_cast<ConnectionOffer&>(sccrp) = own_offer();
    delivery_.send(body_of(sccrp));
}

ControlConnection::~ControlConnection() {
    context_.connections.erase(raw(local_id_));
    context_.actions.emplace_back(ConnectionIdUse{local_id_, false});
    context_.connection_ids.give_back(raw(local_id_));
}

ConnectionOffer ControlConnection::own_offer() const {
    ConnectionOffer offer;
    offer.host_name = context_.self.host_name;
    offer.router_id = RouterId(context_.self.router_id);
    offer.assigned_id = local_id_;
    offer.pseudowires = {PseudowireType::ethernet_vlan, PseudowireType::ethernet};
    offer.vendor_name = "Isthmus";
    offer.receive_window = options_.receive_window;
    offer.nonce = nonce_;
    offer.software_version = context_.self.software_version;
    offer.node_id = context_.self.node_id;
    offer.site_id = context_.self.site_id;
    offer.boot_nonce = context_.self.boot_nonce;
    return offer;
}

std::vector<std::uint8_t> ControlConnection::body_of(const ControlMessage& message) const {
    if (auth_ && options_.hide_avps) return emit_body(message, Hiding{auth_->hider(), context_.rng});
    return emit_body(message);
}

void ControlConnection::learn_peer(const ConnectionOffer& offer) {
    peer_ = offer;
    remote_id_ = offer.assigned_id;
    delivery_.set_peer_window(offer.window());
    if (auth_) auth_->set_remote_nonce(offer.nonce);
}

bool ControlConnection::is_from_peer(const Path& path) const noexcept {
    if (options_.is_protected) return true;  // the SA tells, and the engine has looked
    // Who answers with the id that we have just drawn at random has seen our request.
    if (path.remote.address != path_.remote.address) return takes_answer_from_elsewhere();
    if (path.remote.port == path_.remote.port) return true;
    // It may answer from a port of its choice (RFC 3931 section 4.1.2.2), and then keeps to it. A NAT may move it later:
    // only who proves its knowledge of the secret is followed.
    return state_ == State::wait_ctl_reply || auth_.has_value();
}

void ControlConnection::on_packet(const ControlPacket& packet, const Path& path, TimePoint now) {
    if (state_ == State::closed) return;
    if (!is_from_peer(path)) {
        ++context_.refusals.not_a_peer;
        return;
    }
    std::size_t next_secret = 0;
    if (auth_) {
        const auto verified = auth_->verify(packet);
        if (!verified) {
            ++bad_digests_;
            ++context_.refusals.bad_digest;
            return;
        }
        auth_->prefer(verified->secret);
        next_secret = verified->best;
    }
    if (packet.trailing > 0) {
        if (!options_.tolerated.has(Quirk::trailing_bytes)) {
            ++malformed_;
            return;
        }
        quirks_.add(Quirk::trailing_bytes);
    }
    const auto verdict = delivery_.on_message(packet.header.ns, packet.header.nr,
                                              is_acknowledgement(packet.body), packet.body, now);
    if (verdict == DeliveryVerdict::invalid_nr || verdict == DeliveryVerdict::beyond_window) return;
    last_heard_ = now;
    answered_ = true;
    if (verdict == DeliveryVerdict::accepted && (state_ == State::wait_ctl_reply || vouched_for())) {
        if (path.remote.address != path_.remote.address && !options_.is_protected)
            quirks_.add(Quirk::answers_from_elsewhere);
        path_.remote = path.remote;
        path_.local = path.local;
    }
    while (const auto body = delivery_.poll_received()) {
        if (state_ == State::closed) return;
        read(*body, now);
    }
    // Where both ends have both secrets, the connection comes to rest on the one that is to stay.
    if (auth_) auth_->prefer(next_secret);
}

void ControlConnection::read(Bytes body, TimePoint now) {
    std::optional<AvpHider> hider;
    if (auth_) hider = auth_->hider();
    auto parsed = parse_body(body, hider ? &*hider : nullptr, options_.tolerated);
    if (parsed) {
        quirks_ |= parsed->quirks;
        for (const std::string& text : parsed->ignored)
            context_.note(ControlNote::Level::debug, options_.tunnel, kNoSession, "ignored: " + text);
        handle(parsed->message, now);
        return;
    }
    ++malformed_;
    if (state_ == State::closing) return;
    const MessageFault& fault = parsed.error();
    // Where it does not tell which session it is about, only a fresh start leads to a known state (RFC 3931 section 7.1).
    const bool tells_session = fault.ids != SessionPair{};
    if (fault.scope == FaultScope::session && tells_session && state_ == State::established) {
        events_.emplace_back(SessionFault{fault});
        return;
    }
    close(fault.stop(), now);
}

void ControlConnection::handle(const ControlMessage& message, TimePoint now) {
    if (const auto* stop = std::get_if<StopCcn>(&message)) return handle(*stop, now);
    if (state_ == State::closing) return;  // the delivery goes on, nothing else
    if (const auto* sccrp = std::get_if<Sccrp>(&message)) return handle(*sccrp, now);
    if (const auto* scccn = std::get_if<Scccn>(&message)) return handle(*scccn, now);
    if (std::holds_alternative<Sccrq>(message)) return wrong_state("SCCRQ", now);
    if (const auto* unknown = std::get_if<UnknownMessage>(&message)) {
        context_.note(ControlNote::Level::debug, options_.tunnel, kNoSession,
                      "ignored a message of unknown type " + std::to_string(unknown->type.type));
        return;
    }
    if (!session_of(message)) return;  // HELLO, acknowledgements
    if (state_ != State::established) return wrong_state(name_of(message), now);
    events_.emplace_back(SessionMessage{message});
}

void ControlConnection::handle(const Sccrp& sccrp, TimePoint now) {
    if (state_ != State::wait_ctl_reply) return wrong_state("SCCRP", now);
    learn_peer(sccrp);
    if (auto objection = objection_to(sccrp, options_, context_.self)) return close(*objection, now);
    delivery_.set_retransmission(options_.retransmission);
    delivery_.send(body_of(Scccn{}));
    establish(now);
}

void ControlConnection::handle(const Scccn&, TimePoint now) {
    if (state_ != State::wait_ctl_conn) return wrong_state("SCCCN", now);
    establish(now);
}

void ControlConnection::handle(const StopCcn& stop, TimePoint now) {
    const bool was_closing = state_ == State::closing;
    if (remote_id_ == ControlConnectionId{} && stop.assigned_id) remote_id_ = *stop.assigned_id;
    state_ = State::closing;
    stopped_by_peer_ = true;
    suspended_until_.reset();
    // Long enough to acknowledge its repetitions.
    give_up_at_ = now + full_cycle(options_.retransmission);
    if (was_closing) return;
    events_.emplace_back(
        Closed{"the peer ended it: " + words(stop.why), stop.why.result == StopResult::already_exists});
}

void ControlConnection::establish(TimePoint now) {
    state_ = State::established;
    suspended_until_.reset();
    established_at_ = now;
    give_up_at_.reset();
    events_.emplace_back(Established{});
}

void ControlConnection::wrong_state(const std::string& what, TimePoint now) {
    close({StopResult::state_machine, ErrorCode::none,
           what + " does not belong into the state " + std::string(name_of(state_))},
          now);
}

void ControlConnection::send(const ControlMessage& message) {
    if (state_ == State::established) delivery_.send(body_of(message));
}

void ControlConnection::close(const Ending<StopResult>& why, TimePoint now) {
    if (state_ == State::closing || state_ == State::closed) return;
    const StopCcn stop{why, local_id_};
    events_.emplace_back(Closed{"ended here: " + words(why)});
    if (state_ == State::wait_ctl_reply && !answered_) {
        // Behind an SCCRQ that nobody acknowledged it would never be sent, and the SCCRQ be repeated: said once, unasked.
        emit(1, 0, body_of(stop));
        state_ = State::closed;
        return;
    }
    delivery_.set_retransmission(options_.retransmission);
    delivery_.send(body_of(stop));
    state_ = State::closing;
    give_up_at_ = now + full_cycle(options_.retransmission);
}

void ControlConnection::on_keys_changed(TimePoint now) {
    if (!auth_ || auth_->change_keys(options_.keys)) return;
    close({StopResult::general, ErrorCode::none, "its secret is not in use any more"}, now);
}

void ControlConnection::on_unknown_to_peer(TimePoint now) {
    if (state_ != State::established) return;
    if (delivery_.idle()) {
        ++hellos_;
        delivery_.send(body_of(Hello{}));
    }
    delivery_.hurry(kHurryInterval, kHurryTries, now);
}

void ControlConnection::suspend(TimePoint now) noexcept {
    if (!std::exchange(stood_back_, true)) suspended_until_ = now + kSuspension;
}

void ControlConnection::on_timeout(TimePoint now) {
    if (state_ == State::closed) return;
    if (suspended_until_ && now >= *suspended_until_) suspended_until_.reset();
    if (!suspended_until_) delivery_.on_timeout(now);
    if (delivery_.failed() || (give_up_at_ && now >= *give_up_at_)) return check_gone(now);
    if (state_ == State::established && delivery_.idle() && now - last_heard_ >= hello_interval_) {
        ++hellos_;
        delivery_.send(body_of(Hello{}));
    }
}

void ControlConnection::check_gone(TimePoint now) {
    if (state_ == State::closing) {
        state_ = State::closed;
        return;
    }
    if (!delivery_.failed() && answered_) {
        close({StopResult::state_machine, ErrorCode::none,
               "no " + std::string(initiated_ ? "SCCRP" : "SCCCN") + " came within " +
                   std::to_string(kSetUpTime / std::chrono::seconds(1)) + " s"},
              now);
        return;
    }
    const bool was_up = state_ == State::established;
    state_ = State::closed;
    events_.emplace_back(Closed{was_up ? "the peer does not answer any more" : "the peer does not answer"});
}

std::optional<TimePoint> ControlConnection::next_timeout() const {
    if (state_ == State::closed) return std::nullopt;
    std::optional<TimePoint> next = give_up_at_;
    const auto consider = [&next](std::optional<TimePoint> at) {
        if (at && (!next || *at < *next)) next = at;
    };
    consider(suspended_until_ ? suspended_until_ : delivery_.next_timeout());
    if (state_ == State::established && delivery_.idle()) consider(last_heard_ + hello_interval_);
    return next;
}

std::optional<ControlConnection::Event> ControlConnection::poll_event() {
    if (events_.empty()) return std::nullopt;
    Event event = std::move(events_.front());
    events_.pop_front();
    return event;
}

void ControlConnection::flush(TimePoint now) {
    if (state_ == State::closed) return;
    while (!suspended_until_) {
        const auto out = delivery_.poll_send(now);
        if (!out) break;
        last_sent_ = now;
        emit(out->ns, out->nr, out->body.value_or(Bytes{}));
    }
    // Our StopCCN is acknowledged (RFC 3931 section 7.5).
    if (state_ == State::closing && !stopped_by_peer_ && delivery_.idle()) state_ = State::closed;
}

void ControlConnection::emit(std::uint16_t ns, std::uint16_t nr, Bytes body) {
    const ControlHeader header{remote_id_, ns, nr};
    auto message = auth_ ? auth_->sign(header, body) : plain_message(header, body);
    context_.actions.emplace_back(SendControl{options_.tunnel, options_.encapsulation, path_,
                                              wire_form(options_.encapsulation, std::move(message))});
}

ConnectionStatus ControlConnection::status(TimePoint now) const {
    ConnectionStatus s;
    s.state = name_of(state_);
    s.established = state_ == State::established;
    s.initiated = initiated_;
    s.authenticated = auth_.has_value();
    s.local_id = local_id_;
    s.remote_id = remote_id_;
    s.path = path_;
    s.peer_host = printable(peer_.host_name);
    s.peer_vendor = printable(peer_.vendor_name);
    s.peer_router_id = peer_.router_id ? raw(*peer_.router_id) : 0;
    for (const auto name : names_of(quirks_)) s.quirks.emplace_back(name);
    if (s.established) s.age = now - established_at_;
    const auto& counters = delivery_.counters();
    s.messages_sent = counters.sent;
    s.messages_received = counters.received;
    s.retransmissions = counters.retransmissions;
    s.duplicates = counters.duplicates;
    s.out_of_order = counters.out_of_order;
    s.hellos_sent = hellos_;
    s.unanswered = state_ == State::established ? delivery_.retries() : 0;
    s.bad_digests = bad_digests_;
    s.malformed = malformed_;
    return s;
}

}  // namespace isthmus::tunnel
