#include "appliance/clock.h"

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

}  // namespace isthmus::appliance
