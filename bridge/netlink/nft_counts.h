// What the rules of an nftables table have counted: asked for, and as the kernel answers.
#pragma once

#include <optional>
#include <string_view>

#include "bridge/guard_rules.h"
#include "bridge/netlink/message_builder.h"
#include "bridge/netlink/message_reader.h"

namespace isthmus::bridge::netlink {

[[nodiscard]] Request dump_nft_rules(std::string_view table);
/// NFT_MSG_NEWRULE with a counter and a comment "device: what". nullopt: another message, or a rule without them.
[[nodiscard]] std::optional<RuleCount> parse_rule_count(const MessageView& message);

}  // namespace isthmus::bridge::netlink
