// The running gateway: builds every part from the configuration, watches the kernel, tells the workers, answers the CLI.
// One thread; the two workers have their own.
#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "appliance/asio.h"
#include "appliance/control_server.h"
#include "appliance/datapath/inbound_worker.h"
#include "appliance/datapath/outbound_worker.h"
#include "appliance/logging.h"
#include "appliance/session_control.h"
#include "appliance/state_directory.h"
#include "appliance/tunnel_control.h"
#include "bridge/io/event_monitor.h"
#include "bridge/io/reconciler.h"
#include "config/configuration.h"
#include "crypto/system_rng.h"

namespace isthmus::appliance {

class Gateway {
  public:
    /// Opens all that needs privileges. Error: one sentence that says what to do.
    [[nodiscard]] static Result<std::unique_ptr<Gateway>, std::string> open(
        asio::io_context& io, const config::Configuration& configuration, const StateDirectory& state,
        Logger logger);
    ~Gateway() = default;

    /// Starts the workers and the timers; io.run() does the rest until SIGTERM or SIGINT.
    void start();
    /// Removes from the kernel exactly what was put there.
    void stop();

    [[nodiscard]] nlohmann::json status() const;

  private:
    Gateway(asio::io_context& io, const config::Configuration& configuration, const StateDirectory& state,
            Logger logger);

    [[nodiscard]] Result<void, std::string> open_crypto();
    [[nodiscard]] Result<void, std::string> open_workers();
    [[nodiscard]] Result<void, std::string> open_kernel();
    [[nodiscard]] Result<void, std::string> refuse_hopeless_sockets();

    void wait_for_signal();
    void wait_for_netlink();
    void on_tick();
    void every_second();
    void keep_nat_open();
    void drain_punts();

    /// Looks at kernel and tunnels, mends what it can, and tells the workers what has changed.
    void refresh();
    void bring_back_taps();
    void refresh_tunnels();
    [[nodiscard]] Condition condition_of(const SessionControl& session) const;
    void log_change(std::string_view what, const std::string& name, const Condition& before,
                    const Condition& now);
    void log_report(const bridge::Report& before);
    void log_bridge(const bridge::BridgeReport& bridge);
    void publish();

    asio::io_context& io_;
    const config::Configuration& config_;
    const StateDirectory& state_;
    Logger log_;
    TimePoint started_;
    crypto::SystemRng rng_;
    stp_guard::KnownHosts hosts_;  ///< shared by the workers, which it outlives
    Providers providers_;
    std::string provider_name_;
    WanSockets wan_sockets_;
    std::vector<std::unique_ptr<TunnelControl>> tunnels_;
    std::vector<std::unique_ptr<SessionControl>> sessions_;
    std::vector<Condition> tunnel_conditions_;  ///< as last logged
    std::vector<std::uint64_t> sent_before_;    ///< by tunnel: packets out when the last keepalive was due
    std::vector<TimePoint> keepalive_due_;
    std::unique_ptr<bridge::Reconciler> reconciler_;
    std::unique_ptr<bridge::EventMonitor> monitor_;
    bridge::Report report_;
    std::unique_ptr<OutboundWorker> outbound_;
    std::unique_ptr<InboundWorker> inbound_;
    std::string published_;  ///< what the workers were told, to see whether it changed
    std::unique_ptr<ControlServer> control_;
    asio::signal_set signals_;
    asio::posix::stream_descriptor netlink_;
    asio::steady_timer tick_;
    asio::steady_timer settle_;
    TimePoint next_second_;
    TimePoint next_look_;
    std::uint64_t unheard_ike_ = 0;
    std::uint64_t unheard_l2tp_ = 0;
};

}  // namespace isthmus::appliance
