#include "bridge/netlink/link_requests.h"

#include <linux/if.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <cassert>

#include "bridge/netlink/kernel_constants.h"

namespace isthmus::bridge::netlink {

namespace {

constexpr std::size_t kRangesPerRequest = 512;
constexpr std::uint32_t kExtSkipStats = RTEXT_FILTER_SKIP_STATS;
constexpr std::uint32_t kExtVlans = RTEXT_FILTER_BRVLAN_COMPRESSED;

ifinfomsg about(IfIndex link, std::uint8_t family = AF_UNSPEC) {
    ifinfomsg info{};
    info.ifi_family = family;
    info.ifi_index = static_cast<int>(raw(link));
    return info;
}

MessageBuilder change(std::uint16_t type, IfIndex link, std::uint8_t family = AF_UNSPEC,
                      std::uint16_t flags = 0) {
    MessageBuilder message(type, static_cast<std::uint16_t>(NLM_F_ACK | flags));
    message.header(about(link, family));
    return message;
}

void put(MessageBuilder& message, std::uint16_t type, const std::optional<bool>& value) {
    if (value) message.u8(type, *value ? 1 : 0);
}

std::vector<Request> vlan_requests(std::uint16_t type, IfIndex port, const VlanSet& vlans,
                                   std::uint16_t flags) {
    const auto ranges = vlan_ranges(vlans);
    std::vector<Request> out;
    for (std::size_t at = 0; at < ranges.size(); at += kRangesPerRequest) {
        auto message = change(type, port, AF_BRIDGE);
        message.open(IFLA_AF_SPEC);
        const auto put_vlan = [&](VlanId vid, std::uint16_t extra) {
            const bridge_vlan_info info{static_cast<std::uint16_t>(flags | extra), vid.value()};
            message.attribute(IFLA_BRIDGE_VLAN_INFO,
                              {reinterpret_cast<const std::uint8_t*>(&info), sizeof(info)});
        };
        for (std::size_t i = at; i < std::min(at + kRangesPerRequest, ranges.size()); ++i) {
            if (ranges[i].first == ranges[i].last) {
                put_vlan(ranges[i].first, 0);
                continue;
            }
            put_vlan(ranges[i].first, BRIDGE_VLAN_INFO_RANGE_BEGIN);
            put_vlan(ranges[i].last, BRIDGE_VLAN_INFO_RANGE_END);
        }
        message.close();
        out.push_back(std::move(message).take());
    }
    return out;
}

}  // namespace

Request create_bridge(std::string_view name, const MacAddress& mac) {
    auto message = change(RTM_NEWLINK, kNoInterface, AF_UNSPEC, NLM_F_CREATE | NLM_F_EXCL);
    message.text(IFLA_IFNAME, name).attribute(IFLA_ADDRESS, mac.bytes);
    message.open(IFLA_LINKINFO).text(IFLA_INFO_KIND, "bridge").close();
    return std::move(message).take();
}

Request delete_link(IfIndex link) {
    return change(RTM_DELLINK, link).take();
}

Request set_master(IfIndex link, IfIndex master) {
    return std::move(change(RTM_SETLINK, link).u32(IFLA_MASTER, raw(master))).take();
}

Request set_up(IfIndex link, bool up) {
    MessageBuilder message(RTM_SETLINK, NLM_F_ACK);
    auto info = about(link);
    info.ifi_flags = up ? IFF_UP : 0;
    info.ifi_change = IFF_UP;
    message.header(info);
    return std::move(message).take();
}

Request set_mtu(IfIndex link, std::uint32_t mtu) {
    return std::move(change(RTM_SETLINK, link).u32(IFLA_MTU, mtu)).take();
}

Request set_mac(IfIndex link, const MacAddress& mac) {
    return std::move(change(RTM_SETLINK, link).attribute(IFLA_ADDRESS, mac.bytes)).take();
}

Request set_alias(IfIndex link, std::string_view alias) {
    // The kernel takes no terminating zero here: an empty attribute removes the alias.
    const Bytes bytes{reinterpret_cast<const std::uint8_t*>(alias.data()), alias.size()};
    return std::move(change(RTM_SETLINK, link).attribute(IFLA_IFALIAS, bytes)).take();
}

Request set_addr_gen_mode(IfIndex link, AddrGenMode mode) {
    auto message = change(RTM_SETLINK, link);
    message.open(IFLA_AF_SPEC)
        .open(AF_INET6)
        .u8(IFLA_INET6_ADDR_GEN_MODE, static_cast<std::uint8_t>(mode))
        .close()
        .close();
    return std::move(message).take();
}

Request set_bridge(IfIndex bridge, const BridgeSettings& s) {
    auto message = change(RTM_NEWLINK, bridge);
    message.open(IFLA_LINKINFO).text(IFLA_INFO_KIND, "bridge").open(IFLA_INFO_DATA);
    if (s.stp) message.u32(IFLA_BR_STP_STATE, *s.stp ? 1 : 0);
    if (s.forward_delay) message.u32(IFLA_BR_FORWARD_DELAY, *s.forward_delay);
    if (s.ageing_time) message.u32(IFLA_BR_AGEING_TIME, *s.ageing_time);
    if (s.vlan_default_pvid) message.u16(IFLA_BR_VLAN_DEFAULT_PVID, *s.vlan_default_pvid);
    put(message, IFLA_BR_VLAN_FILTERING, s.vlan_filtering);
    if (s.group_fwd_mask) message.u16(IFLA_BR_GROUP_FWD_MASK, *s.group_fwd_mask);
    put(message, IFLA_BR_MCAST_SNOOPING, s.multicast_snooping);
    put(message, IFLA_BR_MCAST_QUERIER, s.multicast_querier);
    put(message, IFLA_BR_NF_CALL_IPTABLES, s.nf_call_iptables);
    put(message, IFLA_BR_NF_CALL_IP6TABLES, s.nf_call_ip6tables);
    put(message, IFLA_BR_NF_CALL_ARPTABLES, s.nf_call_arptables);
    if (s.fdb_max_learned) message.u32(kBrFdbMaxLearned, *s.fdb_max_learned);
    message.close().close();
    return std::move(message).take();
}

Request set_port(IfIndex port, const PortSettings& s) {
    auto message = change(RTM_SETLINK, port, AF_BRIDGE);
    message.open(IFLA_PROTINFO | NLA_F_NESTED);
    if (s.state) message.u8(IFLA_BRPORT_STATE, static_cast<std::uint8_t>(*s.state));
    put(message, IFLA_BRPORT_ISOLATED, s.isolated);
    put(message, IFLA_BRPORT_LEARNING, s.learning);
    put(message, IFLA_BRPORT_UNICAST_FLOOD, s.unicast_flood);
    put(message, IFLA_BRPORT_MCAST_FLOOD, s.multicast_flood);
    put(message, IFLA_BRPORT_BCAST_FLOOD, s.broadcast_flood);
    put(message, IFLA_BRPORT_GUARD, s.bpdu_guard);
    put(message, IFLA_BRPORT_MODE, s.hairpin);
    put(message, IFLA_BRPORT_NEIGH_SUPPRESS, s.neigh_suppress);
    put(message, kBrportNeighVlanSuppress, s.neigh_vlan_suppress);
    put(message, IFLA_BRPORT_LOCKED, s.locked);
    put(message, kBrportMab, s.mac_auth_bypass);
    if (s.group_fwd_mask) message.u16(IFLA_BRPORT_GROUP_FWD_MASK, *s.group_fwd_mask);
    message.close();
    return std::move(message).take();
}

std::vector<Request> add_vlans(IfIndex port, const VlanSet& vlans, bool pvid, bool untagged) {
    assert(!pvid || vlans.size() == 1);
    const unsigned flags = (pvid ? BRIDGE_VLAN_INFO_PVID : 0U) | (untagged ? BRIDGE_VLAN_INFO_UNTAGGED : 0U);
    return vlan_requests(RTM_SETLINK, port, vlans, static_cast<std::uint16_t>(flags));
}

std::vector<Request> remove_vlans(IfIndex port, const VlanSet& vlans) {
    return vlan_requests(RTM_DELLINK, port, vlans, 0);
}

Request set_vlan_state(IfIndex port, VlanId vlan, PortState state) {
    MessageBuilder message(RTM_NEWVLAN, NLM_F_ACK);
    br_vlan_msg header{};
    header.family = AF_BRIDGE;
    header.ifindex = raw(port);
    const bridge_vlan_info info{BRIDGE_VLAN_INFO_ONLY_OPTS, vlan.value()};
    message.header(header).open(BRIDGE_VLANDB_ENTRY | NLA_F_NESTED);
    message.attribute(BRIDGE_VLANDB_ENTRY_INFO, {reinterpret_cast<const std::uint8_t*>(&info), sizeof(info)})
        .u8(BRIDGE_VLANDB_ENTRY_STATE, static_cast<std::uint8_t>(state));
    message.close();
    return std::move(message).take();
}

Request dump_links() {
    MessageBuilder message(RTM_GETLINK, NLM_F_DUMP);
    message.header(about(kNoInterface)).u32(IFLA_EXT_MASK, kExtSkipStats);
    return std::move(message).take();
}

Request dump_bridge_vlans() {
    MessageBuilder message(RTM_GETLINK, NLM_F_DUMP);
    message.header(about(kNoInterface, AF_BRIDGE)).u32(IFLA_EXT_MASK, kExtVlans);
    return std::move(message).take();
}

Request dump_addresses() {
    MessageBuilder message(RTM_GETADDR, NLM_F_DUMP);
    message.header(ifaddrmsg{});
    return std::move(message).take();
}

Request get_link(std::string_view name) {
    MessageBuilder message(RTM_GETLINK, 0);
    message.header(about(kNoInterface)).text(IFLA_IFNAME, name).u32(IFLA_EXT_MASK, kExtSkipStats);
    return std::move(message).take();
}

Request get_link(IfIndex link) {
    MessageBuilder message(RTM_GETLINK, 0);
    message.header(about(link)).u32(IFLA_EXT_MASK, kExtSkipStats);
    return std::move(message).take();
}

Request probe_kind(std::string_view kind) {
    // An Ethernet address of three bytes: every Ethernet kind refuses it in its validation, before anything
    // is made.
    constexpr std::uint8_t kBadAddress[3] = {2, 0, 0};
    auto message = change(RTM_NEWLINK, kNoInterface, AF_UNSPEC, NLM_F_CREATE | NLM_F_EXCL);
    message.text(IFLA_IFNAME, "lo").attribute(IFLA_ADDRESS, kBadAddress);
    message.open(IFLA_LINKINFO).text(IFLA_INFO_KIND, kind).close();
    return std::move(message).take();
}

Request probe_vlan_filtering() {
    constexpr std::uint16_t kNoVlanProtocol =
        0x0101;  // the same in either byte order; br_validate() refuses it
    auto message = change(RTM_NEWLINK, kNoInterface, AF_UNSPEC, NLM_F_CREATE | NLM_F_EXCL);
    message.text(IFLA_IFNAME, "lo").open(IFLA_LINKINFO).text(IFLA_INFO_KIND, "bridge");
    message.open(IFLA_INFO_DATA).u16(IFLA_BR_VLAN_PROTOCOL, kNoVlanProtocol).close().close();
    return std::move(message).take();
}

}  // namespace isthmus::bridge::netlink
