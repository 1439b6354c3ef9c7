#include "appliance/session_control.h"

#include <net/if.h>

namespace isthmus::appliance {

SessionControl::SessionControl(std::shared_ptr<const config::SessionConfig> config, std::string bridge,
                               TunnelIndex tunnel, SessionIndex index, std::uint32_t incarnation)
    : config_(std::move(config)),
      bridge_(std::move(bridge)),
      tunnel_(tunnel),
      index_(index),
      incarnation_(incarnation) {
    take_configured();
}

void SessionControl::reconfigure(std::shared_ptr<const config::SessionConfig> config, std::string bridge,
                                 TunnelIndex tunnel, std::uint32_t incarnation) {
    const auto old = std::exchange(config_, std::move(config));
    const bool other_tunnel = std::exchange(tunnel_, tunnel) != tunnel;
    bridge_ = std::move(bridge);
    if (old->interface != config_->interface) {
        tap_.reset();
        condition = {RunState::waiting, "its interface is being made"};
    }
    if (other_tunnel || old->options != config_->options) {
        incarnation_ = incarnation;
        take_configured();
    }
    ++revision_;
}

void SessionControl::take_configured() {
    options_.reset();
    also_.reset();
    if (!is_negotiated()) options_ = config_->options;
    waits_for_ = "not negotiated yet";
}

Result<void, std::string> SessionControl::open_tap() {
    tap_.reset();
    auto opened = bridge::Tap::open(config_->interface);
    if (!opened) {
        condition = {RunState::down, opened.error()};
        return Unexpected(opened.error());
    }
    tap_ = std::make_shared<bridge::Tap>(std::move(*opened));
    return {};
}

bool SessionControl::tap_is_gone() const {
    return tap_ && if_nametoindex(config_->interface.c_str()) != raw(tap_->index());
}

bridge::TapPort SessionControl::tap_port() const {
    bridge::TapPort port;
    port.name = config_->interface;
    port.bridge = bridge_;
    port.vlans = config_->admission.any_vlan ? VlanSet::all() : config_->admission.vlans;
    port.untagged = config_->admission.any_vlan || config_->admission.untagged;
    if (config_->options.access_vlan) {
        port.vlans = VlanSet();
        port.vlans.insert(*config_->options.access_vlan);
        port.untagged = false;
    }
    port.isolated = config_->split_horizon.has_value();
    return port;
}

void SessionControl::set_negotiated(const tunnel::SessionOptions& options, std::uint32_t incarnation,
                                    std::optional<Also> also) {
    options_ = options;
    incarnation_ = incarnation;
    also_ = also;
    ++revision_;
}

void SessionControl::clear_negotiated(std::string reason) {
    waits_for_ = std::move(reason);
    if (!options_) return;
    options_.reset();
    also_.reset();
    ++revision_;
}

void SessionControl::hold(const std::string& who, std::optional<Condition> why) {
    if (why)
        holds_.insert_or_assign(who, std::move(*why));
    else
        holds_.erase(who);
}

Condition SessionControl::pseudowire_condition() const {
    if (!options_) return {RunState::waiting, waits_for_};
    return holds_.empty() ? Condition{RunState::up, ""} : holds_.begin()->second;
}

}  // namespace isthmus::appliance
