// The one place of the appliance that reads clocks.
#pragma once

#include "base/time.h"

namespace isthmus::appliance {

[[nodiscard]] TimePoint boot_now() noexcept;  ///< CLOCK_BOOTTIME
[[nodiscard]] WallTime wall_now() noexcept;   ///< CLOCK_REALTIME
/// The kernel says that something (NTP, PTP) keeps CLOCK_REALTIME right.
[[nodiscard]] bool clock_is_synchronised() noexcept;

}  // namespace isthmus::appliance
