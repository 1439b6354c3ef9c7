#include "bridge/netlink/nft_events.h"

#include <doctest/doctest.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <sys/socket.h>

#include <vector>

#include "bridge/netlink/message_builder.h"

using namespace isthmus;
using namespace isthmus::bridge::netlink;

namespace {

using Names = std::set<std::string>;

std::vector<std::uint8_t> notice(std::uint16_t type, std::string_view table,
                                 std::uint8_t family = NFPROTO_NETDEV) {
    MessageBuilder m(static_cast<std::uint16_t>(NFNL_SUBSYS_NFTABLES << 8 | type), 0);
    m.header(nfgenmsg{family, NFNETLINK_V0, 0});
    if (!table.empty()) m.text(NFTA_TABLE_NAME, table);
    return std::move(m).take().bytes;
}

void tell(NftLosses& losses, const std::vector<std::uint8_t>& bytes) {
    MessageReader reader(bytes);
    const auto message = reader.next();
    REQUIRE(message.has_value());
    losses.on_message(*message);
}

const std::vector<std::uint8_t>& end_of_transaction() {
    static const auto bytes = notice(NFT_MSG_NEWGEN, {}, AF_UNSPEC);
    return bytes;
}

}  // namespace

TEST_CASE("a table that loses anything is told at the end of the transaction, once") {
    for (const int what :
         {NFT_MSG_DELTABLE, NFT_MSG_DELCHAIN, NFT_MSG_DELRULE, NFT_MSG_DELSET, NFT_MSG_DELSETELEM}) {
        NftLosses losses;
        tell(losses, notice(static_cast<std::uint16_t>(what), "ours"));
        CHECK(losses.take().empty());
        tell(losses, end_of_transaction());
        CHECK(losses.take() == Names{"ours"});
        CHECK(losses.take().empty());
    }
}

TEST_CASE("a table that is replaced in one transaction has lost nothing; in two it has") {
    NftLosses losses;
    tell(losses, notice(NFT_MSG_DELRULE, "ours"));
    tell(losses, notice(NFT_MSG_DELTABLE, "ours"));
    tell(losses, notice(NFT_MSG_NEWTABLE, "ours"));
    tell(losses, notice(NFT_MSG_NEWRULE, "ours"));
    tell(losses, end_of_transaction());
    CHECK(losses.take().empty());
    tell(losses, notice(NFT_MSG_DELTABLE, "ours"));
    tell(losses, end_of_transaction());
    tell(losses, notice(NFT_MSG_NEWTABLE, "ours"));
    tell(losses, end_of_transaction());
    CHECK(losses.take() == Names{"ours"});
}

TEST_CASE("other families, other subsystems and what is added are no losses") {
    NftLosses losses;
    tell(losses, notice(NFT_MSG_DELTABLE, "ours", NFPROTO_INET));
    tell(losses, notice(NFT_MSG_NEWRULE, "ours"));
    MessageBuilder other(static_cast<std::uint16_t>(NFNL_SUBSYS_IPSET << 8 | NFT_MSG_DELTABLE), 0);
    other.header(nfgenmsg{NFPROTO_NETDEV, NFNETLINK_V0, 0}).text(NFTA_TABLE_NAME, "ours");
    tell(losses, std::move(other).take().bytes);
    tell(losses, end_of_transaction());
    CHECK(losses.take().empty());
}

TEST_CASE("a notice that is cut anywhere names no table that is not whole") {
    const auto whole = notice(NFT_MSG_DELTABLE, "ours");
    for (std::size_t size = 0; size < sizeof(nfgenmsg) + 4 + sizeof("ours"); ++size) {
        MessageReader reader(whole);
        auto message = reader.next().value();
        message.payload = message.payload.first(size);
        NftLosses losses;
        losses.on_message(message);
        tell(losses, end_of_transaction());
        CHECK(losses.take().empty());
    }
}
