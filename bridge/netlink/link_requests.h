// rtnetlink requests about links, bridges, ports and VLANs, as bytes. Pure: nothing is sent.
// (linux/rtnetlink.h, if_link.h, if_bridge.h; man 7 rtnetlink.) Changes ask for an acknowledgement.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "bridge/model.h"
#include "bridge/netlink/message_builder.h"

namespace isthmus::bridge::netlink {

/// Refused (EEXIST) if the name is taken.
[[nodiscard]] Request create_bridge(std::string_view name, const MacAddress& mac);
[[nodiscard]] Request delete_link(IfIndex link);

/// kNoInterface as master: out of any.
[[nodiscard]] Request set_master(IfIndex link, IfIndex master);
[[nodiscard]] Request set_up(IfIndex link, bool up);
[[nodiscard]] Request set_mtu(IfIndex link, std::uint32_t mtu);
[[nodiscard]] Request set_mac(IfIndex link, const MacAddress& mac);
/// At most 255 bytes; empty removes it.
[[nodiscard]] Request set_alias(IfIndex link, std::string_view alias);
[[nodiscard]] Request set_addr_gen_mode(IfIndex link, AddrGenMode mode);

[[nodiscard]] Request set_bridge(IfIndex bridge, const BridgeSettings& settings);
[[nodiscard]] Request set_port(IfIndex port, const PortSettings& settings);

/// One or more requests, each of at most 512 ranges. `pvid` is for a set of one VLAN: the kernel takes no
/// range with it.
[[nodiscard]] std::vector<Request> add_vlans(IfIndex port, const VlanSet& vlans, bool pvid, bool untagged);
[[nodiscard]] std::vector<Request> remove_vlans(IfIndex port, const VlanSet& vlans);

/// Dumps, and one link by name.
/// What the port does with frames of a VLAN that it is a member of. Kernels before 5.6 know none of it (EOPNOTSUPP); where a spanning
/// tree of the kernel has the say, it refuses (EBUSY).
[[nodiscard]] Request set_vlan_state(IfIndex port, VlanId vlan, PortState state);
[[nodiscard]] Request dump_links();
[[nodiscard]] Request dump_bridge_vlans();
[[nodiscard]] Request dump_addresses();
[[nodiscard]] Request get_link(std::string_view name);
[[nodiscard]] Request get_link(IfIndex link);

/// Asks for a link of `kind` that can never be made (its name is lo's). The answer tells what the kernel
/// knows: EINVAL = the kind is there and looked at the request; EEXIST = nobody did; EOPNOTSUPP = no such
/// kind.
[[nodiscard]] Request probe_kind(std::string_view kind);
/// Likewise for bridges: EPROTONOSUPPORT = filters VLANs; EEXIST = does not, or the bridge module is not
/// loaded.
[[nodiscard]] Request probe_vlan_filtering();

}  // namespace isthmus::bridge::netlink
