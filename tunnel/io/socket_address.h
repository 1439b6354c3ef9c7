// Endpoint to and from the kernel's socket addresses.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include "base/address.h"

namespace isthmus::tunnel::io {

/// A sockaddr_in or sockaddr_in6 in wire form.
struct SocketAddress {
    union {
        sockaddr any;
        sockaddr_in v4;
        sockaddr_in6 v6;
    };
    socklen_t size = 0;

    SocketAddress() noexcept : v6{} {}
    explicit SocketAddress(const Endpoint& endpoint) noexcept;
    /// What the address says; the unspecified endpoint for any other family.
    [[nodiscard]] Endpoint endpoint() const noexcept;
};

}  // namespace isthmus::tunnel::io
