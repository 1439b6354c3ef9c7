#include "bridge/netlink/nft_counts.h"

#include <doctest/doctest.h>

#include "bridge/netlink/nft_rule.h"

using namespace isthmus;
using namespace isthmus::bridge;
using namespace isthmus::bridge::netlink;

namespace {

MessageView view(const Request& request) {
    MessageReader reader(request.bytes);
    return reader.next().value();
}

}  // namespace

TEST_CASE("a rule's count is found by its comment, and nothing else is taken for one") {
    NftRule rule("t", "c", "lan0: broadcast");
    rule.load(0, 6).count();
    const Request request = rule.drop();
    // The kernel fills in the counter; here it is empty.
    const auto count = parse_rule_count(view(request));
    REQUIRE(count.has_value());
    CHECK(*count == RuleCount{"lan0", "broadcast", 0, 0});
    CHECK_FALSE(parse_rule_count(view(NftRule("t", "c").count().drop())).has_value());
    CHECK_FALSE(parse_rule_count(view(NftRule("t", "c", "lan0: x").drop())).has_value());
    CHECK_FALSE(parse_rule_count(view(dump_nft_rules("t"))).has_value());
}

TEST_CASE("an answer cut anywhere is no count, or one of what is there") {
    NftRule rule("t", "c", "lan0: broadcast");
    rule.load(0, 6).count();
    const Request request = rule.drop();
    const MessageView whole = view(request);
    for (std::size_t size = 0; size <= whole.payload.size(); ++size) {
        const std::vector<std::uint8_t> cut(whole.payload.begin(),
                                            whole.payload.begin() + static_cast<std::ptrdiff_t>(size));
        MessageView message = whole;
        message.payload = cut;
        const auto count = parse_rule_count(message);
        if (count) CHECK(count->packets == 0);
    }
}
