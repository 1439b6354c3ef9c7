#include "appliance/guard_authenticator.h"

#include <algorithm>

#include "crypto/digest.h"
#include "crypto/hkdf.h"

namespace isthmus::appliance {

namespace {

constexpr std::size_t kKeySize = 32;

Bytes label() {
    return {reinterpret_cast<const std::uint8_t*>(stp_guard::kGuardKeyLabel.data()),
            stp_guard::kGuardKeyLabel.size()};
}

}  // namespace

GuardAuthenticator::GuardAuthenticator(Bytes domain_key)
    : key_(crypto::hkdf(crypto::Hash::sha256, domain_key, {}, label(), kKeySize)) {}

stp_guard::FrameAuthenticator::Tag GuardAuthenticator::tag(Bytes payload) const {
    const auto whole = crypto::hmac(crypto::Hash::sha256, key_.reveal(), {payload});
    Tag out{};
    std::copy_n(whole.begin(), out.size(), out.begin());
    return out;
}

}  // namespace isthmus::appliance
