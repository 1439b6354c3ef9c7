// Owns a libmnl socket. Not for use outside bridge/io.
#pragma once

#include <libmnl/libmnl.h>

#include <memory>

namespace isthmus::bridge {

struct CloseNetlink {
    void operator()(mnl_socket* socket) const noexcept { mnl_socket_close(socket); }
};
using NetlinkHandle = std::unique_ptr<mnl_socket, CloseNetlink>;

}  // namespace isthmus::bridge
