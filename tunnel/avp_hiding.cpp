#include "tunnel/avp_hiding.h"

#include <algorithm>

namespace isthmus::tunnel {

namespace {

constexpr std::size_t kBlock = 16;
constexpr std::size_t kLengthField = 2;

/// Turns cleartext into ciphertext and back. Each block's mask is made from the ciphertext of the one before.
class Mask {
  public:
    Mask(const ControlDigest& digest, Bytes secret, AvpKey key, Bytes random_vector)
        : digest_(digest), secret_(secret) {
        std::array<std::uint8_t, 2> type{};
        store_be16(type.data(), key.type);
        block_ = digest.md5({type, secret, random_vector});
    }
    void apply(MutableBytes at) const noexcept {
        for (std::size_t i = 0; i < at.size(); ++i) at[i] = static_cast<std::uint8_t>(at[i] ^ block_[i]);
    }
    void advance(Bytes ciphertext) { block_ = digest_.md5({secret_, ciphertext}); }

  private:
    const ControlDigest& digest_;
    Bytes secret_;
    Md5Digest block_{};
};

}  // namespace

std::vector<std::uint8_t> AvpHider::hide(AvpKey key, Bytes value, Bytes random_vector, Rng& rng) const {
    value = value.first(std::min(value.size(), kMaxValue));
    const std::size_t used = kLengthField + value.size();
    std::vector<std::uint8_t> out((used + kBlock - 1) / kBlock * kBlock);
    store_be16(out.data(), static_cast<std::uint16_t>(value.size()));
    std::ranges::copy(value, out.begin() + kLengthField);
    rng.fill(MutableBytes(out).subspan(used));

    Mask mask(*digest_, key_->reveal(), key, random_vector);
    for (std::size_t at = 0; at < out.size(); at += kBlock) {
        const MutableBytes block = MutableBytes(out).subspan(at, kBlock);
        mask.apply(block);
        mask.advance(block);
    }
    return out;
}

std::optional<std::vector<std::uint8_t>> AvpHider::reveal(AvpKey key, Bytes hidden,
                                                          Bytes random_vector) const {
    if (hidden.size() < kLengthField) return std::nullopt;
    std::vector<std::uint8_t> out(hidden.begin(), hidden.end());
    Mask mask(*digest_, key_->reveal(), key, random_vector);
    for (std::size_t at = 0; at < out.size(); at += kBlock) {
        const std::size_t size = std::min(kBlock, out.size() - at);
        mask.apply(MutableBytes(out).subspan(at, size));
        mask.advance(hidden.subspan(at, size));
    }
    const std::size_t length = load_be16(out.data());
    if (length > out.size() - kLengthField) return std::nullopt;
    out.erase(out.begin(), out.begin() + kLengthField);
    out.resize(length);
    return out;
}

}  // namespace isthmus::tunnel
