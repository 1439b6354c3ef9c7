// What the process may do, and giving up the rest.
#pragma once

#include <string>

#include "base/result.h"

namespace isthmus::appliance {

/// Error: one sentence, if CAP_NET_ADMIN or CAP_NET_RAW is missing.
[[nodiscard]] Result<void, std::string> check_privileges();

/// No core dumps, no ptrace by the same user, no new privileges through exec. Call before secrets are read.
void harden_process();

/// Frames come before other programs of the machine: nice -10, unless somebody chose a priority for this process.
/// Before drop_privileges(). Where it is refused all works as well, only with longer waits on a busy machine.
void go_before_others() noexcept;

/// Keeps CAP_NET_ADMIN, CAP_NET_RAW and CAP_NET_BIND_SERVICE and gives up every other capability for good.
/// CAP_DAC_OVERRIDE goes too: files must be opened by their modes from then on.
[[nodiscard]] Result<void, std::string> drop_privileges();

}  // namespace isthmus::appliance
