#include "crypto/esp/iv_source.h"

#include <cstdlib>

#include "crypto/openssl_error.h"
#include "crypto/openssl_handles.h"

namespace isthmus::crypto::esp {

namespace {

constexpr std::size_t kBlock = 16;

class EncryptedCounter final : public IvSource {
  public:
    explicit EncryptedCounter(CipherContext context) : context_(std::move(context)) {}

    void fill(std::uint64_t first_sequence, MutableBytes out, std::size_t /*iv_size*/) noexcept override {
        for (std::size_t at = 0; at + kBlock <= out.size(); at += kBlock) {
            store_be64(out.data() + at, 0);
            store_be64(out.data() + at + 8, first_sequence + at / kBlock);
        }
        int n = 0;
        if (EVP_EncryptUpdate(context_.get(), out.data(), &n, out.data(), static_cast<int>(out.size())) !=
                1 ||
            n != static_cast<int>(out.size()))
            std::abort();  // cannot happen to a keyed ECB context; sending predictable IVs is not a way on
    }

  private:
    CipherContext context_;
};

}  // namespace

Result<std::unique_ptr<IvSource>, std::string> make_cbc_iv_source(Rng& rng) {
    const CipherHandle cipher(EVP_CIPHER_fetch(nullptr, "AES-128-ECB", nullptr));
    CipherContext context(EVP_CIPHER_CTX_new());
    std::array<std::uint8_t, kBlock> key;
    rng.fill(key);
    const bool ready = cipher && context &&
                       EVP_EncryptInit_ex2(context.get(), cipher.get(), key.data(), nullptr, nullptr) == 1 &&
                       EVP_CIPHER_CTX_set_padding(context.get(), 0) == 1;
    explicit_bzero(key.data(), key.size());
    if (!ready) return Unexpected(openssl_error("OpenSSL has no AES-128-ECB"));
    return std::unique_ptr<IvSource>(std::make_unique<EncryptedCounter>(std::move(context)));
}

}  // namespace isthmus::crypto::esp
