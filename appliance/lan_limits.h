// Storm control at LAN ports: the kernel limits what comes in, whether the daemon lives or not; this puts the rules there and reads
// what they count.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "appliance/control_plane.h"
#include "bridge/guard_rules.h"
#include "bridge/io/nft_monitor.h"
#include "bridge/io/nft_socket.h"
#include "stp-guard/storm_limits.h"
#include "stp-guard/storm_meters.h"

namespace isthmus::appliance {

/// What the kernel's packet filter does of limits at a LAN port. Sources that it does not know have half of what address resolution may
/// be, 1,000 a second at most.
[[nodiscard]] bridge::FloodLimits lan_port_limits(const stp_guard::StormLimits& limits);

/// One thread. Blocking calls of a millisecond or so.
class LanLimits {
  public:
    explicit LanLimits(ControlServices& services) : services_(services) {}

    /// The configuration lives until the next call.
    void configure(const config::Configuration& configuration);
    /// Puts the rules there if they are not as they should be: after each change of ports.
    void apply();
    /// Puts back what somebody took out of the kernel, if it was among it: the tables.
    [[nodiscard]] std::vector<std::string> on_rules_lost(const bridge::RuleLosses& losses);
    void stop();

    /// Of all VLANs of a LAN port together, since its rules are there.
    struct Count {
        std::string port;
        stp_guard::StormClass storm_class{};
        stp_guard::StormLimit limit;  ///< of each VLAN; never "fallen below", as VLANs are not told apart
        stp_guard::StormTotals totals;
    };
    [[nodiscard]] std::vector<Count> counts();
    /// Why the kernel does not limit, if it should; empty otherwise.
    [[nodiscard]] const std::string& problem() const noexcept { return problem_; }

  private:
    struct Port {
        std::string name;
        const stp_guard::StormLimits* limits;
    };
    [[nodiscard]] std::vector<Port> ports() const;
    void note_problem(std::string sentence);

    ControlServices& services_;
    const config::Configuration* configuration_ = nullptr;
    std::optional<bridge::NftSocket> nft_;
    std::string
        table_;  ///< beside those of blocks and of sessions' limits: its counters are read without theirs
    std::string applied_;  ///< ports, their interfaces and limits
    std::string problem_;
    bool stopped_ = false;
};

}  // namespace isthmus::appliance
