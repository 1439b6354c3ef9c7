#include "crypto/system_rng.h"

#include <openssl/rand.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace isthmus::crypto {

void SystemRng::fill(MutableBytes out) noexcept {
    constexpr std::size_t kAtOnce = 1U << 20;  // RAND_priv_bytes takes an int
    while (!out.empty()) {
        const std::size_t n = std::min(out.size(), kAtOnce);
        if (RAND_priv_bytes(out.data(), static_cast<int>(n)) != 1) {
            std::fputs("the system's random generator failed; stopping\n", stderr);
            std::abort();
        }
        out = out.subspan(n);
    }
}

}  // namespace isthmus::crypto
