#include "appliance/route_lookup.h"

#include <sys/socket.h>

#include "appliance/file_descriptor.h"
#include "tunnel/io/socket_address.h"

namespace isthmus::appliance {

std::optional<IpAddress> local_address_towards(const IpAddress& remote) {
    const FileDescriptor fd(socket(remote.is_v6() ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    constexpr std::uint16_t kAnyPort = 4500;
    const tunnel::io::SocketAddress to(Endpoint{remote, kAnyPort});
    if (!fd || connect(fd.value(), &to.any, to.size) != 0) return std::nullopt;
    tunnel::io::SocketAddress ours;
    ours.size = sizeof(sockaddr_in6);
    if (getsockname(fd.value(), &ours.any, &ours.size) != 0) return std::nullopt;
    return ours.endpoint().address;
}

}  // namespace isthmus::appliance
