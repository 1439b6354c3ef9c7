// One L2TPv3 control connection, from SCCRQ to the end of StopCCN's retransmission (RFC 3931 sections 4.3, 4.4, 7.2, 7.5).
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <variant>

#include "tunnel/control_context.h"
#include "tunnel/control_message.h"
#include "tunnel/reliable_delivery.h"

namespace isthmus::tunnel {

/// An SCCRQ that was read and, with a secret, verified.
struct ControlRequest {
    Sccrq sccrq;
    QuirkSet quirks;
    std::optional<Verified> verified;
};

/// Why an offer cannot be taken; nullopt: it can.
[[nodiscard]] std::optional<Ending<StopResult>> objection_to(const ConnectionOffer& offer,
                                                             const ConnectionOptions& options,
                                                             const GatewayIdentity& self);

class ControlConnection {
  public:
    enum class State : std::uint8_t { wait_ctl_reply, wait_ctl_conn, established, closing, closed };

    struct Established {};
    struct Closed {
        std::string reason;
        bool lost_tie = false;  ///< the peer opens, or has opened, one itself
    };
    /// One about a session, in order; only while established.
    struct SessionMessage {
        ControlMessage message;
    };
    struct SessionFault {
        MessageFault fault;
    };
    using Event = std::variant<Established, Closed, SessionMessage, SessionFault>;

    /// Sends an SCCRQ. `options` may change its values but must outlive the connection.
    ControlConnection(ControlContext& context, const ConnectionOptions& options, const Path& path,
                      TimePoint now);
    /// Answers an SCCRQ, to which there was no objection, with an SCCRP.
    ControlConnection(ControlContext& context, const ConnectionOptions& options, const Path& path,
                      const ControlRequest& request, TimePoint now);
    ~ControlConnection();
    ControlConnection(const ControlConnection&) = delete;
    ControlConnection& operator=(const ControlConnection&) = delete;

    void on_packet(const ControlPacket& packet, const Path& path, TimePoint now);
    /// The peer said that it does not know this connection. Nobody vouches for that: it must answer soon, or is gone.
    void on_unknown_to_peer(TimePoint now);
    void on_heard(TimePoint now) noexcept { last_heard_ = now; }
    /// Only while established.
    void send(const ControlMessage& message);
    /// StopCCN, and what it takes to deliver it. Closed is reported at once.
    void close(const Ending<StopResult>& why, TimePoint now);
    /// options.keys has changed: goes on if the secret in use is among them, else ends.
    void on_keys_changed(TimePoint now);
    /// Forgets it without a word to the peer, nor an event.
    void abandon() noexcept { state_ = State::closed; }
    /// Own request stands back behind the peer's: nothing is sent for a while, but an answer is still welcome. Once only:
    /// forged requests without end would else hold it back for ever.
    void suspend(TimePoint now) noexcept;

    void on_timeout(TimePoint now);
    [[nodiscard]] std::optional<TimePoint> next_timeout() const;
    [[nodiscard]] std::optional<Event> poll_event();
    /// Sends what may be sent: to be called after events were reacted to.
    void flush(TimePoint now);

    [[nodiscard]] State state() const noexcept { return state_; }
    [[nodiscard]] bool initiated() const noexcept { return initiated_; }
    [[nodiscard]] ControlConnectionId local_id() const noexcept { return local_id_; }
    [[nodiscard]] ControlConnectionId remote_id() const noexcept { return remote_id_; }
    [[nodiscard]] std::uint64_t tie_breaker() const noexcept { return tie_breaker_; }
    [[nodiscard]] const Path& path() const noexcept { return path_; }
    [[nodiscard]] const ConnectionOffer& peer() const noexcept { return peer_; }
    [[nodiscard]] const QuirkSet& quirks() const noexcept { return quirks_; }
    [[nodiscard]] bool idle() const noexcept { return delivery_.idle(); }
    [[nodiscard]] TimePoint last_sent() const noexcept { return last_sent_; }
    /// Whether an answer may come from any address, since the first has not come yet (Quirk::answers_from_elsewhere).
    [[nodiscard]] bool takes_answer_from_elsewhere() const noexcept {
        return state_ == State::wait_ctl_reply && remote_id_ == ControlConnectionId{} &&
               options_.tolerated.has(Quirk::answers_from_elsewhere);
    }
    [[nodiscard]] ConnectionStatus status(TimePoint now) const;

  private:
    [[nodiscard]] bool is_from_peer(const Path& path) const noexcept;
    [[nodiscard]] bool vouched_for() const noexcept { return auth_.has_value() || options_.is_protected; }
    [[nodiscard]] ConnectionOffer own_offer() const;
    [[nodiscard]] std::vector<std::uint8_t> body_of(const ControlMessage& message) const;
    void read(Bytes body, TimePoint now);
    void handle(const ControlMessage& message, TimePoint now);
    void handle(const Sccrp& sccrp, TimePoint now);
    void handle(const Scccn& scccn, TimePoint now);
    void handle(const StopCcn& stop, TimePoint now);
    void establish(TimePoint now);
    void wrong_state(const std::string& what, TimePoint now);
    void learn_peer(const ConnectionOffer& offer);
    void check_gone(TimePoint now);
    void emit(std::uint16_t ns, std::uint16_t nr, Bytes body);

    ControlContext& context_;
    const ConnectionOptions& options_;
    State state_;
    bool initiated_;
    std::optional<TimePoint> suspended_until_;
    bool stood_back_ = false;
    bool answered_ = false;  ///< the peer has said something
    bool stopped_by_peer_ = false;
    ControlConnectionId local_id_{};
    ControlConnectionId remote_id_{};
    std::uint64_t tie_breaker_ = 0;
    Path path_;
    ConnectionOffer peer_;
    QuirkSet quirks_;
    std::vector<std::uint8_t> nonce_;
    std::optional<ControlAuth> auth_;
    ReliableDelivery delivery_;
    std::deque<Event> events_;
    Duration hello_interval_;
    TimePoint last_heard_;
    TimePoint last_sent_{};
    TimePoint established_at_{};
    std::optional<TimePoint> give_up_at_;  ///< set-up takes too long, or the time after StopCCN is over
    std::uint64_t hellos_ = 0;
    std::uint64_t bad_digests_ = 0;
    std::uint64_t malformed_ = 0;
};

/// Assigned Control Connection ID of a message that need not be readable otherwise; 0: none.
[[nodiscard]] ControlConnectionId assigned_id_in(Bytes body);
[[nodiscard]] std::string_view name_of(ControlConnection::State state) noexcept;
/// 1 + 2 + 4 + 8 + 8 ... seconds: as long as a peer may go on to repeat a message.
[[nodiscard]] Duration full_cycle(const Retransmission& retransmission) noexcept;

}  // namespace isthmus::tunnel
