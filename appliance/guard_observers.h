// What the guard of one bridge sees besides loops, told in sentences: spanning trees and first-hop gateways of both sites. It blocks
// nothing.
#pragma once

#include <deque>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/time.h"
#include "base/vlan_set.h"
#include "stp-guard/bpdu_observer.h"
#include "stp-guard/gateway_observer.h"
#include "stp-guard/guard_event.h"

namespace isthmus::appliance {

class GuardObservers {
  public:
    using NameOf = std::function<std::string(stp_guard::PortId)>;

    GuardObservers(stp_guard::BpduObserverOptions options, NameOf name_of)
        : bpdus_(options), name_of_(std::move(name_of)) {}

    void on_bpdu(const stp_guard::SeenAt& at, const stp_guard::BpduFrame& frame, TimePoint now);
    /// Anything else that may come from a gateway; what does not is passed over.
    void on_gateway_frame(const stp_guard::SeenAt& at, Bytes frame, TimePoint now);
    /// VLANs in which each site is meant to have its own gateway: there, one at both sites is no news.
    void set_dual(VlanSet vlans, bool untagged) {
        dual_ = std::move(vlans);
        dual_untagged_ = untagged;
    }
    void on_timeout(TimePoint now);
    [[nodiscard]] std::optional<TimePoint> next_timeout() const;
    [[nodiscard]] std::optional<stp_guard::GuardEvent> poll_event();

    /// The best root of each VLAN on our LAN ports: what root guard protects.
    [[nodiscard]] std::vector<std::pair<std::uint16_t, stp_guard::BridgeId>> lan_roots() const;
    [[nodiscard]] nlohmann::json trees(TimePoint now) const;
    [[nodiscard]] nlohmann::json gateways(TimePoint now) const;

  private:
    void collect(TimePoint now);
    [[nodiscard]] std::optional<stp_guard::GuardEvent> told(const stp_guard::BpduEvent& event,
                                                            TimePoint now) const;

    stp_guard::BpduObserver bpdus_;
    stp_guard::GatewayObserver gateways_;
    NameOf name_of_;
    VlanSet dual_;
    bool dual_untagged_ = false;
    std::deque<stp_guard::GuardEvent> events_;
};

}  // namespace isthmus::appliance
