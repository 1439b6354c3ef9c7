// Hash functions for fuzzing: quick, without secrecy, and without a library.
#pragma once

#include "tunnel/control_digest.h"

namespace isthmus::test {

class StandInDigest final : public tunnel::ControlDigest {
  public:
    tunnel::Md5Digest md5(std::initializer_list<Bytes> parts) const override {
        return mix<tunnel::Md5Digest>({}, parts);
    }
    tunnel::Md5Digest hmac_md5(Bytes key, std::initializer_list<Bytes> parts) const override {
        return mix<tunnel::Md5Digest>(key, parts);
    }
    tunnel::Sha1Digest hmac_sha1(Bytes key, std::initializer_list<Bytes> parts) const override {
        return mix<tunnel::Sha1Digest>(key, parts);
    }

  private:
    template <class Digest>
    static Digest mix(Bytes key, std::initializer_list<Bytes> parts) {
        std::uint64_t state = 0xcbf29ce484222325;
        const auto take = [&state](Bytes bytes) {
            for (const std::uint8_t byte : bytes) state = (state ^ byte) * 0x100000001b3;
        };
        take(key);
        for (const Bytes part : parts) take(part);
        Digest out{};
        for (auto& byte : out) {
            state = state * 6364136223846793005 + 1442695040888963407;
            byte = static_cast<std::uint8_t>(state >> 56);
        }
        return out;
    }
};

}  // namespace isthmus::test
