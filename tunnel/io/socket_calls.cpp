#include "tunnel/io/socket_calls.h"

namespace isthmus::tunnel::io {

namespace {

class KernelSocketCalls final : public SocketCalls {
  public:
    int send_many(int fd, mmsghdr* messages, unsigned count, int flags) noexcept override {
        return ::sendmmsg(fd, messages, count, flags);
    }
    int receive_many(int fd, mmsghdr* messages, unsigned count, int flags) noexcept override {
        return ::recvmmsg(fd, messages, count, flags, nullptr);
    }
    int wait(pollfd* fds, nfds_t count, int timeout_ms) noexcept override {
        return ::poll(fds, count, timeout_ms);
    }
};

}  // namespace

SocketCalls& kernel_socket_calls() noexcept {
    static KernelSocketCalls calls;  // without state
    return calls;
}

}  // namespace isthmus::tunnel::io
