// The IVs of CBC suites, and the seam through which tests give their own.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "base/rng.h"
#include "crypto/esp/suite.h"

namespace isthmus::crypto::esp {

/// Makes explicit IVs. AEAD suites use none: their IV is the sequence number, which is what keeps nonces
/// unique.
class IvSource {
  public:
    virtual ~IvSource() = default;
    /// IVs of packets first_sequence, first_sequence + 1, ...; all of one size, `out` holds them back to
    /// back.
    virtual void fill(std::uint64_t first_sequence, MutableBytes out, std::size_t iv_size) noexcept = 0;
};

/// IV of packet n = AES-128 of n under a key of its own, random and used for nothing else (NIST SP 800-38A
/// appendix C, first method). AES under a secret key is a permutation that looks random: nobody can predict
/// the next IV, and none repeats while n does not. It costs one block per packet and no system call. The key
/// lives as long as the SA object, so a restart draws new IVs. Error: what OpenSSL refused.
[[nodiscard]] Result<std::unique_ptr<IvSource>, std::string> make_cbc_iv_source(Rng& rng);

}  // namespace isthmus::crypto::esp
