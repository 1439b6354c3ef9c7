// Which frames of a session may cross the tunnel, and how many.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/address.h"
#include "base/vlan_set.h"
#include "stp-guard/frame_class.h"
#include "stp-guard/host_table.h"
#include "stp-guard/storm_limits.h"

namespace isthmus::stp_guard {

/// What happens to spanning trees' frames at the tunnel. Other link-local protocols have an allow list.
enum class BpduPolicy : std::uint8_t {
    filter,       ///< kept in, both ways; watched
    guard,        ///< kept in; one that arrives from the tunnel is an alarm and suspends its VLAN
    transparent,  ///< cross: one spanning tree over the WAN
};

/// Kinds that cross although they are link-local.
class LinkLocalSet {
  public:
    constexpr void insert(LinkLocalKind kind) noexcept { kinds_ |= bit(kind); }
    [[nodiscard]] constexpr bool contains(LinkLocalKind kind) const noexcept {
        return (kinds_ & bit(kind)) != 0;
    }
    friend constexpr bool operator==(LinkLocalSet, LinkLocalSet) = default;

  private:
    [[nodiscard]] static constexpr std::uint32_t bit(LinkLocalKind kind) noexcept {
        return std::uint32_t{1} << static_cast<unsigned>(kind);
    }
    static_assert(kLinkLocalKindCount <= 32);
    std::uint32_t kinds_ = 0;
};

struct Gateway {
    std::uint16_t vid = 0;  ///< 0: untagged
    IpAddress address;
    std::optional<MacAddress> mac;  ///< if it is not one of the redundancy protocols' virtual ones
    friend auto operator<=>(const Gateway&, const Gateway&) = default;
};

struct GatewayOptions {
    VlanSet dual;  ///< VLANs in dual-gateway mode
    bool dual_untagged = false;
    std::vector<Gateway> gateways;
    bool keep_dhcp_servers = false;  ///< DHCP servers' answers stay too
    friend bool operator==(const GatewayOptions&, const GatewayOptions&) = default;
};

struct AdmissionOptions {
    // What each frame asks for comes first, in one cache line.
    bool any_vlan = false;  ///< the port as it is: tagged or not, any VLAN
    bool untagged = false;  ///< else: untagged and priority-tagged frames cross, and `vlans`
    /// Everything but the drop: storm limits, MAC limits, gateway isolation and verdicts are counted, and what they would drop passes.
    bool observe = false;
    BpduPolicy bpdus = BpduPolicy::filter;
    LinkLocalSet link_local;  ///< others than BPDUs
    MacLimits macs;
    /// With `transparent`: topology change notifications in a minute and direction; 0: any number.
    std::uint32_t topology_changes_per_minute = 10;
    StormLimits storm;
    VlanSet vlans;  ///< outermost tags that cross, unless any do
    friend bool operator==(const AdmissionOptions&, const AdmissionOptions&) = default;
};

}  // namespace isthmus::stp_guard
