// The gateway's side towards the kernel: bridges and ports kept as they should be, links and addresses watched.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "appliance/asio.h"
#include "appliance/inventory.h"
#include "appliance/logging.h"
#include "bridge/io/event_monitor.h"
#include "bridge/io/reconciler.h"
#include "config/configuration.h"

namespace isthmus::appliance {

class KernelSide {
  public:
    /// Error: one sentence that says what to do.
    [[nodiscard]] static Result<std::unique_ptr<KernelSide>, std::string> open(
        asio::io_context& io, bridge::Reconciler::Options options, Logger logger);

    /// Calls `on_change` a moment after links or addresses have changed, once for a burst.
    void watch(std::function<void()> on_change);
    void unwatch();

    /// Makes bridges and ports what the configuration and the sessions' TAPs want, and logs what changed.
    void reconcile(const config::Configuration& configuration, const Sessions& sessions);
    /// Opens sockets where their address is there, and closes those whose address has gone.
    void open_sockets(const Tunnels& tunnels, WanSockets& sockets);
    /// Removes from the kernel exactly what was put there.
    void stop();

    [[nodiscard]] const bridge::Report& report() const noexcept { return report_; }

  private:
    KernelSide(asio::io_context& io, bridge::Reconciler reconciler, bridge::EventMonitor monitor,
               Logger logger);
    void wait();

    Logger log_;
    bridge::Reconciler reconciler_;
    bridge::EventMonitor monitor_;
    bridge::Report report_;
    std::function<void()> on_change_;
    asio::posix::stream_descriptor netlink_;
    asio::steady_timer settle_;
};

}  // namespace isthmus::appliance
