// Randomness is handed in, so that tests can seed it.
#pragma once

#include "base/bytes.h"

namespace isthmus {

/// A source of random bytes. crypto/ has the real one; tests have a seeded one.
class Rng {
  public:
    virtual ~Rng() = default;
    virtual void fill(MutableBytes out) noexcept = 0;

    [[nodiscard]] std::uint32_t u32() noexcept {
        std::array<std::uint8_t, 4> raw{};
        fill(raw);
        return load_be32(raw.data());
    }
    [[nodiscard]] std::uint64_t u64() noexcept {
        std::array<std::uint8_t, 8> raw{};
        fill(raw);
        return load_be64(raw.data());
    }
};

}  // namespace isthmus
