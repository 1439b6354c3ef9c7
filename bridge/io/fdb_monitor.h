// Tells where the kernel's bridges learn hosts, as it happens: one message for each move, without a limit of rate.
#pragma once

#include <memory>
#include <vector>

#include "base/result.h"
#include "bridge/netlink/error.h"
#include "bridge/netlink/fdb_messages.h"

namespace isthmus::bridge {

struct FdbChanges {
    std::vector<netlink::FdbMessage> hosts;
    bool lost = false;  ///< the kernel dropped some (ENOBUFS): more moves than any network at peace has
    bool more = false;  ///< stopped at the limit of one call; the descriptor is still readable
};

/// RTNLGRP_NEIGH of the network namespace it was opened in.
class FdbMonitor {
  public:
    [[nodiscard]] static Result<FdbMonitor, NetlinkError> open();
    FdbMonitor(FdbMonitor&&) noexcept;
    FdbMonitor& operator=(FdbMonitor&&) noexcept;
    ~FdbMonitor();

    [[nodiscard]] int fd() const noexcept;  ///< poll for reading; never read by others
    /// Has the kernel tell all hosts that it knows now: drain() will have them. Bridges do not say when they hear one again, so whoever
    /// lets hosts age asks now and then. Error: the kernel did not take the question.
    [[nodiscard]] Result<void, NetlinkError> request_all();
    /// All that is pending, without blocking; at most 2,048 datagrams a call.
    [[nodiscard]] FdbChanges drain();

  private:
    struct Socket;
    explicit FdbMonitor(std::unique_ptr<Socket> socket);
    std::unique_ptr<Socket> socket_;
};

}  // namespace isthmus::bridge
