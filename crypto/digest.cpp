#include "crypto/digest.h"

#include <algorithm>
#include <initializer_list>
#include <stdexcept>

#include "crypto/openssl_error.h"
#include "crypto/openssl_handles.h"

namespace isthmus::crypto {

namespace {

const EVP_MD* evp_of(Hash hash) {
    switch (hash) {
        case Hash::md5: return EVP_md5();
        case Hash::sha1: return EVP_sha1();
        case Hash::sha256: return EVP_sha256();
        case Hash::sha384: return EVP_sha384();
        case Hash::sha512: return EVP_sha512();
    }
    return nullptr;
}

std::size_t block_size(Hash hash) {
    return hash == Hash::sha384 || hash == Hash::sha512 ? 128 : 64;
}

// Only a lack of memory or a broken OpenSSL makes these fail; there is no sensible way on.
void require(bool done) {
    if (!done) throw std::runtime_error(openssl_error("hashing failed"));
}

class Hasher {
  public:
    explicit Hasher(Hash hash) : hash_(hash), context_(EVP_MD_CTX_new()) {
        require(context_ != nullptr && EVP_DigestInit_ex2(context_.get(), evp_of(hash), nullptr) == 1);
    }
    void add(Bytes in) { require(EVP_DigestUpdate(context_.get(), in.data(), in.size()) == 1); }
    std::vector<std::uint8_t> take() {
        std::vector<std::uint8_t> out(hash_size(hash_));
        require(EVP_DigestFinal_ex(context_.get(), out.data(), nullptr) == 1);
        return out;
    }

  private:
    Hash hash_;
    DigestContext context_;
};

}  // namespace

std::vector<std::uint8_t> digest(Hash hash, Bytes in) {
    Hasher hasher(hash);
    hasher.add(in);
    return hasher.take();
}

std::vector<std::uint8_t> hmac(Hash hash, Bytes key, std::initializer_list<Bytes> parts) {
    std::vector<std::uint8_t> block(block_size(hash), 0);
    if (key.size() > block.size()) {
        auto shortened = digest(hash, key);
        std::ranges::copy(shortened, block.begin());
        explicit_bzero(shortened.data(), shortened.size());
    } else {
        std::ranges::copy(key, block.begin());
    }
    constexpr std::uint8_t kInner = 0x36;
    constexpr std::uint8_t kOuter = 0x5c;
    for (auto& byte : block) byte = static_cast<std::uint8_t>(byte ^ kInner);
    Hasher inner(hash);
    inner.add(block);
    for (const Bytes part : parts) inner.add(part);
    const auto inner_digest = inner.take();

    for (auto& byte : block) byte = static_cast<std::uint8_t>(byte ^ kInner ^ kOuter);
    Hasher outer(hash);
    outer.add(block);
    outer.add(inner_digest);
    explicit_bzero(block.data(), block.size());
    return outer.take();
}

}  // namespace isthmus::crypto
