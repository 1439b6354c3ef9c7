#include "appliance/session_control.h"

#include <net/if.h>

namespace isthmus::appliance {

Result<void, std::string> SessionControl::open_tap() {
    tap_.reset();
    auto opened = bridge::Tap::open(config_.interface);
    if (!opened) {
        condition = {RunState::down, opened.error()};
        return Unexpected(opened.error());
    }
    tap_ = std::make_shared<bridge::Tap>(std::move(*opened));
    return {};
}

bool SessionControl::tap_is_gone() const {
    return tap_ && if_nametoindex(config_.interface.c_str()) != raw(tap_->index());
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
