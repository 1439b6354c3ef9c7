#include "crypto/ike/ike_rekey.h"

#include <algorithm>

#include "crypto/ike/auth_common.h"
#include "crypto/ike/child.h"
#include "crypto/ike/deletion.h"
#include "crypto/ike/init_common.h"
#include "crypto/ike/jitter.h"
#include "crypto/ike/messages.h"
#include "crypto/ike/negotiation.h"
#include "crypto/ike/upkeep.h"

namespace isthmus::crypto::ike::ike_rekey {

namespace {

constexpr unsigned kMostGroups = 3;
constexpr std::chrono::seconds kTemporary{1};
constexpr std::chrono::seconds kAfterRefusal{10};
constexpr std::chrono::seconds kPatience{30};

void send(Core& core, IkeSa& sa, DhGroup group, unsigned tries, std::optional<IkeSpi> crossing) {
    IkeRekey rekey;
    rekey.new_spi = core.fresh_ike_spi();
    rekey.nonce = core.fresh_nonce();
    rekey.offered = offer(sa.options->policy, rekey.new_spi);
    rekey.key_exchange = KeyExchange::generate(group, core.rng);
    rekey.tries = tries;
    rekey.crossing = crossing;
    const Bytes value = rekey.key_exchange->public_value();
    send_request(core, sa, ExchangeType::create_child_sa,
                 {rekey.offered, NoncePayload{rekey.nonce},
                  KeyExchangePayload{static_cast<std::uint16_t>(group), {value.begin(), value.end()}}});
    sa.request = std::move(rekey);
}

/// All that the new IKE SA has from the old one but keys and messages.
std::unique_ptr<IkeSa> successor_of(Core& core, const IkeSa& old, const IkeSuite& suite, SpiPair spis,
                                    bool we_initiated) {
    auto sa = std::make_unique<IkeSa>(old.options);
    sa->spis = spis;
    sa->we_initiated = we_initiated;
    sa->state = IkeState::established;
    sa->local = old.local;
    sa->remote = old.remote;
    sa->floated = old.floated;
    sa->in_udp = old.in_udp;
    sa->nat = old.nat;
    sa->suite = suite;
    sa->peer_fragments = old.peer_fragments;
    sa->peer_childless = old.peer_childless;
    sa->peer_ppk = old.peer_ppk;
    sa->peer_hashes = old.peer_hashes;
    sa->setup.reset();
    sa->peer_id = old.peer_id;
    sa->local_auth = old.local_auth;
    sa->remote_auth = old.remote_auth;
    sa->ppk_used = old.ppk_used;
    sa->peer_certificates = old.peer_certificates;
    sa->reauthenticate_at = old.reauthenticate_at;
    sa->authentic_until = old.authentic_until;
    sa->born = core.now;
    sa->up_at = core.now;
    sa->heard_at = core.now;
    sa->sent_at = core.now;
    auth::set_ike_lifetimes(core, *sa);
    return sa;
}

IkeSa& make(Core& core, const IkeSa& old, std::unique_ptr<IkeSa> sa, const SecretBytes& shared,
            const NoncePair& nonces) {
    const SecretBytes seed = rekey_skeyseed(old.suite.prf, old.keys.d, shared, nonces);
    sa->keys = derive_ike_keys(sa->suite, seed, nonces, sa->spis);
    sa->lowest_nonce = child::lower_nonce(nonces.initiator, nonces.responder);
    init::make_ciphers(*sa);
    IkeSa& added = core.add(std::move(sa));
    init::log_keys(core, added);
    return added;
}

IkeSa* living(Core& core, std::optional<IkeSpi> own_spi) {
    IkeSa* sa = own_spi ? core.sa_with(*own_spi) : nullptr;
    return sa != nullptr && sa->state == IkeState::established ? sa : nullptr;
}

/// The old IKE SA has ended meanwhile: what the peer's crossing exchange made of it has no use either.
void give_up(Core& core, IkeSa* heir) {
    if (heir == nullptr || !heir->pending) return;
    deletion::say_goodbye(core, *heir);
    upkeep::close(core, *heir, ChildDownReason::replaced);
}

void on_refused(Core& core, IkeSa& sa, const IkeRekey& rekey, const NotifyPayload& error) {
    if (error.type == NotifyType::invalid_ke_payload && rekey.tries < kMostGroups) {
        const auto wanted = wanted_group_in(error);
        const auto group = wanted ? group_of(*wanted) : std::nullopt;
        const auto& ours = sa.options->policy.groups;
        if (group && std::ranges::find(ours, *group) != ours.end())
            return send(core, sa, *group, rekey.tries + 1, rekey.crossing);
    }
    // The peer's own exchange went through, so ours is not needed; or all is over.
    if (!sa.is_up()) return give_up(core, living(core, rekey.crossing));
    if (IkeSa* heir = living(core, rekey.crossing)) return hand_over(core, sa, *heir);
    const bool soon = error.type == NotifyType::temporary_failure;
    const std::string text = "the peer refused to rekey the IKE SA with " + name_of(error.type);
    if (!soon) core.fail(sa.peer(), text);
    if (error.type == NotifyType::no_proposal_chosen)
        core.remember(sa.peer(), {text_of(rekey.offered), "", text, ""});
    sa.enqueue(RekeyIkeTask{},
               core.now + (soon ? spread(kTemporary, 50, core.rng) : spread(kAfterRefusal, 20, core.rng)));
}

/// The keys and the IKE SA that the response completes. Error: a sentence.
Result<IkeSa*, std::string> complete(Core& core, IkeSa& sa, const IkeRekey& rekey,
                                     std::span<const Payload> payloads) {
    const auto* answered = find<SaPayload>(payloads);
    const auto* nonce = find<NoncePayload>(payloads);
    const auto* ke = find<KeyExchangePayload>(payloads);
    if (answered == nullptr || nonce == nullptr || ke == nullptr)
        return Unexpected(std::string("the response lacks an SA, Nonce or KE payload"));
    const auto choice = accept_ike(rekey.offered, *answered);
    if (!choice) return Unexpected(choice.error());
    if (choice->suite.group != rekey.key_exchange->group() || raw(choice->peer_spi) == 0)
        return Unexpected(std::string("the response chose another group, or no SPI"));
    const auto shared = rekey.key_exchange->agree(ke->data);
    if (!shared) return Unexpected(shared.error());
    auto made = successor_of(core, sa, choice->suite, {rekey.new_spi, choice->peer_spi}, true);
    return &make(core, sa, std::move(made), *shared, {rekey.nonce, nonce->data});
}

}  // namespace

bool start(Core& core, IkeSa& sa) {
    if (!sa.is_up()) return false;
    send(core, sa, sa.suite.group, 1, std::nullopt);
    return true;
}

void on_response(Core& core, IkeSa& sa, IkeRekey rekey, std::span<const Payload> payloads) {
    if (const auto* error = find_error(payloads)) return on_refused(core, sa, rekey, *error);
    const auto made = complete(core, sa, rekey, payloads);
    if (!made) {
        core.fail(sa.peer(), "rekeying the IKE SA: " + made.error());
        if (!sa.is_up()) return give_up(core, living(core, rekey.crossing));
        if (IkeSa* heir = living(core, rekey.crossing)) return hand_over(core, sa, *heir);
        return sa.enqueue(RekeyIkeTask{}, core.now + spread(kAfterRefusal, 20, core.rng));
    }
    IkeSa& mine = **made;
    IkeSa* other = living(core, rekey.crossing);
    const bool mine_is_void =
        other != nullptr && std::ranges::lexicographical_compare(mine.lowest_nonce, other->lowest_nonce);
    if (mine_is_void || !sa.is_up()) {
        mine.state = IkeState::replaced;
        mine.enqueue(DeleteIkeTask{ChildDownReason::replaced});
        if (!sa.is_up()) return give_up(core, other);
        return hand_over(core, sa, *other);
    }
    hand_over(core, sa, mine);
    sa.enqueue(DeleteIkeTask{ChildDownReason::replaced});
    if (other == nullptr) return;
    other->pending = false;
    other->replaced_by = mine.own_spi();
    other->leave_at = core.now + kPatience;
    core.set_state(*other, IkeState::replaced);
}

std::vector<Payload> on_request(Core& core, IkeSa& sa, std::span<const Payload> payloads) {
    const bool busy =
        !sa.is_up() || sa.under_way<ChildOffer>() != nullptr || sa.under_way<ChildDeletion>() != nullptr;
    if (busy) return {notify(NotifyType::temporary_failure)};
    const auto* offered = find<SaPayload>(payloads);
    const auto* nonce = find<NoncePayload>(payloads);
    const auto* ke = find<KeyExchangePayload>(payloads);
    if (nonce == nullptr || ke == nullptr) return {notify(NotifyType::invalid_syntax)};
    const auto choice = choose(sa.options->policy, *offered, ke->group);
    if (!choice || raw(choice->peer_spi) == 0) {
        if (!choice)
            core.remember(sa.peer(), {text_of(ike::offer(sa.options->policy, std::nullopt)),
                                      text_of(*offered), choice.error(), ""});
        core.fail(sa.peer(), "rekeying the IKE SA refused: " + (choice ? "there is no SPI" : choice.error()));
        return {notify(NotifyType::no_proposal_chosen)};
    }
    const auto group = static_cast<std::uint16_t>(choice->suite.group);
    if (group != ke->group) return {invalid_ke_notify(group)};
    const KeyExchange own = KeyExchange::generate(choice->suite.group, core.rng);
    const auto shared = own.agree(ke->data);
    if (!shared) return {notify(NotifyType::invalid_syntax)};

    const Nonce own_nonce = core.fresh_nonce();
    auto made = successor_of(core, sa, choice->suite, {choice->peer_spi, core.fresh_ike_spi()}, false);
    IkeSa& heir = make(core, sa, std::move(made), *shared, {nonce->data, own_nonce});
    if (auto* ours = sa.under_way<IkeRekey>()) {
        ours->crossing = heir.own_spi();
        heir.pending = true;
    } else {
        hand_over(core, sa, heir);
    }
    const Bytes value = own.public_value();
    return {answer(*choice, heir.own_spi()), NoncePayload{own_nonce},
            KeyExchangePayload{group, {value.begin(), value.end()}}};
}

void on_pending_used(Core& core, IkeSa& heir) {
    for (IkeSa* old : core.sas_of(heir.peer())) {
        const auto* ours = old->under_way<IkeRekey>();
        if (ours != nullptr && ours->crossing == heir.own_spi()) return hand_over(core, *old, heir);
    }
}

void hand_over(Core& core, IkeSa& old, IkeSa& heir) {
    heir.pending = false;
    core.forget_mismatch(heir.peer(), "");
    for (const ChildSa& child : old.children) core.set_owner(child.inbound, heir);
    heir.children.splice(heir.children.end(), old.children);
    for (QueuedTask& queued : old.queue)
        if (!std::holds_alternative<LivenessTask>(queued.task) &&
            !std::holds_alternative<RekeyIkeTask>(queued.task))
            heir.queue.push_back(std::move(queued));
    old.queue.clear();
    old.replaced_by = heir.own_spi();
    old.leave_at = core.now + kPatience;
    core.set_state(old, IkeState::replaced);
    core.mark(heir);
    core.mark_peer(old.peer());
    core.note(NoteLevel::info, old.peer(),
              "IKE SA rekeyed: " + text_of(heir.spis.initiator) + "/" + text_of(heir.spis.responder) +
                  " replaces " + text_of(old.spis.initiator) + "/" + text_of(old.spis.responder));
}

}  // namespace isthmus::crypto::ike::ike_rekey
