// All tunnels and sessions of the gateway, made and changed as the configuration says.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "appliance/session_control.h"
#include "appliance/slots.h"
#include "appliance/tunnel_control.h"
#include "config/configuration.h"

namespace isthmus::appliance {

using Tunnels = Slots<TunnelControl, TunnelIndex>;
using Sessions = Slots<SessionControl, SessionIndex>;

/// Whether any tunnel receives with that SPI: whoever chooses one chooses another.
[[nodiscard]] inline bool spi_in_use(const Tunnels& tunnels, Spi spi) {
    return tunnels.find_if([&](const TunnelControl& t) { return t.sas().has_inbound(spi); }) != nullptr;
}

class Inventory {
  public:
    /// Makes tunnels and sessions those of `next`, by their names: new ones are added, those that are gone removed, changed
    /// ones changed in place. Those that `next` says the same about are not touched. Returns what was done, a phrase each:
    /// "session vlans changed". TAPs and keys of what is new are the caller's business.
    std::vector<std::string> apply(std::shared_ptr<const config::Configuration> next);

    [[nodiscard]] const config::Configuration& configuration() const noexcept { return *configuration_; }
    /// Lets go of interfaces that no worker uses any more: that takes the kernel a while, which is no time for a worker to
    /// spend. Call now and then.
    void bury_taps();

    Tunnels tunnels;
    Sessions sessions;
    /// Drops of tunnels and sessions that are gone.
    TrafficCounters of_the_gone;

  private:
    using Notes = std::vector<std::string>;
    void apply_tunnels(const std::shared_ptr<const config::Configuration>& next, Notes& notes);
    void apply_sessions(const std::shared_ptr<const config::Configuration>& next, Notes& notes);
    void remove_sessions(const config::Configuration& next, Notes& notes);
    void remove_tunnels(const config::Configuration& next, Notes& notes);
    void note_bridges(const config::Configuration& next, Notes& notes) const;
    void remember_drops(const TrafficCounters& gone);

    std::shared_ptr<const config::Configuration> configuration_ = std::make_shared<config::Configuration>();
    std::uint32_t next_incarnation_ = 1;
    std::vector<std::shared_ptr<bridge::Tap>> dying_taps_;
};

/// Whether both say the same of a session, the places of its tunnel and bridge in their vectors aside.
[[nodiscard]] bool says_the_same(const config::SessionConfig& a, const config::Configuration& of_a,
                                 const config::SessionConfig& b, const config::Configuration& of_b);

}  // namespace isthmus::appliance
