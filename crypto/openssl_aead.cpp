// AES-GCM and ChaCha20-Poly1305 with OpenSSL: one context per SA, its key set once; per packet only the IV
// changes.
#include <openssl/core_names.h>
#include <openssl/params.h>

#include "crypto/openssl_error.h"
#include "crypto/openssl_handles.h"
#include "crypto/providers.h"

namespace isthmus::crypto {

namespace {

constexpr std::size_t kTagSize = 16;

const char* algorithm_of(esp::Suite suite) noexcept {
    switch (suite) {
        case esp::Suite::aes128_gcm16: return "AES-128-GCM";
        case esp::Suite::aes256_gcm16: return "AES-256-GCM";
        case esp::Suite::chacha20_poly1305: return "ChaCha20-Poly1305";
        default: return nullptr;
    }
}

class OpenSslAead final : public PacketCipher {
  public:
    OpenSslAead(CipherContext context, Direction direction)
        : context_(std::move(context)), direction_(direction) {}

    void seal(std::span<PacketJob> jobs) noexcept override {
        for (PacketJob& job : jobs) job.ok = direction_ == Direction::seal && seal_one(job);
    }
    void open(std::span<PacketJob> jobs) noexcept override {
        for (PacketJob& job : jobs) job.ok = direction_ == Direction::open && open_one(job);
    }

  private:
    bool seal_one(PacketJob& job) noexcept {
        EVP_CIPHER_CTX* ctx = context_.get();
        int n = 0;
        return EVP_EncryptInit_ex2(ctx, nullptr, nullptr, job.nonce.data(), nullptr) == 1 &&
               EVP_EncryptUpdate(ctx, nullptr, &n, job.aad.data(), static_cast<int>(job.aad.size())) == 1 &&
               (job.in.empty() ||
                EVP_EncryptUpdate(ctx, job.out, &n, job.in.data(), static_cast<int>(job.in.size())) == 1) &&
               EVP_EncryptFinal_ex(ctx, job.out, &n) == 1 &&
               EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, static_cast<int>(job.tag.size()),
                                   job.tag.data()) == 1;
    }
    // OpenSSL compares the tag in constant time.
    bool open_one(PacketJob& job) noexcept {
        EVP_CIPHER_CTX* ctx = context_.get();
        int n = 0;
        return job.tag.size() == kTagSize &&
               EVP_DecryptInit_ex2(ctx, nullptr, nullptr, job.nonce.data(), nullptr) == 1 &&
               EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, static_cast<int>(job.tag.size()),
                                   job.tag.data()) == 1 &&
               EVP_DecryptUpdate(ctx, nullptr, &n, job.aad.data(), static_cast<int>(job.aad.size())) == 1 &&
               (job.in.empty() ||
                EVP_DecryptUpdate(ctx, job.out, &n, job.in.data(), static_cast<int>(job.in.size())) == 1) &&
               EVP_DecryptFinal_ex(ctx, job.out, &n) == 1;
    }

    CipherContext context_;
    Direction direction_;
};

}  // namespace

Result<std::unique_ptr<PacketCipher>, std::string> make_openssl_aead(esp::Suite suite, Direction direction,
                                                                     Bytes material) {
    // A fetched cipher: one found by name at each packet would cost a lock and a search.
    const CipherHandle cipher(EVP_CIPHER_fetch(nullptr, algorithm_of(suite), nullptr));
    CipherContext context(EVP_CIPHER_CTX_new());
    if (!cipher || !context)
        return Unexpected(openssl_error("OpenSSL has no " + std::string(shape_of(suite).name)));
    if (EVP_CipherInit_ex2(context.get(), cipher.get(), material.data(), nullptr,
                           direction == Direction::seal ? 1 : 0, nullptr) != 1)
        return Unexpected(openssl_error("OpenSSL refuses the key"));
    return std::unique_ptr<PacketCipher>(std::make_unique<OpenSslAead>(std::move(context), direction));
}

}  // namespace isthmus::crypto
