#include "bridge/netlink/link_messages.h"

#include <doctest/doctest.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_bridge.h>
#include <linux/ipv6.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <cerrno>

#include "bridge/netlink/kernel_constants.h"
#include "bridge/netlink/link_requests.h"
#include "bridge/netlink/message_builder.h"

using namespace isthmus;
using namespace isthmus::bridge;
using namespace isthmus::bridge::netlink;

namespace {

ifinfomsg info(int index, unsigned flags, unsigned char family = AF_UNSPEC) {
    ifinfomsg out{};
    out.ifi_family = family;
    out.ifi_index = index;
    out.ifi_flags = flags;
    return out;
}

template <class T>
Bytes bytes_of(const T& value) {
    return {reinterpret_cast<const std::uint8_t*>(&value), sizeof(value)};
}

/// A port as the kernel reports it.
std::vector<std::uint8_t> a_port() {
    MessageBuilder b(RTM_NEWLINK, 0);
    b.header(info(5, IFF_UP | IFF_LOWER_UP))
        .text(IFLA_IFNAME, "lan0")
        .u32(IFLA_MTU, 1400)
        .u32(IFLA_MAX_MTU, 9000);
    b.u32(IFLA_MASTER, 9).text(IFLA_IFALIAS, "an alias");
    const MacAddress mac{{2, 0, 0, 0, 0, 5}};
    b.attribute(IFLA_ADDRESS, mac.bytes);
    b.open(IFLA_LINKINFO)
        .text(IFLA_INFO_KIND, "veth")
        .text(IFLA_INFO_SLAVE_KIND, "bridge")
        .open(IFLA_INFO_SLAVE_DATA);
    b.u8(IFLA_BRPORT_STATE, 3)
        .u8(IFLA_BRPORT_ISOLATED, 1)
        .u8(IFLA_BRPORT_LEARNING, 0)
        .u8(IFLA_BRPORT_UNICAST_FLOOD, 1);
    b.u16(IFLA_BRPORT_GROUP_FWD_MASK, 8).u8(kBrportMab, 1).u8(9999, 1).close().close();
    std::array<std::int32_t, DEVCONF_DISABLE_IPV6 + 3> conf{};
    conf[DEVCONF_DISABLE_IPV6] = 1;
    b.open(IFLA_AF_SPEC)
        .open(AF_INET6)
        .attribute(IFLA_INET6_CONF, bytes_of(conf))
        .u8(IFLA_INET6_ADDR_GEN_MODE, 2);
    b.close().close();
    return std::move(b).take().bytes;
}

std::vector<std::uint8_t> a_bridge() {
    MessageBuilder b(RTM_NEWLINK, 0);
    b.header(info(9, IFF_UP)).text(IFLA_IFNAME, "br-dc").u32(IFLA_MTU, 1500);
    b.open(IFLA_LINKINFO).text(IFLA_INFO_KIND, "bridge").open(IFLA_INFO_DATA);
    b.u32(IFLA_BR_STP_STATE, 1).u32(IFLA_BR_FORWARD_DELAY, 1500).u8(IFLA_BR_VLAN_FILTERING, 1);
    b.u16(IFLA_BR_VLAN_DEFAULT_PVID, 1).u16(IFLA_BR_GROUP_FWD_MASK, 0x4000).u8(IFLA_BR_MCAST_SNOOPING, 1);
    b.u8(IFLA_BR_NF_CALL_IPTABLES, 1).u32(kBrFdbMaxLearned, 100).close().close();
    return std::move(b).take().bytes;
}

std::vector<std::uint8_t> port_vlans() {
    MessageBuilder b(RTM_NEWLINK, 0);
    b.header(info(5, IFF_UP, AF_BRIDGE)).text(IFLA_IFNAME, "lan0").open(IFLA_AF_SPEC);
    const auto vlan = [&b](std::uint16_t flags, std::uint16_t vid) {
        b.attribute(IFLA_BRIDGE_VLAN_INFO, bytes_of(bridge_vlan_info{flags, vid}));
    };
    vlan(BRIDGE_VLAN_INFO_PVID | BRIDGE_VLAN_INFO_UNTAGGED, 1);
    vlan(BRIDGE_VLAN_INFO_RANGE_BEGIN, 20);
    vlan(BRIDGE_VLAN_INFO_RANGE_END, 29);
    vlan(0, 100);
    b.close();
    return std::move(b).take().bytes;
}

std::vector<std::uint8_t> an_address() {
    MessageBuilder b(RTM_NEWADDR, 0);
    ifaddrmsg header{};
    header.ifa_family = AF_INET;
    header.ifa_prefixlen = 24;
    header.ifa_flags = IFA_F_PERMANENT;
    header.ifa_index = 5;
    b.header(header).attribute(IFA_ADDRESS, std::array<std::uint8_t, 4>{192, 0, 2, 254});
    b.attribute(IFA_LOCAL, std::array<std::uint8_t, 4>{192, 0, 2, 1}).u32(IFA_FLAGS, IFA_F_PERMANENT);
    return std::move(b).take().bytes;
}

std::vector<std::uint8_t> a_refusal(bool capped) {
    const auto request = set_mtu(IfIndex{5}, 1);
    MessageBuilder b(NLMSG_ERROR, static_cast<std::uint16_t>(NLM_F_ACK_TLVS | (capped ? NLM_F_CAPPED : 0)));
    const std::int32_t code = -EINVAL;
    std::vector<std::uint8_t> fixed(bytes_of(code).begin(), bytes_of(code).end());
    fixed.insert(fixed.end(), request.bytes.begin(),
                 capped ? request.bytes.begin() + 16 : request.bytes.end());
    // MessageBuilder takes structures: glue by hand what an error carries.
    struct Ack {
        std::int32_t code;
        std::array<std::uint8_t, 40> request;
    } whole{};
    std::memcpy(&whole, fixed.data(), fixed.size());
    if (capped)
        b.header(std::array<std::uint8_t, 20>(*reinterpret_cast<std::array<std::uint8_t, 20>*>(&whole)));
    else
        b.header(whole);
    b.text(NLMSGERR_ATTR_MSG, "mtu less than device minimum");
    return std::move(b).take().bytes;
}

MessageView only_message(Bytes datagram) {
    MessageReader reader(datagram);
    const auto message = reader.next();
    REQUIRE(message);
    return *message;
}

}  // namespace

TEST_CASE("a port's message gives name, MTU, master, port attributes and IPv6") {
    const auto bytes = a_port();
    const auto parsed = parse_link(only_message(bytes));
    REQUIRE(parsed);
    const Link& link = parsed->link;
    CHECK_FALSE(parsed->removed);
    CHECK(link.index == IfIndex{5});
    CHECK(link.name == "lan0");
    CHECK(link.kind == "veth");
    CHECK(link.mtu == 1400);
    CHECK(link.max_mtu == 9000);
    CHECK(link.master == IfIndex{9});
    CHECK(link.alias == "an alias");
    CHECK(link.mac.text() == "02:00:00:00:00:05");
    CHECK(link.up);
    CHECK(link.carrier);
    CHECK_FALSE(link.bridge);
    REQUIRE(link.port);
    CHECK(link.port->state == PortState::forwarding);
    CHECK(link.port->isolated == true);
    CHECK(link.port->learning == false);
    CHECK(link.port->unicast_flood == true);
    CHECK(link.port->group_fwd_mask == 8);
    CHECK(link.port->mac_auth_bypass == true);
    CHECK_FALSE(link.port->hairpin);
    CHECK(link.inet6 == Inet6Settings{true, AddrGenMode::stable_privacy});
}

TEST_CASE("a bridge's message gives its attributes") {
    const auto bytes = a_bridge();
    const auto parsed = parse_link(only_message(bytes));
    REQUIRE(parsed);
    REQUIRE(parsed->link.bridge);
    const auto& s = *parsed->link.bridge;
    CHECK(s.stp == true);
    CHECK(s.forward_delay == 1500);
    CHECK(s.vlan_filtering == true);
    CHECK(s.vlan_default_pvid == 1);
    CHECK(s.group_fwd_mask == 0x4000);
    CHECK(s.multicast_snooping == true);
    CHECK(s.nf_call_iptables == true);
    CHECK(s.fdb_max_learned == 100);
    CHECK_FALSE(parsed->link.inet6);
    CHECK_FALSE(parsed->link.carrier);
}

TEST_CASE("VLANs of a port come as single ones and ranges") {
    const auto bytes = port_vlans();
    const auto parsed = parse_link(only_message(bytes));
    REQUIRE(parsed);
    CHECK(parsed->bridge_family);
    CHECK(parsed->link.vlans.members == VlanSet::parse("1,20-29,100").value());
    CHECK(parsed->link.vlans.untagged == VlanSet::parse("1").value());
    CHECK(parsed->link.vlans.pvid == VlanId::parse(1));
}

TEST_CASE("an address is the local one, also where the other end's is there too") {
    const auto bytes = an_address();
    const auto parsed = parse_address(only_message(bytes));
    REQUIRE(parsed);
    CHECK(parsed->address ==
          InterfaceAddress{IfIndex{5}, *IpAddress::parse("192.0.2.1"), 24, false, true, true});
}

TEST_CASE("a refusal carries the kernel's words, whether it repeats the request or not") {
    for (const bool capped : {true, false}) {
        const auto bytes = a_refusal(capped);
        const auto ack = parse_acknowledgement(only_message(bytes));
        REQUIRE(ack);
        CHECK(ack->error == EINVAL);
        CHECK(ack->kernel_says == "mtu less than device minimum");
    }
    CHECK(NetlinkError{EINVAL, "set MTU 1 on lan0", "mtu less than device minimum"}.text() ==
          "cannot set MTU 1 on lan0: mtu less than device minimum (EINVAL)");
    CHECK(NetlinkError{EPERM, "set lan0 up", {}}.text() ==
          "cannot set lan0 up: Operation not permitted (EPERM)");
}

TEST_CASE("messages cut off at any byte give nothing or a part, and never more") {
    for (const auto& whole :
         {a_port(), a_bridge(), port_vlans(), an_address(), a_refusal(true), a_refusal(false)}) {
        for (std::size_t size = 0; size < whole.size(); ++size) {
            const std::vector<std::uint8_t> cut(whole.begin(),
                                                whole.begin() + static_cast<std::ptrdiff_t>(size));
            MessageReader reader(cut);
            CHECK_FALSE(reader.next());
            CHECK(reader.truncated() == (size != 0));
            if (size < 16) continue;
            // And with the length put right, so that the cut is inside attributes.
            auto shorter = cut;
            const auto length = static_cast<std::uint32_t>(size);
            std::memcpy(shorter.data(), &length, sizeof(length));
            const auto message = only_message(shorter);
            if (const auto link = parse_link(message)) CHECK(link->link.name.size() <= 5);
            if (const auto address = parse_address(message)) CHECK(address->address.index == IfIndex{5});
            (void)parse_acknowledgement(message);
        }
    }
}

TEST_CASE("several messages in a datagram are read one after the other, padding included") {
    auto datagram = a_port();
    while (datagram.size() % 4 != 0) datagram.push_back(0);
    const auto second = a_bridge();
    datagram.insert(datagram.end(), second.begin(), second.end());
    MessageReader reader(datagram);
    CHECK(parse_link(*reader.next())->link.name == "lan0");
    CHECK(parse_link(*reader.next())->link.name == "br-dc");
    CHECK_FALSE(reader.next());
    CHECK_FALSE(reader.truncated());
}

TEST_CASE("how often a link came or went") {
    MessageBuilder b(RTM_NEWLINK, 0);
    b.header(info(5, IFF_UP)).text(IFLA_IFNAME, "lan0").u32(IFLA_CARRIER_CHANGES, 7);
    const auto bytes = std::move(b).take().bytes;
    MessageReader reader(bytes);
    CHECK(parse_carrier_changes(reader.next().value()) == 7U);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
        const std::vector<std::uint8_t> part(bytes.begin(),
                                             bytes.begin() + static_cast<std::ptrdiff_t>(size));
        MessageReader cut(part);
        if (const auto message = cut.next()) CHECK_FALSE(parse_carrier_changes(*message));
    }
}
