// What one need not say about a host again, since it was said a moment ago.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "base/time.h"
#include "stp-guard/host_table.h"
#include "stp-guard/lazy_zeros.h"

namespace isthmus::stp_guard {

/// One worker's. Fixed size (16 KiB of address space, used as hosts are spoken of), no allocation. Of two hosts that share a place each
/// makes the other one be spoken of again: others pay nothing for that.
class SaidLately {
  public:
    static constexpr std::chrono::milliseconds kAgain{25};

    /// True: not said within kAgain; it counts as said now.
    [[nodiscard]] bool may_say(HostHash host, TimePoint now) noexcept {
        Said& last = *table_.at(static_cast<std::size_t>(host) % kPlaces);
        const auto time = now.time_since_epoch().count();
        if (last.until > time && last.host == host) return false;
        last = {host, time + std::chrono::nanoseconds(kAgain).count()};
        return true;
    }

  private:
    static constexpr std::size_t kPlaces = 1'024;
    struct Said {
        HostHash host;
        std::int64_t until;
    };
    LazyZeros<Said> table_{kPlaces};
};

}  // namespace isthmus::stp_guard
