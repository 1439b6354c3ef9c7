// Tells when somebody takes something out of the kernel's packet filter: `nft flush ruleset`, or a firewall's service that is reloaded.
#pragma once

#include <memory>
#include <set>
#include <string>

#include "base/result.h"
#include "bridge/netlink/error.h"

namespace isthmus::bridge {

struct RuleLosses {
    std::set<std::string> tables;  ///< of family netdev
    bool any = false;              ///< the kernel dropped notices (ENOBUFS): it may be any table
    bool more = false;             ///< stopped at the limit of one call; the descriptor is still readable

    [[nodiscard]] bool empty() const noexcept { return tables.empty() && !any; }
    [[nodiscard]] bool concern(const std::string& table) const { return any || tables.contains(table); }
};

/// NFNLGRP_NFTABLES of the network namespace it was opened in. A table that is replaced in one transaction has lost nothing, whoever
/// does it.
class NftMonitor {
  public:
    [[nodiscard]] static Result<NftMonitor, NetlinkError> open();
    NftMonitor(NftMonitor&&) noexcept;
    NftMonitor& operator=(NftMonitor&&) noexcept;
    ~NftMonitor();

    [[nodiscard]] int fd() const noexcept;  ///< poll for reading; never read by others
    /// All that is pending, without blocking; at most 1,024 datagrams a call.
    [[nodiscard]] RuleLosses drain();

  private:
    struct Socket;
    explicit NftMonitor(std::unique_ptr<Socket> socket);
    std::unique_ptr<Socket> socket_;
};

}  // namespace isthmus::bridge
