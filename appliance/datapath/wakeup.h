// Wakes a thread that sleeps in epoll.
#pragma once

#include <sys/eventfd.h>

#include <cstdint>
#include <stdexcept>

#include "appliance/file_descriptor.h"

namespace isthmus::appliance {

/// An eventfd. signal() from any thread; clear() by the one that sleeps.
class Wakeup {
  public:
    Wakeup() : fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
        if (!fd_) throw std::runtime_error("cannot make an eventfd: out of file descriptors");
    }
    void signal() noexcept {
        const std::uint64_t one = 1;
        (void)!write(fd_.value(), &one, sizeof one);
    }
    void clear() noexcept {
        std::uint64_t count = 0;
        (void)!read(fd_.value(), &count, sizeof count);
    }
    [[nodiscard]] int fd() const noexcept { return fd_.value(); }

  private:
    FileDescriptor fd_;
};

}  // namespace isthmus::appliance
