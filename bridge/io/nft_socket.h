// The guard's rules in the kernel's nftables. Blocking; every call ends within its timeout. One thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "bridge/guard_rules.h"
#include "bridge/netlink/error.h"
#include "bridge/netlink/nft_requests.h"

namespace isthmus::bridge {

class NftSocket {
  public:
    [[nodiscard]] static Result<NftSocket, NetlinkError> open();
    NftSocket(NftSocket&&) noexcept;
    NftSocket& operator=(NftSocket&&) noexcept;
    ~NftSocket();

    /// All rules, at once, in place of those that are there. Error ENOENT: a device is gone; nothing was changed then. Rules of a
    /// device that goes vanish with it: apply again when links change.
    [[nodiscard]] Result<void, NetlinkError> apply(const GuardRules& rules);
    [[nodiscard]] Result<void, NetlinkError> remove(std::string_view table);
    /// What the rules dropped since they were applied; rules of the same meaning are added up.
    [[nodiscard]] Result<std::vector<RuleCount>, NetlinkError> counts(std::string_view table);

  private:
    struct Socket;
    explicit NftSocket(std::unique_ptr<Socket> socket);
    [[nodiscard]] Result<void, NetlinkError> commit(netlink::NftBatch batch, const std::string& doing);
    std::unique_ptr<Socket> socket_;
};

}  // namespace isthmus::bridge
