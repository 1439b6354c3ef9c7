// The forwarding tables of the kernel's bridges: entries as they are told and asked for. Pure: nothing is sent.
// (linux/neighbour.h: struct ndmsg, NDA_*, NUD_*, NTF_*; net/bridge/br_fdb.c.)
#pragma once

#include <cstdint>
#include <optional>

#include "bridge/model.h"
#include "bridge/netlink/message_builder.h"
#include "bridge/netlink/message_reader.h"

namespace isthmus::bridge::netlink {

/// A host on a bridge's port. The kernel tells each move, without saying where the host was before.
struct FdbMessage {
    IfIndex port = kNoInterface;
    IfIndex bridge = kNoInterface;
    MacAddress mac;
    std::uint16_t vid = 0;  ///< 0: the bridge does not filter VLANs
    bool learned = false;   ///< false: the port's own address, or put there by somebody
    bool removed = false;
    friend bool operator==(const FdbMessage&, const FdbMessage&) = default;
};

/// RTM_NEWNEIGH or RTM_DELNEIGH of a bridge. nullopt: of something else (ARP, VXLAN), or without a MAC address.
[[nodiscard]] std::optional<FdbMessage> parse_fdb(const MessageView& message);

[[nodiscard]] Request dump_fdb();
/// Stays on that port whatever the bridge hears (NTF_STICKY).
[[nodiscard]] Request pin_host(IfIndex port, const MacAddress& mac, std::uint16_t vid);
[[nodiscard]] Request remove_host(IfIndex port, const MacAddress& mac, std::uint16_t vid);
/// Forgets all that was learned on a port.
[[nodiscard]] Request flush_port(IfIndex port);
/// Forgets what was learned on a port in one VLAN. Kernels before 5.19 refuse it (EINVAL, EOPNOTSUPP).
[[nodiscard]] Request flush_port_vlan(IfIndex port, std::uint16_t vid);

}  // namespace isthmus::bridge::netlink
