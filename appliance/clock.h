// The one place of the appliance that reads clocks.
#pragma once

#include "base/time.h"

namespace isthmus::appliance {

[[nodiscard]] TimePoint boot_now() noexcept;  ///< CLOCK_BOOTTIME
[[nodiscard]] WallTime wall_now() noexcept;   ///< CLOCK_REALTIME

}  // namespace isthmus::appliance
