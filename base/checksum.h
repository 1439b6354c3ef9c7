// The Internet checksum (RFC 1071) and its pseudo headers.
#pragma once

#include <cstdint>

#include "base/address.h"
#include "base/bytes.h"

namespace isthmus {

/// One's complement sum of 16-bit big-endian words, not folded to its complement; an odd last byte counts as
/// its high half. `initial` is an earlier partial sum over an even number of bytes.
[[nodiscard]] std::uint16_t ones_complement_sum(Bytes in, std::uint32_t initial = 0) noexcept;

/// Copies `in` to `out`, which is at least as large and does not overlap, and returns ones_complement_sum(in,
/// initial): one pass over the memory instead of two.
[[nodiscard]] std::uint16_t copy_and_sum(MutableBytes out, Bytes in, std::uint32_t initial = 0) noexcept;

/// Folds a sum of up to 65,537 sums or words into one of 16 bits.
[[nodiscard]] constexpr std::uint16_t fold_sum(std::uint32_t sum) noexcept {
    sum = (sum & 0xffff) + (sum >> 16);
    return static_cast<std::uint16_t>(sum + (sum >> 16));
}

/// Sum of the TCP or UDP pseudo header (RFC 9293 section 3.1, RFC 8200 section 8.1). Both addresses of one
/// family.
[[nodiscard]] std::uint16_t pseudo_header_sum(Bytes source, Bytes destination, std::uint8_t protocol,
                                              std::uint32_t length) noexcept;

/// The value for the checksum field: the complement of the sum.
[[nodiscard]] inline std::uint16_t internet_checksum(Bytes in, std::uint32_t initial = 0) noexcept {
    return static_cast<std::uint16_t>(~ones_complement_sum(in, initial));
}

}  // namespace isthmus
