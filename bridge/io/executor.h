// Carries out the operations of a plan, one request each.
#pragma once

#include <map>
#include <string>

#include "bridge/io/netlink_socket.h"
#include "bridge/operation.h"

namespace isthmus::bridge {

class Executor {
  public:
    /// `actual`: what the plan was made from; its names are resolved to indices, so that a renamed device is not mistaken.
    Executor(NetlinkSocket& socket, const ActualState& actual);

    [[nodiscard]] Result<void, NetlinkError> apply(const Operation& operation);

  private:
    struct Visitor;
    NetlinkSocket& socket_;
    std::map<std::string, IfIndex, std::less<>> indices_;
};

}  // namespace isthmus::bridge
