// Which of our addresses leads to another.
#pragma once

#include <optional>

#include "base/address.h"

namespace isthmus::appliance {

/// The source address that the kernel's routes choose towards `remote`; nullopt: there is no route. No packet is sent.
[[nodiscard]] std::optional<IpAddress> local_address_towards(const IpAddress& remote);

}  // namespace isthmus::appliance
