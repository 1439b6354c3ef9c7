#include "bridge/netlink/nft_events.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include <optional>
#include <utility>

namespace isthmus::bridge::netlink {

namespace {

/// The first attribute of each of these messages is its table's name.
static_assert(NFTA_TABLE_NAME == 1 && NFTA_CHAIN_TABLE == 1 && NFTA_RULE_TABLE == 1 && NFTA_SET_TABLE == 1 &&
              NFTA_SET_ELEM_LIST_TABLE == 1);

std::optional<std::string> table_of(Bytes payload) {
    const auto header = take_struct<nfgenmsg>(payload);
    if (!header || header->nfgen_family != NFPROTO_NETDEV) return std::nullopt;
    AttributeReader attributes(payload);
    while (const auto attribute = attributes.next())
        if (attribute->type == NFTA_TABLE_NAME) return std::string(attribute->text());
    return std::nullopt;
}

}  // namespace

void NftLosses::on_message(const MessageView& message) {
    if (message.type >> 8 != NFNL_SUBSYS_NFTABLES) return;
    switch (message.type & 0xff) {
        case NFT_MSG_DELTABLE:
        case NFT_MSG_DELCHAIN:
        case NFT_MSG_DELRULE:
        case NFT_MSG_DELSET:
        case NFT_MSG_DELSETELEM:
            if (auto table = table_of(message.payload)) in_this_transaction_.insert(*std::move(table));
            break;
        case NFT_MSG_NEWTABLE:
            if (const auto table = table_of(message.payload)) in_this_transaction_.erase(*table);
            break;
        case NFT_MSG_NEWGEN: lost_.merge(std::exchange(in_this_transaction_, {})); break;
        default: break;
    }
}

std::set<std::string> NftLosses::take() {
    return std::exchange(lost_, {});
}

}  // namespace isthmus::bridge::netlink
