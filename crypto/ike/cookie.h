// Stateless cookies against floods of IKE_SA_INIT from forged addresses (RFC 7296 section 2.6).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/address.h"
#include "base/bytes.h"
#include "base/rng.h"
#include "base/time.h"
#include "crypto/ike/wire/numbers.h"

namespace isthmus::crypto::ike {

/// Makes and recognises cookies without remembering anybody. Two secrets are good at a time, so that a cookie handed out
/// just before a change of secrets still counts.
class CookieJar {
  public:
    static constexpr std::size_t kSize = 33;  ///< one byte that names the secret, then an HMAC-SHA-256

    explicit CookieJar(Rng& rng) noexcept : rng_(rng) {}

    /// For the sender of an IKE_SA_INIT request with this nonce.
    [[nodiscard]] std::vector<std::uint8_t> make(Bytes nonce, const IpAddress& from, IkeSpi initiator,
                                                 TimePoint now);
    /// Did we hand this cookie to this sender, less than two minutes ago?
    [[nodiscard]] bool is_ours(Bytes cookie, Bytes nonce, const IpAddress& from, IkeSpi initiator,
                               TimePoint now);

  private:
    using Secret = std::array<std::uint8_t, 32>;

    void renew(TimePoint now);
    [[nodiscard]] const Secret* secret_of(std::uint8_t version) const noexcept;

    Rng& rng_;
    std::uint8_t version_ = 0;
    std::optional<Secret> current_;
    std::optional<Secret> previous_;
    TimePoint made_at_{};
};

}  // namespace isthmus::crypto::ike
