#include "crypto/ike/child_rekey.h"

#include "crypto/ike/child.h"
#include "crypto/ike/child_create.h"
#include "crypto/ike/jitter.h"
#include "crypto/ike/messages.h"

namespace isthmus::crypto::ike::child_rekey {

namespace {

/// After we have switched to the new pair, the old one stays for what is under way in both directions.
constexpr std::chrono::seconds kBeforeDeletion{1};
constexpr std::chrono::seconds kTemporary{1};
constexpr std::chrono::seconds kAfterRefusal{10};
constexpr std::chrono::seconds kPatience{60};

/// The peer would not, or not now.
void on_refused(Core& core, IkeSa& sa, const ChildOffer& offer, const NotifyPayload& error) {
    ChildSa* old = sa.child_in(*offer.rekeys);
    if (error.type == NotifyType::invalid_ke_payload && child_create::try_other_group(core, sa, offer, error))
        return;
    core.release(offer.inbound);
    if (offer.crossing && old != nullptr && old->is_live()) {
        // It rekeyed the pair itself: ours is not needed.
        old->state = ChildState::replaced;
        old->replaced_by = offer.crossing->inbound;
        old->leave_at = core.now + kPatience;
    }
    if (old == nullptr || !old->is_live()) return;
    if (error.type == NotifyType::child_sa_not_found) {
        core.fail(sa.peer(), "the peer does not know child " + offer.child + " any more: made anew");
        return child::remove(core, sa, old->inbound, ChildDownReason::failed);
    }
    if (error.type == NotifyType::temporary_failure)
        return sa.enqueue(RekeyChildTask{old->inbound}, core.now + spread(kTemporary, 50, core.rng));
    core.fail(sa.peer(), "new keys: " + child::refusal_text(core, sa, offer, error));
    sa.enqueue(RekeyChildTask{old->inbound}, core.now + spread(kAfterRefusal, 20, core.rng));
}

void replace(Core& core, IkeSa& sa, ChildSa& old, const ChildSa& by) {
    old.state = ChildState::replaced;
    old.replaced_by = by.inbound;
    sa.enqueue(DeleteChildTask{old.inbound, ChildDownReason::replaced}, core.now + kBeforeDeletion);
}

}  // namespace

bool start(Core& core, IkeSa& sa, const RekeyChildTask& task) {
    const ChildSa* old = sa.child_in(task.inbound);
    if (old == nullptr || !old->is_live() || !sa.is_up()) return false;
    const ChildOptions* options = sa.child_options(old->name);
    if (options == nullptr) return false;
    if (old->settled_at > core.now) {
        sa.enqueue(task, old->settled_at);
        return false;
    }
    child_create::send(core, sa,
                       child::make_offer(core, sa, *options, ChildExchange::create_child_sa, old->inbound,
                                         child::first_group(sa, *options)));
    return true;
}

void on_response(Core& core, IkeSa& sa, ChildOffer offer, std::span<const Payload> payloads) {
    if (const auto* error = find_error(payloads)) return on_refused(core, sa, offer, *error);
    auto agreed = child::accept(sa, offer, ChildExchange::create_child_sa, payloads);
    if (!agreed) {
        core.fail(sa.peer(), "new keys for child " + offer.child + ": " + agreed.error());
        sa.enqueue(DeleteChildTask{offer.inbound, ChildDownReason::failed});
        sa.enqueue(RekeyChildTask{*offer.rekeys}, core.now + spread(kAfterRefusal, 20, core.rng));
        return;
    }
    const Nonce& theirs = find<NoncePayload>(payloads)->data;
    ChildSa* other = child_create::crossing_pair(sa, offer);
    const bool mine_stays = other == nullptr || !child_create::is_void(offer.nonce, theirs, *other);
    ChildSa& mine = child::install(core, sa, *agreed, {offer.nonce, theirs, true, offer.rekeys, mine_stays});
    if (other != nullptr) child_create::settle_crossing(core, sa, mine, *other);
    ChildSa* old = sa.child_in(*offer.rekeys);
    if (old == nullptr || !old->is_live()) return;
    if (mine_stays) return replace(core, sa, *old, mine);
    // The peer's exchange stands, so the old pair is the peer's to delete.
    old->state = ChildState::replaced;
    old->replaced_by = other->inbound;
    old->leave_at = core.now + kPatience;
}

std::vector<Payload> on_request(Core& core, IkeSa& sa, Spi peers_inbound, std::span<const Payload> payloads) {
    if (!sa.is_up()) return {notify(NotifyType::temporary_failure)};
    ChildSa* old = sa.child_out(peers_inbound);
    // It may be the pair that the answer to our own request will tell of.
    if (old == nullptr && sa.under_way<ChildOffer>() != nullptr)
        return {notify(NotifyType::temporary_failure)};
    if (old == nullptr || old->state == ChildState::late) return {child_not_found_notify(peers_inbound)};
    const bool busy = sa.under_way<IkeRekey>() != nullptr || !old->is_live();
    if (busy) return {notify(NotifyType::temporary_failure)};
    auto agreed = child::agree(core, sa, ChildExchange::create_child_sa, payloads, old->name);
    if (!agreed) {
        if (agreed.error().answer.type != NotifyType::invalid_ke_payload)
            core.fail(sa.peer(), "new keys for child " + old->name + " refused: " + agreed.error().why);
        return {agreed.error().answer};
    }
    const Nonce& theirs = find<NoncePayload>(payloads)->data;
    const Nonce ours = find<NoncePayload>(agreed->reply)->data;
    const Spi replaced = old->inbound;
    ChildSa& made = child::install(core, sa, agreed->agreement, {theirs, ours, false, replaced, false});
    auto* offer = sa.under_way<ChildOffer>();
    if (offer != nullptr && offer->rekeys == replaced) {
        offer->crossing = ChildOffer::Crossing{made.inbound};
    } else {
        old->state = ChildState::replaced;
        old->replaced_by = made.inbound;
        old->leave_at = core.now + kPatience;
    }
    return std::move(agreed->reply);
}

}  // namespace isthmus::crypto::ike::child_rekey
