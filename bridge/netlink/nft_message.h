// The head that all messages of nftables have (linux/netfilter/nfnetlink.h).
#pragma once

#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>

#include <cstdint>

#include "bridge/netlink/message_builder.h"

namespace isthmus::bridge::netlink {

/// `type`: NFT_MSG_...
[[nodiscard]] constexpr std::uint16_t nft_message_type(std::uint16_t type) {
    return static_cast<std::uint16_t>(NFNL_SUBSYS_NFTABLES << 8 | type);
}

/// Of family netdev.
[[nodiscard]] inline MessageBuilder nft_message(std::uint16_t type, std::uint16_t flags = 0) {
    MessageBuilder out(nft_message_type(type), flags);
    out.header(nfgenmsg{NFPROTO_NETDEV, NFNETLINK_V0, 0});
    return out;
}

}  // namespace isthmus::bridge::netlink
