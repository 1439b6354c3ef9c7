// A keyed checksum in the place of HMAC-SHA256: enough to tell the right key from a wrong one in tests.
#pragma once

#include "stp-guard/guard_frame.h"

namespace isthmus::test {

class ToyAuthenticator final : public stp_guard::FrameAuthenticator {
  public:
    explicit ToyAuthenticator(std::uint64_t key = 1) : key_(key) {}
    [[nodiscard]] Tag tag(Bytes payload) const override {
        Tag out{};
        std::uint64_t a = 0xcbf29ce484222325 ^ key_;
        std::uint64_t b = key_ * 0x9e3779b97f4a7c15;
        for (const std::uint8_t byte : payload) {
            a = (a ^ byte) * 0x100000001b3;
            b = (b + byte) * 0xff51afd7ed558ccd;
            b ^= b >> 29;
        }
        store_be64(out.data(), a);
        store_be64(out.data() + 8, b);
        return out;
    }

  private:
    std::uint64_t key_;
};

}  // namespace isthmus::test
