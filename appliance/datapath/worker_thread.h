// A thread that sleeps in epoll until a descriptor or a wake-up calls, and stops when told to.
#pragma once

#include <sys/epoll.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <thread>

#include "appliance/datapath/doorbell.h"
#include "base/time.h"

namespace isthmus::appliance {

/// Descriptors that a worker waits for, each with a number of the worker's own. Level-triggered. Any thread may add and remove;
/// one at a time polls.
class EventSet {
  public:
    EventSet();
    void add(int fd, std::uint32_t key);
    void remove(int fd) noexcept;
    /// Itself a descriptor, readable while one of them is: may be added to another set.
    [[nodiscard]] int fd() const noexcept { return epoll_.value(); }
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
    [[nodiscard]] Doorbell& wakeup() noexcept { return wakeup_; }

  private:
    static void prepare(const std::string& name);
    std::atomic<bool> stopping_{false};
    Doorbell wakeup_;
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

/// What a worker remembers between its turns.
struct TurnMemory {
    ReadyKeys again;  ///< descriptors where more may wait
    int turns = 0;    ///< since the kernel was asked
    TimePoint sleep_at{};
};

/// One turn of a worker: sleeps, if `sleeps`, until something is readable (after `patience`), calls on_ready(key, now) for each
/// descriptor, on_batch(now) once for all of them, and on_wakeup(now) after that if control called: what it changes is not
/// under the feet of keys that were polled before. on_ready says whether more may wait: then it is called again without
/// asking the kernel which descriptors are readable. Returns when the turn began; nothing if there was none.
template <class Now, class OnReady, class OnBatch, class OnWakeup>
std::optional<TimePoint> take_turn(WorkerThread& thread, EventSet& events, TurnMemory& memory,
                                   Patience patience, bool sleeps, Now now_of, OnReady on_ready,
                                   OnBatch on_batch, OnWakeup on_wakeup) {
    const bool ask = memory.again.empty() || ++memory.turns >= kTurnsWithoutAsking;
    const bool may_sleep =
        sleeps && memory.again.empty() && (patience.poll == Duration{0} || now_of() >= memory.sleep_at);
    const ReadyKeys ready = ask ? ReadyKeys(events.poll(may_sleep)) : memory.again;
    if (ask) memory.turns = 0;
    memory.again.clear();
    if (ready.empty() && !may_sleep) {
        if (sleeps) std::this_thread::yield();
        return std::nullopt;
    }
    const TimePoint now = now_of();
    memory.sleep_at = now + patience.poll;
    bool called = false;
    for (const std::uint32_t key : ready) {
        if (key == kWakeupKey) {
            thread.wakeup().answer();
            called = true;
        } else if (on_ready(key, now)) {
            memory.again.push(key);
        }
    }
    on_batch(now);
    if (called) {
        on_wakeup(now);
        memory.again.clear();  // keys may mean other descriptors now
    }
    return now;
}

}  // namespace isthmus::appliance
