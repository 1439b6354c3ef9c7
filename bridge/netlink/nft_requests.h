// The guard's nftables table as netlink requests, and the counts of its rules as answers. Pure: nothing is sent.
// (linux/netfilter/nfnetlink.h and nf_tables.h; libnftnl and nft show what they mean.)
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "bridge/guard_rules.h"
#include "bridge/netlink/message_builder.h"
#include "bridge/netlink/message_reader.h"

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

[[nodiscard]] Request dump_nft_rules(std::string_view table);
/// NFT_MSG_NEWRULE with a counter and a comment "device: what". nullopt: another message, or a rule without them.
[[nodiscard]] std::optional<RuleCount> parse_rule_count(const MessageView& message);

}  // namespace isthmus::bridge::netlink
