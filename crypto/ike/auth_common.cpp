#include "crypto/ike/auth_common.h"

#include <algorithm>

#include "crypto/ike/identity.h"
#include "crypto/ike/jitter.h"

namespace isthmus::crypto::ike::auth {

namespace {

std::string words_for(AuthMethod method, const PublicKey& key) {
    std::string kind;
    switch (key.kind()) {
        case KeyKind::rsa: kind = "RSA"; break;
        case KeyKind::ecdsa_p256: kind = "ECDSA P-256"; break;
        case KeyKind::ecdsa_p384: kind = "ECDSA P-384"; break;
        case KeyKind::ecdsa_p521: kind = "ECDSA P-521"; break;
        case KeyKind::ed25519: kind = "Ed25519"; break;
    }
    return "certificate with an " + kind + " key, method " + std::to_string(static_cast<int>(method));
}

std::vector<std::uint8_t> octets_of(const IkeSa& sa, const IkeKeys& keys, const Identification& id,
                                    bool ours) {
    const Setup& setup = *sa.setup;
    SignedOctets parts;
    parts.message = ours ? setup.own_init : setup.peer_init;
    parts.peer_nonce = ours ? setup.peer_nonce : setup.own_nonce;
    parts.prf = sa.suite.prf;
    parts.sk_p = sa.we_initiated == ours ? &keys.pi : &keys.pr;
    parts.id = &id;
    return signed_octets(parts);
}

void set_reauthentication(Core& core, IkeSa& sa) {
    const Duration after = sa.options->reauthentication;
    if (after == Duration::zero()) return;
    sa.reauthenticate_at = core.now + after - random_below(after / 10, core.rng);
    sa.authentic_until = core.now + after + after / 10;
}

}  // namespace

IkeKeys keys_for_auth(const IkeKeys& keys) {
    IkeKeys some;
    some.d = keys.d.clone();
    some.pi = keys.pi.clone();
    some.pr = keys.pr.clone();
    return some;
}

void take_auth_keys(IkeKeys& keys, IkeKeys&& changed) {
    keys.d = std::move(changed.d);
    keys.pi = std::move(changed.pi);
    keys.pr = std::move(changed.pr);
}

Result<Proof, std::string> prove(const IkeSa& sa, const PeerOptions& options, const IkeKeys& keys) {
    const Credentials& credentials = *options.credentials;
    const auto octets = octets_of(sa, keys, options.local_id, true);
    if (credentials.own) {
        auto signature = sign_with_key(credentials.own->key, sa.peer_hashes, octets);
        if (!signature) return Unexpected("we cannot sign: " + signature.error());
        std::string how = words_for(signature->method, credentials.own->key.public_key());
        return Proof{std::move(signature).value(), std::move(how)};
    }
    if (!credentials.psk)
        return Unexpected(
            std::string("there is neither a shared key nor a certificate to authenticate with"));
    return Proof{sign_with_psk(sa.suite.prf, *credentials.psk, octets), "shared key"};
}

Result<std::string, std::string> verify(const Core& core, const IkeSa& sa, const PeerOptions& options,
                                        const IkeKeys& keys, const Identification& id,
                                        const AuthPayload& auth, std::span<const Payload> payloads) {
    const Credentials& credentials = *options.credentials;
    const auto octets = octets_of(sa, keys, id, false);
    if (auth.method == AuthMethod::shared_key) {
        if (!credentials.psk)
            return Unexpected(text_of(id) +
                              " authenticates with a shared key, but none is configured for it");
        const auto verified = verify_with_psk(sa.suite.prf, *credentials.psk, auth, octets);
        if (!verified) return Unexpected(text_of(id) + ": " + verified.error());
        return std::string("shared key");
    }
    if (credentials.authorities.empty())
        return Unexpected(text_of(id) + " authenticates with a certificate, but no authority is configured");
    const auto sent = certificates_in(auth, payloads);
    const auto key = authenticate_peer(credentials, sent, id, {core.wall, core.newest_seen});
    if (!key) return Unexpected(key.error());
    const auto verified = verify_with_key(*key, auth, octets);
    if (!verified) return Unexpected(text_of(id) + ": " + verified.error());
    return words_for(auth.method, *key);
}

std::vector<CertificatePayload> certificates_in(const AuthPayload& auth, std::span<const Payload> payloads) {
    std::vector<CertificatePayload> sent;
    if (auth.method == AuthMethod::shared_key) return sent;
    for (const Payload& payload : payloads)
        if (const auto* certificate = std::get_if<CertificatePayload>(&payload)) sent.push_back(*certificate);
    return sent;
}

Result<void, std::string> check_again(const Core& core, const IkeSa& sa) {
    if (sa.peer_certificates.empty() || !sa.peer_id) return {};
    const auto key = authenticate_peer(*sa.options->credentials, sa.peer_certificates, *sa.peer_id,
                                       {core.wall, core.newest_seen});
    if (!key) return Unexpected(key.error());
    return {};
}

std::vector<Payload> certificates(const PeerOptions& options) {
    std::vector<Payload> payloads;
    if (!options.credentials->own) return payloads;
    for (CertificatePayload& certificate : certificate_payloads(*options.credentials->own))
        payloads.emplace_back(std::move(certificate));
    return payloads;
}

void establish(Core& core, IkeSa& sa, Established facts) {
    core.set_state(sa, IkeState::established);
    sa.peer_id = std::move(facts.peer_id);
    sa.local_auth = std::move(facts.local_auth);
    sa.remote_auth = std::move(facts.remote_auth);
    sa.peer_certificates = std::move(facts.peer_certificates);
    sa.up_at = core.now;
    sa.heard_at = core.now;
    sa.leave_at.reset();
    sa.exchanges.set_options(sa.options->retransmission);
    set_ike_lifetimes(core, sa);
    set_reauthentication(core, sa);
    core.note(NoteLevel::info, sa.peer(),
              "IKE SA " + text_of(sa.spis.initiator) + "/" + text_of(sa.spis.responder) + " with " +
                  text_of(*sa.peer_id) + " at " + sa.remote.text() + " is up (" + text_of(sa.suite) + "; " +
                  sa.remote_auth + ")");
    core.forget_mismatch(sa.peer(), "");
    if (Peer* peer = core.peer_named(sa.peer())) {
        peer->attempt_at.reset();
        peer->failures = 0;
        peer->by_operator = false;
        core.mark_peer(sa.peer());
    }
}

void set_ike_lifetimes(Core& core, IkeSa& sa) {
    const LifetimeOptions& lifetime = sa.options->lifetime;
    const Duration least = lifetime.rekey * (100 - lifetime.jitter_percent) / 100;
    sa.rekey_at = core.now + least + random_below(lifetime.rekey - least, core.rng);
    sa.expires_at = core.now + lifetime.rekey * lifetime.hard_percent / 100;
}

bool is_initial_contact(Core& core, const IkeSa& sa) {
    if (!sa.options->initial_contact) return false;
    return std::ranges::none_of(core.sas_of(sa.peer()), [&](const IkeSa* other) {
        return other != &sa && other->is_authenticated();
    });
}

}  // namespace isthmus::crypto::ike::auth
