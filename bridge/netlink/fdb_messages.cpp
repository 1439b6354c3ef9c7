#include "bridge/netlink/fdb_messages.h"

#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>

namespace isthmus::bridge::netlink {

namespace {

constexpr std::uint8_t kSticky = 0x40;  // NTF_STICKY

ndmsg header_of(IfIndex port, std::uint16_t state, std::uint8_t flags) {
    ndmsg out{};
    out.ndm_family = AF_BRIDGE;
    out.ndm_ifindex = static_cast<std::int32_t>(raw(port));
    out.ndm_state = state;
    out.ndm_flags = flags;
    return out;
}

}  // namespace

std::optional<FdbMessage> parse_fdb(const MessageView& message) {
    if (message.type != RTM_NEWNEIGH && message.type != RTM_DELNEIGH) return std::nullopt;
    Bytes rest = message.payload;
    const auto header = take_struct<ndmsg>(rest);
    if (!header || header->ndm_family != AF_BRIDGE || header->ndm_ifindex <= 0) return std::nullopt;
    FdbMessage out;
    out.port = IfIndex{static_cast<std::uint32_t>(header->ndm_ifindex)};
    out.removed = message.type == RTM_DELNEIGH;
    out.learned = (header->ndm_state & (NUD_PERMANENT | NUD_NOARP)) == 0;
    bool has_mac = false;
    AttributeReader attributes(rest);
    while (const auto a = attributes.next()) {
        if (a->type == NDA_LLADDR && a->value.size() == out.mac.bytes.size()) {
            std::copy(a->value.begin(), a->value.end(), out.mac.bytes.begin());
            has_mac = true;
        }
        if (a->type == NDA_VLAN) out.vid = a->number<std::uint16_t>().value_or(0) & 0x0fff;
        if (a->type == NDA_MASTER) out.bridge = IfIndex{a->number<std::uint32_t>().value_or(0)};
    }
    if (!has_mac || out.bridge == kNoInterface) return std::nullopt;
    return out;
}

Request dump_fdb() {
    MessageBuilder message(RTM_GETNEIGH, NLM_F_DUMP);
    message.header(header_of(kNoInterface, 0, 0));
    return std::move(message).take();
}

Request pin_host(IfIndex port, const MacAddress& mac, std::uint16_t vid) {
    MessageBuilder message(RTM_NEWNEIGH, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE);
    message.header(header_of(port, NUD_NOARP, NTF_MASTER | kSticky)).attribute(NDA_LLADDR, mac.bytes);
    if (vid != 0) message.u16(NDA_VLAN, vid);
    return std::move(message).take();
}

Request remove_host(IfIndex port, const MacAddress& mac, std::uint16_t vid) {
    MessageBuilder message(RTM_DELNEIGH, NLM_F_ACK);
    message.header(header_of(port, 0, NTF_MASTER)).attribute(NDA_LLADDR, mac.bytes);
    if (vid != 0) message.u16(NDA_VLAN, vid);
    return std::move(message).take();
}

Request flush_port(IfIndex port) {
    MessageBuilder message(RTM_SETLINK, NLM_F_ACK);
    ifinfomsg header{};
    header.ifi_family = AF_BRIDGE;
    header.ifi_index = static_cast<std::int32_t>(raw(port));
    message.header(header).open(IFLA_PROTINFO | NLA_F_NESTED).attribute(IFLA_BRPORT_FLUSH, {}).close();
    return std::move(message).take();
}

Request flush_port_vlan(IfIndex port, std::uint16_t vid) {
    MessageBuilder message(RTM_DELNEIGH, NLM_F_ACK | NLM_F_BULK);
    // Of those bits no entry that was learned has any: what people and the kernel put there stays.
    message.header(header_of(port, 0, NTF_MASTER))
        .u16(NDA_VLAN, vid)
        .u16(NDA_NDM_STATE_MASK, NUD_PERMANENT | NUD_NOARP);
    return std::move(message).take();
}

}  // namespace isthmus::bridge::netlink
