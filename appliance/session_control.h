// The control thread's side of one session: its TAP, its pseudowire and its state.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "appliance/condition.h"
#include "base/counters.h"
#include "base/ids.h"
#include "bridge/io/tap.h"
#include "bridge/options.h"
#include "config/configuration.h"
#include "crypto/system_rng.h"
#include "stp-guard/admission_stage.h"

namespace isthmus::appliance {

/// What the guard tells a session's workers.
struct GuardOrders {
    /// By VLAN; never null. All open until a guard says otherwise.
    std::shared_ptr<const stp_guard::VlanStates> vlans =
        std::make_shared<const stp_guard::VlanStates>(stp_guard::VlanState::open);
    stp_guard::NodeId node{};  ///< ours in loop probes
    std::vector<std::pair<std::uint16_t, stp_guard::BridgeId>> protected_roots;
    /// The bridge's number in KnownHosts::bridge; 0: its table is not known.
    IfIndex bridge{};
    bool bridge_filters_vlans = false;
    friend bool operator==(const GuardOrders&, const GuardOrders&) = default;
};

class SessionControl {
  public:
    /// `incarnation`: unlike that of any session before, so that sequence numbers start again.
    SessionControl(std::shared_ptr<const config::SessionConfig> config, std::string bridge,
                   TunnelIndex tunnel, SessionIndex index, std::uint32_t incarnation);

    /// Another configuration of the same session. The TAP stays if its name does, sequence numbers if ids and tunnel do,
    /// and what was negotiated if the pseudowire is the same; counters always.
    void reconfigure(std::shared_ptr<const config::SessionConfig> config, std::string bridge,
                     TunnelIndex tunnel, std::uint32_t incarnation);
    /// The same configuration, in another place.
    void refer_to(std::shared_ptr<const config::SessionConfig> config) { config_ = std::move(config); }

    /// Error: a sentence that says what to do; the session stays down with it.
    [[nodiscard]] Result<void, std::string> open_tap();
    /// Somebody else removed the TAP's interface (`ip link delete`): open_tap() makes it anew.
    [[nodiscard]] bool tap_is_gone() const;
    /// The port that the bridge should have for it.
    [[nodiscard]] bridge::TapPort tap_port() const;

    // Control planes:
    /// A second local Session ID and cookie, received too while they are being changed.
    struct Also {
        SessionId local_id{};
        tunnel::Cookie local_cookie;
    };
    /// Ids, cookies and sequencing as agreed with the peer. `incarnation`: another number for each set-up with the same
    /// ids.
    void set_negotiated(const tunnel::SessionOptions& options, std::uint32_t incarnation,
                        std::optional<Also> also = {});
    /// Nothing is agreed (any more); the reason is shown while it waits.
    void clear_negotiated(std::string reason);
    /// Keeps frames from crossing for a reason of `who` (a control plane's name): the peer's circuit is down, the data
    /// path is dead, another gateway forwards. nullopt: no more.
    void hold(const std::string& who, std::optional<Condition> why);

    void set_guard(GuardOrders orders) {
        guard_ = std::move(orders);
        ++revision_;
    }
    [[nodiscard]] const GuardOrders& guard() const noexcept { return guard_; }

    /// First of: not negotiated, held. Up if neither.
    [[nodiscard]] Condition pseudowire_condition() const;
    /// As configured or negotiated; nullopt: to be negotiated, and not yet.
    [[nodiscard]] const std::optional<tunnel::SessionOptions>& options() const noexcept { return options_; }
    /// For budgets before anything is agreed: what we would ask for.
    [[nodiscard]] const tunnel::SessionOptions& options_or_wish() const noexcept {
        return options_ ? *options_ : config_->options;
    }
    [[nodiscard]] const std::optional<Also>& also_accepted() const noexcept { return also_; }
    [[nodiscard]] bool is_negotiated() const noexcept { return raw(config_->options.local_id) == 0; }
    [[nodiscard]] std::uint32_t incarnation() const noexcept { return incarnation_; }
    [[nodiscard]] const config::SessionConfig& config() const noexcept { return *config_; }
    [[nodiscard]] const std::string& bridge() const noexcept { return bridge_; }
    [[nodiscard]] SessionIndex index() const noexcept { return index_; }
    [[nodiscard]] TunnelIndex tunnel() const noexcept { return tunnel_; }
    [[nodiscard]] const std::shared_ptr<bridge::Tap>& tap() const noexcept { return tap_; }
    /// Grows with every change that the datapath has to know, the condition aside.
    [[nodiscard]] std::uint64_t revision() const noexcept { return revision_; }

    /// Frames cross while it is up; until then both directions are blocked.
    Condition condition{RunState::waiting, "not tried yet"};
    const std::shared_ptr<TrafficCounters> out = std::make_shared<TrafficCounters>();
    const std::shared_ptr<TrafficCounters> in = std::make_shared<TrafficCounters>();
    /// Storm control's: they outlive every change of configuration.
    const std::shared_ptr<stp_guard::SessionMeters> meters =
        std::make_shared<stp_guard::SessionMeters>(crypto::SystemRng().u64());

  private:
    void take_configured();

    std::shared_ptr<const config::SessionConfig> config_;
    std::string bridge_;
    TunnelIndex tunnel_;
    SessionIndex index_;
    std::uint32_t incarnation_;
    std::optional<tunnel::SessionOptions> options_;
    std::optional<Also> also_;
    std::string waits_for_ = "not negotiated yet";
    std::map<std::string, Condition> holds_;
    GuardOrders guard_;
    std::shared_ptr<bridge::Tap> tap_;
    std::uint64_t revision_ = 0;
};

}  // namespace isthmus::appliance
