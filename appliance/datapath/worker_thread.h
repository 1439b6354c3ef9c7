// A thread that sleeps in epoll until a descriptor or a wake-up calls, and stops when told to.
#pragma once

#include <sys/epoll.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <span>
#include <string>
#include <thread>

#include "appliance/datapath/wakeup.h"

namespace isthmus::appliance {

/// Descriptors that a worker waits for, each with a number of the worker's own. Level-triggered.
class EventSet {
  public:
    EventSet();
    void add(int fd, std::uint32_t key);
    void remove(int fd) noexcept;
    /// Keys of the descriptors that are readable; empty after a signal. Waits for ever if `wait`, else not at all.
    [[nodiscard]] std::span<const std::uint32_t> poll(bool wait) noexcept;

  private:
    static constexpr int kMost = 128;
    FileDescriptor epoll_;
    std::array<epoll_event, kMost> events_{};
    std::array<std::uint32_t, kMost> keys_{};
};

/// Runs `loop` in a thread named `name` (at most 15 characters, for top and perf) that blocks all signals.
class WorkerThread {
  public:
    template <class Loop>
    void start(const std::string& name, Loop loop) {
        thread_ = std::thread([name, loop = std::move(loop)]() mutable {
            prepare(name);
            loop();
        });
    }
    /// Asks the loop to end and waits for it.
    void stop();
    [[nodiscard]] bool stopping() const noexcept { return stopping_.load(std::memory_order_relaxed); }
    [[nodiscard]] Wakeup& wakeup() noexcept { return wakeup_; }

  private:
    static void prepare(const std::string& name);
    std::atomic<bool> stopping_{false};
    Wakeup wakeup_;
    std::thread thread_;
};

}  // namespace isthmus::appliance
