// One datagram from any thread, at once: for control planes and keepalives beside a worker that sends batches.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/drop_reason.h"
#include "tunnel/io/wan_socket.h"

namespace isthmus::tunnel::io {

/// `traffic_class`: DSCP and ECN of the IP header. Result: none, or why it was not sent: send_queue_full, exceeds_path_mtu,
/// send_refused.
[[nodiscard]] DropReason send_datagram(const WanSocket& socket, const Endpoint& to, Bytes datagram,
                                       std::uint8_t traffic_class = 0) noexcept;

}  // namespace isthmus::tunnel::io
