// Counts allocations, for tests that say "no allocation per packet".
#pragma once

#include <cstdint>

namespace isthmus::test {

/// Allocations made by this thread so far: operator new, and (in builds without sanitizers, which have their
/// own allocator) malloc, calloc, realloc and the aligned ones, so libraries in C count as well. Linking a
/// use of this replaces the program's allocation functions with counting ones.
[[nodiscard]] std::uint64_t allocations_so_far() noexcept;

/// True if calls of malloc by C libraries are seen too.
[[nodiscard]] bool counts_malloc() noexcept;

/// Allocations while it lives.
class AllocationCount {
  public:
    AllocationCount() noexcept : start_(allocations_so_far()) {}
    [[nodiscard]] std::uint64_t so_far() const noexcept { return allocations_so_far() - start_; }

  private:
    std::uint64_t start_;
};

}  // namespace isthmus::test
