// rtnetlink answers and events into values. Pure: bytes in. What a newer kernel adds is passed over.
#pragma once

#include <optional>
#include <variant>

#include "base/result.h"
#include "bridge/model.h"
#include "bridge/netlink/error.h"
#include "bridge/netlink/message_reader.h"

namespace isthmus::bridge::netlink {

/// RTM_NEWLINK or RTM_DELLINK of the families AF_UNSPEC and AF_BRIDGE (struct ifinfomsg and IFLA_*). A
/// message of family AF_BRIDGE has the VLANs, and little else. nullopt: too short for its header or without a
/// name or index.
struct LinkMessage {
    Link link;
    bool removed = false;
    bool bridge_family = false;
};
[[nodiscard]] std::optional<LinkMessage> parse_link(const MessageView& message);

/// IFLA_CARRIER_CHANGES of an RTM_NEWLINK: how often its link came or went. nullopt: another message, or it does not say.
[[nodiscard]] std::optional<std::uint32_t> parse_carrier_changes(const MessageView& message);

/// RTM_NEWADDR or RTM_DELADDR of IPv4 or IPv6 (struct ifaddrmsg and IFA_*). nullopt: another family, or no
/// address.
struct AddressMessage {
    InterfaceAddress address;
    bool removed = false;
};
[[nodiscard]] std::optional<AddressMessage> parse_address(const MessageView& message);

/// NLMSG_ERROR or NLMSG_DONE (linux/netlink.h: struct nlmsgerr, NLMSGERR_ATTR_MSG). Error 0 is success.
struct Acknowledgement {
    int error = 0;  ///< errno value, positive
    std::string kernel_says;
};
/// nullopt: not an acknowledgement, or cut off.
[[nodiscard]] std::optional<Acknowledgement> parse_acknowledgement(const MessageView& message);

}  // namespace isthmus::bridge::netlink
