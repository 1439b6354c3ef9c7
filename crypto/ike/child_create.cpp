#include "crypto/ike/child_create.h"

#include <algorithm>

#include "crypto/ike/child.h"
#include "crypto/ike/jitter.h"
#include "crypto/ike/messages.h"
#include "crypto/ike/upkeep.h"

namespace isthmus::crypto::ike::child_create {

namespace {

constexpr unsigned kMostGroups = 3;
/// The peer had its own plans: asked again when they should be done.
constexpr std::chrono::seconds kTemporary{1};
/// A pair that the peer made needless and should delete. If it does not, we do.
constexpr std::chrono::seconds kPatience{30};

void on_refused(Core& core, IkeSa& sa, const ChildOffer& offer, const NotifyPayload& error) {
    if (error.type == NotifyType::invalid_ke_payload && try_other_group(core, sa, offer, error)) return;
    core.release(offer.inbound);
    if (error.type == NotifyType::temporary_failure)
        return sa.enqueue(CreateChildTask{offer.child}, core.now + spread(kTemporary, 50, core.rng));
    core.fail(sa.peer(), child::refusal_text(core, sa, offer, error));
    upkeep::retry_child(core, sa, offer.child);
}

}  // namespace

bool start(Core& core, IkeSa& sa, const CreateChildTask& task) {
    const ChildOptions* options = sa.child_options(task.child);
    if (options == nullptr || !sa.is_up() || sa.live_child(task.child) != nullptr) return false;
    send(core, sa,
         child::make_offer(core, sa, *options, ChildExchange::create_child_sa, std::nullopt,
                           child::first_group(sa, *options)));
    return true;
}

void send(Core& core, IkeSa& sa, ChildOffer offer) {
    std::vector<Payload> payloads;
    if (offer.rekeys) payloads.emplace_back(rekey_notify(*offer.rekeys));
    append(payloads, child::payloads_of(sa, offer, ChildExchange::create_child_sa));
    send_request(core, sa, ExchangeType::create_child_sa, std::move(payloads));
    sa.request = std::move(offer);
}

bool try_other_group(Core& core, IkeSa& sa, const ChildOffer& offer, const NotifyPayload& wish) {
    const ChildOptions* options = sa.child_options(offer.child);
    const auto wanted = wanted_group_in(wish);
    const auto group = wanted ? group_of(*wanted) : std::nullopt;
    if (options == nullptr || !group || offer.tries >= kMostGroups) return false;
    const auto& ours = options->policy.groups;
    if (std::ranges::find(ours, *group) == ours.end()) return false;
    core.release(offer.inbound);
    ChildOffer again =
        child::make_offer(core, sa, *options, ChildExchange::create_child_sa, offer.rekeys, group);
    again.tries = offer.tries + 1;
    again.crossing = offer.crossing;
    send(core, sa, std::move(again));
    return true;
}

void on_response(Core& core, IkeSa& sa, ChildOffer offer, std::span<const Payload> payloads) {
    if (const auto* error = find_error(payloads)) return on_refused(core, sa, offer, *error);
    auto agreed = child::accept(sa, offer, ChildExchange::create_child_sa, payloads);
    if (!agreed) {
        core.fail(sa.peer(), "child " + offer.child + ": " + agreed.error());
        sa.enqueue(DeleteChildTask{offer.inbound, ChildDownReason::failed});
        return upkeep::retry_child(core, sa, offer.child);
    }
    const Nonce& theirs = find<NoncePayload>(payloads)->data;
    ChildSa* other = crossing_pair(sa, offer);
    const bool stays = other == nullptr || !is_void(offer.nonce, theirs, *other);
    ChildSa& mine = child::install(core, sa, *agreed, {offer.nonce, theirs, true, std::nullopt, stays});
    if (other != nullptr) settle_crossing(core, sa, mine, *other);
}

std::vector<Payload> on_request(Core& core, IkeSa& sa, std::span<const Payload> payloads) {
    if (!sa.is_up() || sa.under_way<IkeRekey>() != nullptr) return {notify(NotifyType::temporary_failure)};
    auto agreed = child::agree(core, sa, ChildExchange::create_child_sa, payloads, std::nullopt);
    if (!agreed) {
        if (agreed.error().answer.type != NotifyType::invalid_ke_payload)
            core.fail(sa.peer(), "child refused: " + agreed.error().why);
        return {agreed.error().answer};
    }
    const std::string name = agreed->agreement.name;
    ChildSa* before = sa.live_child(name);
    const Nonce& theirs = find<NoncePayload>(payloads)->data;
    const Nonce ours = find<NoncePayload>(agreed->reply)->data;
    ChildSa& made = child::install(core, sa, agreed->agreement, {theirs, ours, false, std::nullopt, false});
    auto* offer = sa.under_way<ChildOffer>();
    if (offer != nullptr && !offer->rekeys && offer->child == name) {
        offer->crossing = ChildOffer::Crossing{made.inbound};
    } else if (before != nullptr) {
        // The peer wants a second one of the same: it has lost the first, or will delete it.
        before->state = ChildState::replaced;
        before->replaced_by = made.inbound;
        before->leave_at = core.now + kPatience;
    }
    return std::move(agreed->reply);
}

ChildSa* crossing_pair(IkeSa& sa, const ChildOffer& offer) {
    ChildSa* other = offer.crossing ? sa.child_in(offer.crossing->inbound) : nullptr;
    return other != nullptr && other->is_live() ? other : nullptr;
}

bool is_void(Bytes own_nonce, Bytes peer_nonce, const ChildSa& other) {
    return std::ranges::lexicographical_compare(child::lower_nonce(own_nonce, peer_nonce),
                                                other.lowest_nonce);
}

void settle_crossing(Core& core, IkeSa& sa, ChildSa& mine, ChildSa& other) {
    const bool mine_is_void = std::ranges::lexicographical_compare(mine.lowest_nonce, other.lowest_nonce);
    ChildSa& stays = mine_is_void ? other : mine;
    ChildSa& goes = mine_is_void ? mine : other;
    goes.state = ChildState::replaced;
    goes.replaced_by = stays.inbound;
    if (mine_is_void)
        sa.enqueue(DeleteChildTask{mine.inbound, ChildDownReason::replaced});
    else
        goes.leave_at = core.now + kPatience;
    core.mark(sa);
}

}  // namespace isthmus::crypto::ike::child_create
