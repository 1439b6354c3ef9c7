// Draws from a source of randomness in large pieces, for those who need a few bytes again and again: each draw from the system's
// generator costs system calls.
#pragma once

#include <algorithm>
#include <array>

#include "base/rng.h"

namespace isthmus {

/// For what must not be foreseen, but keeps no secret for long: bytes wait in memory until they are used. Not for keys.
class BufferedRng final : public Rng {
  public:
    /// `source` outlives this.
    explicit BufferedRng(Rng& source) noexcept : source_(source) {}

    void fill(MutableBytes out) noexcept override {
        while (!out.empty()) {
            if (at_ == bytes_.size()) {
                source_.fill(bytes_);
                at_ = 0;
            }
            const std::size_t n = std::min(out.size(), bytes_.size() - at_);
            const auto from = bytes_.begin() + static_cast<std::ptrdiff_t>(at_);
            std::copy_n(from, n, out.begin());
            std::fill_n(from, n, std::uint8_t{0});
            at_ += n;
            out = out.subspan(n);
        }
    }

  private:
    Rng& source_;
    std::array<std::uint8_t, 1024> bytes_{};
    std::size_t at_ = bytes_.size();
};

}  // namespace isthmus
