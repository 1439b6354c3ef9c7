// SPIs whose size a field in front of them says: none, 4 bytes (ESP, AH) or 8 (IKE).
#pragma once

#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/ike/wire/numbers.h"

namespace isthmus::crypto::ike {

[[nodiscard]] constexpr std::size_t spi_size(const AnySpi& spi) noexcept {
    if (std::holds_alternative<Spi>(spi)) return 4;
    return std::holds_alternative<IkeSpi>(spi) ? 8 : 0;
}

/// Consumes `size` bytes. Error: a sentence.
[[nodiscard]] inline Result<AnySpi, std::string> parse_spi(ByteReader& in, std::size_t size) {
    if (size != 0 && size != 4 && size != 8)
        return Unexpected("SPI size " + std::to_string(size) + " is not 0, 4 or 8");
    if (in.remaining() < size) return Unexpected(std::string("the SPI is cut short"));
    if (size == 4) return AnySpi(Spi{*in.u32()});
    if (size == 8) return AnySpi(IkeSpi{*in.u64()});
    return AnySpi();
}

inline void emit_spi(ByteWriter& out, const AnySpi& spi) {
    if (const auto* esp = std::get_if<Spi>(&spi)) out.u32(raw(*esp));
    if (const auto* ike = std::get_if<IkeSpi>(&spi)) out.u64(raw(*ike));
}

}  // namespace isthmus::crypto::ike
