// The real source of randomness: OpenSSL's generator, seeded by the kernel.
#pragma once

#include "base/rng.h"

namespace isthmus::crypto {

/// Safe to use from any thread. Ends the process if the generator fails: nothing sensible can be done without
/// it.
class SystemRng final : public Rng {
  public:
    void fill(MutableBytes out) noexcept override;
};

}  // namespace isthmus::crypto
