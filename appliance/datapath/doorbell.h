// Calls a thread that sleeps in epoll, with at most one system call until it has looked: a flood costs no more than a packet.
#pragma once

#include <atomic>

#include "appliance/datapath/wakeup.h"

namespace isthmus::appliance {

class Doorbell {
  public:
    /// Any thread, after it has put something where the sleeper will look.
    void ring() noexcept {
        if (!rung_.exchange(true, std::memory_order_acq_rel)) wakeup_.signal();
    }
    /// The sleeper, before it looks. What is put there later rings again.
    void answer() noexcept {
        wakeup_.clear();
        rung_.exchange(false, std::memory_order_acq_rel);
    }
    /// Readable once it has rung.
    [[nodiscard]] int fd() const noexcept { return wakeup_.fd(); }

  private:
    std::atomic<bool> rung_{false};
    Wakeup wakeup_;
};

}  // namespace isthmus::appliance
