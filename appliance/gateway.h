// The running gateway: builds every part from the configuration, joins them, and answers the CLI.
// One thread; the two workers have their own.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "appliance/asio.h"
#include "appliance/control_plane.h"
#include "appliance/control_server.h"
#include "appliance/kernel_side.h"
#include "appliance/logging.h"
#include "appliance/nat_keepalives.h"
#include "appliance/offload_notes.h"
#include "appliance/state_directory.h"
#include "appliance/worker_injector.h"
#include "appliance/workers.h"
#include "config/configuration.h"
#include "crypto/system_rng.h"

namespace isthmus::appliance {

class Gateway {
  public:
    /// Reads the configuration anew.
    using Load = std::function<Result<config::Configuration, config::Problems>()>;

    /// Opens all that needs privileges. `key_log`: folder for the keys of IKE and ESP; empty: they are not written.
    /// Error: one sentence that says what to do.
    [[nodiscard]] static Result<std::unique_ptr<Gateway>, std::string> open(
        asio::io_context& io, config::Configuration configuration, Load load, const StateDirectory& state,
        Logger logger, const std::filesystem::path& key_log);
    ~Gateway();

    /// Starts the workers and the timers; io.run() does the rest until SIGTERM or SIGINT.
    void start();
    /// Removes from the kernel exactly what was put there.
    void stop();

    [[nodiscard]] nlohmann::json status() const;
    /// Reads the configuration and applies what is different: phrases. Error: sentences; nothing was changed.
    [[nodiscard]] Result<std::vector<std::string>, std::vector<std::string>> reload();

  private:
    Gateway(asio::io_context& io, Load load, const StateDirectory& state, Logger logger);

    [[nodiscard]] Result<void, std::string> open_crypto();
    [[nodiscard]] Result<void, std::string> open_workers();
    [[nodiscard]] Result<void, std::string> open_kernel();
    [[nodiscard]] Result<void, std::string> open_control();
    [[nodiscard]] Result<void, std::string> refuse_hopeless_sockets();
    void make_control_planes();
    void add_commands();

    void wait_for_signal();
    void on_signal(int signal);
    /// Lets the control planes say their last words, then ends io.run().
    void say_goodbye();
    void wait_for_goodbye();
    void on_tick();
    void every_second();

    /// Looks at kernel and tunnels, mends what it can, and tells the workers what has changed.
    void refresh();
    void open_missing_taps();
    void make_keys();
    /// Something changed: judge() soon.
    void changed();
    /// States of tunnels and sessions, and what follows for the workers.
    void judge_all();
    void publish();

    asio::io_context& io_;
    Load load_;
    const StateDirectory& state_;
    Logger log_;
    TimePoint started_;
    crypto::SystemRng rng_;
    Providers providers_;
    std::string provider_name_;
    WanSockets wan_sockets_;
    Inventory inventory_;
    std::vector<Condition> tunnel_conditions_;  ///< as last logged, by TunnelIndex
    std::unique_ptr<Workers> workers_;
    std::unique_ptr<KernelSide> kernel_;
    std::unique_ptr<PuntRouter> punts_;
    std::unique_ptr<WorkerInjector> injector_;
    Commands commands_;
    Resolver resolver_;
    NatKeepalives keepalives_;
    OffloadNotes offload_notes_;
    std::unique_ptr<ControlServices> services_;
    std::filesystem::path key_log_;
    std::vector<std::unique_ptr<ControlPlane>> planes_;
    std::unique_ptr<ControlServer> control_;
    asio::signal_set signals_;
    asio::steady_timer tick_;
    asio::steady_timer judge_;
    asio::steady_timer goodbye_;
    std::size_t still_running_ = 0;     ///< on the way out: planes before this one were not told yet
    std::optional<TimePoint> stop_at_;  ///< whatever the control planes still want to say
    bool judge_waits_ = false;
    TimePoint next_second_;
    TimePoint next_look_;
};

}  // namespace isthmus::appliance
