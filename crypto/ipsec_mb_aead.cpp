// AES-GCM and ChaCha20-Poly1305 with libipsec-mb's direct calls: these suites are wide within one packet already, so
// nothing is queued and nothing of the manager is written.
#include "crypto/ipsec_mb.h"

#ifdef ISTHMUS_HAS_IPSEC_MB

#include <array>

namespace isthmus::crypto {

namespace {

constexpr std::size_t kTagSize = 16;

/// One packet at a time, by a subclass that knows the cipher; tags are compared here.
class DirectAead : public PacketCipher {
  public:
    DirectAead(std::shared_ptr<IMB_MGR> manager, Direction direction)
        : manager_(std::move(manager)), direction_(direction) {}

    void seal(std::span<PacketJob> jobs) noexcept final {
        for (PacketJob& job : jobs) {
            job.ok = direction_ == Direction::seal && job.tag.size() == kTagSize;
            if (job.ok) encrypt(*manager_, job);
        }
    }
    void open(std::span<PacketJob> jobs) noexcept final {
        for (PacketJob& job : jobs) {
            job.ok = direction_ == Direction::open && job.tag.size() == kTagSize;
            if (!job.ok) continue;
            std::array<std::uint8_t, kTagSize> tag;
            decrypt(*manager_, job, tag);
            job.ok = equal_constant_time(tag, job.tag);
        }
    }

  private:
    virtual void encrypt(IMB_MGR& manager, PacketJob& job) noexcept = 0;
    virtual void decrypt(IMB_MGR& manager, PacketJob& job,
                         std::array<std::uint8_t, kTagSize>& tag) noexcept = 0;

    std::shared_ptr<IMB_MGR> manager_;
    Direction direction_;
};

class Gcm final : public DirectAead {
  public:
    Gcm(std::shared_ptr<IMB_MGR> manager, Direction direction, Bytes key)
        : DirectAead(manager, direction), long_key_(key.size() == 32) {
        if (long_key_) {
            IMB_AES256_GCM_PRE(manager.get(), key.data(), &key_);
        } else {
            IMB_AES128_GCM_PRE(manager.get(), key.data(), &key_);
        }
    }
    ~Gcm() override { imb_clear_mem(&key_, sizeof key_); }

  private:
    void encrypt(IMB_MGR& manager, PacketJob& job) noexcept override {
        alignas(64) gcm_context_data context;
        const auto run = long_key_ ? manager.gcm256_enc : manager.gcm128_enc;
        run(&key_, &context, job.out, job.in.data(), job.in.size(), job.nonce.data(), job.aad.data(),
            job.aad.size(), job.tag.data(), kTagSize);
    }
    void decrypt(IMB_MGR& manager, PacketJob& job,
                 std::array<std::uint8_t, kTagSize>& tag) noexcept override {
        alignas(64) gcm_context_data context;
        const auto run = long_key_ ? manager.gcm256_dec : manager.gcm128_dec;
        run(&key_, &context, job.out, job.in.data(), job.in.size(), job.nonce.data(), job.aad.data(),
            job.aad.size(), tag.data(), kTagSize);
    }

    // The library's header aligns this on Windows only; its code needs it everywhere.
    alignas(64) gcm_key_data key_;
    bool long_key_;
};

class ChaCha final : public DirectAead {
  public:
    ChaCha(std::shared_ptr<IMB_MGR> manager, Direction direction, Bytes key)
        : DirectAead(std::move(manager), direction), key_(key) {}

  private:
    void encrypt(IMB_MGR& manager, PacketJob& job) noexcept override {
        alignas(64) chacha20_poly1305_context_data context;
        const void* key = key_.reveal().data();
        IMB_CHACHA20_POLY1305_INIT(&manager, key, &context, job.nonce.data(), job.aad.data(), job.aad.size());
        IMB_CHACHA20_POLY1305_ENC_UPDATE(&manager, key, &context, job.out, job.in.data(), job.in.size());
        IMB_CHACHA20_POLY1305_ENC_FINALIZE(&manager, &context, job.tag.data(), kTagSize);
    }
    void decrypt(IMB_MGR& manager, PacketJob& job,
                 std::array<std::uint8_t, kTagSize>& tag) noexcept override {
        alignas(64) chacha20_poly1305_context_data context;
        const void* key = key_.reveal().data();
        IMB_CHACHA20_POLY1305_INIT(&manager, key, &context, job.nonce.data(), job.aad.data(), job.aad.size());
        IMB_CHACHA20_POLY1305_DEC_UPDATE(&manager, key, &context, job.out, job.in.data(), job.in.size());
        IMB_CHACHA20_POLY1305_DEC_FINALIZE(&manager, &context, tag.data(), kTagSize);
    }

    SecretBytes key_;
};

}  // namespace

Result<std::unique_ptr<PacketCipher>, std::string> make_ipsec_mb_aead(std::shared_ptr<IMB_MGR> manager,
                                                                      esp::Suite suite, Direction direction,
                                                                      Bytes material) {
    const Bytes key = material.first(shape_of(suite).encryption_key);
    if (suite == esp::Suite::chacha20_poly1305)
        return std::unique_ptr<PacketCipher>(std::make_unique<ChaCha>(std::move(manager), direction, key));
    return std::unique_ptr<PacketCipher>(std::make_unique<Gcm>(std::move(manager), direction, key));
}

}  // namespace isthmus::crypto

#endif
