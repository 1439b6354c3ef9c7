// Bridges: make, correct, adopt, remove; and the namespace-wide sysctls of br_netfilter.
#include <algorithm>

#include "bridge/planner.h"

namespace isthmus::bridge::planner {

namespace {

std::string quoted(std::string_view text) {
    return "\"" + std::string(text) + "\"";
}

/// Keeps of `wanted` what the kernel reports otherwise. What it does not report, it does not have.
BridgeSettings changes(const BridgeSettings& wanted, const BridgeSettings& actual) {
    BridgeSettings out = wanted;
    const auto keep = [](auto& want, const auto& have) {
        if (!have || want == have) want.reset();
    };
    keep(out.stp, actual.stp);
    keep(out.forward_delay, actual.forward_delay);
    keep(out.ageing_time, actual.ageing_time);
    keep(out.vlan_default_pvid, actual.vlan_default_pvid);
    keep(out.group_fwd_mask, actual.group_fwd_mask);
    keep(out.multicast_snooping, actual.multicast_snooping);
    keep(out.multicast_querier, actual.multicast_querier);
    keep(out.nf_call_iptables, actual.nf_call_iptables);
    keep(out.nf_call_ip6tables, actual.nf_call_ip6tables);
    keep(out.nf_call_arptables, actual.nf_call_arptables);
    keep(out.fdb_max_learned, actual.fdb_max_learned);
    if (out.vlan_filtering == actual.vlan_filtering.value_or(false)) out.vlan_filtering.reset();
    return out;
}

}  // namespace

Filtering decide_filtering(const BridgeOptions& options, const std::vector<const TapPort*>& taps,
                           Support kernel) {
    if (options.vlan_filtering == VlanFiltering::off) return {false, "configured off", {}};
    if (kernel == Support::unknown)
        return {false, "not known yet whether this kernel's bridge filters VLANs", {}};
    if (options.vlan_filtering == VlanFiltering::on) {
        if (kernel == Support::yes) return {true, "configured on", {}};
        return {false, "this kernel's bridge does not filter VLANs",
                "vlan_filtering = \"on\", but this kernel's bridge does not filter VLANs "
                "(CONFIG_BRIDGE_VLAN_FILTERING); "
                "set vlan_filtering = \"auto\": sessions enforce their allow-lists themselves in any case"};
    }
    if (kernel == Support::no) return {false, "this kernel's bridge does not filter VLANs; sessions do", {}};
    if (taps.empty()) return {false, "no session on this bridge has an allow-list", {}};
    for (const TapPort* tap : taps) {
        // Inside a filtering bridge a priority tag (VID 0) is taken for no tag and lost; and there is no VLAN
        // left for untagged frames next to a session that carries all of them.
        if (tap->vlans == VlanSet::all())
            return {false, "the session on " + tap->name + " carries every VLAN", {}};
        if (tap->untagged)
            return {false,
                    "the session on " + tap->name +
                        " carries untagged frames, whose priority tags a filtering bridge "
                        "would remove; the session filters by itself",
                    {}};
    }
    return {true, "every session on this bridge has an allow-list", {}};
}

std::optional<VlanId> native_vlan(const VlanSet& tagged) {
    if (!tagged.contains_vid(1)) return VlanId::parse(1);
    for (std::uint16_t v = 4094; v > 1; --v)
        if (!tagged.contains_vid(v)) return VlanId::parse(v);
    return std::nullopt;
}

void Planner::gather_targets() {
    targets_.reserve(desired_.bridges.size());
    for (const auto& options : desired_.bridges) {
        Target target;
        target.options = &options;
        target.link = actual_.find(options.name);
        target.report.name = options.name;
        target.report.ownership = options.ownership;
        for (const auto& tap : desired_.taps) {
            if (tap.bridge != options.name) continue;
            target.taps.push_back(&tap);
            target.tagged = target.tagged.united(tap.vlans);
        }
        targets_.push_back(std::move(target));
    }
    for (const auto& tap : desired_.taps) {
        const bool known = std::any_of(targets_.begin(), targets_.end(),
                                       [&](const Target& t) { return t.options->name == tap.bridge; });
        if (!known)
            warn("no bridge is named " + tap.bridge + ", so " + tap.name +
                 " is in none; configure the bridge");
    }
}

void Planner::plan_bridge(Target& target) {
    if (too_many_ports(target)) return;
    if (target.options->ownership == Ownership::adopt)
        plan_adopted(target);
    else
        plan_created(target);
    target.report.vlan_filtering = target.filtering;
    if (target.filtering) target.report.native = sessions_native(target);
    target.report.tree =
        target.link != nullptr && target.link->bridge && target.link->bridge->stp.value_or(false);
    target.report.mtu = target.mtu;
}

bool Planner::is_named(const Target& target, const std::string& name) {
    const auto& ports = target.options->ports;
    return std::find(ports.begin(), ports.end(), name) != ports.end() ||
           std::any_of(target.taps.begin(), target.taps.end(),
                       [&](const TapPort* t) { return t->name == name; });
}

bool Planner::too_many_ports(Target& target) const {
    std::size_t count = target.options->ports.size() + target.taps.size();
    if (target.link != nullptr && target.options->ownership == Ownership::adopt) {
        for (const auto& link : actual_.links)
            if (link.master == target.link->index && !is_named(target, link.name)) ++count;
    }
    if (count <= kMaxPorts) return false;
    target.report.state = {StateWord::conflict,
                           std::to_string(count) + " ports are more than the " + std::to_string(kMaxPorts) +
                               " that a Linux bridge takes; spread the sessions over more bridges"};
    return true;
}

void Planner::plan_adopted(Target& target) {
    const Link* link = target.link;
    if (link == nullptr) {
        target.report.state = {StateWord::waiting, "no bridge named " + target.options->name +
                                                       " yet; ownership = \"adopt\" "
                                                       "waits for somebody else to make it"};
        return;
    }
    if (link->kind != "bridge") {
        target.report.state = {StateWord::conflict, link->name + " is not a bridge; name a bridge to adopt"};
        return;
    }
    if (is_ours(*link)) add(SetAlias{link->name, {}});  // made by an earlier configuration, now to outlive us
    target.usable = true;
    target.mtu = link->mtu;
    target.filtering = link->bridge && link->bridge->vlan_filtering.value_or(false);
    target.report.vlan_filtering_reason = "as the adopted bridge has it";
    if (link->bridge) target.join_pvid = link->bridge->vlan_default_pvid.value_or(0);
    target.native = VlanId::parse(target.join_pvid);
    target.untagged_sessions = vlan_of_untagged_sessions(*link);
    target.report.state =
        link->up ? State{StateWord::up, {}}
                 : State{StateWord::down, link->name + " is down; whoever made it has to set it up"};
    for (const Link& port : actual_.links)
        if (port.master == link->index && !is_named(target, port.name))
            target.report.others.push_back({port.name, false, port_state(target, port),
                                            forwards(target, port), port_vlans(target, port)});
    if (link->mtu != target.options->mtu)
        warn("adopted bridge " + link->name + " keeps its MTU of " + std::to_string(link->mtu) +
             " and its ports get the same; "
             "the configuration says " +
             std::to_string(target.options->mtu));
    if (target.options->vlan_filtering == VlanFiltering::on && !target.filtering)
        warn("adopted bridge " + link->name +
             " does not filter VLANs, although vlan_filtering = \"on\": switch it on there "
             "(ip link set " +
             link->name + " type bridge vlan_filtering 1); sessions enforce their allow-lists themselves");
}

/// Untagged frames of sessions join those of the ports that an adopted bridge has of its own: in the bridge's default VLAN, unless
/// these ports all have another one.
std::optional<VlanId> Planner::vlan_of_untagged_sessions(const Link& bridge) const {
    const auto usual =
        VlanId::parse(bridge.bridge ? bridge.bridge->vlan_default_pvid.value_or(0) : std::uint16_t{0});
    std::optional<VlanId> common;
    for (const Link& port : actual_.links) {
        const bool tap = std::any_of(desired_.taps.begin(), desired_.taps.end(),
                                     [&](const TapPort& t) { return t.name == port.name; });
        if (port.master != bridge.index || tap || record_of(port) != nullptr || !port.vlans.pvid) continue;
        if (port.vlans.pvid == usual || (common && common != port.vlans.pvid)) return usual;
        common = port.vlans.pvid;
    }
    return common ? common : usual;
}

void Planner::plan_created(Target& target) {
    const Link* link = target.link;
    const auto& name = target.options->name;
    if (link != nullptr && link->kind != "bridge") {
        target.report.state = {StateWord::conflict, "an interface named " + name +
                                                        " exists and is no bridge; choose another name "
                                                        "for the bridge"};
        return;
    }
    if (link != nullptr && !is_ours(*link)) {
        const bool sibling = link->alias.rfind("isthmus:", 0) == 0;
        target.report.state = {
            StateWord::conflict,
            sibling ? "bridge " + name + " belongs to gateway " + quoted(link->alias.substr(8)) +
                          "; choose another name for the bridge"
                    : "bridge " + name + " exists and gateway " + quoted(desired_.gateway) +
                          " did not make it; set ownership = \"adopt\" to use it as it is, or choose "
                          "another name"};
        return;
    }
    target.ours = true;
    target.mtu = target.options->mtu;
    const auto filtering = decide_filtering(*target.options, target.taps, actual_.vlan_filtering);
    target.filtering = filtering.on;
    target.report.vlan_filtering_reason = filtering.reason;
    target.native = target.untagged_sessions = native_vlan(target.tagged);
    if (link != nullptr || filtering.conflict.empty()) plan_.journal.created.push_back(name);
    if (!filtering.conflict.empty()) {
        target.report.state = {StateWord::conflict, filtering.conflict};
        return;
    }
    target.usable = true;
    const MacAddress mac = wanted_mac(*target.options);
    if (link == nullptr)
        make_bridge(target, mac);
    else
        correct_bridge(target, mac);
    if (link == nullptr || !link->up)
        target.report.state = {StateWord::down, "not set up yet"};
    else
        target.report.state =
            link->carrier ? State{StateWord::up, {}} : State{StateWord::down, "no port of it has a carrier"};
}

void Planner::make_bridge(const Target& target, MacAddress mac) {
    const auto& name = target.options->name;
    add(CreateBridge{name, mac});
    add(SetAlias{name, mark_});
    if (actual_.has_ipv6()) {
        add(SetAddrGenMode{name, AddrGenMode::none});
        add(SetIpv6Disabled{name, true});
    }
    add(SetBridge{name, wanted_settings(target)});
    if (target.mtu != 1500) add(SetMtu{name, target.mtu});
    add(SetUp{name, true});
}

void Planner::correct_bridge(Target& target, MacAddress mac) {
    const Link& link = *target.link;
    if (link.alias != mark_) add(SetAlias{link.name, mark_});
    if (link.mac != mac) add(SetMac{link.name, mac});
    silence_ipv6(link);
    if (link.bridge) {
        const auto settings = changes(wanted_settings(target), *link.bridge);
        if (!settings.empty()) add(SetBridge{link.name, settings});
        if (settings.vlan_default_pvid)
            target.purged = VlanId::parse(link.bridge->vlan_default_pvid.value_or(0));
    }
    if (link.mtu != target.mtu) add(SetMtu{link.name, target.mtu});
    if (!link.up) add(SetUp{link.name, true});
    warn_of_addresses(link);
}

BridgeSettings Planner::wanted_settings(const Target& target) const {
    BridgeSettings s;
    s.stp = false;
    s.forward_delay = 0;
    s.group_fwd_mask = 0;
    s.multicast_snooping = target.options->multicast_snooping;
    s.nf_call_iptables = false;
    s.nf_call_ip6tables = false;
    s.nf_call_arptables = false;
    // Membership is ours to give: no port gets a VLAN by joining.
    if (actual_.vlan_filtering == Support::yes) {
        s.vlan_default_pvid = 0;
        s.vlan_filtering = target.filtering;
    }
    return s;
}

// A bridge whose MTU nobody set takes the smallest of its ports' whenever one comes or goes.
void Planner::hold_mtu() {
    for (const auto& target : targets_)
        if (target.ours && target.usable && left_.count(target.options->name) != 0)
            add(SetMtu{target.options->name, target.mtu});
}

bool Planner::is_ours(const Link& link) const {
    if (link.kind != "bridge") return false;
    if (link.alias == mark_) return true;
    // Killed between making the bridge and marking it: the journal names it and the address is the one that
    // we give.
    if (!link.alias.empty()) return false;
    const auto& created = before_.created;
    if (std::find(created.begin(), created.end(), link.name) == created.end()) return false;
    for (const auto& options : desired_.bridges)
        if (options.name == link.name && link.mac == wanted_mac(options)) return true;
    return link.mac == stable_mac(desired_.gateway, link.name);
}

MacAddress Planner::wanted_mac(const BridgeOptions& options) const {
    return options.mac.value_or(stable_mac(desired_.gateway, options.name));
}

void Planner::remove_leftover_bridges() {
    for (const auto& link : actual_.links) {
        if (!is_ours(link)) continue;
        const bool wanted = std::any_of(desired_.bridges.begin(), desired_.bridges.end(),
                                        [&](const BridgeOptions& o) { return o.name == link.name; });
        if (wanted) continue;
        plan_.journal.created.push_back(link.name);
        if (link.up) add(SetUp{link.name, false});
        add(DeleteBridge{link.name});
    }
}

// A frame visits iptables if the sysctl OR the bridge's own attribute says so: clearing the attribute alone
// does nothing.
void Planner::plan_netfilter() {
    const bool ours =
        std::any_of(targets_.begin(), targets_.end(), [](const Target& t) { return t.ours && t.usable; });
    const bool any = std::any_of(targets_.begin(), targets_.end(), [](const Target& t) { return t.usable; });
    const bool others =
        std::any_of(actual_.links.begin(), actual_.links.end(),
                    [&](const Link& l) {
                        return l.kind == "bridge" && l.alias.rfind("isthmus:", 0) != 0 && !is_ours(l);
                    }) ||
        std::any_of(targets_.begin(), targets_.end(), [](const Target& t) { return t.usable && !t.ours; });
    BridgeNetfilter change;
    const auto plan_one = [&](std::optional<bool> BridgeNetfilter::*which) {
        const auto& now = actual_.netfilter.*which;
        const auto& prior = before_.netfilter.*which;
        if (!now) return;
        if (ours && !others) {
            if (*now || prior) plan_.journal.netfilter.*which = prior ? prior : now;
            if (*now) change.*which = false;
        } else if (prior && prior != now) {
            plan_.journal.netfilter.*which = prior;
            change.*which = prior;
        }
    };
    plan_one(&BridgeNetfilter::iptables);
    plan_one(&BridgeNetfilter::ip6tables);
    plan_one(&BridgeNetfilter::arptables);
    if (change != BridgeNetfilter{}) add(SetBridgeNetfilter{change});
    if (any && others && actual_.netfilter.any_on())
        warn(
            "br_netfilter is on and other bridges here may rely on it, so frames that cross our bridges "
            "visit iptables, which "
            "may drop or reassemble them; if nothing here needs it: sysctl -w "
            "net.bridge.bridge-nf-call-iptables=0 "
            "net.bridge.bridge-nf-call-ip6tables=0 net.bridge.bridge-nf-call-arptables=0");
}

}  // namespace isthmus::bridge::planner
