// How the data path of a pseudowire is watched (RFC 5880, RFC 5885).
#pragma once

#include <chrono>
#include <cstdint>

#include "base/time.h"

namespace isthmus::tunnel {

struct BfdOptions {
    Duration interval = std::chrono::milliseconds(300);  ///< to send and to receive, while up; 10 ms to 60 s
    std::uint8_t multiplier = 3;                         ///< so many intervals of silence are death
    friend bool operator==(const BfdOptions&, const BfdOptions&) = default;
};

}  // namespace isthmus::tunnel
