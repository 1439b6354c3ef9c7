#include "tunnel/io/socket_address.h"

#include <arpa/inet.h>

#include <cstring>

namespace isthmus::tunnel::io {

SocketAddress::SocketAddress(const Endpoint& endpoint) noexcept : v6{} {
    const Bytes address = endpoint.address.bytes();
    if (endpoint.address.is_v6()) {
        v6.sin6_family = AF_INET6;
        v6.sin6_port = htons(endpoint.port);
        std::memcpy(&v6.sin6_addr, address.data(), address.size());
        size = sizeof v6;
        return;
    }
    v4 = {};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(endpoint.port);
    std::memcpy(&v4.sin_addr, address.data(), address.size());
    size = sizeof v4;
}

Endpoint SocketAddress::endpoint() const noexcept {
    if (any.sa_family == AF_INET) {
        std::array<std::uint8_t, 4> bytes{};
        std::memcpy(bytes.data(), &v4.sin_addr, bytes.size());
        return {IpAddress::v4(bytes), ntohs(v4.sin_port)};
    }
    if (any.sa_family == AF_INET6) {
        std::array<std::uint8_t, 16> bytes{};
        std::memcpy(bytes.data(), &v6.sin6_addr, bytes.size());
        return {IpAddress::v6(bytes), ntohs(v6.sin6_port)};
    }
    return {};
}

}  // namespace isthmus::tunnel::io
