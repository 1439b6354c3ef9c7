// A netlink socket that listens to the kernel's notices. Not for use outside bridge/io.
#pragma once

#include <linux/netlink.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "bridge/io/netlink_handle.h"
#include "bridge/netlink/error.h"
#include "bridge/netlink/message_reader.h"

namespace isthmus::bridge {

/// What notices of one purpose need.
struct MulticastOptions {
    int bus = NETLINK_ROUTE;       ///< or NETLINK_NETFILTER
    unsigned groups = 0;           ///< RTMGRP_..., as a mask; of other buses bit N - 1 for group N
    int receive_queue = 0;         ///< bytes; less is no failure, as losses are noticed
    std::size_t max_datagram = 0;  ///< bytes
    int datagrams_per_drain = 0;
    std::string doing;  ///< for the error: "open a netlink socket for ..."
};

class MulticastSocket {
  public:
    struct Drained {
        bool lost = false;  ///< the kernel dropped notices, or one came cut off
        bool more = false;  ///< stopped at the limit of one call
    };

    [[nodiscard]] static Result<MulticastSocket, NetlinkError> open(const MulticastOptions& options);

    [[nodiscard]] int fd() const noexcept { return mnl_socket_get_fd(handle_.get()); }
    [[nodiscard]] mnl_socket* handle() const noexcept { return handle_.get(); }
    /// Calls `digest` for each message that waits, without blocking.
    template <class Digest>
    [[nodiscard]] Drained drain(Digest digest) {
        Drained out;
        for (int i = 0; i < datagrams_; ++i) {
            const Arrival arrival = receive();
            if (arrival.kind == Arrival::Kind::nothing) return out;
            if (arrival.kind == Arrival::Kind::again) continue;
            if (arrival.kind == Arrival::Kind::lost) {
                out.lost = true;
                continue;
            }
            netlink::MessageReader reader({buffer_.data(), arrival.size});
            while (const auto message = reader.next()) digest(*message);
            if (reader.truncated()) out.lost = true;
        }
        out.more = true;
        return out;
    }

  private:
    struct Arrival {
        enum class Kind : std::uint8_t { datagram, nothing, again, lost };
        Kind kind = Kind::nothing;
        std::size_t size = 0;
    };
    MulticastSocket(NetlinkHandle handle, const MulticastOptions& options)
        : handle_(std::move(handle)),
          buffer_(options.max_datagram),
          datagrams_(options.datagrams_per_drain) {}
    [[nodiscard]] Arrival receive() noexcept;

    NetlinkHandle handle_;
    std::vector<std::uint8_t> buffer_;
    int datagrams_;
};

}  // namespace isthmus::bridge
