// Tells when links or addresses change, so that what waits can be tried again.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "bridge/model.h"
#include "bridge/netlink/error.h"

namespace isthmus::bridge {

struct Changes {
    struct LinkChange {
        Link link;
        bool removed = false;
    };
    struct AddressChange {
        InterfaceAddress address;
        bool removed = false;
    };
    std::vector<LinkChange> links;
    std::vector<AddressChange> addresses;
    bool lost = false;  ///< the kernel dropped events (ENOBUFS): look at everything again
    bool more = false;  ///< stopped at the limit of one call; the descriptor is still readable

    [[nodiscard]] bool any() const noexcept { return !links.empty() || !addresses.empty() || lost; }
};

/// RTNLGRP_LINK, IPV4_IFADDR and IPV6_IFADDR of the network namespace it was opened in. Own changes are among
/// the events.
class EventMonitor {
  public:
    [[nodiscard]] static Result<EventMonitor, NetlinkError> open();
    EventMonitor(EventMonitor&&) noexcept;
    EventMonitor& operator=(EventMonitor&&) noexcept;
    ~EventMonitor();

    [[nodiscard]] int fd() const noexcept;  ///< poll for reading; never read by others
    /// All that is pending, without blocking; at most 1,024 datagrams a call.
    [[nodiscard]] Changes drain();

  private:
    struct Socket;
    explicit EventMonitor(std::unique_ptr<Socket> socket);
    std::unique_ptr<Socket> socket_;
};

}  // namespace isthmus::bridge
