// Sockets towards the WAN, shared by tunnels of one local address, protocol and port.
#pragma once

#include <compare>
#include <map>
#include <memory>

#include "base/result.h"
#include "tunnel/io/wan_socket.h"

namespace isthmus::appliance {

/// What a socket is bound to. Port 0 where the protocol has none.
struct WanAddress {
    tunnel::io::WanProtocol protocol{};
    Endpoint local;
    friend auto operator<=>(const WanAddress&, const WanAddress&) = default;
};

class WanSockets {
  public:
    /// Opens the socket, or shares the one that is open. It closes with its last user.
    [[nodiscard]] Result<std::shared_ptr<tunnel::io::WanSocket>, tunnel::io::WanSocketError> open(
        tunnel::io::WanProtocol protocol, const Endpoint& local);

  private:
    std::map<WanAddress, std::weak_ptr<tunnel::io::WanSocket>> open_;
};

}  // namespace isthmus::appliance
