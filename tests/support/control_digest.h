// The real hash functions for tests of L2TPv3's control messages. Needs isthmus_crypto.
#pragma once

#include <algorithm>
#include <memory>
#include <vector>

#include "crypto/digest.h"
#include "tunnel/control_digest.h"

namespace isthmus::test {

class RealDigest final : public tunnel::ControlDigest {
  public:
    [[nodiscard]] tunnel::Md5Digest md5(std::initializer_list<Bytes> parts) const override {
        std::vector<std::uint8_t> joined;
        for (const Bytes part : parts) joined.insert(joined.end(), part.begin(), part.end());
        return as<tunnel::Md5Digest>(crypto::digest(crypto::Hash::md5, joined));
    }
    [[nodiscard]] tunnel::Md5Digest hmac_md5(Bytes key, std::initializer_list<Bytes> parts) const override {
        return as<tunnel::Md5Digest>(crypto::hmac(crypto::Hash::md5, key, parts));
    }
    [[nodiscard]] tunnel::Sha1Digest hmac_sha1(Bytes key, std::initializer_list<Bytes> parts) const override {
        return as<tunnel::Sha1Digest>(crypto::hmac(crypto::Hash::sha1, key, parts));
    }

  private:
    template <class Digest>
    static Digest as(const std::vector<std::uint8_t>& bytes) {
        Digest out{};
        std::ranges::copy(bytes, out.begin());
        return out;
    }
};

[[nodiscard]] inline std::shared_ptr<const tunnel::ControlDigest> real_digest() {
    return std::make_shared<RealDigest>();
}

}  // namespace isthmus::test
