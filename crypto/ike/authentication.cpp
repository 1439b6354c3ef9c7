#include "crypto/ike/authentication.h"

#include <algorithm>
#include <array>

namespace isthmus::crypto::ike {

namespace {

using Vector = std::vector<std::uint8_t>;

constexpr std::array kOurHashes{SignatureHash::sha256, SignatureHash::sha384, SignatureHash::sha512,
                                SignatureHash::identity};

Vector psk_value(Prf function, const SecretBytes& psk, Bytes octets) {
    constexpr std::string_view kKeyPad = "Key Pad for IKEv2";
    const Bytes pad(reinterpret_cast<const std::uint8_t*>(kKeyPad.data()), kKeyPad.size());
    const SecretBytes key = prf(function, psk.reveal(), {pad});
    const SecretBytes value = prf(function, key.reveal(), {octets});
    return {value.reveal().begin(), value.reveal().end()};
}

SignatureScheme rsa_scheme(SignatureHash hash) {
    if (hash == SignatureHash::sha512) return SignatureScheme::rsa_pss_sha512;
    return hash == SignatureHash::sha384 ? SignatureScheme::rsa_pss_sha384 : SignatureScheme::rsa_pss_sha256;
}
SignatureScheme ecdsa_scheme(SignatureHash hash) {
    if (hash == SignatureHash::sha512) return SignatureScheme::ecdsa_sha512;
    return hash == SignatureHash::sha384 ? SignatureScheme::ecdsa_sha384 : SignatureScheme::ecdsa_sha256;
}

/// Best first: the hash as strong as the key, then stronger ones, then weaker ones.
std::array<SignatureHash, 3> hash_preference(KeyKind kind) {
    using enum SignatureHash;
    if (kind == KeyKind::ecdsa_p384) return {sha384, sha512, sha256};
    if (kind == KeyKind::ecdsa_p521) return {sha512, sha384, sha256};
    return {sha256, sha384, sha512};
}

bool has(const std::vector<SignatureHash>& hashes, SignatureHash hash) {
    return std::ranges::find(hashes, hash) != hashes.end();
}

Result<SignatureScheme, std::string> negotiated_scheme(KeyKind kind, const std::vector<SignatureHash>& peer) {
    if (kind == KeyKind::ed25519) {
        if (has(peer, SignatureHash::identity)) return SignatureScheme::ed25519;
        return Unexpected(
            std::string("our key is Ed25519, which the peer does not accept (no Identity hash among those it "
                        "announced)"));
    }
    for (const SignatureHash hash : hash_preference(kind))
        if (has(peer, hash)) return kind == KeyKind::rsa ? rsa_scheme(hash) : ecdsa_scheme(hash);
    return Unexpected(std::string("the peer accepts signatures with none of SHA-256, SHA-384 and SHA-512"));
}

struct OldMethod {
    AuthMethod method;
    SignatureScheme scheme;
};
Result<OldMethod, std::string> old_method(KeyKind kind) {
    switch (kind) {
        case KeyKind::rsa: return OldMethod{AuthMethod::rsa_signature, SignatureScheme::rsa_pkcs1_sha256};
        case KeyKind::ecdsa_p256:
            return OldMethod{AuthMethod::ecdsa_sha256_p256, SignatureScheme::ecdsa_p256_sha256_raw};
        case KeyKind::ecdsa_p384:
            return OldMethod{AuthMethod::ecdsa_sha384_p384, SignatureScheme::ecdsa_p384_sha384_raw};
        case KeyKind::ecdsa_p521:
            return OldMethod{AuthMethod::ecdsa_sha512_p521, SignatureScheme::ecdsa_p521_sha512_raw};
        case KeyKind::ed25519: break;
    }
    return Unexpected(std::string(
        "our key is Ed25519, but the peer announced no signature hashes (RFC 7427), so it cannot know it"));
}

/// Method 14's data: length of the AlgorithmIdentifier (one byte), the AlgorithmIdentifier, the signature.
struct DigitalSignature {
    SignatureScheme scheme;
    Bytes signature;
};
Result<DigitalSignature, std::string> parse_digital_signature(Bytes data) {
    ByteReader in(data);
    const auto size = in.u8();
    const auto identifier = size ? in.bytes(*size) : std::nullopt;
    if (!identifier) return Unexpected(std::string("AUTH payload: the algorithm identifier is cut short"));
    const auto scheme = scheme_of(*identifier);
    if (!scheme)
        return Unexpected("the peer signs with an algorithm that is not accepted here (DER " +
                          to_hex(*identifier) + "); SHA-1 and MD5 are not");
    return DigitalSignature{*scheme, in.rest()};
}

Result<void, std::string> verify_old_rsa(const PublicKey& key, const AuthPayload& auth, Bytes octets) {
    // Method 1 does not say its hash; PKCS#1 signatures have it inside.
    for (const SignatureScheme scheme : {SignatureScheme::rsa_pkcs1_sha256, SignatureScheme::rsa_pkcs1_sha384,
                                         SignatureScheme::rsa_pkcs1_sha512})
        if (key.verify(scheme, octets, auth.data)) return {};
    return Unexpected(
        std::string("the RSA signature is wrong, or made with SHA-1, which is not accepted: the peer should "
                    "use RFC 7427"));
}

std::optional<SignatureScheme> raw_scheme(AuthMethod method) {
    switch (method) {
        case AuthMethod::ecdsa_sha256_p256: return SignatureScheme::ecdsa_p256_sha256_raw;
        case AuthMethod::ecdsa_sha384_p384: return SignatureScheme::ecdsa_p384_sha384_raw;
        case AuthMethod::ecdsa_sha512_p521: return SignatureScheme::ecdsa_p521_sha512_raw;
        default: return std::nullopt;
    }
}

}  // namespace

std::vector<std::uint8_t> signed_octets(const SignedOctets& parts) {
    ByteWriter id_body;
    parts.id->emit(id_body);
    const SecretBytes maced = prf(parts.prf, parts.sk_p->reveal(), {id_body.view()});
    ByteWriter out;
    out.bytes(parts.message).bytes(parts.peer_nonce).bytes(maced.reveal());
    return std::move(out).take();
}

AuthPayload sign_with_psk(Prf function, const SecretBytes& psk, Bytes octets) {
    return {AuthMethod::shared_key, psk_value(function, psk, octets)};
}

Result<void, std::string> verify_with_psk(Prf function, const SecretBytes& psk, const AuthPayload& auth,
                                          Bytes octets) {
    if (auth.method != AuthMethod::shared_key)
        return Unexpected("the peer authenticates with " + name_of(auth.method) +
                          ", and a pre-shared key is configured here");
    if (!equal_constant_time(psk_value(function, psk, octets), auth.data))
        return Unexpected(std::string("the peer's AUTH does not fit our pre-shared key: the keys differ"));
    return {};
}

std::span<const SignatureHash> our_signature_hashes() noexcept {
    return kOurHashes;
}

Result<AuthPayload, std::string> sign_with_key(const PrivateKey& key,
                                               const std::optional<std::vector<SignatureHash>>& peer_hashes,
                                               Bytes octets) {
    if (!peer_hashes) {
        const auto old = old_method(key.kind());
        if (!old) return Unexpected(old.error());
        return key.sign(old->scheme, octets).transform([&](Vector&& signature) {
            return AuthPayload{old->method, std::move(signature)};
        });
    }
    const auto scheme = negotiated_scheme(key.kind(), *peer_hashes);
    if (!scheme) return Unexpected(scheme.error());
    const Bytes identifier = algorithm_identifier(*scheme);
    return key.sign(*scheme, octets).transform([&](Vector&& signature) {
        ByteWriter data;
        data.u8(static_cast<std::uint8_t>(identifier.size())).bytes(identifier).bytes(signature);
        return AuthPayload{AuthMethod::digital_signature, std::move(data).take()};
    });
}

Result<void, std::string> verify_with_key(const PublicKey& key, const AuthPayload& auth, Bytes octets) {
    if (auth.method == AuthMethod::digital_signature) {
        const auto parsed = parse_digital_signature(auth.data);
        if (!parsed) return Unexpected(parsed.error());
        return key.verify(parsed->scheme, octets, parsed->signature);
    }
    if (auth.method == AuthMethod::rsa_signature) return verify_old_rsa(key, auth, octets);
    const auto scheme = raw_scheme(auth.method);
    if (!scheme)
        return Unexpected("the peer authenticates with " + name_of(auth.method) +
                          ", and certificates are configured here");
    return key.verify(*scheme, octets, auth.data);
}

}  // namespace isthmus::crypto::ike
