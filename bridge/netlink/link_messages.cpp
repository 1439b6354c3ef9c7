#include "bridge/netlink/link_messages.h"

#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/ipv6.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>

#include "bridge/netlink/kernel_constants.h"

namespace isthmus::bridge::netlink {

namespace {

std::optional<bool> flag32(const AttributeView& a) {
    const auto v = a.number<std::uint32_t>();
    return v ? std::optional<bool>(*v != 0) : std::nullopt;
}

BridgeSettings parse_bridge(Bytes data) {
    BridgeSettings s;
    AttributeReader reader(data);
    while (const auto a = reader.next()) {
        switch (a->type) {
            case IFLA_BR_STP_STATE: s.stp = flag32(*a); break;
            case IFLA_BR_FORWARD_DELAY: s.forward_delay = a->number<std::uint32_t>(); break;
            case IFLA_BR_AGEING_TIME: s.ageing_time = a->number<std::uint32_t>(); break;
            case IFLA_BR_VLAN_FILTERING: s.vlan_filtering = a->flag(); break;
            case IFLA_BR_VLAN_DEFAULT_PVID: s.vlan_default_pvid = a->number<std::uint16_t>(); break;
            case IFLA_BR_GROUP_FWD_MASK: s.group_fwd_mask = a->number<std::uint16_t>(); break;
            case IFLA_BR_MCAST_SNOOPING: s.multicast_snooping = a->flag(); break;
            case IFLA_BR_MCAST_QUERIER: s.multicast_querier = a->flag(); break;
            case IFLA_BR_NF_CALL_IPTABLES: s.nf_call_iptables = a->flag(); break;
            case IFLA_BR_NF_CALL_IP6TABLES: s.nf_call_ip6tables = a->flag(); break;
            case IFLA_BR_NF_CALL_ARPTABLES: s.nf_call_arptables = a->flag(); break;
            case kBrFdbMaxLearned: s.fdb_max_learned = a->number<std::uint32_t>(); break;
            default: break;
        }
    }
    return s;
}

PortSettings parse_port(Bytes data) {
    PortSettings s;
    AttributeReader reader(data);
    while (const auto a = reader.next()) {
        switch (a->type) {
            case IFLA_BRPORT_STATE:
                if (const auto v = a->number<std::uint8_t>(); v && *v <= 4)
                    s.state = static_cast<PortState>(*v);
                break;
            case IFLA_BRPORT_ISOLATED: s.isolated = a->flag(); break;
            case IFLA_BRPORT_LEARNING: s.learning = a->flag(); break;
            case IFLA_BRPORT_UNICAST_FLOOD: s.unicast_flood = a->flag(); break;
            case IFLA_BRPORT_MCAST_FLOOD: s.multicast_flood = a->flag(); break;
            case IFLA_BRPORT_BCAST_FLOOD: s.broadcast_flood = a->flag(); break;
            case IFLA_BRPORT_GUARD: s.bpdu_guard = a->flag(); break;
            case IFLA_BRPORT_MODE: s.hairpin = a->flag(); break;
            case IFLA_BRPORT_NEIGH_SUPPRESS: s.neigh_suppress = a->flag(); break;
            case kBrportNeighVlanSuppress: s.neigh_vlan_suppress = a->flag(); break;
            case IFLA_BRPORT_LOCKED: s.locked = a->flag(); break;
            case kBrportMab: s.mac_auth_bypass = a->flag(); break;
            case IFLA_BRPORT_GROUP_FWD_MASK: s.group_fwd_mask = a->number<std::uint16_t>(); break;
            default: break;
        }
    }
    return s;
}

void parse_link_info(Bytes data, Link& link) {
    std::string_view port_kind;
    Bytes bridge_data;
    Bytes port_data;
    AttributeReader reader(data);
    while (const auto a = reader.next()) {
        if (a->type == IFLA_INFO_KIND) link.kind = a->text();
        if (a->type == IFLA_INFO_DATA) bridge_data = a->value;
        if (a->type == IFLA_INFO_SLAVE_KIND) port_kind = a->text();
        if (a->type == IFLA_INFO_SLAVE_DATA) port_data = a->value;
    }
    if (link.kind == "bridge") link.bridge = parse_bridge(bridge_data);
    if (port_kind == "bridge") link.port = parse_port(port_data);
}

std::optional<Inet6Settings> parse_inet6(Bytes data) {
    std::optional<std::uint8_t> mode;
    std::optional<bool> disabled;
    AttributeReader reader(data);
    while (const auto a = reader.next()) {
        if (a->type == IFLA_INET6_ADDR_GEN_MODE) mode = a->number<std::uint8_t>();
        // An array of int, indexed by DEVCONF_* (linux/ipv6.h).
        constexpr std::size_t kAt = DEVCONF_DISABLE_IPV6 * sizeof(std::int32_t);
        if (a->type == IFLA_INET6_CONF && a->value.size() >= kAt + sizeof(std::int32_t)) {
            std::int32_t value = 0;
            std::memcpy(&value, a->value.data() + kAt, sizeof(value));
            disabled = value != 0;
        }
    }
    if (!mode || *mode > 3 || !disabled) return std::nullopt;
    return Inet6Settings{*disabled, static_cast<AddrGenMode>(*mode)};
}

void insert_range(VlanTable& table, std::uint16_t first, std::uint16_t last, std::uint16_t flags) {
    for (std::uint32_t v = first; v <= last; ++v) {
        const auto vid = VlanId::parse(v);
        if (!vid) continue;
        table.members.insert(*vid);
        if ((flags & BRIDGE_VLAN_INFO_UNTAGGED) != 0) table.untagged.insert(*vid);
        if ((flags & BRIDGE_VLAN_INFO_PVID) != 0) table.pvid = *vid;
    }
}

VlanTable parse_vlans(Bytes data) {
    VlanTable table;
    std::optional<std::uint16_t> range_begin;
    AttributeReader reader(data);
    while (const auto a = reader.next()) {
        if (a->type != IFLA_BRIDGE_VLAN_INFO) continue;
        const auto info = a->number<bridge_vlan_info>();
        if (!info) continue;
        if ((info->flags & BRIDGE_VLAN_INFO_RANGE_BEGIN) != 0) {
            range_begin = info->vid;
            continue;
        }
        const bool ends = (info->flags & BRIDGE_VLAN_INFO_RANGE_END) != 0 && range_begin;
        insert_range(table, ends ? *range_begin : info->vid, std::min<std::uint16_t>(info->vid, 4095),
                     info->flags);
        range_begin.reset();
    }
    return table;
}

void parse_af_spec(Bytes data, bool bridge_family, Link& link) {
    if (bridge_family) {
        link.vlans = parse_vlans(data);
        return;
    }
    AttributeReader reader(data);
    while (const auto a = reader.next())
        if (a->type == AF_INET6) link.inet6 = parse_inet6(a->value);
}

void parse_attribute(const AttributeView& a, bool bridge_family, Link& link) {
    switch (a.type) {
        case IFLA_IFNAME: link.name = a.text(); break;
        case IFLA_MTU: link.mtu = a.number<std::uint32_t>().value_or(0); break;
        case IFLA_MAX_MTU: link.max_mtu = a.number<std::uint32_t>().value_or(0); break;
        case IFLA_MASTER: link.master = IfIndex{a.number<std::uint32_t>().value_or(0)}; break;
        case IFLA_IFALIAS: link.alias = a.text(); break;
        case IFLA_ADDRESS:
            if (a.value.size() == link.mac.bytes.size())
                std::copy(a.value.begin(), a.value.end(), link.mac.bytes.begin());
            break;
        case IFLA_LINKINFO: parse_link_info(a.value, link); break;
        case IFLA_AF_SPEC: parse_af_spec(a.value, bridge_family, link); break;
        default: break;
    }
}

}  // namespace

std::optional<LinkMessage> parse_link(const MessageView& message) {
    if (message.type != RTM_NEWLINK && message.type != RTM_DELLINK) return std::nullopt;
    Bytes rest = message.payload;
    const auto info = take_struct<ifinfomsg>(rest);
    if (!info || info->ifi_index <= 0) return std::nullopt;
    LinkMessage out;
    out.removed = message.type == RTM_DELLINK;
    out.bridge_family = info->ifi_family == AF_BRIDGE;
    out.link.index = IfIndex{static_cast<std::uint32_t>(info->ifi_index)};
    out.link.up = (info->ifi_flags & IFF_UP) != 0;
    out.link.carrier = (info->ifi_flags & IFF_LOWER_UP) != 0;
    out.link.loopback = (info->ifi_flags & IFF_LOOPBACK) != 0;
    AttributeReader reader(rest);
    while (const auto a = reader.next()) parse_attribute(*a, out.bridge_family, out.link);
    if (out.link.name.empty()) return std::nullopt;
    return out;
}

std::optional<std::uint32_t> parse_carrier_changes(const MessageView& message) {
    if (message.type != RTM_NEWLINK) return std::nullopt;
    Bytes rest = message.payload;
    if (!take_struct<ifinfomsg>(rest)) return std::nullopt;
    AttributeReader reader(rest);
    while (const auto a = reader.next())
        if (a->type == IFLA_CARRIER_CHANGES) return a->number<std::uint32_t>();
    return std::nullopt;
}

std::optional<AddressMessage> parse_address(const MessageView& message) {
    if (message.type != RTM_NEWADDR && message.type != RTM_DELADDR) return std::nullopt;
    Bytes rest = message.payload;
    const auto info = take_struct<ifaddrmsg>(rest);
    if (!info || info->ifa_index == 0) return std::nullopt;
    const std::size_t size = info->ifa_family == AF_INET ? 4U : info->ifa_family == AF_INET6 ? 16U : 0U;
    if (size == 0) return std::nullopt;
    std::optional<Bytes> local;  // on a point-to-point interface IFA_ADDRESS is the other end's
    std::optional<Bytes> address;
    std::uint32_t flags = info->ifa_flags;
    AttributeReader reader(rest);
    while (const auto a = reader.next()) {
        if (a->type == IFA_LOCAL && a->value.size() == size) local = a->value;
        if (a->type == IFA_ADDRESS && a->value.size() == size) address = a->value;
        if (a->type == IFA_FLAGS) flags = a->number<std::uint32_t>().value_or(flags);
    }
    if (!local) local = address;
    if (!local) return std::nullopt;
    AddressMessage out;
    out.removed = message.type == RTM_DELADDR;
    out.address.index = IfIndex{info->ifa_index};
    out.address.prefix = info->ifa_prefixlen;
    out.address.link_local = info->ifa_scope == RT_SCOPE_LINK;
    out.address.permanent = (flags & IFA_F_PERMANENT) != 0;
    out.address.usable =
        (flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED)) == 0 || (flags & IFA_F_OPTIMISTIC) != 0;
    if (size == 4) {
        std::array<std::uint8_t, 4> b{};
        std::copy(local->begin(), local->end(), b.begin());
        out.address.address = IpAddress::v4(b);
    } else {
        std::array<std::uint8_t, 16> b{};
        std::copy(local->begin(), local->end(), b.begin());
        out.address.address = IpAddress::v6(b);
    }
    return out;
}

std::optional<Acknowledgement> parse_acknowledgement(const MessageView& message) {
    if (message.type != NLMSG_ERROR && message.type != NLMSG_DONE) return std::nullopt;
    Bytes rest = message.payload;
    // A dump's end may come without the error number.
    if (message.type == NLMSG_DONE && rest.empty()) return Acknowledgement{};
    const auto code = take_struct<std::int32_t>(rest);
    if (!code || *code > 0 || *code < -4095) return std::nullopt;
    Acknowledgement out{-*code, {}};
    if (message.type == NLMSG_ERROR) {
        Bytes at = rest;
        const auto request = take_struct<nlmsghdr>(at);
        if (!request) return std::nullopt;
        // Unless capped, the rest of the request comes before the attributes.
        if ((message.flags & NLM_F_CAPPED) == 0) {
            const std::size_t body =
                ((std::size_t{request->nlmsg_len} + 3) & ~std::size_t{3}) - sizeof(nlmsghdr);
            if (request->nlmsg_len < sizeof(nlmsghdr) || body > at.size()) return out;
            at = at.subspan(body);
        }
        rest = at;
    }
    if ((message.flags & NLM_F_ACK_TLVS) == 0) return out;
    AttributeReader reader(rest);
    while (const auto a = reader.next())
        if (a->type == NLMSGERR_ATTR_MSG) out.kernel_says = a->text();
    return out;
}

}  // namespace isthmus::bridge::netlink
