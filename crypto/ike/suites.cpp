#include "crypto/ike/suites.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace isthmus::crypto::ike {

namespace {

template <class T, std::size_t n>
std::string name_in(const std::array<Named<T>, n>& all, T value) {
    const auto* const found = std::ranges::find(all, value, &Named<T>::value);
    return found == all.end() ? "?" : std::string(found->name);
}
template <class T, std::size_t n>
std::optional<T> value_in(const std::array<Named<T>, n>& all, std::string_view name) {
    const auto* const found = std::ranges::find(all, name, &Named<T>::name);
    if (found == all.end()) return std::nullopt;
    return found->value;
}
template <class T, std::size_t n>
std::string names_of(const std::array<Named<T>, n>& all) {
    std::string out;
    for (const Named<T>& named : all) {
        if (!out.empty()) out += ", ";
        out += named.name;
    }
    return out;
}

}  // namespace

IkeCipherShape shape_of(const IkeCipher& cipher) noexcept {
    constexpr std::size_t kSalt = 4;
    switch (cipher.encryption) {
        case EncryptionId::aes_gcm16: return {cipher.key_bits / 8U + kSalt, 0, 8, 16, 1};
        case EncryptionId::chacha20_poly1305: return {32 + kSalt, 0, 8, 16, 1};
        default: break;
    }
    const std::size_t key = cipher.key_bits / 8U;
    switch (cipher.integrity) {
        case IntegrityId::hmac_sha256_128: return {key, 32, 16, 16, 16};
        case IntegrityId::hmac_sha384_192: return {key, 48, 16, 24, 16};
        case IntegrityId::hmac_sha512_256: return {key, 64, 16, 32, 16};
        case IntegrityId::none: break;
    }
    return {};
}

IkePolicy default_ike_policy() {
    // RFC 8247 makes AES-GCM-16, HMAC-SHA-2 and MODP-2048, ECP-256 or Curve25519 what everybody has. AES-CBC is for peers
    // that only have the older half of that.
    IkePolicy policy;
    for (const auto& [name, cipher] : kIkeCiphers) {
        const bool odd = cipher.integrity != IntegrityId::none &&
                         cipher.integrity != IntegrityId::hmac_sha256_128 && cipher.key_bits == 128;
        if (!odd) policy.ciphers.push_back(cipher);
    }
    policy.prfs = {Prf::hmac_sha256, Prf::hmac_sha384, Prf::hmac_sha512};
    for (const auto& named : kGroups) policy.groups.push_back(named.value);
    return policy;
}

ChildPolicy default_child_policy() {
    ChildPolicy policy;
    policy.suites = {esp::Suite::aes256_gcm16,
                     esp::Suite::aes128_gcm16,
                     esp::Suite::chacha20_poly1305,
                     esp::Suite::aes256_cbc_hmac_sha256_128,
                     esp::Suite::aes256_cbc_hmac_sha512_256,
                     esp::Suite::aes128_cbc_hmac_sha256_128};
    for (const auto& named : kGroups) policy.groups.push_back(named.value);
    return policy;
}

std::string text_of(const IkeCipher& cipher) {
    return name_in(kIkeCiphers, cipher);
}
std::string text_of(Prf prf) {
    return name_in(kPrfs, prf);
}
std::string text_of(DhGroup group) {
    return name_in(kGroups, group);
}
std::string text_of(const IkeSuite& suite) {
    return text_of(suite.cipher) + ", " + text_of(suite.prf) + ", " + text_of(suite.group);
}
std::string text_of(const ChildSuite& suite) {
    std::string out(esp::shape_of(suite.esp).name);
    out += suite.extended_sequence ? ", extended sequence numbers" : ", 32-bit sequence numbers";
    if (suite.group) out += ", " + text_of(*suite.group);
    return out;
}

std::optional<IkeCipher> ike_cipher_named(std::string_view name) {
    return value_in(kIkeCiphers, name);
}
std::optional<Prf> prf_named(std::string_view name) {
    return value_in(kPrfs, name);
}
std::optional<DhGroup> group_named(std::string_view name) {
    return value_in(kGroups, name);
}
std::optional<DhGroup> group_of(std::uint16_t id) noexcept {
    for (const auto& named : kGroups)
        if (raw(named.value) == id) return named.value;
    return std::nullopt;
}
std::string all_ike_cipher_names() {
    return names_of(kIkeCiphers);
}
std::string all_prf_names() {
    return names_of(kPrfs);
}
std::string all_group_names() {
    return names_of(kGroups);
}

}  // namespace isthmus::crypto::ike
