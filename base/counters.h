// Counters with one writer (a worker) and any number of readers (control): no locks, no read-modify-write.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "base/drop_reason.h"
#include "base/ids.h"

namespace isthmus {

/// A 64-bit count. Only its owning thread calls add(); anybody may read().
class Counter {
  public:
    void add(std::uint64_t n = 1) noexcept {
        value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
    }
    [[nodiscard]] std::uint64_t read() const noexcept { return value_.load(std::memory_order_relaxed); }

  private:
    std::atomic<std::uint64_t> value_{0};
};

/// Packets and bytes that passed, and packets that did not, by reason.
struct TrafficCounters {
    Counter packets;
    Counter bytes;
    std::array<Counter, kDropReasonCount> drops;

    void passed(std::size_t size) noexcept {
        packets.add();
        bytes.add(size);
    }
    void dropped(DropReason reason) noexcept { drops[static_cast<std::size_t>(reason)].add(); }
    [[nodiscard]] std::uint64_t dropped_for(DropReason reason) const noexcept {
        return drops[static_cast<std::size_t>(reason)].read();
    }
};

/// Where one worker books its drops: once for the worker, and once for the narrowest scope that is known.
/// The scopes' counters belong to the control thread's objects; it sets them between batches.
class DropLedger {
  public:
    void count(DropReason reason, TunnelIndex tunnel, SessionIndex session) noexcept {
        total_.dropped(reason);
        if (TrafficCounters* scope = scope_of(tunnel, session)) scope->dropped(reason);
    }
    /// Null entries are scopes that do not exist.
    void set_scopes(std::vector<TrafficCounters*> tunnels, std::vector<TrafficCounters*> sessions) {
        tunnels_ = std::move(tunnels);
        sessions_ = std::move(sessions);
    }
    [[nodiscard]] const TrafficCounters& total() const noexcept { return total_; }

  private:
    [[nodiscard]] TrafficCounters* scope_of(TunnelIndex tunnel, SessionIndex session) const noexcept {
        if (raw(session) < sessions_.size() && sessions_[raw(session)] != nullptr)
            return sessions_[raw(session)];
        if (raw(tunnel) < tunnels_.size()) return tunnels_[raw(tunnel)];
        return nullptr;
    }
    TrafficCounters total_;
    std::vector<TrafficCounters*> tunnels_;
    std::vector<TrafficCounters*> sessions_;
};

}  // namespace isthmus
