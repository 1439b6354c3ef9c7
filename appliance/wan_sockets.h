// Sockets towards the WAN, shared by tunnels of one local address, protocol and port.
#pragma once

#include <map>
#include <memory>
#include <utility>

#include "base/result.h"
#include "tunnel/io/wan_socket.h"

namespace isthmus::appliance {

class WanSockets {
  public:
    /// Opens the socket, or shares the one that is open. It closes with its last user.
    [[nodiscard]] Result<std::shared_ptr<tunnel::io::WanSocket>, tunnel::io::WanSocketError> open(
        tunnel::io::WanProtocol protocol, const Endpoint& local);

  private:
    std::map<std::pair<tunnel::io::WanProtocol, Endpoint>, std::weak_ptr<tunnel::io::WanSocket>> open_;
};

}  // namespace isthmus::appliance
