#include "appliance/clock.h"

#include <sys/timex.h>

#include <ctime>

namespace isthmus::appliance {

TimePoint boot_now() noexcept {
    timespec t{};
    clock_gettime(CLOCK_BOOTTIME, &t);
    return TimePoint(std::chrono::seconds(t.tv_sec) + std::chrono::nanoseconds(t.tv_nsec));
}

WallTime wall_now() noexcept {
    return WallTime(std::chrono::seconds(std::time(nullptr)));
}

bool clock_is_synchronised() noexcept {
    timex state{};
    const int answer = adjtimex(&state);
    return answer >= 0 && answer != TIME_ERROR;
}

}  // namespace isthmus::appliance
