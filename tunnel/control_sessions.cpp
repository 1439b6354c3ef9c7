#include "tunnel/control_sessions.h"

#include <algorithm>

#include "tunnel/control_session_words.h"
#include "tunnel/vccv.h"

namespace isthmus::tunnel {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

/// The side that answered the control connection leaves the first call to the other one for this long.
constexpr Duration kPatience = seconds(3);
/// Between the peer's change to new cookies and the end of the old ones: packets on their way still arrive.
constexpr Duration kRetireAfter = seconds(2);
/// The caller ends the old session; should it forget, we do.
constexpr Duration kRetireCalledAfter = seconds(15);
constexpr Duration kFirstRetry = milliseconds(300);
constexpr Duration kMostRetry = seconds(5);

bool same_session(const PseudowireOptions& a, const PseudowireOptions& b) {
    return a.remote_end_id == b.remote_end_id && a.type == b.type && a.cookie_size == b.cookie_size &&
           a.receive_sublayer == b.receive_sublayer && a.receive_sequencing == b.receive_sequencing &&
           a.mtu == b.mtu && a.vccv == b.vccv && a.channel == b.channel;
}

std::optional<VccvCapability> common(const std::optional<VccvCapability>& a,
                                     const std::optional<VccvCapability>& b) {
    if (!a || !b) return std::nullopt;
    const VccvCapability both{static_cast<std::uint8_t>(a->channels & b->channels),
                              static_cast<std::uint8_t>(a->verifications & b->verifications)};
    return both.channels == 0 || both.verifications == 0 ? std::nullopt : std::optional(both);
}

}  // namespace

ControlSessions::~ControlSessions() {
    for (const auto& [id, session] : sessions_) context_.session_ids.give_back(id);
}

// ------------------------------------------------------------------------------------------------- configuration

void ControlSessions::configure(std::vector<PseudowireOptions> wanted, TimePoint now) {
    std::map<SessionIndex, PseudowireOptions> plan;
    for (auto& options : wanted) plan.emplace(options.session, std::move(options));
    // First all that go: what comes may use their Remote End IDs.
    for (auto& [index, pseudowire] : pseudowires_) {
        const auto next = plan.find(index);
        const bool goes = next == plan.end();
        if (!goes && same_session(pseudowire.options, next->second)) continue;
        drop_all(pseudowire, goes ? "removed from the configuration" : "its configuration has changed");
        by_end_id_.erase(pseudowire.options.remote_end_id);
    }
    std::erase_if(pseudowires_, [&](const auto& entry) {
        const bool goes = !plan.contains(entry.first);
        if (goes) deadlines_.set(entry.first, std::nullopt);
        return goes;
    });
    for (auto& [index, options] : plan) {
        const auto [at, is_new] = pseudowires_.try_emplace(index);
        Pseudowire& pseudowire = at->second;
        const bool vlan_changed = !is_new && pseudowire.options.access_vlan != options.access_vlan;
        const bool untouched = !is_new && same_session(pseudowire.options, options);
        pseudowire.options = std::move(options);
        by_end_id_[pseudowire.options.remote_end_id] = index;
        if (untouched && vlan_changed) report_change(pseudowire);
        if (untouched) continue;
        pseudowire.failures = 0;
        if (peer_) call_later(pseudowire, Duration{0}, now);
    }
}

void ControlSessions::drop_all(Pseudowire& pseudowire, const std::string& reason) {
    const bool was_up = pseudowire.current.has_value();
    for (auto* part : {&pseudowire.opening, &pseudowire.retiring, &pseudowire.current}) {
        if (Session* session = find(*part)) {
            outbox_.emplace_back(
                Cdn{{session->local_id, session->remote_id},
                    because(CdnResult::administrative, pseudowire.options.name + ": " + reason)});
            forget(session->local_id);
        }
        part->reset();
    }
    pseudowire.timers = {};
    pseudowire.reason = reason;
    reschedule(pseudowire);
    if (was_up) context_.actions.emplace_back(SessionDown{pseudowire.options.session, tunnel_, reason});
}

// -------------------------------------------------------------------------------------------- control connection

void ControlSessions::on_connected(const Peer& peer, TimePoint now) {
    peer_ = peer;
    quirks_ = {};
    for (auto& [index, pseudowire] : pseudowires_) {
        pseudowire.failures = 0;
        call_later(pseudowire, Duration{0}, now);
    }
}

void ControlSessions::on_disconnected(const std::string& reason) {
    peer_.reset();
    outbox_.clear();
    left_.clear();
    for (auto& [index, pseudowire] : pseudowires_) {
        const bool was_up = pseudowire.current.has_value();
        for (auto* part : {&pseudowire.opening, &pseudowire.retiring, &pseudowire.current}) {
            if (*part) forget(**part);
            part->reset();
        }
        pseudowire.timers = {};
        pseudowire.reason = "no control connection: " + reason;
        reschedule(pseudowire);
        if (was_up) context_.actions.emplace_back(SessionDown{index, tunnel_, pseudowire.reason});
    }
}

// ------------------------------------------------------------------------------------------------ course of events

void ControlSessions::call(Pseudowire& pseudowire, TimePoint now) {
    if (!peer_ || pseudowire.opening) return;
    const auto& offered = peer_->pseudowires;
    if (std::find(offered.begin(), offered.end(), pseudowire.options.type) == offered.end()) {
        // To ask nevertheless is forbidden (RFC 3931 section 5.4.4, Pseudowire Type).
        pseudowire.reason =
            "the peer does not offer pseudowires of type " + name_of_type(pseudowire.options.type);
        return context_.note(ControlNote::Level::warning, tunnel_, pseudowire.options.session,
                             pseudowire.reason);
    }
    Session& session = make_session(pseudowire, Step::wait_reply);
    session.tie_breaker = context_.rng.u64();
    timer(pseudowire, Timer::call).reset();
    timer(pseudowire, Timer::give_up) = now + kSessionSetUpTime;
    reschedule(pseudowire);
    if (!pseudowire.current && pseudowire.failures == 0) pseudowire.reason = "being set up";
    Icrq icrq;
    icrq.ids.local = session.local_id;
    icrq.offer = own_offer(pseudowire, session);
    icrq.serial = ++context_.serials;
    icrq.type = pseudowire.options.type;
    icrq.end_id = pseudowire.options.remote_end_id;
    icrq.tie_breaker = session.tie_breaker;
    icrq.supersedes = pseudowire.current;
    session.told = *icrq.offer.status;
    outbox_.emplace_back(std::move(icrq));
}

void ControlSessions::call_later(Pseudowire& pseudowire, Duration wait, TimePoint now) {
    const SessionRole role = pseudowire.options.role;
    if (!peer_ || role == SessionRole::answer) {
        pseudowire.reason = "waiting for the peer's call";
        return;
    }
    const bool leaves_it_to_peer = role == SessionRole::both && !peer_->we_initiated;
    timer(pseudowire, Timer::call) =
        now + (leaves_it_to_peer ? std::max(wait, context_.jittered(kPatience)) : wait);
    reschedule(pseudowire);
}

void ControlSessions::retry(Pseudowire& pseudowire, const std::string& reason, TimePoint now) {
    if (pseudowire.reason != reason)
        context_.note(ControlNote::Level::warning, tunnel_, pseudowire.options.session,
                      "not set up: " + reason);
    pseudowire.reason = reason;
    ++pseudowire.failures;
    const std::string kept = pseudowire.reason;
    call_later(pseudowire, context_.back_off(pseudowire.failures, kFirstRetry, kMostRetry), now);
    pseudowire.reason = kept;
}

ControlSessions::Session& ControlSessions::make_session(Pseudowire& pseudowire, Step step) {
    Session session;
    session.pseudowire = pseudowire.options.session;
    session.step = step;
    session.local_id = SessionId(context_.session_ids.take());
    session.local_cookie.size = pseudowire.options.cookie_size;
    context_.rng.fill(MutableBytes(session.local_cookie.bytes).first(session.local_cookie.size));
    session.incarnation = ++context_.incarnations;
    session.told = pseudowire.circuit;
    pseudowire.opening = session.local_id;
    return sessions_.emplace(raw(session.local_id), session).first->second;
}

SessionOffer ControlSessions::own_offer(const Pseudowire& pseudowire, const Session& session) const {
    const PseudowireOptions& options = pseudowire.options;
    SessionOffer offer;
    offer.cookie = session.local_cookie;
    offer.sublayer = options.receive_sublayer;
    if (options.receive_sequencing == ReceiveSequencing::drop_out_of_order)
        offer.sequencing = SequencingLevel::all;
    offer.status = pseudowire.circuit;
    if (options.mtu != 0) offer.mtu = options.mtu;
    // Bit V needs a sublayer (RFC 5085 section 6.3.1).
    if (options.receive_sublayer != Sublayer::none) offer.vccv = options.vccv;
    offer.channel = options.channel;
    return offer;
}

void ControlSessions::become_established(Session& session, TimePoint now) {
    Pseudowire& pseudowire = pseudowires_.at(session.pseudowire);
    session.step = Step::established;
    pseudowire.opening.reset();
    timer(pseudowire, Timer::give_up).reset();
    timer(pseudowire, Timer::call).reset();
    const bool was_up = pseudowire.current.has_value();
    pseudowire.retiring = std::exchange(pseudowire.current, session.local_id);
    if (was_up) {
        ++pseudowire.rotations;
        // Until our ICCN has arrived the peer sends with the old ones.
        if (session.called)
            timer(pseudowire, Timer::retire) = now + kRetireCalledAfter;
        else
            left_.push_back(session.pseudowire);
    } else {
        ++pseudowire.times_up;
        pseudowire.up_since = now;
    }
    if (pseudowire.options.cookie_rotation > Duration{0})
        timer(pseudowire, Timer::rotate) = now + context_.jittered(pseudowire.options.cookie_rotation);
    pseudowire.failures = 0;
    pseudowire.reason.clear();
    reschedule(pseudowire);
    note_peer(pseudowire, session);
    if (was_up) {
        report_change(pseudowire);
    } else {
        context_.actions.emplace_back(SessionUp{negotiated(pseudowire, session)});
    }
    pseudowire.circuit.is_new = false;
    tell_status(session, pseudowire.circuit);
}

void ControlSessions::note_peer(const Pseudowire& pseudowire, const Session& session) {
    const std::uint16_t mine = pseudowire.options.mtu;
    const std::uint16_t theirs = session.peer.mtu.value_or(0);
    if (mine != 0 && theirs != 0 && mine != theirs)
        context_.note(ControlNote::Level::warning, tunnel_, pseudowire.options.session,
                      "the MTU is " + std::to_string(mine) + " here and " + std::to_string(theirs) +
                          " at the peer: larger frames will be lost in one direction");
}

void ControlSessions::on_acknowledged(TimePoint now) {
    for (const SessionIndex index : std::exchange(left_, {})) {
        Pseudowire* pseudowire = find(index);
        if (pseudowire == nullptr || !pseudowire->retiring || timer(*pseudowire, Timer::retire)) continue;
        timer(*pseudowire, Timer::retire) = now + kRetireAfter;
        reschedule(*pseudowire);
    }
}

void ControlSessions::retire(Pseudowire& pseudowire) {
    Session* old = find(pseudowire.retiring);
    timer(pseudowire, Timer::retire).reset();
    pseudowire.retiring.reset();
    reschedule(pseudowire);
    if (old == nullptr) return;
    outbox_.emplace_back(Cdn{{old->local_id, old->remote_id},
                             because(CdnResult::administrative, "replaced by a session with new cookies")});
    forget(old->local_id);
    report_change(pseudowire);
}

void ControlSessions::disconnect(Session& session, const Ending<CdnResult>& why, TimePoint now) {
    outbox_.emplace_back(Cdn{{session.local_id, session.remote_id}, why});
    lose(session.local_id, "ended here: " + words(why), now);
}

void ControlSessions::lose(SessionId local_id, const std::string& reason, TimePoint now) {
    Session* session = find(local_id);
    if (session == nullptr) return;
    Pseudowire& pseudowire = pseudowires_.at(session->pseudowire);
    forget(local_id);
    if (pseudowire.retiring == local_id) {
        pseudowire.retiring.reset();
        timer(pseudowire, Timer::retire).reset();
        reschedule(pseudowire);
        return report_change(pseudowire);
    }
    if (pseudowire.opening == local_id) {
        pseudowire.opening.reset();
        timer(pseudowire, Timer::give_up).reset();
        reschedule(pseudowire);
        if (!pseudowire.current) return retry(pseudowire, reason, now);
        // The cookies stay as they are until the next time.
        context_.note(ControlNote::Level::warning, tunnel_, pseudowire.options.session,
                      "new cookies were not agreed on: " + reason);
        if (pseudowire.options.cookie_rotation > Duration{0})
            timer(pseudowire, Timer::rotate) = now + context_.jittered(pseudowire.options.cookie_rotation);
        reschedule(pseudowire);
        return report_change(pseudowire);
    }
    pseudowire.current.reset();
    timer(pseudowire, Timer::rotate).reset();
    if (Session* old = find(pseudowire.retiring)) {
        outbox_.emplace_back(
            Cdn{{old->local_id, old->remote_id},
                because(CdnResult::administrative, "the session that replaced it has ended")});
        forget(old->local_id);
        pseudowire.retiring.reset();
        timer(pseudowire, Timer::retire).reset();
    }
    context_.actions.emplace_back(SessionDown{pseudowire.options.session, tunnel_, reason});
    pseudowire.reason = reason;
    if (!pseudowire.opening) retry(pseudowire, reason, now);
}

void ControlSessions::forget(SessionId local_id) {
    const auto at = sessions_.find(raw(local_id));
    if (at == sessions_.end()) return;
    const auto remote = by_remote_id_.find(raw(at->second.remote_id));
    if (remote != by_remote_id_.end() && remote->second == local_id) by_remote_id_.erase(remote);
    context_.session_ids.give_back(at->first);
    sessions_.erase(at);
}

void ControlSessions::refuse(SessionId caller, const Ending<CdnResult>& why) {
    // A Local Session ID must not be 0 even where there is no session.
    const std::uint32_t id = context_.session_ids.take();
    context_.session_ids.give_back(id);
    outbox_.emplace_back(Cdn{{SessionId(id), caller}, why});
}

void ControlSessions::tell_status(Session& session, const CircuitStatus& status) {
    CircuitStatus told = session.told;
    told.is_new = false;
    session.told = status;
    if (told == status) return;
    outbox_.emplace_back(Sli{{session.local_id, session.remote_id}, status, {}});
}

void ControlSessions::on_circuit(SessionIndex index, const CircuitStatus& status) {
    Pseudowire* pseudowire = find(index);
    if (pseudowire == nullptr) return;
    const bool is_new = pseudowire->circuit.is_new;
    pseudowire->circuit = status;
    pseudowire->circuit.is_new = is_new;
    if (Session* session = find(pseudowire->current)) tell_status(*session, pseudowire->circuit);
}

void ControlSessions::rotate(SessionIndex index, TimePoint now) {
    Pseudowire* pseudowire = find(index);
    if (pseudowire == nullptr || !pseudowire->current || pseudowire->opening) return;
    if (pseudowire->retiring) {
        // Packets with cookies from before the last change may still be on their way.
        auto& at = timer(*pseudowire, Timer::rotate);
        at = std::min(at.value_or(now + kRetireAfter), now + kRetireAfter);
        return reschedule(*pseudowire);
    }
    call(*pseudowire, now);
}

void ControlSessions::send_guard_notice(SessionIndex index, std::vector<std::uint8_t> notice) {
    Pseudowire* pseudowire = find(index);
    const Session* session = pseudowire != nullptr ? find(pseudowire->current) : nullptr;
    if (session == nullptr) return;
    outbox_.emplace_back(Sli{{session->local_id, session->remote_id}, std::nullopt, std::move(notice)});
}

// -------------------------------------------------------------------------------------------------------- timers

void ControlSessions::reschedule(const Pseudowire& pseudowire) {
    std::optional<TimePoint> next;
    for (const auto& at : pseudowire.timers)
        if (at && (!next || *at < *next)) next = at;
    deadlines_.set(pseudowire.options.session, next);
}

void ControlSessions::on_timeout(TimePoint now) {
    while (const auto index = deadlines_.take_due(now)) {
        Pseudowire& pseudowire = pseudowires_.at(*index);
        const auto due = [&](Timer t) {
            auto& at = timer(pseudowire, t);
            if (!at || *at > now) return false;
            at.reset();
            return true;
        };
        const bool must_call = due(Timer::call);
        const bool must_rotate = due(Timer::rotate);
        if (due(Timer::retire)) retire(pseudowire);
        if (due(Timer::give_up))
            if (Session* session = find(pseudowire.opening))
                disconnect(*session, because(CdnResult::state_machine, "it was not answered in time"), now);
        if (must_call && !pseudowire.current) call(pseudowire, now);
        if (must_rotate) rotate(*index, now);
        reschedule(pseudowire);
    }
}

// -------------------------------------------------------------------------------------------------------- looking

ControlSessions::Pseudowire* ControlSessions::find(SessionIndex index) {
    const auto at = pseudowires_.find(index);
    return at != pseudowires_.end() ? &at->second : nullptr;
}

ControlSessions::Session* ControlSessions::find(std::optional<SessionId> local_id) {
    if (!local_id) return nullptr;
    const auto at = sessions_.find(raw(*local_id));
    return at != sessions_.end() ? &at->second : nullptr;
}

/// By our id; where the peer does not know it yet, by its own (RFC 3931 section 5.4.4, Remote Session ID).
ControlSessions::Session* ControlSessions::find(const SessionPair& ids) {
    if (ids.remote != SessionId{}) return find(std::optional(ids.remote));
    const auto at = by_remote_id_.find(raw(ids.local));
    return at != by_remote_id_.end() ? find(std::optional(at->second)) : nullptr;
}

NegotiatedSession ControlSessions::negotiated(const Pseudowire& pseudowire, const Session& session) const {
    NegotiatedSession out;
    out.session = pseudowire.options.session;
    out.tunnel = tunnel_;
    out.options.local_id = session.local_id;
    out.options.remote_id = session.remote_id;
    out.options.local_cookie = session.local_cookie;
    out.options.remote_cookie = session.peer.cookie;
    out.options.receive_sublayer = pseudowire.options.receive_sublayer;
    out.options.send_sublayer = session.peer.sublayer;
    // Frames are not told apart by what they carry: level 1 gets numbers on all, as RFC 3931 section 5.4.4 allows.
    out.options.send_sequence = session.peer.sequencing != SequencingLevel::none;
    out.options.receive_sequencing = pseudowire.options.receive_sequencing;
    out.options.type = pseudowire.options.type;
    out.options.access_vlan = pseudowire.options.access_vlan;
    out.incarnation = session.incarnation;
    out.peer_circuit = session.peer.status.value_or(CircuitStatus{});
    out.peer_mtu = session.peer.mtu.value_or(0);
    out.vccv = common(pseudowire.options.vccv, session.peer.vccv);
    out.channel = common(pseudowire.options.channel, session.peer.channel);
    out.options.channel = channel_usable(out.options, out.vccv, out.channel);
    return out;
}

void ControlSessions::report_change(const Pseudowire& pseudowire) {
    if (!pseudowire.current) return;
    NegotiatedSession session = negotiated(pseudowire, sessions_.at(raw(*pseudowire.current)));
    const auto other = pseudowire.retiring ? pseudowire.retiring : pseudowire.opening;
    if (other) {
        const Session& second = sessions_.at(raw(*other));
        if (second.step != Step::wait_reply) session.also_accepted = {second.local_id, second.local_cookie};
    }
    context_.actions.emplace_back(SessionChanged{session});
}

std::vector<SessionStatus> ControlSessions::status(TimePoint now) const {
    std::vector<SessionStatus> out;
    for (const auto& [index, p] : pseudowires_) {
        SessionStatus s;
        s.session = index;
        s.tunnel = tunnel_;
        s.name = p.options.name;
        s.remote_end_id = p.options.remote_end_id;
        s.established = p.current.has_value();
        s.reason = s.established ? "" : p.reason;
        s.rotating = s.established && (p.opening || p.retiring);
        s.circuit = p.circuit;
        s.peer_errors = p.peer_errors;
        s.rotations = p.rotations;
        s.times_up = p.times_up;
        if (s.established) {
            const Session& session = sessions_.at(raw(*p.current));
            s.state = "established";
            s.called = session.called;
            s.negotiated = negotiated(p, session);
            s.age = now - p.up_since;
        } else if (p.opening) {
            s.state = sessions_.at(raw(*p.opening)).step == Step::wait_reply ? "wait-reply" : "wait-connect";
        } else {
            s.state = peer_ ? "idle" : "wait-control-conn";
        }
        out.push_back(std::move(s));
    }
    return out;
}

std::uint32_t ControlSessions::sessions_up() const {
    std::uint32_t up = 0;
    for (const auto& [index, p] : pseudowires_) up += p.current ? 1U : 0U;
    return up;
}

}  // namespace isthmus::tunnel
