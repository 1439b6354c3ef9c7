#include "crypto/dh.h"

#include <openssl/core_names.h>
#include <openssl/dh.h>
#include <openssl/param_build.h>

#include <algorithm>
#include <stdexcept>

#include "crypto/openssl_error.h"
#include "crypto/openssl_handles.h"

namespace isthmus::crypto {

namespace {

using Number = std::unique_ptr<BIGNUM, OpenSslFree<BN_clear_free>>;
using Arithmetic = std::unique_ptr<BN_CTX, OpenSslFree<BN_CTX_free>>;
using CurveGroup = std::unique_ptr<EC_GROUP, OpenSslFree<EC_GROUP_free>>;
using Point = std::unique_ptr<EC_POINT, OpenSslFree<EC_POINT_clear_free>>;
using ParamBuilder = std::unique_ptr<OSSL_PARAM_BLD, OpenSslFree<OSSL_PARAM_BLD_free>>;
using Params = std::unique_ptr<OSSL_PARAM, OpenSslFree<OSSL_PARAM_free>>;
using Vector = std::vector<std::uint8_t>;

/// Twice the strength of the largest group and then some: short exponents are safe in safe-prime groups (RFC 7919
/// section 5.2) and make MODP bearable.
constexpr std::size_t kModpExponentBytes = 64;

struct GroupFacts {
    const char* algorithm;
    const char* name;
    int curve;  ///< NID, or 0
};

GroupFacts facts_of(DhGroup group) {
    switch (group) {
        case DhGroup::modp2048: return {"DH", "modp_2048", 0};
        case DhGroup::modp3072: return {"DH", "modp_3072", 0};
        case DhGroup::modp4096: return {"DH", "modp_4096", 0};
        case DhGroup::ecp256: return {"EC", "P-256", NID_X9_62_prime256v1};
        case DhGroup::ecp384: return {"EC", "P-384", NID_secp384r1};
        case DhGroup::ecp521: return {"EC", "P-521", NID_secp521r1};
        case DhGroup::curve25519: return {"X25519", "X25519", 0};
    }
    return {"", "", 0};
}

Number number_of(Bytes big_endian) {
    return Number(BN_bin2bn(big_endian.data(), static_cast<int>(big_endian.size()), nullptr));
}

Number prime_of(DhGroup group) {
    switch (group) {
        case DhGroup::modp2048: return Number(BN_get_rfc3526_prime_2048(nullptr));
        case DhGroup::modp3072: return Number(BN_get_rfc3526_prime_3072(nullptr));
        default: return Number(BN_get_rfc3526_prime_4096(nullptr));
    }
}

struct KeyParts {
    Bytes public_value;           ///< as OpenSSL has it: ECP with 04 in front
    const BIGNUM* private_value;  ///< null: a peer's key
};

/// An EVP key of a MODP or ECP group. Null: OpenSSL refuses, for instance a point that is not on the curve.
KeyHandle make_key(DhGroup group, const KeyParts& parts) {
    const GroupFacts facts = facts_of(group);
    const ParamBuilder builder(OSSL_PARAM_BLD_new());
    const Number public_number = facts.curve == 0 ? number_of(parts.public_value) : Number();
    bool good =
        OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, facts.name, 0) == 1;
    good =
        good &&
        (facts.curve == 0
             ? OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, public_number.get()) == 1
             : OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY,
                                                parts.public_value.data(), parts.public_value.size()) == 1);
    if (good && parts.private_value != nullptr)
        good = OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_PRIV_KEY, parts.private_value) == 1;
    const Params params(good ? OSSL_PARAM_BLD_to_param(builder.get()) : nullptr);
    const KeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, facts.algorithm, nullptr));
    EVP_PKEY* key = nullptr;
    const int selection = parts.private_value != nullptr ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY;
    if (!params || !context || EVP_PKEY_fromdata_init(context.get()) != 1 ||
        EVP_PKEY_fromdata(context.get(), &key, selection, params.get()) != 1)
        return nullptr;
    return KeyHandle(key);
}

std::size_t private_size(DhGroup group) {
    if (group == DhGroup::curve25519) return 32;
    return facts_of(group).curve != 0 ? public_value_size(group) / 2 : kModpExponentBytes;
}

Vector with_point_prefix(Bytes x_and_y) {
    Vector point(x_and_y.size() + 1);
    point[0] = 0x04;
    std::ranges::copy(x_and_y, point.begin() + 1);
    return point;
}

/// 1 < y < p - 1 (RFC 6989 section 2.1): enough where p is a safe prime.
bool good_modp_public(DhGroup group, Bytes value) {
    const Number y = number_of(value);
    const Number p = prime_of(group);
    const Number p_minus_1(BN_dup(p.get()));
    return y && p_minus_1 && BN_sub_word(p_minus_1.get(), 1) == 1 && BN_cmp(y.get(), BN_value_one()) > 0 &&
           BN_cmp(y.get(), p_minus_1.get()) < 0;
}

Result<Vector, std::string> modp_public(DhGroup group, BIGNUM* exponent) {
    const Number p = prime_of(group);
    const Number g(BN_new());
    const Number y(BN_new());
    const Arithmetic arithmetic(BN_CTX_secure_new());
    BN_set_flags(exponent, BN_FLG_CONSTTIME);
    Vector out(public_value_size(group));
    if (!p || !g || !y || !arithmetic || BN_set_word(g.get(), 2) != 1 ||
        BN_mod_exp(y.get(), g.get(), exponent, p.get(), arithmetic.get()) != 1 ||
        BN_bn2binpad(y.get(), out.data(), static_cast<int>(out.size())) < 0)
        return Unexpected(openssl_error("cannot compute the public value"));
    return out;
}

Result<Vector, std::string> ecp_public(DhGroup group, BIGNUM* scalar) {
    const CurveGroup curve(EC_GROUP_new_by_curve_name(facts_of(group).curve));
    const Arithmetic arithmetic(BN_CTX_secure_new());
    if (!curve || !arithmetic) return Unexpected(openssl_error("OpenSSL lacks the curve"));
    if (BN_is_zero(scalar) || BN_cmp(scalar, EC_GROUP_get0_order(curve.get())) >= 0)
        return Unexpected(std::string("the private value is not between 1 and the group's order"));
    const Point point(EC_POINT_new(curve.get()));
    BN_set_flags(scalar, BN_FLG_CONSTTIME);
    Vector out(public_value_size(group) + 1);
    if (!point || EC_POINT_mul(curve.get(), point.get(), scalar, nullptr, nullptr, arithmetic.get()) != 1 ||
        EC_POINT_point2oct(curve.get(), point.get(), POINT_CONVERSION_UNCOMPRESSED, out.data(), out.size(),
                           arithmetic.get()) != out.size())
        return Unexpected(openssl_error("cannot compute the public value"));
    out.erase(out.begin());
    return out;
}

}  // namespace

struct KeyExchange::State {
    DhGroup group;
    Vector public_value;
    KeyHandle key;
};

KeyExchange::KeyExchange(std::unique_ptr<State> state) : state_(std::move(state)) {}
KeyExchange::KeyExchange(KeyExchange&&) noexcept = default;
KeyExchange& KeyExchange::operator=(KeyExchange&&) noexcept = default;
KeyExchange::~KeyExchange() = default;
DhGroup KeyExchange::group() const noexcept {
    return state_->group;
}
Bytes KeyExchange::public_value() const noexcept {
    return state_->public_value;
}

KeyExchange KeyExchange::generate(DhGroup group, Rng& rng) {
    Vector secret(private_size(group));
    constexpr int kAttempts = 200;  // a scalar at or above the order is drawn again: half of all at worst
    for (int i = 0; i < kAttempts; ++i) {
        rng.fill(secret);
        if (group == DhGroup::ecp521) secret[0] &= 1;  // 521 bits
        auto made = from_private(group, secret);
        explicit_bzero(secret.data(), secret.size());
        if (made) return std::move(made).value();
    }
    throw std::runtime_error("cannot make a key for the key exchange");
}

Result<KeyExchange, std::string> KeyExchange::from_private(DhGroup group, Bytes private_value) {
    auto state = std::make_unique<State>(State{group, {}, nullptr});
    if (group == DhGroup::curve25519) {
        state->key.reset(EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, nullptr, private_value.data(),
                                                      private_value.size()));
        std::size_t size = public_value_size(group);
        state->public_value.resize(size);
        if (!state->key ||
            EVP_PKEY_get_raw_public_key(state->key.get(), state->public_value.data(), &size) != 1)
            return Unexpected(openssl_error("OpenSSL refuses the private value"));
        return KeyExchange(std::move(state));
    }
    const bool ecp = facts_of(group).curve != 0;
    const Number number = number_of(private_value);
    auto value = ecp ? ecp_public(group, number.get()) : modp_public(group, number.get());
    if (!value) return Unexpected(std::move(value).error());
    state->public_value = std::move(value).value();
    const Vector wire = ecp ? with_point_prefix(state->public_value) : state->public_value;
    state->key = make_key(group, {wire, number.get()});
    if (!state->key) return Unexpected(openssl_error("OpenSSL refuses the private value"));
    return KeyExchange(std::move(state));
}

Result<SecretBytes, std::string> KeyExchange::agree(Bytes peer) const {
    const DhGroup group = state_->group;
    if (peer.size() != public_value_size(group))
        return Unexpected("the peer's public value has " + std::to_string(peer.size()) + " bytes, not " +
                          std::to_string(public_value_size(group)));
    const bool modp = facts_of(group).algorithm == std::string_view("DH");
    if (modp && !good_modp_public(group, peer))
        return Unexpected(std::string("the peer's public value is not between 2 and p - 2"));

    KeyHandle peer_key;
    if (group == DhGroup::curve25519) {
        peer_key.reset(EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, nullptr, peer.data(), peer.size()));
    } else {
        const Vector wire = modp ? Vector(peer.begin(), peer.end()) : with_point_prefix(peer);
        peer_key = make_key(group, {wire, nullptr});
    }
    if (!peer_key) return Unexpected(openssl_error("the peer's public value is not in the group"));

    const KeyContext context(EVP_PKEY_CTX_new(state_->key.get(), nullptr));
    if (!context || EVP_PKEY_derive_init(context.get()) != 1 ||
        (modp && EVP_PKEY_CTX_set_dh_pad(context.get(), 1) != 1) ||
        EVP_PKEY_derive_set_peer(context.get(), peer_key.get()) != 1)
        return Unexpected(openssl_error("the peer's public value is not in the group"));
    Vector shared(public_value_size(group));
    std::size_t size = shared.size();
    // For Curve25519 OpenSSL refuses an all-zero result, as RFC 8031 section 2 wants.
    if (EVP_PKEY_derive(context.get(), shared.data(), &size) != 1)
        return Unexpected(openssl_error("the exchange has no usable result"));
    SecretBytes secret(Bytes(shared).first(size));
    explicit_bzero(shared.data(), shared.size());
    return secret;
}

}  // namespace isthmus::crypto
