// Repeatable randomness for tests (splitmix64).
#pragma once

#include "base/rng.h"

namespace isthmus::test {

class SeededRng final : public Rng {
  public:
    explicit SeededRng(std::uint64_t seed) : state_(seed) {}
    void fill(MutableBytes out) noexcept override {
        for (auto& byte : out) byte = static_cast<std::uint8_t>(next() >> 56);
    }
    [[nodiscard]] std::uint64_t below(std::uint64_t bound) noexcept { return next() % bound; }

  private:
    std::uint64_t next() noexcept {
        state_ += 0x9e3779b97f4a7c15;
        std::uint64_t z = state_;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
        z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
        return z ^ (z >> 31);
    }
    std::uint64_t state_;
};

}  // namespace isthmus::test
