// Why a message could not be read, and what its sender may be told.
#pragma once

#include <cstdint>
#include <string>

#include "crypto/ike/wire/numbers.h"

namespace isthmus::crypto::ike {

struct ParseError {
    std::string what;  ///< "SA payload: proposal 1, transform 3: length 6 is below 8"
    /// invalid_syntax, invalid_major_version or unsupported_critical_payload.
    NotifyType answer = NotifyType::invalid_syntax;
    /// What UNSUPPORTED_CRITICAL_PAYLOAD carries.
    std::uint8_t critical_payload = 0;
};

}  // namespace isthmus::crypto::ike
