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
#include "base/time.h"

namespace isthmus::appliance {

/// Descriptors that a worker waits for, each with a number of the worker's own. Level-triggered.
class EventSet {
  public:
    EventSet();
    void add(int fd, std::uint32_t key);
    void remove(int fd) noexcept;
    static constexpr std::size_t kMost = 128;
    /// Keys of the descriptors that are readable; empty after a signal. Waits for ever if `wait`, else not at all.
    [[nodiscard]] std::span<const std::uint32_t> poll(bool wait) noexcept;

  private:
    FileDescriptor epoll_;
    std::array<epoll_event, kMost> events_{};
    std::array<std::uint32_t, kMost> keys_{};
};

/// Keys of one turn.
class ReadyKeys {
  public:
    ReadyKeys() = default;
    explicit ReadyKeys(std::span<const std::uint32_t> keys) noexcept {
        for (const std::uint32_t key : keys) push(key);
    }
    void push(std::uint32_t key) noexcept {
        if (size_ < keys_.size()) keys_[size_++] = key;
    }
    void clear() noexcept { size_ = 0; }
    [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
    [[nodiscard]] const std::uint32_t* begin() const noexcept { return keys_.data(); }
    [[nodiscard]] const std::uint32_t* end() const noexcept { return keys_.data() + size_; }

  private:
    std::array<std::uint32_t, EventSet::kMost> keys_;
    std::size_t size_ = 0;
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

/// The key that a worker gives its own wake-up in its EventSet.
inline constexpr std::uint32_t kWakeupKey = 0xffff'ffff;

/// How long a worker that has run dry looks again before it sleeps: what comes within that time costs no wake-up. It gives
/// its turn away meanwhile, so that on a busy machine looking costs the others little.
struct Patience {
    Duration poll{0};
};

/// After this many turns without asking the kernel it is asked all the same: for descriptors that were quiet before.
inline constexpr int kTurnsWithoutAsking = 8;

/// A worker's life: sleeps until something is readable (after `patience`), calls on_ready(key, now) for each descriptor,
/// on_batch(now) once for all of them, and on_wakeup(now) after that if control called: what it changes is not under the feet
/// of keys that were polled before. on_ready says whether more may wait: then it is called again without asking the
/// kernel which descriptors are readable.
template <class Now, class OnReady, class OnBatch, class OnWakeup>
void run_until_stopped(WorkerThread& thread, EventSet& events, Patience patience, Now now_of,
                       OnReady on_ready, OnBatch on_batch, OnWakeup on_wakeup) {
    TimePoint sleep_at{};
    ReadyKeys again;
    int turns = 0;
    while (!thread.stopping()) {
        const bool ask = again.empty() || ++turns >= kTurnsWithoutAsking;
        const bool may_sleep = again.empty() && (patience.poll == Duration{0} || now_of() >= sleep_at);
        const ReadyKeys ready = ask ? ReadyKeys(events.poll(may_sleep)) : again;
        if (ask) turns = 0;
        again.clear();
        if (ready.empty() && !may_sleep) {
            std::this_thread::yield();
            continue;
        }
        const auto now = now_of();
        sleep_at = now + patience.poll;
        bool called = false;
        for (const std::uint32_t key : ready) {
            if (key == kWakeupKey) {
                thread.wakeup().clear();
                called = true;
            } else if (on_ready(key, now)) {
                again.push(key);
            }
        }
        on_batch(now);
        if (!called) continue;
        on_wakeup(now);
        again.clear();  // keys may mean other descriptors now
    }
}

}  // namespace isthmus::appliance
