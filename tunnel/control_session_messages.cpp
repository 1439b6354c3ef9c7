// What the peer says about sessions (RFC 3931 section 7.3).
#include <algorithm>

#include "tunnel/control_session_words.h"
#include "tunnel/control_sessions.h"

namespace isthmus::tunnel {

namespace {

using std::chrono::seconds;

constexpr std::size_t kNamesInRefusal = 8;
/// As long as an ICCN may be repeated: whoever called for new cookies sends with them already.
constexpr Duration kParallelSetUpTime = seconds(90);

/// RFC 5085 section 6.3.1: who wants to receive bit V has to ask for a sublayer that has it.
std::optional<Ending<CdnResult>> objection_to_offer(const SessionOffer& offer) {
    if (offer.sequencing != SequencingLevel::none && offer.sublayer == Sublayer::none)
        return because(CdnResult::sequencing_without_sublayer, "");
    const bool wants_channel = offer.vccv && (offer.vccv->channels & VccvCapability::kSublayerChannel) != 0;
    if (wants_channel && offer.sublayer == Sublayer::none)
        return Ending<CdnResult>{
            CdnResult::general_error, ErrorCode::out_of_range,
            "VCCV Capability asks for a channel in the sublayer, but there is no sublayer"};
    return std::nullopt;
}

}  // namespace

void ControlSessions::on_message(const ControlMessage& message, TimePoint now) {
    if (!peer_) return;
    if (const auto* icrq = std::get_if<Icrq>(&message)) return handle(*icrq, now);
    if (const auto* icrp = std::get_if<Icrp>(&message)) return handle(*icrp, now);
    if (const auto* iccn = std::get_if<Iccn>(&message)) return handle(*iccn, now);
    if (const auto* cdn = std::get_if<Cdn>(&message)) return handle(*cdn, now);
    if (const auto* sli = std::get_if<Sli>(&message)) return handle(*sli);
    if (const auto* wen = std::get_if<Wen>(&message)) return handle(*wen);
    if (const auto* ocrq = std::get_if<Ocrq>(&message))
        return refuse(ocrq->ids.local, because(CdnResult::no_facilities_permanent,
                                               "outgoing calls are not made here; ask with an ICRQ"));
    if (const auto* ocrp = std::get_if<Ocrp>(&message))
        return refuse(ocrp->ids.local, because(CdnResult::state_machine, "OCRP without an OCRQ"));
    // OCCN without an outgoing call: cleaned up already (RFC 3931 section 7.4.1).
}

void ControlSessions::on_fault(const MessageFault& fault, TimePoint now) {
    if (!peer_) return;
    Session* session = find(fault.ids);
    context_.note(ControlNote::Level::warning, tunnel_, session ? session->pseudowire : kNoSession,
                  "the peer's " + (fault.type ? name_of(*fault.type) : std::string("message")) +
                      " is refused: " + fault.text);
    if (session != nullptr) return disconnect(*session, fault.disconnect(), now);
    const bool is_end = fault.type == MessageType::cdn;
    if (!is_end && fault.ids.local != SessionId{}) refuse(fault.ids.local, fault.disconnect());
}

void ControlSessions::handle(const Icrq& icrq, TimePoint now) {
    const auto known = by_end_id_.find(icrq.end_id);
    if (known == by_end_id_.end()) {
        context_.note(
            ControlNote::Level::warning, tunnel_, kNoSession,
            "the peer calls for pseudowire " + quoted(icrq.end_id) + ", which is not configured here");
        return refuse(icrq.ids.local, no_such_pseudowire(icrq.end_id));
    }
    Pseudowire& pseudowire = pseudowires_.at(known->second);
    if (const auto objection = objection_to(icrq, pseudowire)) {
        if (!pseudowire.current) pseudowire.reason = "the peer's call was refused: " + words(*objection);
        context_.note(ControlNote::Level::warning, tunnel_, pseudowire.options.session,
                      "the peer's call was refused: " + words(*objection));
        return refuse(icrq.ids.local, *objection);
    }
    Session* opening = find(pseudowire.opening);
    if (opening != nullptr && opening->step == Step::wait_reply && !peer_wins_tie(pseudowire, icrq, now))
        return;
    if (Session* half_open = find(pseudowire.opening);
        half_open != nullptr && half_open->step == Step::wait_connect) {
        outbox_.emplace_back(
            Cdn{{half_open->local_id, half_open->remote_id},
                because(CdnResult::state_machine, "another ICRQ came for the same pseudowire")});
        forget(half_open->local_id);
        pseudowire.opening.reset();
    }
    if (pseudowire.retiring) retire(pseudowire);
    answer(pseudowire, icrq, now);
}

Ending<CdnResult> ControlSessions::no_such_pseudowire(const std::string& end_id) const {
    std::string text = "no pseudowire " + quoted(end_id) + " is configured at " + context_.self.host_name;
    std::size_t named = 0;
    for (const auto& [index, pseudowire] : pseudowires_) {
        if (named == kNamesInRefusal) break;
        text += (named++ == 0 ? "; there is " : ", ") + quoted(pseudowire.options.remote_end_id);
    }
    if (pseudowires_.size() > named) text += " and " + std::to_string(pseudowires_.size() - named) + " more";
    return because(CdnResult::no_facilities_permanent, text);
}

std::optional<Ending<CdnResult>> ControlSessions::objection_to(const Icrq& icrq,
                                                               const Pseudowire& pseudowire) const {
    if (by_remote_id_.contains(raw(icrq.ids.local)))
        return Ending<CdnResult>{CdnResult::general_error, ErrorCode::invalid_session_id,
                                 "the Session ID is that of another session"};
    if (icrq.type != pseudowire.options.type)
        return because(CdnResult::unsupported_pseudowire, "pseudowire " + quoted(icrq.end_id) + " is " +
                                                              name_of_type(pseudowire.options.type) +
                                                              " here, not " + name_of_type(icrq.type));
    return objection_to_offer(icrq.offer);
}

bool ControlSessions::peer_wins_tie(Pseudowire& pseudowire, const Icrq& icrq, TimePoint now) {
    const Session& ours = *find(pseudowire.opening);
    const std::uint64_t mine = ours.tie_breaker;
    // Who sends no tie breaker loses; we always do.
    const bool draw = icrq.tie_breaker && *icrq.tie_breaker == mine;
    const bool peer_wins = icrq.tie_breaker && *icrq.tie_breaker < mine;
    if (!peer_wins) refuse(icrq.ids.local, because(CdnResult::lost_tie, ""));
    if (!peer_wins && !draw) return false;
    forget(ours.local_id);  // no CDN: the peer ends ours as it did not win
    pseudowire.opening.reset();
    timer(pseudowire, Timer::give_up).reset();
    if (draw) call_later(pseudowire, context_.jittered(seconds(1)), now);
    reschedule(pseudowire);
    return peer_wins;
}

void ControlSessions::answer(Pseudowire& pseudowire, const Icrq& icrq, TimePoint now) {
    Session& session = make_session(pseudowire, Step::wait_connect);
    session.called = true;
    session.remote_id = icrq.ids.local;
    session.peer = icrq.offer;
    by_remote_id_[raw(session.remote_id)] = session.local_id;
    timer(pseudowire, Timer::call).reset();
    timer(pseudowire, Timer::give_up) = now + (pseudowire.current ? kParallelSetUpTime : kSessionSetUpTime);
    reschedule(pseudowire);
    if (pseudowire.current)
        report_change(pseudowire);  // the new cookie is accepted before the peer hears of it
    if (!pseudowire.current) pseudowire.reason = "being set up by the peer";
    outbox_.emplace_back(Icrp{{{session.local_id, session.remote_id}, own_offer(pseudowire, session)}});
}

void ControlSessions::handle(const Icrp& icrp, TimePoint now) {
    Session* session = find(icrp.ids);
    if (session == nullptr)
        return refuse(icrp.ids.local,
                      because(CdnResult::state_machine, "ICRP for a session that is not being set up"));
    if (session->step != Step::wait_reply)
        return disconnect(*session, because(CdnResult::state_machine, "ICRP in a wrong state"), now);
    if (by_remote_id_.contains(raw(icrp.ids.local)))
        return disconnect(*session,
                          {CdnResult::general_error, ErrorCode::invalid_session_id,
                           "the Session ID is that of another session"},
                          now);
    session->remote_id = icrp.ids.local;
    by_remote_id_[raw(session->remote_id)] = session->local_id;
    session->peer = icrp.offer;
    if (const auto objection = objection_to_offer(icrp.offer)) return disconnect(*session, *objection, now);
    Iccn iccn{{{session->local_id, session->remote_id}, {}}};
    const SessionOffer own = own_offer(pseudowires_.at(session->pseudowire), *session);
    iccn.offer.sublayer = own.sublayer;
    iccn.offer.sequencing = own.sequencing;
    iccn.offer.status = own.status;
    session->told = *own.status;
    outbox_.emplace_back(iccn);
    become_established(*session, now);
}

void ControlSessions::handle(const Iccn& iccn, TimePoint now) {
    Session* session = find(iccn.ids);
    if (session == nullptr) return;  // its CDN is on the way (RFC 3931 section 7.3.2, idle)
    if (session->step != Step::wait_connect)
        return disconnect(*session, because(CdnResult::state_machine, "ICCN in a wrong state"), now);
    // What it says replaces what the ICRQ said; what it leaves out stays.
    if (iccn.offer.sublayer != Sublayer::none) session->peer.sublayer = iccn.offer.sublayer;
    if (iccn.offer.sequencing != SequencingLevel::none) session->peer.sequencing = iccn.offer.sequencing;
    if (iccn.offer.status) session->peer.status = iccn.offer.status;
    if (const auto objection = objection_to_offer(session->peer))
        return disconnect(*session, *objection, now);
    become_established(*session, now);
}

void ControlSessions::handle(const Cdn& cdn, TimePoint now) {
    Session* session = find(cdn.ids);
    if (session == nullptr) return;
    const auto quirk = session_id_quirk(session->remote_id, cdn.ids.local);
    if (quirk && session->remote_id != SessionId{}) {
        // The session is over for the peer in any case: to keep our side up would be a black hole.
        if (!tolerated_.has(*quirk))
            return disconnect(*session,
                              {CdnResult::general_error, ErrorCode::invalid_session_id,
                               "the CDN's Local Session ID is not that of the session"},
                              now);
        quirks_.add(*quirk);
    }
    lose(session->local_id, "the peer ended it: " + words(cdn.why), now);
}

void ControlSessions::handle(const Sli& sli) {
    Session* session = find(sli.ids);
    if (session == nullptr || session->step == Step::wait_reply) return;
    learn_status(*session, sli.status, session->step == Step::established);
    if (!sli.guard_notice.empty() && session->step == Step::established)
        context_.actions.emplace_back(GuardNotice{session->pseudowire, sli.guard_notice});
}

void ControlSessions::handle(const Wen& wen) {
    const Session* session = find(wen.ids);
    if (session == nullptr) return;
    pseudowires_.at(session->pseudowire).peer_errors = wen.errors;
    context_.note(ControlNote::Level::debug, tunnel_, session->pseudowire,
                  "the peer counts circuit errors (WEN)");
}

void ControlSessions::learn_status(Session& session, const std::optional<CircuitStatus>& status,
                                   bool told_up) {
    if (!status || session.peer.status == status) return;
    session.peer.status = status;
    const Pseudowire& pseudowire = pseudowires_.at(session.pseudowire);
    if (told_up && pseudowire.current == session.local_id)
        context_.actions.emplace_back(PeerCircuit{session.pseudowire, *status});
}

}  // namespace isthmus::tunnel
