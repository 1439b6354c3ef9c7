// AES-CBC with HMAC-SHA-2 (RFC 3602, RFC 4868) with OpenSSL, encrypt then MAC.
//
// HMAC is made here from SHA-2 states that are hashed once per key and copied per packet. OpenSSL 3.0's EVP_MAC and
// EVP_MD allocate for each message; its plain SHA calls, deprecated but there in all of OpenSSL 3, do not.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>

#include <algorithm>
#include <array>

#include "crypto/openssl_error.h"
#include "crypto/openssl_handles.h"
#include "crypto/providers.h"

namespace isthmus::crypto {

namespace {

struct Sha256 {
    using State = SHA256_CTX;
    static constexpr std::size_t kBlock = 64;
    static constexpr std::size_t kDigest = 32;
    static void start(State& s) noexcept { SHA256_Init(&s); }
    static void add(State& s, Bytes in) noexcept { SHA256_Update(&s, in.data(), in.size()); }
    static void finish(State& s, std::uint8_t* out) noexcept { SHA256_Final(out, &s); }
};
struct Sha384 {
    using State = SHA512_CTX;
    static constexpr std::size_t kBlock = 128;
    static constexpr std::size_t kDigest = 48;
    static void start(State& s) noexcept { SHA384_Init(&s); }
    static void add(State& s, Bytes in) noexcept { SHA384_Update(&s, in.data(), in.size()); }
    static void finish(State& s, std::uint8_t* out) noexcept { SHA384_Final(out, &s); }
};
struct Sha512 {
    using State = SHA512_CTX;
    static constexpr std::size_t kBlock = 128;
    static constexpr std::size_t kDigest = 64;
    static void start(State& s) noexcept { SHA512_Init(&s); }
    static void add(State& s, Bytes in) noexcept { SHA512_Update(&s, in.data(), in.size()); }
    static void finish(State& s, std::uint8_t* out) noexcept { SHA512_Final(out, &s); }
};

constexpr std::size_t kMaxDigest = 64;
using Mac = std::array<std::uint8_t, kMaxDigest>;

/// HMAC with one key (RFC 2104). The key is no longer than a block: RFC 4868 has keys as long as the digest.
template <class Sha>
class Hmac {
  public:
    explicit Hmac(Bytes key) {
        start(inner_, key, 0x36);
        start(outer_, key, 0x5c);
    }
    Hmac(const Hmac&) = delete;
    Hmac& operator=(const Hmac&) = delete;
    ~Hmac() {
        explicit_bzero(&inner_, sizeof inner_);
        explicit_bzero(&outer_, sizeof outer_);
    }

    void compute(const std::array<Bytes, 4>& parts, Mac& out) const noexcept {
        typename Sha::State state = inner_;
        for (const Bytes part : parts) Sha::add(state, part);
        Sha::finish(state, out.data());
        state = outer_;
        Sha::add(state, Bytes(out).first(Sha::kDigest));
        Sha::finish(state, out.data());
    }

  private:
    static void start(typename Sha::State& state, Bytes key, std::uint8_t pad) noexcept {
        std::array<std::uint8_t, Sha::kBlock> block;
        block.fill(pad);
        for (std::size_t i = 0; i < key.size(); ++i) block[i] = static_cast<std::uint8_t>(block[i] ^ key[i]);
        Sha::start(state);
        Sha::add(state, block);
        explicit_bzero(block.data(), block.size());
    }
    typename Sha::State inner_;
    typename Sha::State outer_;
};

template <class Sha>
class OpenSslCbcHmac final : public PacketCipher {
  public:
    OpenSslCbcHmac(CipherContext context, Bytes integrity_key, Direction direction)
        : context_(std::move(context)), hmac_(integrity_key), direction_(direction) {}

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
        Mac mac;
        hmac_.compute({job.aad, job.nonce, Bytes(job.out, job.in.size()), job.aad_tail}, mac);
        std::copy_n(mac.begin(), job.tag.size(), job.tag.begin());
        return true;
    }
    bool open_one(PacketJob& job) noexcept {
        Mac mac;
        hmac_.compute({job.aad, job.nonce, job.in, job.aad_tail}, mac);
        if (!equal_constant_time(Bytes(mac).first(job.tag.size()), job.tag)) return false;
        int n = 0;
        return EVP_DecryptInit_ex2(context_.get(), nullptr, nullptr, job.nonce.data(), nullptr) == 1 &&
               EVP_DecryptUpdate(context_.get(), job.out, &n, job.in.data(),
                                 static_cast<int>(job.in.size())) == 1 &&
               n == static_cast<int>(job.in.size());
    }

    CipherContext context_;
    Hmac<Sha> hmac_;
    Direction direction_;
};

template <class Sha>
std::unique_ptr<PacketCipher> make(CipherContext context, Bytes integrity_key, Direction direction) {
    return std::make_unique<OpenSslCbcHmac<Sha>>(std::move(context), integrity_key, direction);
}

}  // namespace

Result<std::unique_ptr<PacketCipher>, std::string> make_openssl_cbc_hmac(esp::Suite suite,
                                                                         Direction direction,
                                                                         Bytes material) {
    const esp::SuiteShape shape = shape_of(suite);
    const CipherHandle cipher(
        EVP_CIPHER_fetch(nullptr, shape.encryption_key == 16 ? "AES-128-CBC" : "AES-256-CBC", nullptr));
    CipherContext context(EVP_CIPHER_CTX_new());
    if (!cipher || !context) return Unexpected(openssl_error("OpenSSL has no " + std::string(shape.name)));
    if (EVP_CipherInit_ex2(context.get(), cipher.get(), material.data(), nullptr,
                           direction == Direction::seal ? 1 : 0, nullptr) != 1 ||
        EVP_CIPHER_CTX_set_padding(context.get(), 0) != 1)
        return Unexpected(openssl_error("OpenSSL refuses the key"));
    const Bytes integrity_key = material.subspan(shape.encryption_key);
    switch (suite) {
        case esp::Suite::aes256_cbc_hmac_sha384_192:
            return make<Sha384>(std::move(context), integrity_key, direction);
        case esp::Suite::aes256_cbc_hmac_sha512_256:
            return make<Sha512>(std::move(context), integrity_key, direction);
        default: return make<Sha256>(std::move(context), integrity_key, direction);
    }
}

}  // namespace isthmus::crypto
