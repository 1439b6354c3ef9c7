// A library that works, but for one thing.
#pragma once

#include <memory>
#include <utility>

#include "crypto/packet_cipher.h"

namespace isthmus::test {

enum class Fault : std::uint8_t {
    wrong_ciphertext,  ///< one bit of one packet in nine
    wrong_tag,
    takes_altered,  ///< does not look at tags
    refuses_good,
};

class BadProvider final : public crypto::CipherProvider {
  public:
    explicit BadProvider(Fault fault)
        : fault_(fault), good_(crypto::make_provider(crypto::ProviderKind::openssl).value()) {}

    [[nodiscard]] std::string_view name() const noexcept override { return "bad"; }
    [[nodiscard]] Result<std::unique_ptr<crypto::PacketCipher>, std::string> make(crypto::esp::Suite suite,
                                                                                  crypto::Direction direction,
                                                                                  Bytes material) override {
        auto made = good_->make(suite, direction, material);
        if (!made) return made;
        return std::unique_ptr<crypto::PacketCipher>(new Cipher(fault_, std::move(*made)));
    }

  private:
    class Cipher final : public crypto::PacketCipher {
      public:
        Cipher(Fault fault, std::unique_ptr<crypto::PacketCipher> good)
            : fault_(fault), good_(std::move(good)) {}
        void seal(std::span<crypto::PacketJob> jobs) noexcept override {
            good_->seal(jobs);
            if (fault_ == Fault::wrong_ciphertext) jobs.back().out[3] ^= 1;
            if (fault_ == Fault::wrong_tag) jobs.back().tag[0] ^= 1;
        }
        void open(std::span<crypto::PacketJob> jobs) noexcept override {
            good_->open(jobs);
            for (crypto::PacketJob& job : jobs) job.ok = job.ok || fault_ == Fault::takes_altered;
            if (fault_ == Fault::refuses_good) jobs.back().ok = false;
        }

      private:
        Fault fault_;
        std::unique_ptr<crypto::PacketCipher> good_;
    };

    Fault fault_;
    std::unique_ptr<crypto::CipherProvider> good_;
};

inline constexpr Fault kFaults[] = {Fault::wrong_ciphertext, Fault::wrong_tag, Fault::takes_altered,
                                    Fault::refuses_good};

}  // namespace isthmus::test
