// Makes the kernel what it should be: dump, plan, write the journal, apply, look again. Call it at start, on
// every event of EventMonitor, and once more to stop.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bridge/io/capabilities.h"
#include "bridge/netlink/error.h"
#include "bridge/plan.h"

namespace isthmus::bridge {

/// How things stand after a reconcile().
struct Report {
    std::vector<BridgeReport> bridges;
    std::vector<std::string> warnings;  ///< sentences with a remedy, the same ones each time while they hold
    std::vector<std::string> done;      ///< steps taken in this call: "put lan0 into br-dc"
    std::vector<std::string> failed;    ///< steps that the kernel refused, with its words
    bool settled = true;                ///< nothing left to do but wait

    [[nodiscard]] const BridgeReport* bridge(std::string_view name) const noexcept;
    [[nodiscard]] const PortReport* port(std::string_view name) const noexcept;
};

/// Blocking calls of a few milliseconds; one thread. Needs CAP_NET_ADMIN and a writable /proc/sys/net.
class Reconciler {
  public:
    struct Options {
        std::string gateway;
        std::filesystem::path journal_file;  ///< in the state directory, which must exist
    };

    /// Error: one sentence that says what to do.
    [[nodiscard]] static Result<Reconciler, std::string> open(Options options);
    Reconciler(Reconciler&&) noexcept;
    Reconciler& operator=(Reconciler&&) noexcept;
    ~Reconciler();  ///< changes nothing: call stop()

    /// Never fails as a whole: what went wrong is in the report, per port and bridge. `desired.gateway` is
    /// overwritten.
    [[nodiscard]] Report reconcile(Desired desired);
    /// Removes what was created and restores what was changed, also by earlier runs that did not stop.
    [[nodiscard]] Report stop();

    /// Whether and where an address is held now. Error: the kernel did not answer.
    [[nodiscard]] Result<std::optional<AddressHolder>, NetlinkError> address_present(
        const IpAddress& address);
    /// What the kernel has now, as plan() sees it.
    [[nodiscard]] Result<ActualState, NetlinkError> actual();
    [[nodiscard]] const Capabilities& capabilities() const noexcept;

  private:
    struct State;
    explicit Reconciler(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace isthmus::bridge
