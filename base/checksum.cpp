#include "base/checksum.h"

#include <bit>

namespace isthmus {

namespace {
constexpr std::uint16_t fold(std::uint64_t sum) noexcept {
    while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
    return static_cast<std::uint16_t>(sum);
}
}  // namespace

std::uint16_t ones_complement_sum(Bytes in, std::uint32_t initial) noexcept {
    // Sums in native order, eight bytes at a time: the one's complement sum does not care about byte order until the end
    // (RFC 1071 section 2).
    std::uint64_t sum = 0;
    const std::uint8_t* p = in.data();
    std::size_t n = in.size();
    for (; n >= 8; n -= 8, p += 8) {
        std::uint64_t word = 0;
        std::memcpy(&word, p, 8);
        sum += word & 0xffff'ffff;
        sum += word >> 32;
    }
    for (; n >= 2; n -= 2, p += 2) {
        std::uint16_t word = 0;
        std::memcpy(&word, p, 2);
        sum += word;
    }
    if (n == 1) {
        std::uint16_t word = 0;
        std::memcpy(&word, p, 1);
        sum += word;
    }
    std::uint16_t folded = fold(sum);
    if constexpr (std::endian::native == std::endian::little) {
        folded = static_cast<std::uint16_t>((folded << 8) | (folded >> 8));
    }
    return fold(std::uint64_t{folded} + initial);
}

std::uint16_t pseudo_header_sum(Bytes source, Bytes destination, std::uint8_t protocol, std::uint32_t length) noexcept {
    std::uint32_t sum = ones_complement_sum(source);
    sum += ones_complement_sum(destination);
    sum += protocol;
    sum += (length >> 16) + (length & 0xffff);
    return fold(sum);
}

}  // namespace isthmus
