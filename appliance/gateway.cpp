#include "appliance/gateway.h"

#include <algorithm>
#include <csignal>
#include <nlohmann/json.hpp>

#include "appliance/change_log.h"
#include "appliance/clock.h"
#include "appliance/guard_control.h"
#include "appliance/ike_control.h"
#include "appliance/judge.h"
#include "appliance/l2tp_plane.h"
#include "appliance/liveness_plane.h"
#include "appliance/reload.h"
#include "appliance/rules_watch.h"
#include "appliance/status_report.h"
#include "appliance/storm_control.h"
#include "appliance/view_builder.h"
#include "crypto/io/choose_provider.h"

namespace isthmus::appliance {

namespace {

constexpr std::chrono::milliseconds kTick{200};
/// Control planes change many sessions at once: judge them together.
constexpr std::chrono::milliseconds kGather{1};
/// Events can be lost; what waits is looked at again after this long without any.
constexpr std::chrono::seconds kLookAgain{5};
/// What control planes have for their last words, and how often they are asked whether they are done.
constexpr std::chrono::seconds kGoodbye{1};
constexpr std::chrono::milliseconds kAskAgain{10};
/// An interface whose name was just given up is free again after this long.
constexpr std::chrono::milliseconds kLookSoon{300};

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
                                                            config::Configuration configuration, Load load,
                                                            const StateDirectory& state, Logger logger,
                                                            const std::filesystem::path& key_log) {
    std::unique_ptr<Gateway> gateway(new Gateway(io, std::move(load), state, std::move(logger)));
    gateway->key_log_ = key_log;
    (void)gateway->inventory_.apply(std::make_shared<const config::Configuration>(std::move(configuration)));
    auto opened = gateway->open_crypto();
    if (opened) opened = gateway->open_workers();
    if (opened) opened = gateway->open_kernel();
    if (opened) opened = gateway->open_control();
    if (!opened) return Unexpected(opened.error());
    return gateway;
}

Gateway::Gateway(asio::io_context& io, Load load, const StateDirectory& state, Logger logger)
    : io_(io),
      load_(std::move(load)),
      state_(state),
      log_(std::move(logger)),
      started_(boot_now()),
      resolver_(io),
      signals_(io),
      tick_(io),
      judge_(io),
      goodbye_(io) {}

Gateway::~Gateway() = default;

Result<void, std::string> Gateway::open_crypto() {
    const config::Configuration& config = inventory_.configuration();
    const auto choice = crypto::io::choose_provider(wish_of(config.datapath.crypto), first_suite(config));
    if (!choice) return Unexpected(choice.error());
    log_->info("cryptography: {}", choice->why);
    provider_name_ = crypto::name_of(choice->kind);
    for (auto* provider : {&providers_.outbound, &providers_.inbound}) {
        auto made = crypto::make_provider(choice->kind);
        if (!made) return Unexpected(made.error());
        *provider = std::move(*made);
    }
    make_keys();
    return {};
}

Result<void, std::string> Gateway::open_workers() {
    const config::Configuration& config = inventory_.configuration();
    auto workers = Workers::make({outbound_memory(config), inbound_memory(config)}, rng_);
    if (!workers) return Unexpected(workers.error());
    workers_ = std::move(*workers);
    log_->info("packet memory: {} MiB outbound, {} MiB inbound, of {} MiB configured",
               workers_->outbound().memory() >> 20, workers_->inbound().memory() >> 20,
               config.datapath.packet_memory);
    return {};
}

Result<void, std::string> Gateway::open_kernel() {
    auto kernel = KernelSide::open(
        io_, {inventory_.configuration().gateway.name, state_.path() / "bridge.journal"}, log_);
    if (!kernel) return Unexpected(kernel.error());
    kernel_ = std::move(*kernel);
    open_missing_taps();
    const bool any = inventory_.sessions.find_if([](const SessionControl& s) { return s.tap() != nullptr; });
    if (!any && !inventory_.sessions.empty())
        return Unexpected((*inventory_.sessions.begin()).condition.reason);
    return refuse_hopeless_sockets();
}

/// A port that somebody else holds, or a privilege that is missing, will not come by itself: better not to start.
Result<void, std::string> Gateway::refuse_hopeless_sockets() {
    kernel_->open_sockets(inventory_.tunnels, wan_sockets_);
    for (const TunnelControl& tunnel : inventory_.tunnels) {
        const Condition condition = tunnel.socket_condition();
        if (condition.state == RunState::down)
            return Unexpected("tunnel " + tunnel.config().name + ": " + condition.reason);
    }
    return {};
}

Result<void, std::string> Gateway::open_control() {
    punts_ = std::make_unique<PuntRouter>(
        io_, workers_->bell(),
        std::vector<PuntRouter::Source>{{workers_->outbound().punted(), PuntOrigin::lan},
                                        {workers_->inbound().punted(), PuntOrigin::wan}});
    injector_ = std::make_unique<WorkerInjector>(*workers_, inventory_.tunnels, inventory_.sessions, [this] {
        if (judge_waits_) judge_all();
    });
    services_ = std::make_unique<ControlServices>(
        ControlServices{io_, log_, rng_, state_.path(), inventory_.tunnels, inventory_.sessions, providers_,
                        wan_sockets_, *punts_, *injector_, commands_, resolver_, kernel_->report(),
                        workers_->hosts(), [this] { changed(); },
                        [this] {
                            if (judge_waits_) judge_all();
                        }});
    make_control_planes();
    for (auto& plane : planes_) plane->configure(inventory_.configuration());
    add_commands();
    auto control = ControlServer::listen(io_, inventory_.configuration().gateway.control_socket, commands_);
    if (!control) return Unexpected(control.error());
    control_ = std::move(*control);
    return {};
}

/// Each control plane is one line here.
void Gateway::make_control_planes() {
    planes_.push_back(std::make_unique<IkeControl>(*services_, workers_->expected_spis(), key_log_));
    auto liveness = std::make_unique<LivenessPlane>(*services_);
    auto l2tp = std::make_unique<L2tpPlane>(
        *services_, [watch = liveness.get()](SessionIndex session) { return watch->status_of(session); },
        workers_->connection_ids());
    l2tp->on_session_change([watch = liveness.get()](SessionIndex session) { watch->on_session(session); });
    planes_.push_back(std::move(liveness));
    planes_.push_back(std::move(l2tp));
    using stp_guard::Direction;
    auto storms = std::make_unique<StormControl>(*services_, workers_->frames(Direction::to_tunnel),
                                                 workers_->frames(Direction::from_tunnel));
    auto guard = std::make_unique<GuardControl>(*services_, *storms);
    storms->on_storm([watch = guard.get()](SessionIndex session, std::uint16_t vid, bool active) {
        watch->on_storm(session, vid, active);
    });
    storms->on_heavy_storm([watch = guard.get()](SessionIndex session, std::uint16_t vid) {
        watch->on_heavy_storm(session, vid);
    });
    auto rules = std::make_unique<RulesWatch>(*services_);
    rules->on_loss([owner = storms.get()](const auto& losses) { return owner->on_rules_lost(losses); });
    rules->on_loss([owner = guard.get()](const auto& losses) { return owner->on_rules_lost(losses); });
    planes_.push_back(std::move(storms));
    planes_.push_back(std::move(guard));
    planes_.push_back(std::move(rules));
}

void Gateway::add_commands() {
    commands_.on("status", "tunnels, SAs, sessions, bridges: state, counters, drops by name",
                 [this](const nlohmann::json&) -> Result<nlohmann::json, std::string> { return status(); });
    commands_.on("reload", "reads the configuration again and applies what is different",
                 [this](const nlohmann::json&) -> Result<nlohmann::json, std::string> {
                     const auto done = reload();
                     if (done) return nlohmann::json{{"applied", true}, {"changes", *done}};
                     return nlohmann::json{{"applied", false}, {"problems", done.error()}};
                 });
    commands_.on("help", "this list", [this](const nlohmann::json&) -> Result<nlohmann::json, std::string> {
        return nlohmann::json{{"requests", commands_.known()}};
    });
}

void Gateway::start() {
    const config::Configuration& config = inventory_.configuration();
    workers_->start(Patience{std::chrono::microseconds(config.datapath.poll_microseconds)});
    punts_->start();
    log_->info("gateway {} runs: {} bridge(s), {} tunnel(s), {} session(s)", config.gateway.name,
               config.bridges.size(), config.tunnels.size(), config.sessions.size());
    for (const int signal : {SIGTERM, SIGINT, SIGHUP}) signals_.add(signal);
    wait_for_signal();
    kernel_->watch([this] { refresh(); });
    next_second_ = next_look_ = boot_now();
    on_tick();
}

void Gateway::stop() {
    if (judge_waits_) judge_all();
    workers_->stop();
    punts_->stop();
    every_second();
    kernel_->stop();
    log_->info("gateway {} has stopped", inventory_.configuration().gateway.name);
}

void Gateway::wait_for_signal() {
    signals_.async_wait([this](ErrorCode error, int signal) {
        if (!error) on_signal(signal);
    });
}

void Gateway::on_signal(int signal) {
    wait_for_signal();
    if (signal == SIGHUP) {
        (void)reload();  // it has logged what came of it
        return;
    }
    if (stop_at_) return io_.stop();  // asked twice
    log_->info("stopping: {}", signal == SIGTERM ? "SIGTERM" : "SIGINT");
    say_goodbye();
}

void Gateway::say_goodbye() {
    stop_at_ = boot_now() + kGoodbye;
    still_running_ = planes_.size();
    wait_for_goodbye();
}

/// One after the other, the last one first: what goes through ESP is said, and answered, before the keys go.
void Gateway::wait_for_goodbye() {
    const bool late = boot_now() >= *stop_at_;
    while (late || still_running_ == planes_.size() || planes_[still_running_]->stopped()) {
        if (still_running_ == 0) return io_.stop();
        planes_[--still_running_]->stop();
    }
    goodbye_.expires_after(kAskAgain);
    goodbye_.async_wait([this](ErrorCode error) {
        if (!error) wait_for_goodbye();
    });
}

Result<std::vector<std::string>, std::vector<std::string>> Gateway::reload() {
    auto loaded = load_();
    std::vector<std::string> problems;
    if (loaded) {
        problems = reload_obstacles(inventory_.configuration(), *loaded, workers_->memory().outbound);
    } else {
        for (const auto& problem : loaded.error()) problems.push_back(problem.text());
    }
    if (stop_at_) problems.emplace_back("isthmusd is stopping");
    if (!problems.empty()) {
        for (const auto& problem : problems) log_->error("reload: {}", problem);
        log_->error("reload: the configuration is refused; nothing was changed");
        return Unexpected(problems);
    }
    for (const auto& warning : loaded->warnings) log_->warn("{}", warning.text());
    set_level(*log_, loaded->gateway.log_level);
    auto notes = inventory_.apply(std::make_shared<const config::Configuration>(std::move(*loaded)));
    for (const auto& note : notes) log_->info("reload: {}", note);
    if (notes.empty()) log_->info("reload: nothing is different");
    make_keys();
    for (auto& plane : planes_) plane->configure(inventory_.configuration());
    // First away with what is gone, so that names, ids and addresses are free for what is new.
    publish();
    refresh();
    next_look_ = boot_now() + kLookSoon;
    return notes;
}

void Gateway::on_tick() {
    const TimePoint now = boot_now();
    for (TunnelControl& tunnel : inventory_.tunnels)
        if (const auto reserved = tunnel.manual_keys().reserve_ahead(); !reserved)
            log_->error("tunnel {}: {}", tunnel.config().name, reserved.error());
    keepalives_.run(inventory_.tunnels, *injector_, now);
    inventory_.bury_taps();
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
    for (TunnelControl& tunnel : inventory_.tunnels)
        if (const auto saved = tunnel.manual_keys().save_replay_floor(); !saved)
            log_->error("tunnel {}: {}", tunnel.config().name, saved.error());
    for (const std::string& note : offload_notes_.news(inventory_.tunnels, inventory_.sessions))
        log_->info("{}", note);
}

void Gateway::make_keys() {
    for (TunnelControl& tunnel : inventory_.tunnels) tunnel.make_keys(state_.path(), providers_, rng_);
}

void Gateway::open_missing_taps() {
    for (SessionControl& session : inventory_.sessions) {
        const std::string& name = session.config().name;
        if (session.tap_is_gone())
            log_->warn("session {}: somebody removed its interface {}; making it anew", name,
                       session.config().interface);
        else if (session.tap())
            continue;
        const Condition before = session.condition;
        if (const auto opened = session.open_tap(); !opened && before != session.condition)
            log_->error("session {}: {}", name, opened.error());
    }
}

void Gateway::refresh() {
    next_look_ = boot_now() + kLookAgain;
    open_missing_taps();
    kernel_->reconcile(inventory_.configuration(), inventory_.sessions);
    kernel_->open_sockets(inventory_.tunnels, wan_sockets_);
    for (auto& plane : planes_) plane->on_kernel_change();
    judge_all();
}

void Gateway::changed() {
    if (std::exchange(judge_waits_, true)) return;
    judge_.expires_after(kGather);
    judge_.async_wait([this](ErrorCode error) {
        if (!error && judge_waits_) judge_all();
    });
}

void Gateway::judge_all() {
    judge_waits_ = false;
    tunnel_conditions_.resize(inventory_.tunnels.index_end());
    for (const TunnelControl& tunnel : inventory_.tunnels) {
        Condition& before = tunnel_conditions_[raw(tunnel.index())];
        const Condition now = tunnel.condition();
        log_change(*log_, "tunnel", tunnel.config().name, before, now);
        before = now;
    }
    for (SessionControl& session : inventory_.sessions) {
        const Condition now = judge(session, inventory_.tunnels, kernel_->report());
        log_change(*log_, "session", session.config().name, session.condition, now);
        session.condition = now;
    }
    publish();
}

void Gateway::publish() {
    if (const auto told = workers_->publish(inventory_.tunnels, inventory_.sessions); !told)
        log_->error("the datapath keeps its old tables: {}", told.error());
}

nlohmann::json Gateway::status() const {
    nlohmann::json status = report_status(StatusSources{inventory_, kernel_->report(), *workers_, *punts_,
                                                        provider_name_, boot_now() - started_});
    for (const auto& plane : planes_) status[std::string(plane->name())] = plane->status();
    return status;
}

}  // namespace isthmus::appliance
