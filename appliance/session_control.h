// The control thread's side of one session: its TAP and its state.
#pragma once

#include <memory>
#include <string>

#include "appliance/condition.h"
#include "base/counters.h"
#include "base/ids.h"
#include "bridge/io/tap.h"
#include "bridge/options.h"
#include "config/configuration.h"
#include "crypto/system_rng.h"
#include "stp-guard/admission_stage.h"

namespace isthmus::appliance {

class SessionControl {
  public:
    SessionControl(const config::SessionConfig& config, std::string bridge, SessionIndex index)
        : config_(config), bridge_(std::move(bridge)), index_(index) {}

    /// Error: a sentence that says what to do; the session stays down with it.
    [[nodiscard]] Result<void, std::string> open_tap();
    /// Somebody else removed the TAP's interface (`ip link delete`): open_tap() makes it anew.
    [[nodiscard]] bool tap_is_gone() const;

    /// The port that the bridge should have for it.
    [[nodiscard]] bridge::TapPort tap_port() const;

    [[nodiscard]] const config::SessionConfig& config() const noexcept { return config_; }
    [[nodiscard]] const std::string& bridge() const noexcept { return bridge_; }
    [[nodiscard]] SessionIndex index() const noexcept { return index_; }
    [[nodiscard]] TunnelIndex tunnel() const noexcept {
        return TunnelIndex(static_cast<std::uint16_t>(config_.tunnel));
    }
    [[nodiscard]] const std::shared_ptr<bridge::Tap>& tap() const noexcept { return tap_; }

    /// Frames cross while it is up; until then both directions are blocked.
    Condition condition{RunState::waiting, "not tried yet"};
    const std::shared_ptr<TrafficCounters> out = std::make_shared<TrafficCounters>();
    const std::shared_ptr<TrafficCounters> in = std::make_shared<TrafficCounters>();
    /// Storm control's: they outlive every change of configuration.
    const std::shared_ptr<stp_guard::SessionMeters> meters =
        std::make_shared<stp_guard::SessionMeters>(crypto::SystemRng().u64());

  private:
    const config::SessionConfig& config_;
    std::string bridge_;
    SessionIndex index_;
    std::shared_ptr<bridge::Tap> tap_;
};

}  // namespace isthmus::appliance
