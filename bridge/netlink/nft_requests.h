// The guard's nftables table as netlink requests. Pure: nothing is sent.
// (linux/netfilter/nfnetlink.h and nf_tables.h; libnftnl and nft show what they mean.)
#pragma once

#include <string_view>
#include <vector>

#include "bridge/guard_rules.h"
#include "bridge/netlink/message_builder.h"

namespace isthmus::bridge::netlink {

/// Messages of one transaction, in order, without the two that frame it: all of them happen, or none.
using NftBatch = std::vector<Request>;

/// The table as `rules` have it in place of the one that is there, if any. No frame passes in between without rules.
[[nodiscard]] NftBatch replace_guard_table(const GuardRules& rules);
/// Also if there is none.
[[nodiscard]] NftBatch remove_guard_table(std::string_view table);

/// In front of and behind a batch.
[[nodiscard]] Request begin_nft_batch();
[[nodiscard]] Request end_nft_batch();

}  // namespace isthmus::bridge::netlink
