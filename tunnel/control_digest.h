// The hash functions that RFC 3931 asks for, handed in: tunnel/ has no cryptography of its own.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>

#include "base/bytes.h"

namespace isthmus::tunnel {

using Md5Digest = std::array<std::uint8_t, 16>;
using Sha1Digest = std::array<std::uint8_t, 20>;

/// MD5 and SHA-1 as RFC 3931 sections 4.3 and 5.3 use them: against mistakes and blind spoofing. Where an attacker can
/// read or write on the way, ESP protects.
class ControlDigest {
  public:
    virtual ~ControlDigest() = default;
    [[nodiscard]] virtual Md5Digest md5(std::initializer_list<Bytes> parts) const = 0;
    [[nodiscard]] virtual Md5Digest hmac_md5(Bytes key, std::initializer_list<Bytes> parts) const = 0;
    [[nodiscard]] virtual Sha1Digest hmac_sha1(Bytes key, std::initializer_list<Bytes> parts) const = 0;
};

}  // namespace isthmus::tunnel
