#include "appliance/session_control.h"

namespace isthmus::appliance {

Result<void, std::string> SessionControl::open_tap() {
    auto opened = bridge::Tap::open(config_.interface);
    if (!opened) {
        condition = {RunState::down, opened.error()};
        return Unexpected(opened.error());
    }
    tap_ = std::make_shared<bridge::Tap>(std::move(*opened));
    return {};
}

bridge::TapPort SessionControl::tap_port() const {
    bridge::TapPort port;
    port.name = config_.interface;
    port.bridge = bridge_;
    port.vlans = config_.admission.any_vlan ? VlanSet::all() : config_.admission.vlans;
    port.untagged = config_.admission.any_vlan || config_.admission.untagged;
    if (config_.options.access_vlan) {
        port.vlans = VlanSet();
        port.vlans.insert(*config_.options.access_vlan);
        port.untagged = false;
    }
    port.isolated = config_.split_horizon.has_value();
    return port;
}

}  // namespace isthmus::appliance
