// Ports: LAN interfaces and TAPs into their bridges, and back to what they were.
#include <algorithm>

#include "bridge/planner.h"

namespace isthmus::bridge::planner {

namespace {
constexpr std::uint32_t kIpv6MinimumMtu =
    1280;  // RFC 8200 section 5; the kernel takes IPv6 off an interface below it
}

void Planner::plan_lan_port(Target& target, const std::string& name) {
    PortReport report{name, false, {}};
    const Link* link = actual_.find(name);
    if (!taken_.insert(name).second) {
        report.state = {StateWord::conflict,
                        name + " is named twice; an interface can be a port of one bridge only"};
    } else if (link == nullptr) {
        report.state = {StateWord::waiting, "no interface named " + name + " yet"};
    } else if (!target.usable) {
        report.state = {StateWord::waiting, "bridge " + target.options->name + " is not ready"};
        if (const PortRecord* record = record_of(*link)) plan_.journal.ports.push_back(*record);
    } else if (auto reason = reason_to_refuse(target, *link, false); !reason.empty()) {
        report.state = {StateWord::conflict, std::move(reason)};
        if (const PortRecord* record = record_of(*link)) plan_.journal.ports.push_back(*record);
    } else {
        report.state = port_state(target, *link);
        report.forwards = forwards(target, *link);
        report.vlans = port_vlans(target, *link);
        const bool foreign =
            !target.ours && link->master == target.link->index && record_of(*link) == nullptr;
        if (!foreign) {  // else it was a port of the adopted bridge before us, and stays as it is
            record_port(target, *link);
            join(target, *link, nullptr);
        }
    }
    target.report.ports.push_back(std::move(report));
}

void Planner::plan_tap(Target& target, const TapPort& tap) {
    PortReport report{tap.name, true, {}};
    const Link* link = actual_.find(tap.name);
    if (!taken_.insert(tap.name).second) {
        report.state = {StateWord::conflict,
                        tap.name + " is named twice; an interface can be a port of one bridge only"};
    } else if (link == nullptr) {
        report.state = {StateWord::waiting, "TAP " + tap.name + " is not open yet"};
    } else if (!target.usable) {
        report.state = {StateWord::waiting, "bridge " + target.options->name + " is not ready"};
    } else if (auto reason = reason_to_refuse(target, *link, true); !reason.empty()) {
        report.state = {StateWord::conflict, std::move(reason)};
    } else {
        report.state = port_state(target, *link);
        const MacAddress mac = stable_mac(desired_.gateway, tap.name);
        if (link->mac != mac) add(SetMac{tap.name, mac});
        join(target, *link, &tap);
    }
    target.report.ports.push_back(std::move(report));
}

std::string Planner::reason_to_refuse(const Target& target, const Link& link, bool tap) const {
    if (link.loopback) return link.name + " is the loopback interface; name a LAN interface";
    if (link.kind == "bridge")
        return link.name + " is a bridge, which cannot be a port of another; name one of its ports";
    if (tap && link.kind != "tun")
        return link.name + " exists and is no TAP; give the session another interface name";
    if (link.max_mtu != 0 && link.max_mtu < target.mtu)
        return link.name + " takes an MTU of at most " + std::to_string(link.max_mtu) +
               "; set mtu of the bridge to that or less";
    const PortRecord* record = record_of(link);
    if (link.master != kNoInterface) {
        const Link* master = actual_.find(link.master);
        const std::string owner = master != nullptr ? master->name : "another device";
        if (owner == target.options->name) return {};
        const bool placed_by_us =
            master != nullptr && (is_ours(*master) || (record != nullptr && record->bridge == owner));
        if (!placed_by_us)
            return link.name + " already belongs to " + owner + "; release it (ip link set " + link.name +
                   " nomaster) or name another interface";
        return {};
    }
    if (record != nullptr || tap) return {};
    for (const auto& held : actual_.addresses) {
        const bool will_come_back = held.address.is_v6() && !held.permanent;
        if (held.index != link.index || held.link_local || will_come_back) continue;
        return link.name + " holds address " + held.address.text() +
               ", which would stop working inside a bridge; remove the address (and its DHCP client) or name "
               "another interface";
    }
    return {};
}

State Planner::port_state(const Target& target, const Link& link) const {
    const Link* bridge = target.link;
    if (bridge == nullptr || link.master != bridge->index)
        return {StateWord::down, "not in bridge " + target.options->name + " yet"};
    if (!link.up) return {StateWord::down, "not set up yet"};
    if (!link.carrier) return {StateWord::down, "no carrier"};
    return {StateWord::up, {}};
}

// In a bridge without spanning tree a port forwards as soon as it is up.
bool Planner::forwards(const Target& target, const Link& link) {
    const bool tree =
        target.link != nullptr && target.link->bridge && target.link->bridge->stp.value_or(false);
    return !tree || !link.port || link.port->state.value_or(PortState::forwarding) == PortState::forwarding;
}

PortVlans Planner::port_vlans(const Target& target, const Link& link) {
    if (!target.filtering) return {};
    return {link.vlans, sessions_native(target)};
}

std::optional<VlanId> Planner::sessions_native(const Target& target) {
    const bool untagged =
        std::any_of(target.taps.begin(), target.taps.end(), [](const TapPort* tap) { return tap->untagged; });
    return untagged ? target.untagged_sessions : std::nullopt;
}

// The MTU goes first: a bridge takes the smallest of its ports. IPv6 goes before the interface can come up.
void Planner::join(const Target& target, const Link& link, const TapPort* tap) {
    const bool inside = target.link != nullptr && link.master == target.link->index;
    if (link.mtu != target.mtu) add(SetMtu{link.name, target.mtu});
    if (target.mtu >= kIpv6MinimumMtu) silence_ipv6(link);
    if (!inside) {
        if (const Link* old = actual_.find(link.master)) left_.insert(old->name);
        add(SetMaster{link.name, target.options->name});
    }
    const bool isolated = tap != nullptr && tap->isolated;
    const bool isolated_now = inside && link.port && link.port->isolated.value_or(false);
    if (isolated != isolated_now) {
        PortSettings settings;
        settings.isolated = isolated;
        add(SetPort{link.name, settings});
    }
    if (target.filtering) set_vlans(target, link, tap);
    if (!link.up) add(SetUp{link.name, true});
    if (inside) warn_of_addresses(link);
}

// In a bridge of ours every port is an untagged member of the native VLAN, also where no session carries
// untagged frames: frames with an 802.1ad tag live there, because an 802.1Q bridge takes them for untagged.
// What may cross, the session decides.
void Planner::set_vlans(const Target& target, const Link& link, const TapPort* tap) {
    VlanTable wanted;
    wanted.members = tap != nullptr ? tap->vlans : target.tagged;
    const auto native = tap == nullptr ? target.native : target.untagged_sessions;
    if (native && (target.ours || tap == nullptr || tap->untagged)) {
        wanted.members.insert(*native);
        wanted.untagged.insert(*native);
        wanted.pvid = native;
    }
    VlanTable now = link.vlans;
    if (target.link == nullptr || link.master != target.link->index) {
        now = {};
        if (const auto given = VlanId::parse(target.join_pvid)) {
            now.members.insert(*given);
            now.untagged.insert(*given);
            now.pvid = given;
        }
    }
    if (target.purged && now.pvid == target.purged) {
        VlanSet gone;
        gone.insert(*target.purged);
        now = {now.members.without(gone), now.untagged.without(gone), std::nullopt};
    }
    const auto change = vlan_change(now, wanted);
    if (!change.remove.empty()) add(RemoveVlans{link.name, change.remove});
    if (!change.add_tagged.empty()) add(AddVlans{link.name, change.add_tagged, false, false});
    if (!change.add_untagged.empty()) add(AddVlans{link.name, change.add_untagged, false, true});
    if (!change.pvid) return;
    VlanSet pvid;
    pvid.insert(*change.pvid);
    add(AddVlans{link.name, pvid, true, change.pvid_untagged});
}

void Planner::silence_ipv6(const Link& link) {
    if (!link.inet6) return;
    if (link.inet6->addr_gen_mode != AddrGenMode::none) add(SetAddrGenMode{link.name, AddrGenMode::none});
    if (!link.inet6->disabled) add(SetIpv6Disabled{link.name, true});
}

void Planner::record_port(const Target& target, const Link& link) {
    if (const PortRecord* known = record_of(link)) {
        plan_.journal.ports.push_back(*known);
        plan_.journal.ports.back().bridge = target.options->name;
        return;
    }
    PortRecord record{link.name, link.index, target.options->name, link.mtu, link.up, link.inet6};
    // Already inside a bridge of ours without a record: the journal was lost, and what we see is our own
    // doing.
    if (link.master != kNoInterface && record.inet6)
        record.inet6 = Inet6Settings{actual_.ipv6_disabled_by_default, AddrGenMode::eui64};
    plan_.journal.ports.push_back(std::move(record));
}

const PortRecord* Planner::record_of(const Link& link) const {
    const auto it = std::find_if(before_.ports.begin(), before_.ports.end(), [&](const PortRecord& r) {
        return r.index == link.index && r.name == link.name;
    });
    return it == before_.ports.end() ? nullptr : &*it;
}

void Planner::restore_ports() {
    for (const auto& record : before_.ports) {
        const bool wanted =
            std::any_of(desired_.bridges.begin(), desired_.bridges.end(), [&](const BridgeOptions& o) {
                return std::find(o.ports.begin(), o.ports.end(), record.name) != o.ports.end();
            });
        if (wanted) continue;
        if (restore(record)) plan_.journal.ports.push_back(record);
    }
}

/// True while there is something left to restore: the record stays until a look at the kernel shows that all
/// is as it was.
bool Planner::restore(const PortRecord& record) {
    const Link* link = actual_.find(record.name);
    if (link == nullptr || link->index != record.index) return false;
    const std::size_t before = plan_.operations.size();
    if (link->master != kNoInterface) {
        const Link* master = actual_.find(link->master);
        const bool placed_by_us = master != nullptr && (is_ours(*master) || master->name == record.bridge);
        if (!placed_by_us) return false;  // somebody took it over
        left_.insert(master->name);
        add(SetMaster{link->name, {}});
    }
    if (link->up && !record.up) add(SetUp{link->name, false});
    if (link->mtu != record.mtu) add(SetMtu{link->name, record.mtu});
    if (link->inet6 && record.inet6) {
        if (link->inet6->addr_gen_mode != record.inet6->addr_gen_mode)
            add(SetAddrGenMode{link->name, record.inet6->addr_gen_mode});
        if (link->inet6->disabled != record.inet6->disabled)
            add(SetIpv6Disabled{link->name, record.inet6->disabled});
    }
    if (!link->up && record.up) add(SetUp{link->name, true});
    return plan_.operations.size() != before;
}

void Planner::warn_of_addresses(const Link& link) {
    for (const auto& held : actual_.addresses) {
        if (held.index != link.index) continue;
        warn(link.name + " has address " + held.address.text() +
             ", so this host answers inside the extended network; remove it "
             "(ip address del " +
             held.address.text() + "/" + std::to_string(held.prefix) + " dev " + link.name +
             ") and keep DHCP clients off " + link.name);
    }
}

}  // namespace isthmus::bridge::planner
