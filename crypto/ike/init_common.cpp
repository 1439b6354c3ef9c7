#include "crypto/ike/init_common.h"

#include "crypto/ike/authentication.h"
#include "crypto/ike/credentials.h"
#include "crypto/ike/key_log.h"
#include "crypto/ike/messages.h"

namespace isthmus::crypto::ike::init {

std::vector<Payload> capabilities(Core& core, const IkeSa& sa, const Path& path) {
    std::vector<Payload> payloads;
    const PeerOptions& options = *sa.options;
    if (options.encapsulation != Encapsulation::never) {
        const bool pretend = options.encapsulation == Encapsulation::always;
        payloads.push_back(
            notify(NotifyType::nat_detection_source_ip,
                   pretend ? false_nat_detection_hash(core.rng) : nat_detection_hash(sa.spis, path.local)));
        payloads.push_back(
            notify(NotifyType::nat_detection_destination_ip, nat_detection_hash(sa.spis, path.remote)));
    }
    if (options.fragment_size != 0) payloads.push_back(notify(NotifyType::fragmentation_supported));
    payloads.push_back(signature_hashes_notify(our_signature_hashes()));
    // RFC 8784 section 3: the responder says so to an initiator that did.
    if (options.credentials->ppk && (sa.we_initiated || sa.peer_ppk))
        payloads.push_back(notify(NotifyType::use_ppk));
    return payloads;
}

void learn_capabilities(IkeSa& sa, const Message& message, const Path& path) {
    const auto has = [&](NotifyType type) { return find_notify(message.payloads, type) != nullptr; };
    // With the SPIs that the sender knew: in a request the responder's is still zero.
    const SpiPair spis{message.header.initiator_spi, message.header.responder_spi};
    sa.nat = detect_nat(spis, path, message.payloads);
    sa.peer_fragments = has(NotifyType::fragmentation_supported);
    sa.peer_childless = has(NotifyType::childless_ikev2_supported);
    sa.peer_ppk = has(NotifyType::use_ppk);
    if (const auto* hashes = find_notify(message.payloads, NotifyType::signature_hash_algorithms))
        sa.peer_hashes = signature_hashes_in(*hashes);
    const Encapsulation wish = sa.options->encapsulation;
    const bool wanted = sa.nat.any() || wish == Encapsulation::always;
    sa.in_udp = sa.nat.supported && wanted && wish != Encapsulation::never;
}

void derive_keys(IkeSa& sa, const SecretBytes& shared) {
    const Setup& setup = *sa.setup;
    const NoncePair nonces = sa.we_initiated ? NoncePair{setup.own_nonce, setup.peer_nonce}
                                             : NoncePair{setup.peer_nonce, setup.own_nonce};
    sa.keys = derive_ike_keys(sa.suite, skeyseed(sa.suite.prf, nonces, shared), nonces, sa.spis);
    make_ciphers(sa);
}

void make_ciphers(IkeSa& sa) {
    const IkeKeys& keys = sa.keys;
    const SecretBytes& own_e = sa.we_initiated ? keys.ei : keys.er;
    const SecretBytes& own_a = sa.we_initiated ? keys.ai : keys.ar;
    const SecretBytes& peer_e = sa.we_initiated ? keys.er : keys.ei;
    const SecretBytes& peer_a = sa.we_initiated ? keys.ar : keys.ai;
    sa.sealer.emplace(sa.suite.cipher, own_e.clone(), own_a.clone());
    sa.opener.emplace(sa.suite.cipher, peer_e.clone(), peer_a.clone());
}

void log_keys(Core& core, const IkeSa& sa) {
    if (!core.options.key_log) return;
    if (auto line = ike_key_line(sa.spis, sa.suite, sa.keys)) core.emit(std::move(*line));
}

}  // namespace isthmus::crypto::ike::init
