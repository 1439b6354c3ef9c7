#include "bridge/netlink/nft_counts.h"

#include <linux/netfilter/nf_tables.h>
#include <linux/netlink.h>

#include "bridge/netlink/nft_message.h"

namespace isthmus::bridge::netlink {

namespace {

/// A counter's packets and bytes, among a rule's expressions.
std::optional<RuleCount> counter_in(Bytes expressions) {
    AttributeReader list(expressions);
    while (const auto element = list.next()) {
        AttributeReader parts(element->value);
        std::string_view name;
        Bytes data;
        while (const auto part = parts.next()) {
            if (part->type == NFTA_EXPR_NAME) name = part->text();
            if (part->type == NFTA_EXPR_DATA) data = part->value;
        }
        if (name != "counter") continue;
        RuleCount out;
        AttributeReader numbers(data);
        while (const auto number = numbers.next()) {
            if (number->value.size() != 8) continue;
            if (number->type == NFTA_COUNTER_PACKETS) out.packets = load_be64(number->value.data());
            if (number->type == NFTA_COUNTER_BYTES) out.bytes = load_be64(number->value.data());
        }
        return out;
    }
    return std::nullopt;
}

/// libnftnl's TLVs: type, length, value.
std::string_view comment_in(Bytes userdata) {
    while (userdata.size() >= 2 && userdata.size() >= 2U + userdata[1]) {
        const Bytes value = userdata.subspan(2, userdata[1]);
        if (userdata[0] == 0 && !value.empty())
            return {reinterpret_cast<const char*>(value.data()), value.size() - (value.back() == 0 ? 1 : 0)};
        userdata = userdata.subspan(2U + userdata[1]);
    }
    return {};
}

}  // namespace

Request dump_nft_rules(std::string_view table) {
    auto m = nft_message(NFT_MSG_GETRULE, NLM_F_DUMP);
    m.text(NFTA_RULE_TABLE, table);
    return std::move(m).take();
}

std::optional<RuleCount> parse_rule_count(const MessageView& message) {
    if (message.type != nft_message_type(NFT_MSG_NEWRULE)) return std::nullopt;
    Bytes rest = message.payload;
    if (!take_struct<nfgenmsg>(rest)) return std::nullopt;
    std::optional<RuleCount> out;
    std::string_view comment;
    AttributeReader attributes(rest);
    while (const auto attribute = attributes.next()) {
        if (attribute->type == NFTA_RULE_EXPRESSIONS) out = counter_in(attribute->value);
        if (attribute->type == NFTA_RULE_USERDATA) comment = comment_in(attribute->value);
    }
    const std::size_t colon = comment.rfind(": ");
    if (!out || colon == std::string_view::npos) return std::nullopt;
    out->device = comment.substr(0, colon);
    out->what = comment.substr(colon + 2);
    return out;
}

}  // namespace isthmus::bridge::netlink
