#include "appliance/l2tp_plane.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "appliance/clock.h"
#include "appliance/judge.h"
#include "appliance/l2tp_digest.h"
#include "appliance/l2tp_plan.h"
#include "appliance/l2tp_view.h"
#include "appliance/node_id.h"
#include "appliance/version.h"

namespace isthmus::appliance {

namespace {

using nlohmann::json;

constexpr std::string_view kHolder = "l2tp";
/// How often data that came is taken for a sign of life, and keys are looked for that a tunnel waits for.
constexpr std::chrono::milliseconds kHearEvery{1'000};
constexpr std::chrono::milliseconds kLookForKeysEvery{50};
constexpr std::size_t kMaxTracers = 16;
constexpr std::size_t kBootNonceSize = 16;

bool is_negotiated(const TunnelControl& tunnel) {
    return tunnel.config().control.has_value();
}

/// Whether a control message could leave.
bool can_send(const TunnelControl& tunnel) {
    if (tunnel.is_protected())
        return tunnel.sas().outbound().has_value() && tunnel.outbound_socket() != nullptr;
    return tunnel.socket_condition().is_up() && !tunnel.sockets().empty();
}

std::vector<std::uint8_t> random_bytes(Rng& rng, std::size_t n) {
    std::vector<std::uint8_t> out(n);
    rng.fill(out);
    return out;
}

}  // namespace

L2tpPlane::L2tpPlane(ControlServices& services, Liveness liveness, tunnel::ConnectionIds& ids)
    : services_(services),
      liveness_(std::move(liveness)),
      ids_(ids),
      digest_(std::make_shared<L2tpDigest>()),
      engine_(services.rng),
      due_(services.io,
           [this](TimePoint now) {
               engine_.on_timeout(now);
               act();
           }),
      hearing_(services.io, [this](TimePoint now) { hear(now); }) {
    self_.software_version = "isthmus " + std::string(kVersion);
    self_.boot_nonce = random_bytes(services.rng, kBootNonceSize);
    auto node = node_id(services.state_dir, services.rng);
    if (!node.problem.empty()) services.log->warn("{}", node.problem);
    self_.node_id = std::move(node.bytes);
    for (const auto c : {PuntClass::l2tp_control, PuntClass::l2tp_request, PuntClass::l2tp_stranger})
        services_.punts.on(c, [this](const PuntMessage& message, PuntOrigin origin, TimePoint now) {
            if (origin == PuntOrigin::wan) on_punt(message, now);
        });
    add_commands();
}

void L2tpPlane::add_commands() {
    services_.commands.on("tunnels", "control connections: peers, messages, quirks",
                          [this](const json&) -> Result<json, std::string> {
                              return tunnels_json(engine_.snapshot(boot_now()));
                          });
    services_.commands.on("sessions", "negotiated sessions: ids, circuits, data paths",
                          [this](const json&) -> Result<json, std::string> {
                              return sessions_json(engine_.snapshot(boot_now()), liveness_);
                          });
    services_.commands.on_stream("trace", "a tunnel's control messages as they come and go, decoded",
                                 [this](const json& request, std::shared_ptr<AnswerStream> stream) {
                                     return start_trace(request, std::move(stream));
                                 });
    services_.commands.on("rotate", "new Session IDs and cookies for a session, without loss",
                          [this](const json& request) -> Result<json, std::string> {
                              const std::string name = request.value("session", "");
                              const SessionControl* session = services_.sessions.named(name);
                              if (session == nullptr)
                                  return Unexpected("there is no session \"" + name + "\"");
                              if (!session->is_negotiated() || !session->options())
                                  return Unexpected("session \"" + name + "\" is not negotiated, or not up");
                              engine_.rotate_cookies(session->index(), boot_now());
                              act();
                              return json{{"session", name}, {"started", true}};
                          });
}

// ------------------------------------------------------------------------------------------------- configuration

void L2tpPlane::configure(const config::Configuration& configuration) {
    const TimePoint now = boot_now();
    PlanPlaces places;
    places.tunnel = [this](const std::string& name) { return services_.tunnels.named(name)->index(); };
    places.session = [this](const std::string& name) { return services_.sessions.named(name)->index(); };
    tunnel::ControlPlan plan = control_plan(configuration, places, digest_, self_);
    connections_.clear();
    for (const auto& connection : plan.connections) connections_.emplace(connection.tunnel, connection);
    engine_.configure(std::move(plan), now);
    act();
    for (TunnelControl& tunnel : services_.tunnels) {
        const auto up = connected_.find(tunnel.index());
        if (up != connected_.end()) {
            use_peer(tunnel, up->second);  // the reload may have put its options back to what is configured
        } else {
            tunnel.set_connection(is_negotiated(tunnel)
                                      ? Condition{RunState::waiting, "no control connection yet"}
                                      : Condition{RunState::up, ""});
        }
    }
    look(now);
    hearing_.arm(now + kLookForKeysEvery);
}

void L2tpPlane::on_kernel_change() {
    look(boot_now());
}

/// Sockets, keys and LAN ports may have come or gone.
void L2tpPlane::look(TimePoint now) {
    for (const TunnelControl& tunnel : services_.tunnels)
        if (is_negotiated(tunnel)) engine_.on_transport(tunnel.index(), can_send(tunnel), now);
    for (const SessionControl& session : services_.sessions) {
        if (!session.is_negotiated()) continue;
        tunnel::CircuitStatus circuit;
        circuit.active = attachment_of(session, services_.bridges).is_up();
        circuit.circuit_receive_fault = circuit.circuit_transmit_fault = !circuit.active;
        circuit.standby = session.config().standby;
        engine_.on_circuit(session.index(), circuit, now);
    }
    act();
}

/// Data is as good a sign of life as a HELLO (RFC 3931 section 4.4). Keys are made by others: looked at here, too.
void L2tpPlane::hear(TimePoint now) {
    bool waits = false;
    for (const TunnelControl& tunnel : services_.tunnels) {
        if (!is_negotiated(tunnel)) continue;
        const std::uint64_t packets = tunnel.in->packets.read();
        if (std::exchange(heard_[tunnel.index()], packets) != packets) engine_.on_heard(tunnel.index(), now);
        const bool ready = can_send(tunnel);
        waits |= !ready;
        engine_.on_transport(tunnel.index(), ready, now);
    }
    act();
    hearing_.arm(now + (waits ? kLookForKeysEvery : kHearEvery));
}

void L2tpPlane::stop() {
    engine_.stop("isthmusd is being stopped", boot_now());
    act();
    hearing_.arm(std::nullopt);
    for (const Tracer& tracer : tracers_)
        tracer.stream->end(Unexpected(std::string("the daemon is stopping")));
    tracers_.clear();
}

// ------------------------------------------------------------------------------------------------------ messages

tunnel::ControlArrival L2tpPlane::arrival_of(const PuntMessage& message) const {
    tunnel::ControlArrival arrival;
    arrival.path = message.path;
    const TunnelControl* tunnel = services_.tunnels.find(message.tunnel);
    if (tunnel == nullptr || !tunnel->is_protected()) {
        // Only UDP has ports.
        arrival.encapsulation =
            message.path.local.port == 0 ? tunnel::Encapsulation::ip : tunnel::Encapsulation::udp;
        return arrival;
    }
    const tunnel::TunnelOptions& options = tunnel->options();
    arrival.authenticated_for = tunnel->index();
    arrival.encapsulation = options.encapsulation;
    arrival.path.local.address = options.local;
    if (!options.remote.is_unspecified()) arrival.path.remote.address = options.remote;
    if (options.encapsulation == tunnel::Encapsulation::ip)
        arrival.path.local.port = arrival.path.remote.port = 0;
    return arrival;
}

void L2tpPlane::on_punt(const PuntMessage& message, TimePoint now) {
    const tunnel::ControlArrival arrival = arrival_of(message);
    trace(message.tunnel, false, arrival.encapsulation, arrival.path.remote, message.data());
    engine_.on_message(message.data(), arrival, now);
    act();
}

void L2tpPlane::act() {
    while (const auto action = engine_.poll_action())
        std::visit([this](const auto& what) { apply(what); }, *action);
    due_.arm(engine_.next_timeout());
}

void L2tpPlane::apply(const tunnel::SendControl& send) {
    trace(send.tunnel, true, send.encapsulation, send.path.remote, send.bytes);
    const TunnelControl* tunnel = services_.tunnels.find(send.tunnel);
    const bool sealed = tunnel != nullptr && tunnel->is_protected();
    const auto way = tunnel != nullptr ? tunnel->way() : std::nullopt;
    // What the tunnel's own way leads to meets the tables that were changed before.
    const bool own_way = sealed || (way && way->remote == send.path.remote && way->local == send.path.local);
    const bool sent =
        own_way ? services_.injector.l2tp_message(send.tunnel, send.bytes) : send_in_the_clear(send);
    if (!sent) services_.log->debug("a control message to {} could not be sent", send.path.remote.text());
}

/// To a peer whose address is only being learned, or to somebody who is no peer.
bool L2tpPlane::send_in_the_clear(const tunnel::SendControl& send) {
    const auto protocol = send.encapsulation == tunnel::Encapsulation::udp ? tunnel::io::WanProtocol::udp
                                                                           : tunnel::io::WanProtocol::l2tp;
    for (const TunnelControl& tunnel : services_.tunnels) {
        for (const auto& socket : tunnel.sockets()) {
            const bool fits = socket->protocol() == protocol && socket->local() == send.path.local;
            if (!fits || tunnel.is_protected()) continue;
            const auto traffic_class = static_cast<std::uint8_t>(tunnel.options().control_dscp << 2);
            return services_.injector.datagram(*socket, send.path.remote, send.bytes, traffic_class) ==
                   DropReason::none;
        }
    }
    return false;
}

// ----------------------------------------------------------------------------------------- what the engine agreed on

void L2tpPlane::use_peer(TunnelControl& tunnel, const tunnel::ConnectionUp& up) {
    tunnel::TunnelOptions options = tunnel.options();
    options.local_id = up.local_id;
    options.remote_id = up.remote_id;
    options.remote = up.path.remote.address;
    if (options.encapsulation == tunnel::Encapsulation::udp) options.remote_port = up.path.remote.port;
    tunnel.set_options(options);
    tunnel.set_connection({RunState::up, ""});
}

void L2tpPlane::apply(const tunnel::ConnectionIdUse& id) {
    if (id.in_use)
        (void)ids_.insert(id.id);  // without room it is served as a stranger
    else
        ids_.erase(id.id);
}

void L2tpPlane::apply(const tunnel::ConnectionUp& up) {
    connected_.insert_or_assign(up.tunnel, up);
    TunnelControl* tunnel = services_.tunnels.find(up.tunnel);
    if (tunnel == nullptr) return;
    services_.log->info("tunnel {}: control connection with {} ({}), opened {}", tunnel->config().name,
                        up.peer_host, up.path.remote.text(), up.initiated ? "here" : "by the peer");
    use_peer(*tunnel, up);
    services_.changed();
}

void L2tpPlane::apply(const tunnel::ConnectionDown& down) {
    connected_.erase(down.tunnel);
    TunnelControl* tunnel = services_.tunnels.find(down.tunnel);
    if (tunnel == nullptr) return;
    tunnel->set_connection({RunState::waiting, "no control connection: " + down.reason});
    services_.changed();
}

void L2tpPlane::agree(const tunnel::NegotiatedSession& agreed) {
    SessionControl* session = services_.sessions.find(agreed.session);
    if (session == nullptr) return;
    std::optional<SessionControl::Also> also;
    if (agreed.also_accepted) also = {agreed.also_accepted->local_id, agreed.also_accepted->local_cookie};
    session->set_negotiated(agreed.options, agreed.incarnation, also);
    hold(*session, agreed.peer_circuit);
    services_.changed();
    if (session_changes_) session_changes_(agreed.session);
}

void L2tpPlane::apply(const tunnel::SessionDown& down) {
    SessionControl* session = services_.sessions.find(down.session);
    if (session == nullptr) return;
    session->clear_negotiated(down.reason);
    session->hold(std::string(kHolder), std::nullopt);
    services_.changed();
    if (session_changes_) session_changes_(down.session);
}

void L2tpPlane::apply(const tunnel::PeerCircuit& circuit) {
    SessionControl* session = services_.sessions.find(circuit.session);
    if (session == nullptr) return;
    services_.log->info("session {}: the peer's circuit is {}", session->config().name,
                        circuit.status.text());
    hold(*session, circuit.status);
    services_.changed();
}

/// Nothing is to be sent to a peer whose circuit is not active (RFC 3931 section 5.4.5). Ours does not follow from it.
void L2tpPlane::hold(SessionControl& session, const tunnel::CircuitStatus& peer) {
    std::optional<Condition> why;
    if (!peer.active) why = {RunState::waiting, "the peer's circuit is " + peer.text()};
    if (peer.active && peer.standby) why = {RunState::blocked, "the peer stands by: another one forwards"};
    session.hold(std::string(kHolder), std::move(why));
}

void L2tpPlane::apply(const tunnel::GuardNotice& notice) {
    if (guard_notices_) guard_notices_(notice.session, notice.notice);
}

void L2tpPlane::send_guard_notice(SessionIndex session, std::vector<std::uint8_t> notice) {
    engine_.send_guard_notice(session, std::move(notice), boot_now());
    act();
}

void L2tpPlane::apply(const tunnel::Resolve& resolve) {
    const TunnelIndex tunnel = resolve.tunnel;
    services_.resolver.resolve(resolve.name, [this, tunnel](Resolver::Answer answer) {
        if (!answer) services_.log->debug("{}", answer.error());
        engine_.on_resolved(tunnel, answer.value_or(std::vector<IpAddress>{}), boot_now());
        act();
    });
}

void L2tpPlane::apply(const tunnel::ControlNote& note) {
    using Level = tunnel::ControlNote::Level;
    const auto level = note.level == Level::warning ? spdlog::level::warn
                       : note.level == Level::info  ? spdlog::level::info
                                                    : spdlog::level::debug;
    std::string about;
    if (const SessionControl* session = services_.sessions.find(note.session))
        about = "session " + session->config().name + ": ";
    else if (const TunnelControl* tunnel = services_.tunnels.find(note.tunnel))
        about = "tunnel " + tunnel->config().name + ": ";
    services_.log->log(level, "{}{}", about, note.text);
}

// -------------------------------------------------------------------------------------------------------- looking

Result<void, std::string> L2tpPlane::start_trace(const json& request, std::shared_ptr<AnswerStream> stream) {
    const std::string name = request.value("tunnel", "");
    const TunnelControl* tunnel = services_.tunnels.named(name);
    if (tunnel == nullptr) return Unexpected("there is no tunnel \"" + name + "\"");
    if (!is_negotiated(*tunnel))
        return Unexpected("tunnel \"" + name + "\" is static: it has no control connection");
    if (tracers_.size() >= kMaxTracers) return Unexpected(std::string("too many traces at once"));
    tracers_.push_back({tunnel->index(), std::move(stream)});
    return {};
}

void L2tpPlane::trace(TunnelIndex tunnel, bool is_ours, tunnel::Encapsulation encapsulation,
                      const Endpoint& peer, Bytes packet) {
    const bool wanted = std::any_of(tracers_.begin(), tracers_.end(),
                                    [tunnel](const Tracer& tracer) { return tracer.tunnel == tunnel; });
    if (!wanted) return;
    const auto connection = connections_.find(tunnel);
    std::optional<tunnel::AvpHider> hider;
    if (connection != connections_.end() && connection->second.keys)
        hider = connection->second.keys->hider(0);
    const double seconds =
        std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
    const json part = trace_json(seconds, is_ours, encapsulation, peer, packet, hider ? &*hider : nullptr);
    std::erase_if(tracers_, [&](const Tracer& tracer) {
        return tracer.tunnel == tunnel && !tracer.stream->send(part);
    });
}

json L2tpPlane::status() const {
    const tunnel::ControlStatus status = engine_.snapshot(boot_now());
    const auto up = [](const auto& list) {
        return std::count_if(list.begin(), list.end(), [](const auto& one) { return one.established; });
    };
    json out{{"connections", status.connections.size()},
             {"connections_up", up(status.connections)},
             {"sessions", status.sessions.size()},
             {"sessions_up", up(status.sessions)}};
    if (!status.connections.empty())
        out["summary"] = std::to_string(up(status.connections)) + " of " +
                         std::to_string(status.connections.size()) + " control connections, " +
                         std::to_string(up(status.sessions)) + " of " +
                         std::to_string(status.sessions.size()) + " negotiated sessions up";
    return out;
}

}  // namespace isthmus::appliance
