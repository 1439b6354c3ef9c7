#include "base/buffered_rng.h"

#include <doctest/doctest.h>

#include <vector>

using namespace isthmus;

namespace {

/// 0, 1, 2, ...
class Counting final : public Rng {
  public:
    void fill(MutableBytes out) noexcept override {
        ++calls;
        for (auto& byte : out) byte = next_++;
    }
    int calls = 0;

  private:
    std::uint8_t next_ = 0;
};

}  // namespace

TEST_CASE("each byte of the source is handed out once and in order, in pieces of any size") {
    Counting source;
    BufferedRng rng(source);
    std::vector<std::uint8_t> got;
    for (std::size_t size = 0; got.size() < 5'000; size = (size + 7) % 3'000) {
        std::vector<std::uint8_t> piece(size);
        rng.fill(piece);
        got.insert(got.end(), piece.begin(), piece.end());
    }
    for (std::size_t i = 0; i < got.size(); ++i) REQUIRE(got[i] == static_cast<std::uint8_t>(i));
}

TEST_CASE("a hundred small draws ask the source once") {
    Counting source;
    BufferedRng rng(source);
    for (int i = 0; i < 100; ++i) (void)rng.u32();
    CHECK(source.calls == 1);
}
