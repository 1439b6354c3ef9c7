// Drives the L2TPv3 control engine (tunnel/control_engine.h): messages in and out, what it agrees on into tunnels and
// sessions, our circuits to it, and its answers to `isthmus tunnels`, `sessions`, `trace` and `rotate`.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "appliance/control_plane.h"
#include "appliance/deadline.h"
#include "tunnel/bfd_session.h"
#include "tunnel/connection_ids.h"
#include "tunnel/control_digest.h"
#include "tunnel/control_engine.h"

namespace isthmus::appliance {

class L2tpPlane final : public ControlPlane {
  public:
    /// How a session's data path is doing; nullopt: not watched.
    using Liveness = std::function<std::optional<tunnel::BfdStatus>(SessionIndex)>;
    using GuardNotices = std::function<void(SessionIndex, Bytes)>;
    using SessionChanges = std::function<void(SessionIndex)>;

    /// `ids` are told to the workers' side, which outlives this.
    L2tpPlane(ControlServices& services, Liveness liveness, tunnel::ConnectionIds& ids);

    [[nodiscard]] std::string_view name() const noexcept override { return "l2tp"; }
    void configure(const config::Configuration& configuration) override;
    void on_kernel_change() override;
    void stop() override;
    [[nodiscard]] bool stopped() const override { return engine_.stopped(); }
    [[nodiscard]] nlohmann::json status() const override;

    /// Called after a session came up, got other options or went down.
    void on_session_change(SessionChanges handler) { session_changes_ = std::move(handler); }
    /// What the peer's guard tells ours, and the other way; dropped while the session is down.
    void on_guard_notice(GuardNotices handler) { guard_notices_ = std::move(handler); }
    void send_guard_notice(SessionIndex session, std::vector<std::uint8_t> notice);

  private:
    struct Tracer {
        TunnelIndex tunnel = kNoTunnel;
        std::shared_ptr<AnswerStream> stream;
    };

    void add_commands();
    void on_punt(const PuntMessage& message, TimePoint now);
    void look(TimePoint now);
    void hear(TimePoint now);
    /// Does what the engine wants, and waits for its next timeout.
    void act();

    void apply(const tunnel::SendControl& send);
    void apply(const tunnel::ConnectionIdUse& id);
    void apply(const tunnel::ConnectionUp& up);
    void apply(const tunnel::ConnectionDown& down);
    void apply(const tunnel::SessionUp& up) { agree(up.session); }
    void apply(const tunnel::SessionChanged& changed) { agree(changed.session); }
    void apply(const tunnel::SessionDown& down);
    void apply(const tunnel::PeerCircuit& circuit);
    void apply(const tunnel::GuardNotice& notice);
    void apply(const tunnel::Resolve& resolve);
    void apply(const tunnel::ControlNote& note);

    void agree(const tunnel::NegotiatedSession& session);
    void hold(SessionControl& session, const tunnel::CircuitStatus& peer);
    void use_peer(TunnelControl& tunnel, const tunnel::ConnectionUp& up);
    [[nodiscard]] bool send_in_the_clear(const tunnel::SendControl& send);
    [[nodiscard]] tunnel::ControlArrival arrival_of(const PuntMessage& message) const;
    void trace(TunnelIndex tunnel, bool is_ours, tunnel::Encapsulation encapsulation, const Endpoint& peer,
               Bytes packet);
    [[nodiscard]] Result<void, std::string> start_trace(const nlohmann::json& request,
                                                        std::shared_ptr<AnswerStream> stream);

    ControlServices& services_;
    Liveness liveness_;
    tunnel::ConnectionIds& ids_;
    GuardNotices guard_notices_;
    SessionChanges session_changes_;
    std::shared_ptr<const tunnel::ControlDigest> digest_;
    tunnel::GatewayIdentity self_;
    tunnel::ControlEngine engine_;
    std::map<TunnelIndex, tunnel::ConnectionOptions> connections_;  ///< as planned
    std::map<TunnelIndex, tunnel::ConnectionUp> connected_;
    std::map<TunnelIndex, std::uint64_t> heard_;  ///< packets in when last looked
    std::vector<Tracer> tracers_;
    Deadline due_;
    Deadline hearing_;
};

}  // namespace isthmus::appliance
