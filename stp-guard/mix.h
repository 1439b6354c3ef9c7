// Keyed hashes for tables that hosts' frames choose places in. Not for secrets.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/bytes.h"

namespace isthmus::stp_guard {

/// Steele, Lea and Flood's 64-bit mixer (as in splitmix64): every input bit reaches every output bit.
[[nodiscard]] constexpr std::uint64_t mix(std::uint64_t z) noexcept {
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

/// Of the frame's first `most` bytes, on top of `sum`, in which seed and length are.
[[nodiscard]] inline std::uint64_t mix_in(std::uint64_t sum, Bytes frame, std::size_t most) noexcept {
    for (Bytes left = frame.first(std::min(frame.size(), most)); !left.empty();) {
        const std::size_t size = std::min(left.size(), sizeof(std::uint64_t));
        std::uint64_t word = 0;
        std::memcpy(&word, left.data(), size);
        sum = mix(sum ^ word);
        left = left.subspan(size);
    }
    return sum;
}

}  // namespace isthmus::stp_guard
