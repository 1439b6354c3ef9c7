#include "crypto/ike/cookie.h"

#include "crypto/digest.h"

namespace isthmus::crypto::ike {

namespace {

constexpr std::chrono::minutes kSecretLife{1};

std::vector<std::uint8_t> cookie_under(std::uint8_t version, Bytes secret, Bytes nonce, const IpAddress& from,
                                       IkeSpi initiator) {
    std::array<std::uint8_t, 8> spi{};
    store_be64(spi.data(), raw(initiator));
    const auto mac = hmac(Hash::sha256, secret, {nonce, from.bytes(), spi});
    ByteWriter cookie;
    cookie.u8(version).bytes(mac);
    return std::move(cookie).take();
}

}  // namespace

std::vector<std::uint8_t> CookieJar::make(Bytes nonce, const IpAddress& from, IkeSpi initiator,
                                          TimePoint now) {
    renew(now);
    return cookie_under(version_, *current_, nonce, from, initiator);
}

bool CookieJar::is_ours(Bytes cookie, Bytes nonce, const IpAddress& from, IkeSpi initiator, TimePoint now) {
    renew(now);
    if (cookie.size() != kSize) return false;
    const Secret* secret = secret_of(cookie[0]);
    if (secret == nullptr) return false;
    return equal_constant_time(cookie, cookie_under(cookie[0], *secret, nonce, from, initiator));
}

void CookieJar::renew(TimePoint now) {
    if (current_ && now - made_at_ < kSecretLife) return;
    // Nobody asked for a long time: what the last secret vouched for is as old.
    const bool previous_is_stale = current_ && now - made_at_ >= 2 * kSecretLife;
    previous_ = previous_is_stale ? std::nullopt : current_;
    current_.emplace();
    rng_.fill(*current_);
    ++version_;
    made_at_ = now;
}

const CookieJar::Secret* CookieJar::secret_of(std::uint8_t version) const noexcept {
    if (current_ && version == version_) return &*current_;
    if (previous_ && version == static_cast<std::uint8_t>(version_ - 1)) return &*previous_;
    return nullptr;
}

}  // namespace isthmus::crypto::ike
