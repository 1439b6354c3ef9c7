// A model of what the kernel makes of each operation, so that plans can be tried in their thousands.
#pragma once

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <type_traits>

#include "bridge/operation.h"
#include "bridge/options.h"

namespace isthmus::bridge {

/// apply() returns why the kernel would refuse; empty = done.
class FakeKernel {
  public:
    explicit FakeKernel(ActualState state = {}) : state_(std::move(state)) {
        for (const auto& link : state_.links) next_index_ = std::max(next_index_, raw(link.index) + 1);
    }
    [[nodiscard]] const ActualState& state() const { return state_; }
    [[nodiscard]] ActualState& state() { return state_; }

    Link& add(std::string name, std::string kind) {
        Link link;
        link.index = IfIndex{next_index_++};
        link.name = std::move(name);
        link.kind = std::move(kind);
        link.mtu = 1500;
        link.max_mtu = 65535;
        link.mac = {{0x02, 0xff, 0, 0, 0, static_cast<std::uint8_t>(raw(link.index))}};
        link.inet6 = Inet6Settings{state_.ipv6_disabled_by_default, AddrGenMode::eui64};
        if (link.kind == "bridge") link.bridge = new_bridge();
        state_.links.push_back(std::move(link));
        return state_.links.back();
    }
    void remove(const std::string& name) {
        Link* link = find(name);
        if (link == nullptr) return;
        const IfIndex index = link->index;
        if (link->master != kNoInterface) leave(*link);
        for (auto& other : state_.links)
            if (other.master == index) leave(other);
        std::erase_if(state_.links, [&](const Link& l) { return l.index == index; });
        std::erase_if(state_.addresses, [&](const InterfaceAddress& a) { return a.index == index; });
    }
    void fix_mtu(const std::string& bridge, std::uint32_t mtu) {
        find(bridge)->mtu = mtu;
        fixed_mtu_.insert(find(bridge)->index);
    }

    [[nodiscard]] std::string apply(const Operation& operation) {
        return std::visit([&](const auto& o) { return on(o); }, operation);
    }

  private:
    [[nodiscard]] Link* find(const std::string& name) {
        const auto it = std::find_if(state_.links.begin(), state_.links.end(),
                                     [&](const Link& l) { return l.name == name; });
        return it == state_.links.end() ? nullptr : &*it;
    }
    [[nodiscard]] Link* find(IfIndex index) {
        const auto it = std::find_if(state_.links.begin(), state_.links.end(),
                                     [&](const Link& l) { return l.index == index; });
        return it == state_.links.end() ? nullptr : &*it;
    }
    [[nodiscard]] BridgeSettings new_bridge() const {
        BridgeSettings s;
        s.stp = false;
        s.forward_delay = 1500;
        s.vlan_filtering = false;
        if (state_.vlan_filtering == Support::yes) s.vlan_default_pvid = 1;
        s.group_fwd_mask = 0;
        s.multicast_snooping = true;
        s.nf_call_iptables = s.nf_call_ip6tables = s.nf_call_arptables = false;
        return s;
    }

    std::string on(const CreateBridge& o) {
        if (find(o.name) != nullptr) return "EEXIST";
        add(o.name, "bridge").mac = o.mac;
        return {};
    }
    std::string on(const DeleteBridge& o) {
        const Link* link = find(o.name);
        if (link == nullptr) return "ENODEV";
        if (link->kind != "bridge") return "not a bridge";
        remove(o.name);
        return {};
    }
    std::string on(const SetAlias& o) {
        return with(o.name, [&](Link& l) { l.alias = o.alias; });
    }
    std::string on(const SetMac& o) {
        return with(o.name, [&](Link& l) { l.mac = o.mac; });
    }
    std::string on(const SetUp& o) {
        return with(o.name, [&](Link& l) { l.up = o.up; });
    }
    std::string on(const SetMtu& o) {
        Link* link = find(o.name);
        if (link == nullptr) return "ENODEV";
        if (o.mtu > link->max_mtu) return "mtu greater than device maximum";
        if (link->mtu == o.mtu) return {};
        link->mtu = o.mtu;
        if (link->kind == "bridge") fixed_mtu_.insert(link->index);
        if (link->master != kNoInterface) follow_ports(link->master);
        return {};
    }
    std::string on(const SetMaster& o) {
        Link* link = find(o.name);
        if (link == nullptr) return "ENODEV";
        if (link->master != kNoInterface) leave(*link);
        if (o.bridge.empty()) return {};
        const Link* bridge = find(o.bridge);
        if (bridge == nullptr || bridge->kind != "bridge") return "no such bridge";
        if (link->kind == "bridge" || link->loopback) return "ELOOP";
        join(*link, *bridge);
        return {};
    }
    std::string on(const SetBridge& o) {
        Link* link = find(o.name);
        if (link == nullptr || !link->bridge) return "no such bridge";
        auto& have = *link->bridge;
        const auto& want = o.settings;
        const auto set = [](auto& into, const auto& from) {
            if (from) into = from;
        };
        if (state_.vlan_filtering != Support::yes && want.vlan_filtering.value_or(false)) return "EOPNOTSUPP";
        set(have.stp, want.stp);
        set(have.forward_delay, want.forward_delay);
        set(have.vlan_filtering, want.vlan_filtering);
        set(have.group_fwd_mask, want.group_fwd_mask);
        set(have.multicast_snooping, want.multicast_snooping);
        set(have.nf_call_iptables, want.nf_call_iptables);
        set(have.nf_call_ip6tables, want.nf_call_ip6tables);
        set(have.nf_call_arptables, want.nf_call_arptables);
        if (have.vlan_default_pvid && want.vlan_default_pvid)
            change_default_pvid(*link, *want.vlan_default_pvid);
        return {};
    }
    std::string on(const SetPort& o) {
        Link* link = find(o.name);
        if (link == nullptr || !link->port) return "not a port";
        if (o.settings.isolated) link->port->isolated = o.settings.isolated;
        return {};
    }
    std::string on(const AddVlans& o) {
        Link* link = find(o.name);
        if (link == nullptr || !link->port) return "not a port";
        if (state_.vlan_filtering != Support::yes) return "EOPNOTSUPP";
        if (o.vlans.empty() || (o.pvid && o.vlans.size() != 1)) return "EINVAL";
        auto& table = link->vlans;
        table.members = table.members.united(o.vlans);
        table.untagged = o.untagged ? table.untagged.united(o.vlans) : table.untagged.without(o.vlans);
        if (o.pvid) table.pvid = vlan_ranges(o.vlans).front().first;
        if (!o.pvid && table.pvid && o.vlans.contains(*table.pvid)) table.pvid.reset();
        return {};
    }
    std::string on(const RemoveVlans& o) {
        Link* link = find(o.name);
        if (link == nullptr || !link->port) return "not a port";
        if (state_.vlan_filtering != Support::yes) return "EOPNOTSUPP";
        remove_vlans(*link, o.vlans);
        return {};
    }
    std::string on(const SetIpv6Disabled& o) {
        Link* link = find(o.name);
        if (link == nullptr || !link->inet6) return "ENOENT";
        link->inet6->disabled = o.disabled;
        return {};
    }
    std::string on(const SetAddrGenMode& o) {
        Link* link = find(o.name);
        if (link == nullptr || !link->inet6) return "EAFNOSUPPORT";
        link->inet6->addr_gen_mode = o.mode;
        return {};
    }
    std::string on(const SetBridgeNetfilter& o) {
        const auto set = [](auto& into, const auto& from) {
            if (from && !into) return false;
            if (from) into = from;
            return true;
        };
        const bool done = set(state_.netfilter.iptables, o.value.iptables) &&
                          set(state_.netfilter.ip6tables, o.value.ip6tables) &&
                          set(state_.netfilter.arptables, o.value.arptables);
        return done ? "" : "ENOENT";
    }

    template <class Change>
    std::string with(const std::string& name, Change change) {
        Link* link = find(name);
        if (link == nullptr) return "ENODEV";
        change(*link);
        return {};
    }
    void join(Link& link, const Link& bridge) {
        link.master = bridge.index;
        link.port = PortSettings{};
        link.port->state = PortState::forwarding;
        link.port->isolated = false;
        link.port->learning = true;
        link.vlans = {};
        if (const auto pvid = VlanId::parse(bridge.bridge->vlan_default_pvid.value_or(0))) {
            link.vlans.members.insert(*pvid);
            link.vlans.untagged.insert(*pvid);
            link.vlans.pvid = pvid;
        }
        follow_ports(link.master);
    }
    void leave(Link& link) {
        const IfIndex bridge = link.master;
        link.master = kNoInterface;
        link.port.reset();
        link.vlans = {};
        follow_ports(bridge);
    }
    /// br_mtu_auto_adjust(): the smallest of the ports', unless somebody set it.
    void follow_ports(IfIndex index) {
        Link* bridge = find(index);
        if (bridge == nullptr || fixed_mtu_.count(index) != 0) return;
        std::uint32_t smallest = 0;
        for (const auto& port : state_.links)
            if (port.master == index && (smallest == 0 || port.mtu < smallest)) smallest = port.mtu;
        bridge->mtu = smallest == 0 ? 1500 : smallest;
    }
    void change_default_pvid(Link& bridge, std::uint16_t pvid) {
        const auto old = VlanId::parse(*bridge.bridge->vlan_default_pvid);
        const auto now = VlanId::parse(pvid);
        bridge.bridge->vlan_default_pvid = pvid;
        if (old == now) return;
        for (auto& port : state_.links) {
            if (port.master != bridge.index || port.vlans.pvid != old) continue;
            if (old) {
                VlanSet one;
                one.insert(*old);
                remove_vlans(port, one);
            }
            if (!now) continue;
            port.vlans.members.insert(*now);
            port.vlans.untagged.insert(*now);
            port.vlans.pvid = now;
        }
    }
    static void remove_vlans(Link& port, const VlanSet& vlans) {
        port.vlans.members = port.vlans.members.without(vlans);
        port.vlans.untagged = port.vlans.untagged.without(vlans);
        if (port.vlans.pvid && vlans.contains(*port.vlans.pvid)) port.vlans.pvid.reset();
    }

    ActualState state_;
    std::set<IfIndex> fixed_mtu_;
    std::uint32_t next_index_ = 2;
};

}  // namespace isthmus::bridge
