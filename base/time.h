// The two clocks' types. Neither has a now(): time is handed in by */io/ and appliance/.
#pragma once

#include <chrono>

namespace isthmus {

using Duration = std::chrono::nanoseconds;

/// Steady time since boot, suspend included (CLOCK_BOOTTIME): for every timer.
struct BootClock {
    using duration = Duration;
    using rep = duration::rep;
    using period = duration::period;
    using time_point = std::chrono::time_point<BootClock>;
    static constexpr bool is_steady = true;
};
using TimePoint = BootClock::time_point;

/// Civil time (CLOCK_REALTIME), which may be wrong or jump: for certificates and for people only.
struct WallClock {
    using duration = std::chrono::seconds;
    using rep = duration::rep;
    using period = duration::period;
    using time_point = std::chrono::time_point<WallClock>;
    static constexpr bool is_steady = false;
};
using WallTime = WallClock::time_point;

}  // namespace isthmus
