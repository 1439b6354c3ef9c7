#include "bridge/operation.h"

#include <type_traits>

namespace isthmus::bridge {

namespace {

std::string on_off(bool value) {
    return value ? "on" : "off";
}

struct Describe {
    std::string operator()(const CreateBridge& o) const {
        return "create bridge " + o.name + " with address " + o.mac.text();
    }
    std::string operator()(const DeleteBridge& o) const { return "delete bridge " + o.name; }
    std::string operator()(const SetAlias& o) const {
        return o.alias.empty() ? "take the alias off " + o.name : "mark " + o.name + " \"" + o.alias + "\"";
    }
    std::string operator()(const SetBridge& o) const;
    std::string operator()(const SetMtu& o) const {
        return "set MTU " + std::to_string(o.mtu) + " on " + o.name;
    }
    std::string operator()(const SetMac& o) const { return "set address " + o.mac.text() + " on " + o.name; }
    std::string operator()(const SetUp& o) const { return "set " + o.name + (o.up ? " up" : " down"); }
    std::string operator()(const SetMaster& o) const {
        return o.bridge.empty() ? "take " + o.name + " out of its bridge"
                                : "put " + o.name + " into " + o.bridge;
    }
    std::string operator()(const SetPort& o) const;
    std::string operator()(const AddVlans& o) const {
        std::string out = "add VLANs " + o.vlans.text() + " to " + o.name;
        if (o.untagged) out += ", untagged";
        if (o.pvid) out += ", for untagged frames";
        return out;
    }
    std::string operator()(const RemoveVlans& o) const {
        return "remove VLANs " + o.vlans.text() + " from " + o.name;
    }
    std::string operator()(const SetIpv6Disabled& o) const {
        return (o.disabled ? "disable IPv6 on " : "enable IPv6 on ") + o.name;
    }
    std::string operator()(const SetAddrGenMode& o) const {
        return "set IPv6 address generation " + std::to_string(static_cast<unsigned>(o.mode)) + " on " +
               o.name;
    }
    std::string operator()(const SetBridgeNetfilter& o) const;
};

std::string Describe::operator()(const SetBridge& o) const {
    std::string out = "set on " + o.name + ":";
    const auto flag = [&out](const char* name, const std::optional<bool>& value) {
        if (value) out += std::string(" ") + name + " " + on_off(*value);
    };
    const auto number = [&out](const char* name, const auto& value) {
        if (value) out += std::string(" ") + name + " " + std::to_string(*value);
    };
    flag("stp", o.settings.stp);
    number("forward_delay", o.settings.forward_delay);
    number("ageing_time", o.settings.ageing_time);
    number("vlan_default_pvid", o.settings.vlan_default_pvid);
    flag("vlan_filtering", o.settings.vlan_filtering);
    number("group_fwd_mask", o.settings.group_fwd_mask);
    flag("multicast_snooping", o.settings.multicast_snooping);
    flag("multicast_querier", o.settings.multicast_querier);
    flag("nf_call_iptables", o.settings.nf_call_iptables);
    flag("nf_call_ip6tables", o.settings.nf_call_ip6tables);
    flag("nf_call_arptables", o.settings.nf_call_arptables);
    number("fdb_max_learned", o.settings.fdb_max_learned);
    return out;
}

std::string Describe::operator()(const SetPort& o) const {
    std::string out = "set on port " + o.name + ":";
    const auto flag = [&out](const char* name, const std::optional<bool>& value) {
        if (value) out += std::string(" ") + name + " " + on_off(*value);
    };
    if (o.settings.state) out += " state " + std::to_string(static_cast<unsigned>(*o.settings.state));
    flag("isolated", o.settings.isolated);
    flag("learning", o.settings.learning);
    flag("flood", o.settings.unicast_flood);
    flag("mcast_flood", o.settings.multicast_flood);
    flag("bcast_flood", o.settings.broadcast_flood);
    flag("bpdu_guard", o.settings.bpdu_guard);
    flag("hairpin", o.settings.hairpin);
    flag("neigh_suppress", o.settings.neigh_suppress);
    flag("neigh_vlan_suppress", o.settings.neigh_vlan_suppress);
    flag("locked", o.settings.locked);
    flag("mab", o.settings.mac_auth_bypass);
    if (o.settings.group_fwd_mask) out += " group_fwd_mask " + std::to_string(*o.settings.group_fwd_mask);
    return out;
}

std::string Describe::operator()(const SetBridgeNetfilter& o) const {
    std::string out = "set sysctl";
    const auto flag = [&out](const char* name, const std::optional<bool>& value) {
        if (value) out += std::string(" net.bridge.bridge-nf-call-") + name + "=" + (*value ? "1" : "0");
    };
    flag("iptables", o.value.iptables);
    flag("ip6tables", o.value.ip6tables);
    flag("arptables", o.value.arptables);
    return out;
}

}  // namespace

std::string subject(const Operation& operation) {
    return std::visit(
        [](const auto& o) -> std::string {
            if constexpr (std::is_same_v<std::decay_t<decltype(o)>, SetBridgeNetfilter>)
                return {};
            else
                return o.name;
        },
        operation);
}

std::string text(const Operation& operation) {
    return std::visit(Describe{}, operation);
}

}  // namespace isthmus::bridge
