// All pseudowires of one peer and their sessions, parallel ones included (RFC 3931 sections 3.4, 5.4.4 and 7.3).
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "tunnel/control_context.h"
#include "tunnel/control_message.h"
#include "tunnel/deadlines.h"

namespace isthmus::tunnel {

class ControlSessions {
  public:
    /// What the control connection found out about the peer.
    struct Peer {
        bool we_initiated = false;
        std::vector<PseudowireType> pseudowires;
        std::string host;
    };

    ControlSessions(ControlContext& context, TunnelIndex tunnel, const QuirkSet& tolerated)
        : context_(context), tunnel_(tunnel), tolerated_(tolerated) {}
    ~ControlSessions();
    ControlSessions(const ControlSessions&) = delete;
    ControlSessions& operator=(const ControlSessions&) = delete;

    /// All pseudowires of the peer: those that changed or went lose their sessions, the others notice nothing.
    void configure(std::vector<PseudowireOptions> pseudowires, TimePoint now);
    void set_tolerated(const QuirkSet& tolerated) noexcept { tolerated_ = tolerated; }
    void on_connected(const Peer& peer, TimePoint now);
    void on_disconnected(const std::string& reason);
    void on_message(const ControlMessage& message, TimePoint now);
    void on_fault(const MessageFault& fault, TimePoint now);
    /// The peer has acknowledged all that was taken from the outbox so far.
    void on_acknowledged(TimePoint now);
    void on_circuit(SessionIndex session, const CircuitStatus& status);
    void rotate(SessionIndex session, TimePoint now);
    void send_guard_notice(SessionIndex session, std::vector<std::uint8_t> notice);
    void on_timeout(TimePoint now);
    [[nodiscard]] std::optional<TimePoint> next_timeout() const { return deadlines_.earliest(); }

    /// Messages for the control connection, in order.
    [[nodiscard]] std::vector<ControlMessage> take_outbox() { return std::exchange(outbox_, {}); }
    [[nodiscard]] bool knows(SessionIndex session) const { return pseudowires_.contains(session); }
    [[nodiscard]] std::vector<SessionStatus> status(TimePoint now) const;
    [[nodiscard]] std::uint32_t sessions_up() const;
    /// Quirks that only the course of a session shows, since the peer connected.
    [[nodiscard]] const QuirkSet& quirks() const noexcept { return quirks_; }
    /// Sessions that hold any state, parallel ones included.
    [[nodiscard]] std::size_t session_count() const noexcept { return sessions_.size(); }

  private:
    enum class Step : std::uint8_t { wait_reply, wait_connect, established };
    struct Session {
        SessionIndex pseudowire = kNoSession;
        Step step{};
        bool called = false;  ///< the peer sent the ICRQ
        SessionId local_id{};
        SessionId remote_id{};
        Cookie local_cookie;
        std::uint64_t tie_breaker = 0;
        std::uint32_t incarnation = 0;
        SessionOffer peer;   ///< what the peer wants to receive, its circuit
        CircuitStatus told;  ///< of our circuit, to the peer
    };
    enum class Timer : std::uint8_t { call, give_up, rotate, retire };
    struct Pseudowire {
        PseudowireOptions options;
        CircuitStatus circuit{.is_new = true};
        std::optional<SessionId> current;   ///< established
        std::optional<SessionId> opening;   ///< wait_reply or wait_connect
        std::optional<SessionId> retiring;  ///< established before current, not torn down yet
        std::array<std::optional<TimePoint>, 4> timers{};
        std::uint32_t failures = 0;
        std::uint32_t rotations = 0;
        std::uint32_t times_up = 0;
        TimePoint up_since{};
        std::string reason = "not tried yet";
        CircuitErrors peer_errors;
    };

    [[nodiscard]] Pseudowire* find(SessionIndex index);
    [[nodiscard]] Session* find(const SessionPair& ids_of_sender);
    [[nodiscard]] Session* find(std::optional<SessionId> local_id);

    void handle(const Icrq& icrq, TimePoint now);
    void handle(const Icrp& icrp, TimePoint now);
    void handle(const Iccn& iccn, TimePoint now);
    void handle(const Cdn& cdn, TimePoint now);
    void handle(const Sli& sli);
    void handle(const Wen& wen);
    [[nodiscard]] std::optional<Ending<CdnResult>> objection_to(const Icrq& icrq,
                                                                const Pseudowire& pseudowire) const;
    [[nodiscard]] Ending<CdnResult> no_such_pseudowire(const std::string& end_id) const;
    /// Whether the peer's ICRQ goes on after it crossed ours.
    [[nodiscard]] bool peer_wins_tie(Pseudowire& pseudowire, const Icrq& icrq, TimePoint now);
    void answer(Pseudowire& pseudowire, const Icrq& icrq, TimePoint now);

    void call(Pseudowire& pseudowire, TimePoint now);
    void call_later(Pseudowire& pseudowire, Duration wait, TimePoint now);
    void retry(Pseudowire& pseudowire, const std::string& reason, TimePoint now);
    Session& make_session(Pseudowire& pseudowire, Step step);
    [[nodiscard]] SessionOffer own_offer(const Pseudowire& pseudowire, const Session& session) const;
    void become_established(Session& session, TimePoint now);
    void retire(Pseudowire& pseudowire);
    /// Tears down with a CDN.
    void disconnect(Session& session, const Ending<CdnResult>& why, TimePoint now);
    /// Forgets it, whatever its part was, and goes on without.
    void lose(SessionId local_id, const std::string& reason, TimePoint now);
    void forget(SessionId local_id);
    void refuse(SessionId caller, const Ending<CdnResult>& why);
    void drop_all(Pseudowire& pseudowire, const std::string& reason);
    void tell_status(Session& session, const CircuitStatus& status);
    void learn_status(Session& session, const std::optional<CircuitStatus>& status, bool told_up);

    [[nodiscard]] NegotiatedSession negotiated(const Pseudowire& pseudowire, const Session& session) const;
    void report_change(const Pseudowire& pseudowire);
    void note_peer(const Pseudowire& pseudowire, const Session& session);
    void reschedule(const Pseudowire& pseudowire);
    [[nodiscard]] std::optional<TimePoint>& timer(Pseudowire& p, Timer t) const {
        return p.timers[static_cast<std::size_t>(t)];
    }

    ControlContext& context_;
    TunnelIndex tunnel_;
    std::optional<Peer> peer_;  ///< nullopt: no control connection
    std::map<SessionIndex, Pseudowire> pseudowires_;
    std::unordered_map<std::string, SessionIndex> by_end_id_;
    std::unordered_map<std::uint32_t, Session> sessions_;        ///< by local id
    std::unordered_map<std::uint32_t, SessionId> by_remote_id_;  ///< to local ids
    Deadlines<SessionIndex> deadlines_;
    std::vector<ControlMessage> outbox_;
    std::vector<SessionIndex> left_;  ///< whose ICCN for new cookies is not acknowledged yet
    QuirkSet quirks_;
    QuirkSet tolerated_;
};

}  // namespace isthmus::tunnel
