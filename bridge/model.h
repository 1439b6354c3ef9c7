// What the kernel has: links, bridges, ports and addresses as plain values. Filled by bridge/netlink, read by
// plan().
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/address.h"
#include "base/ids.h"
#include "bridge/vlan_table.h"

namespace isthmus::bridge {

inline constexpr IfIndex kNoInterface{0};

/// How IPv6 addresses come to an interface by themselves (IFLA_INET6_ADDR_GEN_MODE).
enum class AddrGenMode : std::uint8_t { eui64 = 0, none = 1, stable_privacy = 2, random = 3 };

/// Attributes of a bridge. As an answer: what the kernel reported; as a request: what to set. Absent = not
/// reported, leave.
struct BridgeSettings {
    std::optional<bool> stp;
    std::optional<std::uint32_t> forward_delay;  ///< in 1/100 s
    std::optional<std::uint32_t> ageing_time;    ///< in 1/100 s
    std::optional<bool> vlan_filtering;
    std::optional<std::uint16_t>
        vlan_default_pvid;  ///< 0 = none. Never reported by a kernel without VLAN filtering
    std::optional<std::uint16_t> group_fwd_mask;  ///< which 01:80:c2:00:00:0X it forwards
    std::optional<bool> multicast_snooping;
    std::optional<bool> multicast_querier;
    std::optional<bool> nf_call_iptables;
    std::optional<bool> nf_call_ip6tables;
    std::optional<bool> nf_call_arptables;
    std::optional<std::uint32_t> fdb_max_learned;  ///< 0 = no limit; Linux 6.7 and newer

    [[nodiscard]] bool empty() const noexcept { return *this == BridgeSettings{}; }
    friend bool operator==(const BridgeSettings&, const BridgeSettings&) = default;
};

/// IFLA_BRPORT_STATE, IEEE 802.1D section 7.4.
enum class PortState : std::uint8_t {
    disabled = 0,
    listening = 1,
    learning = 2,
    forwarding = 3,
    blocking = 4
};

/// Attributes of a bridge port; absent as in BridgeSettings.
struct PortSettings {
    std::optional<PortState> state;
    std::optional<bool> isolated;
    std::optional<bool> learning;
    std::optional<bool> unicast_flood;
    std::optional<bool> multicast_flood;
    std::optional<bool> broadcast_flood;
    std::optional<bool> bpdu_guard;  ///< acts under kernel STP only
    std::optional<bool> hairpin;
    std::optional<bool> neigh_suppress;
    std::optional<bool> neigh_vlan_suppress;  ///< Linux 6.4 and newer
    std::optional<bool> locked;
    std::optional<bool> mac_auth_bypass;  ///< Linux 6.2 and newer
    std::optional<std::uint16_t> group_fwd_mask;

    [[nodiscard]] bool empty() const noexcept { return *this == PortSettings{}; }
    friend bool operator==(const PortSettings&, const PortSettings&) = default;
};

/// IPv6 on one interface. There is none below an MTU of 1280 or without IPv6 in the kernel.
struct Inet6Settings {
    bool disabled = false;  ///< sysctl disable_ipv6
    AddrGenMode addr_gen_mode = AddrGenMode::eui64;
    friend bool operator==(const Inet6Settings&, const Inet6Settings&) = default;
};

struct Link {
    IfIndex index = kNoInterface;
    std::string name;
    std::string kind;  ///< "bridge", "veth", "tun", ...; empty for hardware
    IfIndex master = kNoInterface;
    MacAddress mac;
    std::uint32_t mtu = 0;
    std::uint32_t max_mtu = 0;  ///< 0 = not reported
    bool up = false;            ///< administratively
    bool carrier = false;
    bool loopback = false;
    std::string alias;
    std::optional<BridgeSettings> bridge;  ///< of a bridge
    std::optional<PortSettings> port;      ///< of a bridge's port
    std::optional<Inet6Settings> inet6;
    VlanTable vlans;  ///< of a bridge's port, where the kernel has VLAN filtering

    friend bool operator==(const Link&, const Link&) = default;
};

struct InterfaceAddress {
    IfIndex index = kNoInterface;
    IpAddress address;
    std::uint8_t prefix = 0;
    bool link_local = false;  ///< scope link
    bool permanent = true;    ///< false: with a lifetime, from DHCP or a router advertisement
    bool usable = true;       ///< false: still tentative, or found to be a duplicate

    friend bool operator==(const InterfaceAddress&, const InterfaceAddress&) = default;
};

enum class Support : std::uint8_t { no, yes, unknown };

/// The sysctls net.bridge.bridge-nf-call-*: whether bridged frames visit iptables. Absent: br_netfilter is
/// not loaded.
struct BridgeNetfilter {
    std::optional<bool> iptables;
    std::optional<bool> ip6tables;
    std::optional<bool> arptables;

    [[nodiscard]] bool any_on() const noexcept {
        return iptables.value_or(false) || ip6tables.value_or(false) || arptables.value_or(false);
    }
    friend bool operator==(const BridgeNetfilter&, const BridgeNetfilter&) = default;
};

/// All that plan() needs to know about the network namespace.
struct ActualState {
    std::vector<Link> links;
    std::vector<InterfaceAddress> addresses;
    BridgeNetfilter netfilter;
    Support vlan_filtering = Support::unknown;  ///< does this kernel's bridge filter VLANs?
    bool ipv6_disabled_by_default = false;      ///< sysctl net.ipv6.conf.default.disable_ipv6

    [[nodiscard]] const Link* find(std::string_view name) const noexcept;
    [[nodiscard]] const Link* find(IfIndex index) const noexcept;
    [[nodiscard]] bool has_ipv6() const noexcept;
};

/// The interface that holds an address.
struct AddressHolder {
    std::string interface;
    IfIndex index = kNoInterface;
    std::uint32_t mtu = 0;
    bool usable = true;  ///< false: still tentative, a duplicate, or the interface is down
};
[[nodiscard]] std::optional<AddressHolder> address_holder(const ActualState& actual,
                                                          const IpAddress& address);

/// 1 to 15 bytes, no blank, no '/' or ':', neither "." nor "..": what the kernel takes.
[[nodiscard]] bool valid_interface_name(std::string_view name) noexcept;

/// A locally administered unicast address that depends on the two names only, so that it outlives restarts.
[[nodiscard]] MacAddress stable_mac(std::string_view gateway, std::string_view interface) noexcept;

}  // namespace isthmus::bridge
