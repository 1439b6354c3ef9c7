#include "crypto/ike/auth.h"
#include "crypto/ike/auth_common.h"
#include "crypto/ike/child.h"
#include "crypto/ike/connect.h"
#include "crypto/ike/identity.h"
#include "crypto/ike/messages.h"
#include "crypto/ike/unique.h"
#include "crypto/ike/upkeep.h"

// The initiator's side of IKE_AUTH.

namespace isthmus::crypto::ike::auth {

namespace {

/// RFC 8784 section 3: mixes our PPK in, if both sides have one. Error: a sentence.
Result<void, std::string> mix_in_ppk(IkeSa& sa) {
    const auto& ppk = sa.options->credentials->ppk;
    if (!ppk) return {};
    if (!sa.peer_ppk) {
        if (ppk->mandatory)
            return Unexpected(std::string("a post-quantum key is mandatory, but the peer does not use them"));
        return {};
    }
    if (!ppk->mandatory) sa.setup->plain = keys_for_auth(sa.keys);
    mix_ppk(sa.suite.prf, sa.keys, ppk->secret);
    sa.ppk_used = true;
    return {};
}

std::vector<Payload> ppk_payloads(const IkeSa& sa) {
    std::vector<Payload> payloads;
    if (!sa.ppk_used) return payloads;
    payloads.emplace_back(ppk_identity_notify(sa.options->credentials->ppk->id));
    if (!sa.setup->plain) return payloads;
    const auto without = prove(sa, *sa.options, *sa.setup->plain);
    if (without) payloads.push_back(notify(NotifyType::no_ppk_auth, without->payload.data));
    return payloads;
}

/// The first child goes along, unless the IKE SA is to come first.
std::optional<ChildOffer> first_child(Core& core, const IkeSa& sa) {
    const bool alone = sa.options->childless == Childless::prefer && sa.peer_childless;
    if (alone || sa.options->children.empty()) return std::nullopt;
    return child::make_offer(core, sa, sa.options->children.front(), ChildExchange::ike_auth, std::nullopt,
                             std::nullopt);
}

/// The peer would not have us. What it may have meant.
std::string refusal_text(const IkeSa& sa, const NotifyPayload& error) {
    if (error.type != NotifyType::authentication_failed)
        return "the peer answered IKE_AUTH with " + name_of(error.type);
    const bool psk = !sa.options->credentials->own;
    return "the peer refused to authenticate us as " + text_of(sa.options->local_id) +
           " (AUTHENTICATION_FAILED): it expects another identity, " +
           (psk ? "or the shared keys differ" : "or does not accept our certificate");
}

/// Error: a sentence.
Result<std::string, std::string> check_peer(Core& core, IkeSa& sa, std::span<const Payload> payloads) {
    const auto* id = find<IdResponderPayload>(payloads);
    const auto* auth = find<AuthPayload>(payloads);
    if (id == nullptr || auth == nullptr)
        return Unexpected(std::string("the peer's IKE_AUTH response lacks an IDr or AUTH payload"));
    const bool ppk_taken = find_notify(payloads, NotifyType::ppk_identity) != nullptr;
    if (sa.ppk_used && !ppk_taken) {
        if (!sa.setup->plain)
            return Unexpected(std::string("the peer did not use our post-quantum key, which is mandatory"));
        take_auth_keys(sa.keys, std::move(*sa.setup->plain));
        sa.ppk_used = false;
    }
    if (sa.options->remote_id && !same_identity(*sa.options->remote_id, id->id))
        return Unexpected("the peer says it is " + text_of(id->id) + ", but " +
                          text_of(*sa.options->remote_id) + " is configured: wrong identity");
    return verify(core, sa, *sa.options, sa.keys, id->id, *auth, payloads);
}

void take_child(Core& core, IkeSa& sa, const ChildOffer& offer, std::span<const Payload> payloads,
                const Nonce& own, const Nonce& peer) {
    std::string why;
    if (const auto* error = find_error(payloads)) {
        why = child::refusal_text(core, sa, offer, *error);
        core.release(offer.inbound);
    } else {
        auto agreed = child::accept(sa, offer, ChildExchange::ike_auth, payloads);
        if (agreed) {
            child::install(core, sa, *agreed, {own, peer, true, std::nullopt, true});
            return;
        }
        why = "child " + offer.child + ": " + agreed.error();
        sa.enqueue(DeleteChildTask{offer.inbound, ChildDownReason::failed});
    }
    core.fail(sa.peer(), why);
    upkeep::retry_child(core, sa, offer.child);
}

}  // namespace

void begin(Core& core, IkeSa& sa) {
    core.set_state(sa, IkeState::auth_sent);
    const PeerOptions& options = *sa.options;
    const auto mixed = mix_in_ppk(sa);
    if (!mixed) return connect::on_attempt_failed(core, sa, mixed.error());
    auto proof = prove(sa, options, sa.keys);
    if (!proof) return connect::on_attempt_failed(core, sa, proof.error());
    sa.local_auth = proof->how;

    std::vector<Payload> payloads{IdInitiatorPayload{options.local_id}};
    append(payloads, certificates(options));
    if (is_initial_contact(core, sa)) payloads.push_back(notify(NotifyType::initial_contact));
    if (!options.credentials->authorities.empty())
        payloads.emplace_back(certificate_request(options.credentials->authorities));
    if (options.remote_id) payloads.emplace_back(IdResponderPayload{*options.remote_id});
    payloads.emplace_back(std::move(proof->payload));
    append(payloads, ppk_payloads(sa));
    auto offer = first_child(core, sa);
    if (offer) append(payloads, child::payloads_of(sa, *offer, ChildExchange::ike_auth));
    send_request(core, sa, ExchangeType::ike_auth, std::move(payloads));
    if (offer) sa.request = std::move(*offer);
}

void on_response(Core& core, IkeSa& sa, ChildOffer* offer, std::span<const Payload> payloads) {
    const auto give_up_child = [&] {
        if (offer != nullptr) core.release(offer->inbound);
    };
    const auto* error = find<AuthPayload>(payloads) == nullptr ? find_error(payloads) : nullptr;
    if (error != nullptr) {
        give_up_child();
        return connect::on_attempt_failed(core, sa, refusal_text(sa, *error));
    }
    const auto verified = check_peer(core, sa, payloads);
    if (!verified) {
        give_up_child();
        // The peer believes that all is well: it is told (RFC 7296 section 2.21.2).
        sa.enqueue(RefuseTask{NotifyType::authentication_failed});
        return connect::on_peer_refused(core, sa, verified.error());
    }
    establish(core, sa,
              {find<IdResponderPayload>(payloads)->id, sa.local_auth, *verified,
               certificates_in(*find<AuthPayload>(payloads), payloads)});
    if (offer != nullptr) take_child(core, sa, *offer, payloads, sa.setup->own_nonce, sa.setup->peer_nonce);
    sa.setup.reset();
    unique::on_up(core, sa, false);
}

}  // namespace isthmus::crypto::ike::auth
