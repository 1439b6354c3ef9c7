#include "appliance/gateway.h"

#include <algorithm>
#include <csignal>
#include <nlohmann/json.hpp>

#include "appliance/clock.h"
#include "appliance/status_report.h"
#include "appliance/view_builder.h"
#include "crypto/io/choose_provider.h"

namespace isthmus::appliance {

namespace {

constexpr std::chrono::milliseconds kTick{200};
/// Events come in bursts, one for each attribute that changes: wait for the last before looking.
constexpr std::chrono::milliseconds kSettle{30};
/// Events can be lost; what waits is looked at again after this long without any.
constexpr std::chrono::seconds kLookAgain{5};

crypto::io::ProviderWish wish_of(config::CipherLibrary library) {
    switch (library) {
        case config::CipherLibrary::openssl: return crypto::io::ProviderWish::openssl;
        case config::CipherLibrary::ipsec_mb: return crypto::io::ProviderWish::ipsec_mb;
        case config::CipherLibrary::automatic: break;
    }
    return crypto::io::ProviderWish::automatic;
}

crypto::esp::Suite first_suite(const config::Configuration& config) {
    for (const auto& tunnel : config.tunnels)
        if (tunnel.esp) return tunnel.esp->out.suite;
    return crypto::esp::Suite::aes256_gcm16;
}

}  // namespace

Result<std::unique_ptr<Gateway>, std::string> Gateway::open(asio::io_context& io,
                                                            const config::Configuration& configuration,
                                                            const StateDirectory& state, Logger logger) {
    std::unique_ptr<Gateway> gateway(new Gateway(io, configuration, state, std::move(logger)));
    auto opened = gateway->open_crypto();
    if (opened) opened = gateway->open_workers();
    if (opened) opened = gateway->open_kernel();
    if (!opened) return Unexpected(opened.error());
    return gateway;
}

Gateway::Gateway(asio::io_context& io, const config::Configuration& configuration,
                 const StateDirectory& state, Logger logger)
    : io_(io),
      config_(configuration),
      state_(state),
      log_(std::move(logger)),
      started_(boot_now()),
      hosts_(rng_.u64()),
      signals_(io),
      netlink_(io),
      tick_(io),
      settle_(io) {
    for (std::size_t i = 0; i < config_.tunnels.size(); ++i)
        tunnels_.push_back(
            std::make_unique<TunnelControl>(config_.tunnels[i], TunnelIndex(static_cast<std::uint16_t>(i))));
    for (std::size_t i = 0; i < config_.sessions.size(); ++i) {
        const auto& session = config_.sessions[i];
        sessions_.push_back(std::make_unique<SessionControl>(session,
                                                             config_.bridges[session.bridge].options.name,
                                                             SessionIndex(static_cast<std::uint32_t>(i))));
    }
    tunnel_conditions_.resize(tunnels_.size());
    sent_before_.resize(tunnels_.size());
    keepalive_due_.resize(tunnels_.size(), started_);
}

Result<void, std::string> Gateway::open_crypto() {
    const auto choice = crypto::io::choose_provider(wish_of(config_.datapath.crypto), first_suite(config_));
    if (!choice) return Unexpected(choice.error());
    log_->info("cryptography: {}", choice->why);
    provider_name_ = crypto::name_of(choice->kind);
    for (auto* provider : {&providers_.outbound, &providers_.inbound}) {
        auto made = crypto::make_provider(choice->kind);
        if (!made) return Unexpected(made.error());
        *provider = std::move(*made);
    }
    for (auto& tunnel : tunnels_) tunnel->make_keys(state_.path(), providers_, rng_);
    return {};
}

Result<void, std::string> Gateway::open_workers() {
    auto outbound = OutboundWorker::make(outbound_memory(config_), hosts_);
    if (!outbound) return Unexpected(outbound.error());
    auto inbound = InboundWorker::make(inbound_memory(config_), hosts_);
    if (!inbound) return Unexpected(inbound.error());
    outbound_ = std::move(*outbound);
    inbound_ = std::move(*inbound);
    log_->info("packet memory: {} MiB outbound, {} MiB inbound, of {} MiB configured",
               outbound_->memory() >> 20, inbound_->memory() >> 20, config_.datapath.packet_memory);
    return {};
}

Result<void, std::string> Gateway::open_kernel() {
    auto reconciler = bridge::Reconciler::open({config_.gateway.name, state_.path() / "bridge.journal"});
    if (!reconciler) return Unexpected(reconciler.error());
    reconciler_ = std::make_unique<bridge::Reconciler>(std::move(*reconciler));
    auto monitor = bridge::EventMonitor::open();
    if (!monitor) return Unexpected("cannot watch links and addresses: " + monitor.error().text());
    monitor_ = std::make_unique<bridge::EventMonitor>(std::move(*monitor));

    std::size_t open_taps = 0;
    std::string problem;
    for (auto& session : sessions_) {
        const auto opened = session->open_tap();
        if (opened) {
            ++open_taps;
        } else {
            problem = opened.error();
            log_->error("session {}: {}", session->config().name, problem);
        }
    }
    if (open_taps == 0 && !sessions_.empty()) return Unexpected(problem);
    if (auto usable = refuse_hopeless_sockets(); !usable) return usable;

    auto control =
        ControlServer::listen(io_, config_.gateway.control_socket,
                              [this](const nlohmann::json& request) -> Result<nlohmann::json, std::string> {
                                  if (request["request"] == "status") return status();
                                  return Unexpected("request \"" + request["request"].get<std::string>() +
                                                    "\" is unknown; this version knows \"status\"");
                              });
    if (!control) return Unexpected(control.error());
    control_ = std::move(*control);
    return {};
}

/// A port that somebody else holds, or a privilege that is missing, will not come by itself: better not to start.
Result<void, std::string> Gateway::refuse_hopeless_sockets() {
    refresh_tunnels();
    for (const auto& tunnel : tunnels_) {
        const Condition condition = tunnel->socket_condition();
        if (condition.state == RunState::down)
            return Unexpected("tunnel " + tunnel->config().name + ": " + condition.reason);
    }
    return {};
}

void Gateway::start() {
    const Patience patience{std::chrono::microseconds(config_.datapath.poll_microseconds)};
    outbound_->start(patience);
    inbound_->start(patience);
    log_->info("gateway {} runs: {} bridge(s), {} tunnel(s), {} session(s)", config_.gateway.name,
               config_.bridges.size(), config_.tunnels.size(), config_.sessions.size());
    signals_.add(SIGTERM);
    signals_.add(SIGINT);
    signals_.add(SIGHUP);
    wait_for_signal();
    netlink_.assign(monitor_->fd());
    wait_for_netlink();
    next_second_ = next_look_ = boot_now();
    on_tick();
}

void Gateway::stop() {
    outbound_->stop();
    inbound_->stop();
    for (auto& tunnel : tunnels_)
        if (const auto saved = tunnel->save_replay_floor(); !saved)
            log_->error("tunnel {}: {}", tunnel->config().name, saved.error());
    const bridge::Report report = reconciler_->stop();
    for (const auto& step : report.failed) log_->error("{}", step);
    if (netlink_.is_open()) netlink_.release();
    log_->info("gateway {} has stopped", config_.gateway.name);
}

void Gateway::wait_for_signal() {
    signals_.async_wait([this](ErrorCode error, int signal) {
        if (error) return;
        if (signal == SIGHUP) {
            log_->warn(
                "SIGHUP: this version reads its configuration at start only; restart to apply a change");
            wait_for_signal();
            return;
        }
        log_->info("stopping: {}", signal == SIGTERM ? "SIGTERM" : "SIGINT");
        io_.stop();
    });
}

void Gateway::wait_for_netlink() {
    netlink_.async_wait(asio::posix::stream_descriptor::wait_read, [this](ErrorCode error) {
        if (error) return;
        (void)monitor_->drain();
        settle_.expires_after(kSettle);
        settle_.async_wait([this](ErrorCode stopped) {
            if (stopped) return;
            refresh();
        });
        wait_for_netlink();
    });
}

void Gateway::on_tick() {
    const TimePoint now = boot_now();
    for (auto& tunnel : tunnels_) {
        if (const auto reserved = tunnel->reserve_ahead(); !reserved)
            log_->error("tunnel {}: {}", tunnel->config().name, reserved.error());
    }
    drain_punts();
    keep_nat_open();
    if (now >= next_second_) {
        next_second_ = now + std::chrono::seconds(1);
        every_second();
    }
    if (now >= next_look_) refresh();
    tick_.expires_after(kTick);
    tick_.async_wait([this](ErrorCode error) {
        if (!error) on_tick();
    });
}

void Gateway::every_second() {
    for (auto& tunnel : tunnels_) {
        if (const auto saved = tunnel->save_replay_floor(); !saved)
            log_->error("tunnel {}: {}", tunnel->config().name, saved.error());
    }
}

/// RFC 3948 section 4: a keepalive where nothing else was sent for a while.
void Gateway::keep_nat_open() {
    const TimePoint now = boot_now();
    for (std::size_t i = 0; i < tunnels_.size(); ++i) {
        TunnelControl& tunnel = *tunnels_[i];
        if (!tunnel.wants_keepalives() || !tunnel.socket() || now < keepalive_due_[i]) continue;
        keepalive_due_[i] = now + std::chrono::seconds(tunnel.config().esp->keepalive_seconds);
        const std::uint64_t sent = tunnel.out->packets.read();
        if (std::exchange(sent_before_[i], sent) != sent) continue;
        tunnel::io::WanSender sender(*tunnel.socket(), {});
        if (sender.send_nat_keepalive(tunnel.wan_remote()) == DropReason::none) tunnel.count_keepalive();
    }
}

/// Static sessions have no control plane: what would have been its is counted, so that status can show it.
void Gateway::drain_punts() {
    inbound_->punted().drain(PuntRings::kDepth, [this](PuntClass c, const PuntMessage& message) {
        if (c == PuntClass::ike) ++unheard_ike_;
        if (c == PuntClass::l2tp_control) ++unheard_l2tp_;
        log_->debug("{} message of {} bytes from {}: nobody here speaks it", name_of(c), message.size,
                    message.path.remote.text());
    });
    outbound_->punted().drain(PuntRings::kDepth, [](PuntClass, const PuntMessage&) {});
}

void Gateway::bring_back_taps() {
    for (auto& session : sessions_) {
        if (!session->tap_is_gone()) continue;
        log_->warn("session {}: somebody removed its interface {}; making it anew", session->config().name,
                   session->config().interface);
        if (const auto opened = session->open_tap(); !opened)
            log_->error("session {}: {}", session->config().name, opened.error());
    }
}

void Gateway::refresh() {
    next_look_ = boot_now() + kLookAgain;
    bring_back_taps();
    bridge::Desired desired;
    for (const auto& bridge : config_.bridges) desired.bridges.push_back(bridge.options);
    for (const auto& session : sessions_)
        if (session->tap()) desired.taps.push_back(session->tap_port());
    const bridge::Report before = std::exchange(report_, reconciler_->reconcile(std::move(desired)));
    log_report(before);
    refresh_tunnels();
    for (std::size_t i = 0; i < tunnels_.size(); ++i) {
        const Condition now = tunnels_[i]->condition();
        log_change("tunnel", tunnels_[i]->config().name, tunnel_conditions_[i], now);
        tunnel_conditions_[i] = now;
    }
    for (auto& session : sessions_) {
        const Condition now = condition_of(*session);
        log_change("session", session->config().name, session->condition, now);
        session->condition = now;
    }
    publish();
}

void Gateway::refresh_tunnels() {
    for (auto& tunnel : tunnels_) {
        const auto holder = reconciler_->address_present(tunnel->wan_local().address);
        if (!holder) {
            log_->error("tunnel {}: cannot look for its address: {}", tunnel->config().name,
                        holder.error().text());
            continue;
        }
        std::optional<std::uint32_t> mtu;
        if (*holder) mtu = (*holder)->mtu;
        tunnel->open_socket(wan_sockets_, mtu);
    }
}

Condition Gateway::condition_of(const SessionControl& session) const {
    if (!session.tap()) return session.condition;
    if (session.config().standby)
        return {RunState::blocked, "standby of redundancy group " + session.config().redundancy.value_or("")};
    const bridge::PortReport* port = report_.port(session.config().interface);
    if (port == nullptr) return {RunState::waiting, "bridge " + session.bridge() + " has no port for it yet"};
    if (port->state.word == bridge::StateWord::waiting) return {RunState::waiting, port->state.reason};
    if (port->state.word != bridge::StateWord::up) return {RunState::down, port->state.reason};
    const TunnelControl& tunnel = *tunnels_[raw(session.tunnel())];
    const Condition carrier = tunnel.condition();
    if (!carrier.is_up())
        return {carrier.state,
                "tunnel " + tunnel.config().name + " is " + std::string(name_of(carrier.state))};
    return {RunState::up, ""};
}

void Gateway::log_change(std::string_view what, const std::string& name, const Condition& before,
                         const Condition& now) {
    if (before == now) return;
    if (now.is_up()) {
        log_->info("{} {} is up", what, name);
    } else {
        log_->log(now.state == RunState::down ? spdlog::level::err : spdlog::level::warn, "{} {} is {}: {}",
                  what, name, name_of(now.state), now.reason);
    }
}

void Gateway::log_report(const bridge::Report& before) {
    for (const auto& step : report_.done) log_->info("bridge: {}", step);
    const auto is_new = [](const std::vector<std::string>& old, const std::string& text) {
        return std::find(old.begin(), old.end(), text) == old.end();
    };
    for (const auto& step : report_.failed)
        if (is_new(before.failed, step)) log_->error("bridge: {}", step);
    for (const auto& warning : report_.warnings)
        if (is_new(before.warnings, warning)) log_->warn("bridge: {}", warning);
    for (const auto& bridge : report_.bridges) {
        const bridge::BridgeReport* was = before.bridge(bridge.name);
        if (was == nullptr || !(was->state == bridge.state)) log_bridge(bridge);
        for (const auto& port : bridge.ports) {
            const bridge::PortReport* old = before.port(port.name);
            if (old != nullptr && old->state == port.state) continue;
            if (port.state.word == bridge::StateWord::up) {
                log_->info("bridge {}: port {} is up", bridge.name, port.name);
            } else {
                log_->warn("bridge {}: port {} is {}: {}", bridge.name, port.name,
                           bridge::to_string(port.state.word), port.state.reason);
            }
        }
    }
}

void Gateway::log_bridge(const bridge::BridgeReport& bridge) {
    if (bridge.state.word == bridge::StateWord::up)
        log_->info("bridge {} is up", bridge.name);
    else
        log_->warn("bridge {} is {}: {}", bridge.name, bridge::to_string(bridge.state.word),
                   bridge.state.reason);
}

void Gateway::publish() {
    std::string inputs = publication_key(tunnels_, sessions_);
    if (inputs == published_) return;
    auto views = build_views(tunnels_, sessions_);
    if (!views) {
        log_->error("the datapath keeps its old tables: {}", views.error());
        return;
    }
    outbound_->publish(std::move(views->outbound));
    inbound_->publish(std::move(views->inbound));
    published_ = std::move(inputs);
}

nlohmann::json Gateway::status() const {
    return report_status(StatusSources{config_, tunnels_, sessions_, report_, *outbound_, *inbound_,
                                       provider_name_, boot_now() - started_, unheard_ike_, unheard_l2tp_});
}

}  // namespace isthmus::appliance
