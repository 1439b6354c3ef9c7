// The system calls of the sockets' datapath, behind an interface so that tests can refuse, tear and delay
// them.
#pragma once

#include <poll.h>
#include <sys/socket.h>

namespace isthmus::tunnel::io {

/// Each call is as the system call of its name: -1 and errno on failure. Calls may come from several threads.
class SocketCalls {
  public:
    virtual ~SocketCalls() = default;
    virtual int send_many(int fd, mmsghdr* messages, unsigned count, int flags) noexcept = 0;
    virtual int receive_many(int fd, mmsghdr* messages, unsigned count, int flags) noexcept = 0;
    virtual int wait(pollfd* fds, nfds_t count, int timeout_ms) noexcept = 0;
};

/// The kernel's own.
[[nodiscard]] SocketCalls& kernel_socket_calls() noexcept;

}  // namespace isthmus::tunnel::io
