// The working parts of plan(), one file per concern. Not for use outside bridge/plan*.cpp.
#pragma once

#include <set>

#include "bridge/plan.h"

namespace isthmus::bridge::planner {

/// A desired bridge while the plan is made.
struct Target {
    const BridgeOptions* options = nullptr;
    const Link* link = nullptr;  ///< null: not there (yet)
    bool usable = false;         ///< there, or made by this plan: ports may join
    bool ours = false;           ///< made by us, as opposed to adopted
    std::uint32_t mtu = 0;       ///< of its ports
    bool filtering = false;
    std::optional<VlanId> native;  ///< VLAN that untagged frames live in, inside a filtering bridge
    std::optional<VlanId> untagged_sessions;  ///< likewise, those of sessions
    std::uint16_t join_pvid = 0;              ///< VLAN that the kernel gives to a port that joins
    std::optional<VlanId>
        purged;  ///< VLAN that the kernel takes from ports, because this plan makes it the default no more
    VlanSet tagged;  ///< all that its sessions carry
    std::vector<const TapPort*> taps;
    BridgeReport report;
};

/// Should a bridge filter VLANs, and why?
struct Filtering {
    bool on = false;
    std::string reason;
    std::string conflict;  ///< not empty: what was asked for cannot be had
};
[[nodiscard]] Filtering decide_filtering(const BridgeOptions& options,
                                         const std::vector<const TapPort*>& taps, Support kernel);
/// 1 if no session tags it, else the highest VLAN that none tags; none if all are taken.
[[nodiscard]] std::optional<VlanId> native_vlan(const VlanSet& tagged);

class Planner {
  public:
    Planner(const Desired& desired, const ActualState& actual, const Journal& journal);
    [[nodiscard]] Plan run();

  private:
    // plan_bridge.cpp
    void gather_targets();
    void plan_bridge(Target& target);
    void plan_created(Target& target);
    void plan_adopted(Target& target);
    [[nodiscard]] std::optional<VlanId> vlan_of_untagged_sessions(const Link& bridge) const;
    void make_bridge(const Target& target, MacAddress mac);
    void correct_bridge(Target& target, MacAddress mac);
    [[nodiscard]] BridgeSettings wanted_settings(const Target& target) const;
    [[nodiscard]] bool too_many_ports(Target& target) const;
    [[nodiscard]] static bool is_named(const Target& target, const std::string& name);
    [[nodiscard]] bool is_ours(const Link& link) const;
    [[nodiscard]] MacAddress wanted_mac(const BridgeOptions& options) const;
    void remove_leftover_bridges();
    void plan_netfilter();

    // plan_port.cpp
    void plan_lan_port(Target& target, const std::string& name);
    void plan_tap(Target& target, const TapPort& tap);
    void join(const Target& target, const Link& link, const TapPort* tap);
    void set_vlans(const Target& target, const Link& link, const TapPort* tap);
    void silence_ipv6(const Link& link);
    void record_port(const Target& target, const Link& link);
    void restore_ports();
    void hold_mtu();
    [[nodiscard]] bool restore(const PortRecord& record);
    [[nodiscard]] const PortRecord* record_of(const Link& link) const;
    [[nodiscard]] State port_state(const Target& target, const Link& link) const;
    [[nodiscard]] static bool forwards(const Target& target, const Link& link);
    [[nodiscard]] static PortVlans port_vlans(const Target& target, const Link& link);
    /// nullopt: no session carries untagged frames.
    [[nodiscard]] static std::optional<VlanId> sessions_native(const Target& target);
    [[nodiscard]] std::string reason_to_refuse(const Target& target, const Link& link, bool tap) const;
    void warn_of_addresses(const Link& link);

    void add(Operation operation) { plan_.operations.push_back(std::move(operation)); }
    void warn(std::string sentence) { plan_.warnings.push_back(std::move(sentence)); }

    const Desired& desired_;
    const ActualState& actual_;
    const Journal& before_;
    std::string mark_;
    std::vector<Target> targets_;
    std::set<std::string, std::less<>> taken_;  ///< ports that a bridge of ours wants: in one bridge only
    std::set<std::string, std::less<>> left_;   ///< bridges that lose a port by this plan
    Plan plan_;
};

}  // namespace isthmus::bridge::planner
