// AES-CBC with HMAC-SHA-2 (RFC 3602, RFC 4868) with OpenSSL, encrypt then MAC.
//
// HMAC is made of plain digests here: EVP_MAC in OpenSSL 3.0 duplicates its inner states, which allocates,
// for every packet. Hashing the two padded key blocks again costs two compressions instead.
#include <algorithm>
#include <array>

#include "crypto/openssl_error.h"
#include "crypto/openssl_handles.h"
#include "crypto/providers.h"

namespace isthmus::crypto {

namespace {

struct Algorithms {
    const char* cipher;
    const char* digest;
    std::size_t digest_size;
    std::size_t block_size;
};

Algorithms algorithms_of(esp::Suite suite) noexcept {
    switch (suite) {
        case esp::Suite::aes128_cbc_hmac_sha256_128:
            return {"AES-128-CBC", "SHA2-256", 32, 64};
        case esp::Suite::aes256_cbc_hmac_sha256_128:
            return {"AES-256-CBC", "SHA2-256", 32, 64};
        case esp::Suite::aes256_cbc_hmac_sha384_192:
            return {"AES-256-CBC", "SHA2-384", 48, 128};
        case esp::Suite::aes256_cbc_hmac_sha512_256:
            return {"AES-256-CBC", "SHA2-512", 64, 128};
        default:
            return {nullptr, nullptr, 0, 0};
    }
}

class Hmac {
  public:
    static constexpr std::size_t kMaxBlock = 128;
    static constexpr std::size_t kMaxDigest = 64;

    // The key is no longer than a block: RFC 4868 has keys as long as the digest.
    Hmac(DigestContext context, const Algorithms& algorithms, Bytes key)
        : context_(std::move(context)),
          digest_size_(algorithms.digest_size),
          block_size_(algorithms.block_size) {
        inner_.fill(0x36);
        outer_.fill(0x5c);
        for (std::size_t i = 0; i < key.size(); ++i) {
            inner_[i] = static_cast<std::uint8_t>(inner_[i] ^ key[i]);
            outer_[i] = static_cast<std::uint8_t>(outer_[i] ^ key[i]);
        }
    }
    Hmac(Hmac&&) = default;
    Hmac(const Hmac&) = delete;
    Hmac& operator=(const Hmac&) = delete;
    Hmac& operator=(Hmac&&) = delete;
    ~Hmac() {
        explicit_bzero(inner_.data(), inner_.size());
        explicit_bzero(outer_.data(), outer_.size());
    }

    [[nodiscard]] bool compute(const std::array<Bytes, 4>& parts,
                               std::array<std::uint8_t, kMaxDigest>& out) noexcept {
        EVP_MD_CTX* ctx = context_.get();
        if (EVP_DigestInit_ex2(ctx, nullptr, nullptr) != 1 || !add(Bytes(inner_).first(block_size_)))
            return false;
        for (const Bytes part : parts)
            if (!part.empty() && !add(part)) return false;
        if (EVP_DigestFinal_ex(ctx, out.data(), nullptr) != 1) return false;
        return EVP_DigestInit_ex2(ctx, nullptr, nullptr) == 1 && add(Bytes(outer_).first(block_size_)) &&
               add(Bytes(out).first(digest_size_)) && EVP_DigestFinal_ex(ctx, out.data(), nullptr) == 1;
    }

  private:
    bool add(Bytes in) noexcept { return EVP_DigestUpdate(context_.get(), in.data(), in.size()) == 1; }

    DigestContext context_;
    std::size_t digest_size_;
    std::size_t block_size_;
    std::array<std::uint8_t, kMaxBlock> inner_{};
    std::array<std::uint8_t, kMaxBlock> outer_{};
};

class OpenSslCbcHmac final : public PacketCipher {
  public:
    OpenSslCbcHmac(CipherContext context, Hmac hmac, Direction direction)
        : context_(std::move(context)), hmac_(std::move(hmac)), direction_(direction) {}

    void seal(std::span<PacketJob> jobs) noexcept override {
        for (PacketJob& job : jobs) job.ok = direction_ == Direction::seal && seal_one(job);
    }
    void open(std::span<PacketJob> jobs) noexcept override {
        for (PacketJob& job : jobs) job.ok = direction_ == Direction::open && open_one(job);
    }

  private:
    bool seal_one(PacketJob& job) noexcept {
        int n = 0;
        if (EVP_EncryptInit_ex2(context_.get(), nullptr, nullptr, job.nonce.data(), nullptr) != 1 ||
            EVP_EncryptUpdate(context_.get(), job.out, &n, job.in.data(), static_cast<int>(job.in.size())) !=
                1 ||
            n != static_cast<int>(job.in.size()))
            return false;
        std::array<std::uint8_t, Hmac::kMaxDigest> mac;
        if (!hmac_.compute({job.aad, job.nonce, Bytes(job.out, job.in.size()), job.aad_tail}, mac))
            return false;
        std::copy_n(mac.begin(), job.tag.size(), job.tag.begin());
        return true;
    }
    bool open_one(PacketJob& job) noexcept {
        std::array<std::uint8_t, Hmac::kMaxDigest> mac;
        if (!hmac_.compute({job.aad, job.nonce, job.in, job.aad_tail}, mac)) return false;
        if (!equal_constant_time(Bytes(mac).first(job.tag.size()), job.tag)) return false;
        int n = 0;
        return EVP_DecryptInit_ex2(context_.get(), nullptr, nullptr, job.nonce.data(), nullptr) == 1 &&
               EVP_DecryptUpdate(context_.get(), job.out, &n, job.in.data(),
                                 static_cast<int>(job.in.size())) == 1 &&
               n == static_cast<int>(job.in.size());
    }

    CipherContext context_;
    Hmac hmac_;
    Direction direction_;
};

}  // namespace

Result<std::unique_ptr<PacketCipher>, std::string> make_openssl_cbc_hmac(esp::Suite suite,
                                                                         Direction direction,
                                                                         Bytes material) {
    const Algorithms algorithms = algorithms_of(suite);
    const esp::SuiteShape shape = shape_of(suite);
    const CipherHandle cipher(EVP_CIPHER_fetch(nullptr, algorithms.cipher, nullptr));
    const DigestHandle digest(EVP_MD_fetch(nullptr, algorithms.digest, nullptr));
    CipherContext context(EVP_CIPHER_CTX_new());
    DigestContext digest_context(EVP_MD_CTX_new());
    if (!cipher || !digest || !context || !digest_context)
        return Unexpected(openssl_error("OpenSSL has no " + std::string(shape.name)));
    if (EVP_CipherInit_ex2(context.get(), cipher.get(), material.data(), nullptr,
                           direction == Direction::seal ? 1 : 0, nullptr) != 1 ||
        EVP_CIPHER_CTX_set_padding(context.get(), 0) != 1 ||
        EVP_DigestInit_ex2(digest_context.get(), digest.get(), nullptr) != 1)
        return Unexpected(openssl_error("OpenSSL refuses the key"));
    Hmac hmac(std::move(digest_context), algorithms, material.subspan(shape.encryption_key));
    return std::unique_ptr<PacketCipher>(
        std::make_unique<OpenSslCbcHmac>(std::move(context), std::move(hmac), direction));
}

}  // namespace isthmus::crypto
