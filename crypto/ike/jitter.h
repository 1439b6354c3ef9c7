// Spreads times at random, so that many gateways that fail together do not come back together.
#pragma once

#include "base/rng.h"
#include "base/time.h"

namespace isthmus::crypto::ike {

/// Uniform in [0, below); 0 if `below` is not positive.
[[nodiscard]] inline Duration random_below(Duration below, Rng& rng) {
    if (below <= Duration::zero()) return Duration::zero();
    return Duration(static_cast<Duration::rep>(rng.u64() % static_cast<std::uint64_t>(below.count())));
}

/// `middle`, give or take at most `percent`.
[[nodiscard]] inline Duration spread(Duration middle, unsigned percent, Rng& rng) {
    const Duration most = middle * percent / 100;
    return middle - most + random_below(2 * most, rng);
}

}  // namespace isthmus::crypto::ike
