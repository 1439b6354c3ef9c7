#include "crypto/ike/sk_cipher.h"

#include <openssl/core_names.h>

#include <algorithm>
#include <stdexcept>

#include "crypto/digest.h"
#include "crypto/openssl_error.h"
#include "crypto/openssl_handles.h"

namespace isthmus::crypto::ike {

namespace {

constexpr std::size_t kSaltSize = 4;
constexpr std::size_t kNonceSize = 12;
constexpr std::size_t kPadLengthField = 1;

const EVP_CIPHER* evp_of(const IkeCipher& cipher) {
    const bool short_key = cipher.key_bits == 128;
    switch (cipher.encryption) {
        case EncryptionId::aes_gcm16: return short_key ? EVP_aes_128_gcm() : EVP_aes_256_gcm();
        case EncryptionId::chacha20_poly1305: return EVP_chacha20_poly1305();
        case EncryptionId::aes_cbc: return short_key ? EVP_aes_128_cbc() : EVP_aes_256_cbc();
        default: return nullptr;
    }
}

Hash hash_of(IntegrityId integrity) {
    switch (integrity) {
        case IntegrityId::hmac_sha384_192: return Hash::sha384;
        case IntegrityId::hmac_sha512_256: return Hash::sha512;
        default: return Hash::sha256;
    }
}

std::array<std::uint8_t, kNonceSize> nonce_of(Bytes key_with_salt, Bytes iv) {
    std::array<std::uint8_t, kNonceSize> nonce{};
    std::ranges::copy(key_with_salt.last(kSaltSize), nonce.begin());
    std::ranges::copy(iv, nonce.begin() + kSaltSize);
    return nonce;
}

int size_of(Bytes bytes) {
    return static_cast<int>(bytes.size());
}

// Only a lack of memory or a broken OpenSSL makes sealing fail; sending in clear is no way on.
void require(bool done) {
    if (!done) throw std::runtime_error(openssl_error("cannot encrypt an IKE message"));
}

/// A datagram whose bytes from `text_at` to the ICV are to be encrypted in place.
struct Layout {
    MutableBytes all;
    std::size_t iv_at;
    std::size_t text_at;
    std::size_t icv_at;
    [[nodiscard]] MutableBytes text() const { return all.subspan(text_at, icv_at - text_at); }
    [[nodiscard]] MutableBytes iv() const { return all.subspan(iv_at, text_at - iv_at); }
    [[nodiscard]] MutableBytes icv() const { return all.subspan(icv_at); }
};

void seal_aead(const IkeCipher& cipher, Bytes key, const Layout& at) {
    const CipherContext context(EVP_CIPHER_CTX_new());
    EVP_CIPHER_CTX* c = context.get();
    const auto nonce = nonce_of(key, at.iv());
    const MutableBytes text = at.text();
    int n = 0;
    require(c != nullptr && EVP_EncryptInit_ex(c, evp_of(cipher), nullptr, key.data(), nonce.data()) == 1 &&
            EVP_EncryptUpdate(c, nullptr, &n, at.all.data(), static_cast<int>(at.iv_at)) == 1 &&
            EVP_EncryptUpdate(c, text.data(), &n, text.data(), size_of(text)) == 1 &&
            EVP_EncryptFinal_ex(c, text.data(), &n) == 1 &&
            EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, size_of(at.icv()), at.icv().data()) == 1);
}

void seal_cbc(const IkeCipher& cipher, Bytes key, Bytes integrity_key, const Layout& at) {
    const CipherContext context(EVP_CIPHER_CTX_new());
    EVP_CIPHER_CTX* c = context.get();
    const MutableBytes text = at.text();
    int n = 0;
    require(c != nullptr && EVP_EncryptInit_ex(c, evp_of(cipher), nullptr, key.data(), at.iv().data()) == 1 &&
            EVP_CIPHER_CTX_set_padding(c, 0) == 1 &&
            EVP_EncryptUpdate(c, text.data(), &n, text.data(), size_of(text)) == 1);
    const auto icv = hmac(hash_of(cipher.integrity), integrity_key, {at.all.first(at.icv_at)});
    std::copy_n(icv.begin(), at.icv().size(), at.icv().begin());
}

bool open_aead(const IkeCipher& cipher, Bytes key, Bytes aad, Bytes iv, Bytes icv, MutableBytes text) {
    const CipherContext context(EVP_CIPHER_CTX_new());
    EVP_CIPHER_CTX* c = context.get();
    const auto nonce = nonce_of(key, iv);
    std::array<std::uint8_t, 16> tag{};
    std::ranges::copy(icv, tag.begin());
    int n = 0;
    return c != nullptr && EVP_DecryptInit_ex(c, evp_of(cipher), nullptr, key.data(), nonce.data()) == 1 &&
           EVP_DecryptUpdate(c, nullptr, &n, aad.data(), size_of(aad)) == 1 &&
           EVP_DecryptUpdate(c, text.data(), &n, text.data(), size_of(text)) == 1 &&
           EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, static_cast<int>(tag.size()), tag.data()) == 1 &&
           EVP_DecryptFinal_ex(c, text.data(), &n) == 1;
}

bool open_cbc(const IkeCipher& cipher, Bytes key, Bytes iv, MutableBytes text) {
    const CipherContext context(EVP_CIPHER_CTX_new());
    EVP_CIPHER_CTX* c = context.get();
    int n = 0;
    return c != nullptr && EVP_DecryptInit_ex(c, evp_of(cipher), nullptr, key.data(), iv.data()) == 1 &&
           EVP_CIPHER_CTX_set_padding(c, 0) == 1 &&
           EVP_DecryptUpdate(c, text.data(), &n, text.data(), size_of(text)) == 1;
}

}  // namespace

SkSealer::SkSealer(const IkeCipher& cipher, SecretBytes encryption_key, SecretBytes integrity_key)
    : cipher_(cipher), encryption_key_(std::move(encryption_key)), integrity_key_(std::move(integrity_key)) {
    const IkeCipherShape shape = shape_of(cipher_);
    if (encryption_key_.size() != shape.encryption_key || integrity_key_.size() != shape.integrity_key)
        throw std::logic_error("an IKE SA's keys have the wrong size");
}

Datagram SkSealer::seal_part(const Header& header, PayloadType first, const EncryptedPart::Fragment* fragment,
                             Bytes content, Rng& rng) {
    const IkeCipherShape shape = shape_of(cipher_);
    const std::size_t unpadded = content.size() + kPadLengthField;
    const std::size_t pad = (shape.block - unpadded % shape.block) % shape.block;
    const std::size_t payload = kPayloadHeaderSize + (fragment != nullptr ? kFragmentHeaderSize : 0) +
                                shape.iv + unpadded + pad + shape.icv;
    if (payload > 0xffff) throw std::length_error("an IKE message of more than 65,535 bytes");
    ByteWriter out;
    header.emit(out, fragment != nullptr ? PayloadType::encrypted_fragment : PayloadType::encrypted, payload);
    out.u8(raw(first)).u8(0).u16(static_cast<std::uint16_t>(payload));
    if (fragment != nullptr) out.u16(fragment->number).u16(fragment->total);
    const std::size_t iv_at = out.size();
    if (cipher_.is_aead())
        out.u64(next_iv_++);
    else
        out.zeros(shape.iv);
    const std::size_t text_at = out.size();
    out.bytes(content).zeros(pad).u8(static_cast<std::uint8_t>(pad));
    const std::size_t icv_at = out.size();
    out.zeros(shape.icv);

    Datagram datagram = std::move(out).take();
    const Layout at{datagram, iv_at, text_at, icv_at};
    if (cipher_.is_aead()) {
        seal_aead(cipher_, encryption_key_.reveal(), at);
    } else {
        rng.fill(at.iv());
        seal_cbc(cipher_, encryption_key_.reveal(), integrity_key_.reveal(), at);
    }
    return datagram;
}

Datagram SkSealer::seal(const Header& header, const PayloadChain& inner, Rng& rng) {
    return seal_part(header, inner.first, nullptr, inner.bytes, rng);
}

std::vector<Datagram> SkSealer::seal_within(const Header& header, const PayloadChain& inner, std::size_t most,
                                            Rng& rng) {
    const IkeCipherShape shape = shape_of(cipher_);
    const std::size_t fixed = kHeaderSize + kPayloadHeaderSize + shape.iv + shape.icv;
    const std::size_t whole =
        (inner.bytes.size() + kPadLengthField + shape.block - 1) / shape.block * shape.block;
    std::vector<Datagram> datagrams;
    if (fixed + whole <= most) {
        datagrams.push_back(seal(header, inner, rng));
        return datagrams;
    }
    const std::size_t room = std::max(most, kMinFragment) - fixed - kFragmentHeaderSize;
    const std::size_t each = room / shape.block * shape.block - kPadLengthField;
    const std::size_t total = (inner.bytes.size() + each - 1) / each;
    for (std::size_t i = 0; i < total; ++i) {
        const EncryptedPart::Fragment fragment{static_cast<std::uint16_t>(i + 1),
                                               static_cast<std::uint16_t>(total)};
        const Bytes rest = Bytes(inner.bytes).subspan(i * each);
        datagrams.push_back(seal_part(header, i == 0 ? inner.first : PayloadType::none, &fragment,
                                      rest.first(std::min(each, rest.size())), rng));
    }
    return datagrams;
}

SkOpener::SkOpener(const IkeCipher& cipher, SecretBytes encryption_key, SecretBytes integrity_key)
    : cipher_(cipher), encryption_key_(std::move(encryption_key)), integrity_key_(std::move(integrity_key)) {
    const IkeCipherShape shape = shape_of(cipher_);
    if (encryption_key_.size() != shape.encryption_key || integrity_key_.size() != shape.integrity_key)
        throw std::logic_error("an IKE SA's keys have the wrong size");
}

Result<std::vector<std::uint8_t>, std::string> SkOpener::open(Bytes datagram,
                                                              const EncryptedPart& part) const {
    const IkeCipherShape shape = shape_of(cipher_);
    const Bytes body = datagram.subspan(part.offset);
    if (body.size() < shape.iv + kPadLengthField + shape.icv)
        return Unexpected("the encrypted payload of " + std::to_string(body.size()) +
                          " bytes is shorter than IV, pad length and ICV");
    const Bytes iv = body.first(shape.iv);
    const Bytes icv = body.last(shape.icv);
    const Bytes sealed = body.subspan(shape.iv, body.size() - shape.iv - shape.icv);
    std::vector<std::uint8_t> text(sealed.begin(), sealed.end());

    const std::string forged = "the message is not authentic";
    if (cipher_.is_aead()) {
        if (!open_aead(cipher_, encryption_key_.reveal(), datagram.first(part.offset), iv, icv, text))
            return Unexpected(forged);
    } else {
        // Checked before anything of the text is looked at: encrypt, then MAC.
        const auto expected = hmac(hash_of(cipher_.integrity), integrity_key_.reveal(),
                                   {datagram.first(datagram.size() - shape.icv)});
        if (!equal_constant_time(Bytes(expected).first(shape.icv), icv)) return Unexpected(forged);
        if (text.size() % shape.block != 0)
            return Unexpected(std::string("the encrypted text is no multiple of the cipher's block"));
        if (!open_cbc(cipher_, encryption_key_.reveal(), iv, text))
            return Unexpected(openssl_error("cannot decrypt the message"));
    }
    const std::size_t pad = text.back();
    if (pad + kPadLengthField > text.size())
        return Unexpected("pad length " + std::to_string(pad) + " is longer than the encrypted text");
    text.resize(text.size() - pad - kPadLengthField);
    return text;
}

}  // namespace isthmus::crypto::ike
