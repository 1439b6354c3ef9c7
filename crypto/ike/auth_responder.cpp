#include <algorithm>

#include "crypto/ike/auth.h"
#include "crypto/ike/auth_common.h"
#include "crypto/ike/child.h"
#include "crypto/ike/identity.h"
#include "crypto/ike/init.h"
#include "crypto/ike/messages.h"
#include "crypto/ike/unique.h"
#include "crypto/ike/upkeep.h"

// The responder's side of IKE_AUTH.

namespace isthmus::crypto::ike::auth {

namespace {

/// Is what IKE_SA_INIT agreed on also what this peer may use?
bool allows(const IkePolicy& policy, const IkeSuite& suite) {
    const auto has = [](const auto& all, const auto& one) {
        return std::ranges::find(all, one) != all.end();
    };
    return has(policy.ciphers, suite.cipher) && has(policy.prfs, suite.prf) &&
           has(policy.groups, suite.group);
}

/// Peers that this initiator may be, those first whose own identity it asks for.
std::vector<const Peer*> peers_for(const Core& core, const IkeSa& sa, const Path& path,
                                   const Identification& initiator, const IdResponderPayload* asked_for) {
    std::vector<const Peer*> fitting;
    for (const Peer* peer : init::candidates(core, path)) {
        const PeerOptions& options = *peer->options;
        const bool is_it = !options.remote_id || same_identity(*options.remote_id, initiator);
        if (is_it && allows(options.policy, sa.suite)) fitting.push_back(peer);
    }
    if (asked_for != nullptr)
        std::stable_partition(fitting.begin(), fitting.end(), [&](const Peer* peer) {
            return same_identity(peer->options->local_id, asked_for->id);
        });
    return fitting;
}

struct Accepted {
    const Peer* peer = nullptr;
    IkeKeys keys;  ///< SK_d, SK_pi, SK_pr
    bool ppk = false;
    std::string how;
};

/// RFC 8784 section 3: which AUTH value counts, and under which keys. Error: a sentence.
struct Keyed {
    IkeKeys keys;
    AuthPayload auth;
    bool ppk = false;
};
Result<Keyed, std::string> with_ppk(const IkeSa& sa, const PeerOptions& options, const AuthPayload& auth,
                                    std::span<const Payload> payloads) {
    Keyed keyed{keys_for_auth(sa.keys), auth, false};
    const auto& ppk = options.credentials->ppk;
    const auto* identity = find_notify(payloads, NotifyType::ppk_identity);
    const auto* without = find_notify(payloads, NotifyType::no_ppk_auth);
    if (identity != nullptr && ppk) {
        const auto id = ppk_identity_in(*identity);
        if (id && std::ranges::equal(*id, ppk->id)) {
            mix_ppk(sa.suite.prf, keyed.keys, ppk->secret);
            keyed.ppk = true;
            return keyed;
        }
    }
    if (ppk && ppk->mandatory)
        return Unexpected(std::string("a post-quantum key is mandatory, but the peer does not use ours"));
    if (identity == nullptr) return keyed;
    if (without == nullptr)
        return Unexpected(std::string("the peer insists on a post-quantum key that is not configured here"));
    keyed.auth.data = without->data;
    return keyed;
}

/// Error: a sentence about the first peer that it might have been.
Result<Accepted, std::string> authenticate(const Core& core, const IkeSa& sa, const Path& path,
                                           std::span<const Payload> payloads) {
    const auto* id = find<IdInitiatorPayload>(payloads);
    const auto* auth = find<AuthPayload>(payloads);
    if (id == nullptr) return Unexpected(std::string("the IKE_AUTH request lacks an IDi payload"));
    if (auth == nullptr)
        return Unexpected(text_of(id->id) +
                          " asks for EAP, which is not supported: use a shared key or certificates");
    const auto* asked_for = find<IdResponderPayload>(payloads);
    const auto fitting = peers_for(core, sa, path, id->id, asked_for);
    if (fitting.empty())
        return Unexpected("no configured peer at " + path.remote.address.text() + " has the identity " +
                          text_of(id->id) + ": wrong identity");
    std::string why;
    for (const Peer* peer : fitting) {
        auto keyed = with_ppk(sa, *peer->options, *auth, payloads);
        if (!keyed) {
            if (why.empty()) why = keyed.error();
            continue;
        }
        const auto verified = verify(core, sa, *peer->options, keyed->keys, id->id, keyed->auth, payloads);
        if (verified) return Accepted{peer, std::move(keyed->keys), keyed->ppk, *verified};
        if (why.empty()) why = verified.error();
    }
    return Unexpected(why);
}

std::vector<Payload> make_child(Core& core, IkeSa& sa, std::span<const Payload> payloads) {
    if (find<SaPayload>(payloads) == nullptr) return {};  // RFC 6023
    auto agreed = child::agree(core, sa, ChildExchange::ike_auth, payloads, std::nullopt);
    if (!agreed) {
        core.fail(sa.peer(), "child refused: " + agreed.error().why);
        return {agreed.error().answer};
    }
    child::install(core, sa, agreed->agreement,
                   {sa.setup->peer_nonce, sa.setup->own_nonce, false, std::nullopt, true});
    return std::move(agreed->reply);
}

std::vector<Payload> refuse(Core& core, IkeSa& sa, const Path& path, const std::string& why) {
    if (core.complaints.allows(core.now))
        core.fail(sa.peer(), "IKE_AUTH from " + path.remote.text() + " refused: " + why);
    upkeep::close(core, sa, ChildDownReason::failed);
    return {notify(NotifyType::authentication_failed)};
}

}  // namespace

std::vector<Payload> on_request(Core& core, IkeSa& sa, std::span<const Payload> payloads, const Path& path) {
    auto accepted = authenticate(core, sa, path, payloads);
    if (!accepted) return refuse(core, sa, path, accepted.error());
    sa.options = accepted->peer->options;
    sa.local = path.local;
    sa.remote = path.remote;
    sa.floated = path.local.port == core.options.nat_port;
    sa.ppk_used = accepted->ppk;
    take_auth_keys(sa.keys, std::move(accepted->keys));
    auto proof = prove(sa, *sa.options, sa.keys);
    if (!proof) return refuse(core, sa, path, proof.error());

    std::vector<Payload> reply{IdResponderPayload{sa.options->local_id}};
    append(reply, certificates(*sa.options));
    reply.emplace_back(std::move(proof->payload));
    if (sa.ppk_used) reply.push_back(notify(NotifyType::ppk_identity));
    establish(core, sa,
              {find<IdInitiatorPayload>(payloads)->id, proof->how, accepted->how,
               certificates_in(*find<AuthPayload>(payloads), payloads)});
    append(reply, make_child(core, sa, payloads));
    sa.setup.reset();
    unique::on_up(core, sa, find_notify(payloads, NotifyType::initial_contact) != nullptr);
    return reply;
}

}  // namespace isthmus::crypto::ike::auth
