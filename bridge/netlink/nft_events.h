// What the kernel tells of changes to its packet filter, as far as it shows that a table lost something. Pure: nothing is received here.
// (linux/netfilter/nf_tables.h; each transaction's changes come in order, and then its NFT_MSG_NEWGEN.)
#pragma once

#include <set>
#include <string>

#include "bridge/netlink/message_reader.h"

namespace isthmus::bridge::netlink {

/// A table that was replaced, and so is there again in the same transaction, has lost nothing.
class NftLosses {
  public:
    void on_message(const MessageView& message);
    /// Tables of family netdev, by name: gone, or with fewer chains, rules, sets or elements than before. Of transactions that are told
    /// to their end; each once.
    [[nodiscard]] std::set<std::string> take();

  private:
    std::set<std::string> in_this_transaction_;
    std::set<std::string> lost_;
};

}  // namespace isthmus::bridge::netlink
