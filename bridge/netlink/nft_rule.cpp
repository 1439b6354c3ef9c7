#include "bridge/netlink/nft_rule.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

#include <array>
#include <utility>
#include <vector>

namespace isthmus::bridge::netlink {

namespace {

constexpr std::uint32_t kRegister = NFT_REG_1;
constexpr std::uint8_t kUserdataComment = 0;  // libnftnl: NFTNL_UDATA_RULE_COMMENT
constexpr std::size_t kLongestComment = 100;

std::uint16_t message_type(std::uint16_t type) {
    return static_cast<std::uint16_t>(NFNL_SUBSYS_NFTABLES << 8 | type);
}

}  // namespace

MessageBuilder& put_be32(MessageBuilder& message, std::uint16_t type, std::uint32_t value) {
    std::array<std::uint8_t, 4> raw{};
    store_be32(raw.data(), value);
    return message.attribute(type, raw);
}

MessageBuilder& put_be64(MessageBuilder& message, std::uint16_t type, std::uint64_t value) {
    std::array<std::uint8_t, 8> raw{};
    store_be64(raw.data(), value);
    return message.attribute(type, raw);
}

NftRule::NftRule(std::string_view table, std::string_view chain, std::string_view comment)
    : message_(message_type(NFT_MSG_NEWRULE), NLM_F_CREATE | NLM_F_APPEND) {
    message_.header(nfgenmsg{NFPROTO_NETDEV, NFNETLINK_V0, 0});
    message_.text(NFTA_RULE_TABLE, table).text(NFTA_RULE_CHAIN, chain);
    if (!comment.empty()) {
        const std::string_view words = comment.substr(0, kLongestComment);
        std::vector<std::uint8_t> userdata{kUserdataComment, static_cast<std::uint8_t>(words.size() + 1)};
        userdata.insert(userdata.end(), words.begin(), words.end());
        userdata.push_back(0);
        message_.attribute(NFTA_RULE_USERDATA, userdata);
    }
    message_.open(NFTA_RULE_EXPRESSIONS);
}

NftRule& NftRule::begin(std::string_view expression) {
    message_.open(NFTA_LIST_ELEM).text(NFTA_EXPR_NAME, expression).open(NFTA_EXPR_DATA);
    return *this;
}

NftRule& NftRule::end() {
    message_.close().close();
    return *this;
}

NftRule& NftRule::load(std::uint32_t offset, std::uint32_t size) {
    begin("payload");
    put_be32(message_, NFTA_PAYLOAD_DREG, kRegister);
    put_be32(message_, NFTA_PAYLOAD_BASE, NFT_PAYLOAD_LL_HEADER);
    put_be32(message_, NFTA_PAYLOAD_OFFSET, offset);
    put_be32(message_, NFTA_PAYLOAD_LEN, size);
    return end();
}

NftRule& NftRule::load_masked(std::uint32_t offset, std::initializer_list<std::uint8_t> mask) {
    const std::vector<std::uint8_t> bits(mask);
    const std::vector<std::uint8_t> zeros(mask.size(), 0);
    load(offset, static_cast<std::uint32_t>(mask.size()));
    begin("bitwise");
    put_be32(message_, NFTA_BITWISE_SREG, kRegister);
    put_be32(message_, NFTA_BITWISE_DREG, kRegister);
    put_be32(message_, NFTA_BITWISE_LEN, static_cast<std::uint32_t>(mask.size()));
    message_.open(NFTA_BITWISE_MASK).attribute(NFTA_DATA_VALUE, bits).close();
    message_.open(NFTA_BITWISE_XOR).attribute(NFTA_DATA_VALUE, zeros).close();
    return end();
}

NftRule& NftRule::compare(std::uint32_t operation, Bytes value) {
    begin("cmp");
    put_be32(message_, NFTA_CMP_SREG, kRegister);
    put_be32(message_, NFTA_CMP_OP, operation);
    message_.open(NFTA_CMP_DATA).attribute(NFTA_DATA_VALUE, value).close();
    return end();
}

NftRule& NftRule::equals(std::initializer_list<std::uint8_t> value) {
    return compare(NFT_CMP_EQ, Bytes(value.begin(), value.size()));
}
NftRule& NftRule::differs(std::initializer_list<std::uint8_t> value) {
    return compare(NFT_CMP_NEQ, Bytes(value.begin(), value.size()));
}
NftRule& NftRule::at_least(std::uint8_t value) {
    return compare(NFT_CMP_GTE, {&value, 1});
}
NftRule& NftRule::at_most(std::uint8_t value) {
    return compare(NFT_CMP_LTE, {&value, 1});
}

NftRule& NftRule::is_in(std::string_view set) {
    begin("lookup");
    message_.text(NFTA_LOOKUP_SET, set);
    put_be32(message_, NFTA_LOOKUP_SREG, kRegister);
    return end();
}

NftRule& NftRule::limit_expression(std::uint16_t in, const FrameLimit& limit, Side side) {
    message_.open(in).text(NFTA_EXPR_NAME, "limit").open(NFTA_EXPR_DATA);
    put_be64(message_, NFTA_LIMIT_RATE, limit.per_second);
    put_be64(message_, NFTA_LIMIT_UNIT, 1);  // seconds
    put_be32(message_, NFTA_LIMIT_BURST, limit.burst);
    put_be32(message_, NFTA_LIMIT_TYPE, limit.bytes ? NFT_LIMIT_PKT_BYTES : NFT_LIMIT_PKTS);
    put_be32(message_, NFTA_LIMIT_FLAGS, side == Side::over ? NFT_LIMIT_F_INV : 0);
    return end();
}

NftRule& NftRule::limit_by_key(std::string_view set, const FrameLimit& limit, Side side, bool forgets) {
    begin("dynset");
    message_.text(NFTA_DYNSET_SET_NAME, set);
    put_be32(message_, NFTA_DYNSET_OP, forgets ? NFT_DYNSET_OP_UPDATE : NFT_DYNSET_OP_ADD);
    put_be32(message_, NFTA_DYNSET_SREG_KEY, kRegister);
    limit_expression(NFTA_DYNSET_EXPR, limit, side);
    return end();
}

// The kernel takes no rate of 0: everything is more than that, and nothing is within it.

NftRule& NftRule::exceeds(const FrameLimit& limit) {
    return limit.per_second == 0 ? *this : limit_expression(NFTA_LIST_ELEM, limit, Side::over);
}

NftRule& NftRule::exceeds_by_key(std::string_view set, const FrameLimit& limit, bool forgets) {
    return limit.per_second == 0 ? *this : limit_by_key(set, limit, Side::over, forgets);
}

NftRule& NftRule::within(const FrameLimit& limit) {
    return limit_expression(NFTA_LIST_ELEM, limit, Side::within);
}

NftRule& NftRule::within_by_key(std::string_view set, const FrameLimit& limit) {
    return limit_by_key(set, limit, Side::within, false);
}

NftRule& NftRule::remember_in(std::string_view set) {
    begin("dynset");
    message_.text(NFTA_DYNSET_SET_NAME, set);
    put_be32(message_, NFTA_DYNSET_OP, NFT_DYNSET_OP_UPDATE);
    put_be32(message_, NFTA_DYNSET_SREG_KEY, kRegister);
    return end();
}

NftRule& NftRule::count() {
    return begin("counter").end();
}

Request NftRule::drop() {
    return finish(NF_DROP);
}
Request NftRule::accept() {
    return finish(NF_ACCEPT);
}
Request NftRule::go_to(std::string_view chain) {
    return finish(static_cast<std::uint32_t>(NFT_GOTO), chain);
}

Request NftRule::go_on() {
    message_.close();
    return std::move(message_).take();
}

Request NftRule::finish(std::uint32_t verdict, std::string_view chain) {
    begin("immediate");
    put_be32(message_, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
    message_.open(NFTA_IMMEDIATE_DATA).open(NFTA_DATA_VERDICT);
    put_be32(message_, NFTA_VERDICT_CODE, verdict);
    if (!chain.empty()) message_.text(NFTA_VERDICT_CHAIN, chain);
    message_.close().close();
    end();
    message_.close();
    return std::move(message_).take();
}

}  // namespace isthmus::bridge::netlink
