#include "appliance/wan_sockets.h"

namespace isthmus::appliance {

Result<std::shared_ptr<tunnel::io::WanSocket>, tunnel::io::WanSocketError> WanSockets::open(
    tunnel::io::WanProtocol protocol, const Endpoint& local) {
    auto& known = open_[WanAddress{protocol, local}];
    if (auto shared = known.lock()) return shared;
    tunnel::io::WanSocketOptions options;
    options.protocol = protocol;
    options.local = local;
    auto opened = tunnel::io::WanSocket::open(options);
    if (!opened) return Unexpected(opened.error());
    auto shared = std::make_shared<tunnel::io::WanSocket>(std::move(*opened));
    known = shared;
    return shared;
}

}  // namespace isthmus::appliance
