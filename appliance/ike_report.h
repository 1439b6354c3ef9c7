// The IKE engine's state as JSON, for the control socket and `isthmus ike`.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "crypto/ike/snapshot.h"

namespace isthmus::appliance {

/// {"peers": [...], "half_open": n, ...}. Times are in seconds.
[[nodiscard]] nlohmann::json ike_report(const crypto::ike::Snapshot& snapshot);

}  // namespace isthmus::appliance
