// The L2TPv3 control plane (RFC 3931): all peers, their control connections and sessions. Sans-IO.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/rng.h"
#include "base/time.h"
#include "tunnel/control_actions.h"
#include "tunnel/control_arrival.h"
#include "tunnel/control_options.h"
#include "tunnel/control_status.h"

namespace isthmus::tunnel {

class ControlEngine {
  public:
    explicit ControlEngine(Rng& rng, ControlLimits limits = {});
    ~ControlEngine();
    ControlEngine(const ControlEngine&) = delete;
    ControlEngine& operator=(const ControlEngine&) = delete;

    /// Applies the difference to the plan before: what did not change is not touched, what changed is torn down (CDN,
    /// StopCCN) and set up anew. The first call starts everything.
    void configure(ControlPlan plan, TimePoint now);
    /// One control message as it came behind the UDP or IP header (over IP with RFC 3931 section 4.1.1.2's zero word).
    void on_message(Bytes packet, const ControlArrival& arrival, TimePoint now);
    /// Whether packets can be sent: the local address is there and, in a protected tunnel, an SA is. Connections that are
    /// up stay so when it goes; no new one is tried until it is back. Until first called: not.
    void on_transport(TunnelIndex tunnel, bool ready, TimePoint now);
    /// Data came from the peer: no HELLO is needed (RFC 3931 section 4.4).
    void on_heard(TunnelIndex tunnel, TimePoint now);
    /// Answer to Resolve; empty: there is none.
    void on_resolved(TunnelIndex tunnel, const std::vector<IpAddress>& addresses, TimePoint now);
    /// Our own attachment circuit; told to the peer (ICRQ, ICRP, SLI). Active until told otherwise.
    void on_circuit(SessionIndex session, const CircuitStatus& status, TimePoint now);
    /// Sent to the peer's guard if the session is up, else dropped.
    void send_guard_notice(SessionIndex session, std::vector<std::uint8_t> notice, TimePoint now);
    /// New Session IDs and cookies for a session that is up, without loss: at once, or seconds later while the change before
    /// is not over. Does nothing for one that is not up.
    void rotate_cookies(SessionIndex session, TimePoint now);
    /// Tears all down in order: StopCCN to each peer. Actions and timeouts go on until stopped().
    void stop(std::string_view reason, TimePoint now);
    [[nodiscard]] bool stopped() const;

    void on_timeout(TimePoint now);
    [[nodiscard]] std::optional<TimePoint> next_timeout() const;
    [[nodiscard]] std::optional<ControlAction> poll_action();

    [[nodiscard]] ControlStatus snapshot(TimePoint now) const;

  private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace isthmus::tunnel
