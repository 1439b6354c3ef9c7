// One configured peer: its control connections over time, of which at most one carries sessions (RFC 3931 section 3.3).
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tunnel/control_arrival.h"
#include "tunnel/control_connection.h"
#include "tunnel/control_context.h"
#include "tunnel/control_sessions.h"
#include "tunnel/rate_limit.h"

namespace isthmus::tunnel {

class ControlPeer {
  public:
    ControlPeer(ControlContext& context, ConnectionOptions options, const ControlLimits& limits);

    /// False: the difference asks for another peer object (addresses, role, whether there is a secret). Secrets may change
    /// one at a time: a connection whose secret stays goes on.
    [[nodiscard]] bool can_become(const ConnectionOptions& options) const;
    void become(ConnectionOptions options, TimePoint now);
    void configure_sessions(std::vector<PseudowireOptions> pseudowires, TimePoint now);

    /// A message with one of our Control Connection IDs, that came the way that options() demand.
    void on_packet(const ControlPacket& packet, const Path& path, TimePoint now);
    /// An SCCRQ that is this peer's as far as addresses and SA tell.
    enum class Admission : std::uint8_t { taken, not_authentic };
    Admission on_request(const ControlPacket& packet, const Path& path, TimePoint now);
    /// A StopCCN without Control Connection ID: by the sender's own, `assigned` (RFC 3931 section 5.4.3).
    void on_unaddressed_stop(const ControlPacket& packet, ControlConnectionId assigned, const Path& path,
                             TimePoint now);

    void on_transport(bool ready, TimePoint now);
    void on_heard(TimePoint now);
    void on_resolved(const std::vector<IpAddress>& addresses, TimePoint now);
    void on_circuit(SessionIndex session, const CircuitStatus& status, TimePoint now);
    void rotate(SessionIndex session, TimePoint now);
    void send_guard_notice(SessionIndex session, std::vector<std::uint8_t> notice, TimePoint now);
    /// StopCCN; no new connection is tried or taken afterwards.
    void shut_down(const Ending<StopResult>& why, TimePoint now);
    /// All that there was to say is said and acknowledged, or given up.
    [[nodiscard]] bool is_shut_down() const;

    void on_timeout(TimePoint now);
    [[nodiscard]] std::optional<TimePoint> next_timeout() const;

    [[nodiscard]] const ConnectionOptions& options() const noexcept { return *options_; }
    /// Whether a message that came like this, in the clear or through an SA, may be of this peer.
    [[nodiscard]] bool may_be_from(const ControlArrival& arrival) const;
    /// The same for a message with one of our ids: the peer may have answered from another address, and kept to it.
    [[nodiscard]] bool may_be_from(const ControlArrival& arrival, ControlConnectionId id) const;
    [[nodiscard]] bool has(ControlConnectionId id) const;
    [[nodiscard]] bool established() const noexcept { return current_ != nullptr; }
    [[nodiscard]] ConnectionStatus status(TimePoint now) const;
    [[nodiscard]] const ControlSessions& sessions() const noexcept { return sessions_; }
    [[nodiscard]] std::size_t connection_count() const noexcept { return connections_.size(); }

  private:
    using State = ControlConnection::State;

    void run(TimePoint now);
    [[nodiscard]] bool react(ControlConnection& connection, TimePoint now);
    void on_established(ControlConnection& connection, TimePoint now);
    void on_closed(ControlConnection& connection, const ControlConnection::Closed& closed, TimePoint now);
    void pass_to_sessions(const ControlConnection::Event& event, TimePoint now);
    void deliver_sessions(TimePoint now);
    void clean_up();

    void try_later(Duration wait, TimePoint now);
    void try_now(TimePoint now);
    void request(const IpAddress& remote, TimePoint now);
    [[nodiscard]] ControlConnection* own_request();
    [[nodiscard]] ControlConnection* by_remote_id(ControlConnectionId id, const Path& path);
    /// Whether the peer's SCCRQ goes on after it crossed ours.
    [[nodiscard]] bool peer_wins_tie(const Sccrq& sccrq, TimePoint now);
    void take_request(const ControlRequest& request, const Path& path, TimePoint now);
    void refuse(ControlConnectionId caller, const Ending<StopResult>& why, const Path& path,
                const std::optional<ControlRequest>& request);
    void note_quirks();
    void say(const std::string& text, ControlNote::Level level);
    /// In the clear, with our own end of it right.
    [[nodiscard]] bool comes_to_us(const ControlArrival& arrival) const;

    ControlContext& context_;
    std::unique_ptr<ConnectionOptions> options_;  ///< stays where it is: connections refer to it
    ControlSessions sessions_;
    std::deque<std::unique_ptr<ControlConnection>> connections_;
    ControlConnection* current_ = nullptr;  ///< the established one
    RateLimit requests_;
    RateLimit repetitions_;  ///< of requests that wait for their SCCCN
    std::optional<TimePoint> try_at_;
    bool ready_ = false;
    bool resolving_ = false;
    bool shut_down_ = false;
    std::uint32_t failures_ = 0;
    std::vector<IpAddress> addresses_;  ///< that the peer's name was resolved to
    std::size_t next_address_ = 0;
    std::string reason_ = "not tried yet";
    std::uint64_t rate_limited_ = 0;
    std::uint32_t times_connected_ = 0;
    QuirkSet noted_;  ///< quirks of the current connection that the log has
};

}  // namespace isthmus::tunnel
