// A NETLINK_ROUTE socket for requests that are answered at once. Blocking; every call ends within its timeout. One thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "bridge/model.h"
#include "bridge/netlink/error.h"
#include "bridge/netlink/message_builder.h"
#include "bridge/netlink/message_reader.h"

namespace isthmus::bridge {

class NetlinkSocket {
  public:
    [[nodiscard]] static Result<NetlinkSocket, NetlinkError> open();
    NetlinkSocket(NetlinkSocket&&) noexcept;
    NetlinkSocket& operator=(NetlinkSocket&&) noexcept;
    ~NetlinkSocket();

    /// Sends a change and waits for its acknowledgement. `doing` is for the error: "put lan0 into br-dc".
    [[nodiscard]] Result<void, NetlinkError> change(netlink::Request request, std::string doing);
    /// Sends a question and hands over each message of the answer. Asked again if the kernel says that things moved
    /// meanwhile: `restart` is called before each try.
    [[nodiscard]] Result<void, NetlinkError> ask(
        netlink::Request request, std::string doing, const std::function<void()>& restart,
        const std::function<void(const netlink::MessageView&)>& each);

    /// Error ENODEV: there is none of that name.
    [[nodiscard]] Result<Link, NetlinkError> link(std::string_view name);
    [[nodiscard]] Result<Link, NetlinkError> link(IfIndex index);
    /// How often the link came or went since the interface is there.
    [[nodiscard]] Result<std::uint32_t, NetlinkError> carrier_changes(IfIndex index);
    [[nodiscard]] Result<std::vector<InterfaceAddress>, NetlinkError> addresses();

  private:
    [[nodiscard]] Result<Link, NetlinkError> one_link(netlink::Request request, std::string doing);
    struct Socket;
    explicit NetlinkSocket(std::unique_ptr<Socket> socket);
    std::unique_ptr<Socket> socket_;
};

/// Links with their VLANs, addresses, sysctls: everything that plan() wants to know, but for capabilities.
[[nodiscard]] Result<ActualState, NetlinkError> dump_state(NetlinkSocket& socket);

}  // namespace isthmus::bridge
