// How IKE, the L2TPv3 control plane and the guard plug into the gateway: each is one ControlPlane that drives an engine.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string_view>

#include "appliance/asio.h"
#include "appliance/commands.h"
#include "appliance/injector.h"
#include "appliance/inventory.h"
#include "appliance/logging.h"
#include "appliance/punt_router.h"
#include "appliance/resolver.h"
#include "appliance/wan_sockets.h"
#include "base/rng.h"
#include "bridge/io/reconciler.h"
#include "config/configuration.h"
#include "stp-guard/known_hosts.h"

namespace isthmus::appliance {

/// What a control plane has of the gateway; outlives it. All of it belongs to the control thread.
struct ControlServices {
    asio::io_context& io;
    Logger log;
    Rng& rng;
    std::filesystem::path state_dir;
    Tunnels& tunnels;
    Sessions& sessions;
    Providers& providers;  ///< for the SAs of the workers: OutboundSa with .outbound, InboundSa with .inbound
    WanSockets& sockets;
    PuntRouter& punts;
    Injector& injector;
    Commands& commands;
    Resolver& resolver;
    const bridge::Report& bridges;  ///< as of the last look at the kernel
    stp_guard::KnownHosts& hosts;   ///< .bridge is the guard's to write
    /// To be called after a change to a tunnel or session: states are judged and the workers told soon after. What is
    /// injected later meets the change.
    std::function<void()> changed;
    /// The same at once, if there was a change: before something leaves that relies on it.
    std::function<void()> settle;
};

/// Made once at start. Its constructor registers punts and commands; timers are Deadlines of its own. Every call comes from
/// the control thread.
class ControlPlane {
  public:
    virtual ~ControlPlane() = default;
    /// Its section in status.
    [[nodiscard]] virtual std::string_view name() const noexcept = 0;
    /// At start, and after each reload. The services' tunnels and sessions are those of the configuration already; those
    /// that are gone are gone. The configuration lives until the next call.
    virtual void configure(const config::Configuration& configuration) = 0;
    /// After each look at the kernel: ports, addresses and bridges may have come or gone.
    virtual void on_kernel_change() {}
    /// Last words to peers. The gateway goes on until stopped(), a second at most; what is injected until then leaves. Planes
    /// are stopped one after the other, the last one made first.
    virtual void stop() {}
    [[nodiscard]] virtual bool stopped() const { return true; }
    /// An object. Its "summary", if any, is a line of `isthmus status`.
    [[nodiscard]] virtual nlohmann::json status() const = 0;
};

}  // namespace isthmus::appliance
