// One nftables rule, expression by expression (linux/netfilter/nf_tables.h). Family netdev; what is loaded is counted from the
// destination address, with the tag, if there is one, in its place.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string_view>

#include "base/bytes.h"
#include "bridge/guard_rules.h"
#include "bridge/netlink/message_builder.h"

namespace isthmus::bridge::netlink {

/// Each matching expression lets the rest of the rule happen, or ends it. One register is enough for all.
class NftRule {
  public:
    /// At the end of `chain`. The comment is what `nft list` shows; empty: none.
    NftRule(std::string_view table, std::string_view chain, std::string_view comment = {});

    NftRule& load(std::uint32_t offset, std::uint32_t size);
    NftRule& load_masked(std::uint32_t offset, std::initializer_list<std::uint8_t> mask);
    NftRule& equals(std::initializer_list<std::uint8_t> value);
    NftRule& differs(std::initializer_list<std::uint8_t> value);
    NftRule& at_least(std::uint8_t value);
    NftRule& at_most(std::uint8_t value);
    NftRule& is_in(std::string_view set);
    /// More than that.
    NftRule& exceeds(const FrameLimit& limit);
    /// More than that of what is loaded, in a set that keeps a bucket for each. Full sets let pass.
    NftRule& exceeds_by_key(std::string_view set, const FrameLimit& limit, bool forgets);
    /// At most that, in all or of what is loaded.
    NftRule& within(const FrameLimit& limit);
    NftRule& within_by_key(std::string_view set, const FrameLimit& limit);
    /// What is loaded is in that set from now on, for the set's time. Full sets end the rule.
    NftRule& remember_in(std::string_view set);
    NftRule& count();

    // The end of the rule: nothing may be added after.
    [[nodiscard]] Request drop();
    [[nodiscard]] Request accept();
    [[nodiscard]] Request go_to(std::string_view chain);
    [[nodiscard]] Request go_on();  ///< with the next rule

  private:
    NftRule& compare(std::uint32_t operation, Bytes value);
    enum class Side : std::uint8_t { within, over };
    NftRule& limit_expression(std::uint16_t in, const FrameLimit& limit, Side side);
    NftRule& limit_by_key(std::string_view set, const FrameLimit& limit, Side side, bool forgets);
    NftRule& begin(std::string_view expression);
    NftRule& end();
    [[nodiscard]] Request finish(std::uint32_t verdict, std::string_view chain = {});

    MessageBuilder message_;
};

/// A number in network byte order, as nftables has all of its numbers.
MessageBuilder& put_be32(MessageBuilder& message, std::uint16_t type, std::uint32_t value);
MessageBuilder& put_be64(MessageBuilder& message, std::uint16_t type, std::uint64_t value);

}  // namespace isthmus::bridge::netlink
