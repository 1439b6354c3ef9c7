#include "crypto/ike/deletion.h"

#include "crypto/ike/child.h"
#include "crypto/ike/connect.h"
#include "crypto/ike/ike_rekey.h"
#include "crypto/ike/messages.h"
#include "crypto/ike/upkeep.h"

namespace isthmus::crypto::ike::deletion {

namespace {

/// A child that the peer has closed is not asked for again in the same breath.
constexpr std::chrono::seconds kBeforeAsking{1};

/// The peer deletes the pair whose outbound SPI this is. Our inbound SPI if the answer is to name it.
std::optional<Spi> delete_pair(Core& core, IkeSa& sa, Spi outbound) {
    ChildSa* pair = sa.child_out(outbound);
    auto* under_way = sa.under_way<ChildOffer>();
    if (pair == nullptr && under_way != nullptr) under_way->deleted.push_back(outbound);
    if (pair == nullptr || pair->state == ChildState::late) return std::nullopt;
    // Both sides at once: each has the other's request (RFC 7296 section 2.25.1).
    if (pair->state == ChildState::deleting) return std::nullopt;
    const Spi inbound = pair->inbound;
    if (under_way != nullptr && under_way->rekeys == inbound && under_way->crossing)
        pair->replaced_by = under_way->crossing->inbound;
    const bool has_successor = pair->replaced_by || sa.live_child(pair->name) != pair;
    if (has_successor) {
        child::retire(core, sa, *pair);
        return inbound;
    }
    core.note(NoteLevel::info, sa.peer(), "the peer has closed child " + pair->name);
    sa.enqueue(CreateChildTask{pair->name}, core.now + kBeforeAsking);
    child::remove(core, sa, inbound, ChildDownReason::deleted_by_peer);
    return inbound;
}

void on_ike_deleted(Core& core, IkeSa& sa) {
    const auto* rekey = sa.under_way<IkeRekey>();
    IkeSa* heir = rekey != nullptr && rekey->crossing ? core.sa_with(*rekey->crossing) : nullptr;
    if (heir != nullptr && heir->state == IkeState::established) ike_rekey::hand_over(core, sa, *heir);
    const bool was_up = sa.is_up();
    if (was_up) core.note(NoteLevel::info, sa.peer(), "the peer has closed the IKE SA");
    upkeep::close(core, sa, ChildDownReason::deleted_by_peer);
    Peer* peer = core.peer_named(sa.peer());
    if (was_up && peer != nullptr && !peer->attempt_at)
        connect::schedule(core, *peer, connect::Pace::backing_off);
}

}  // namespace

bool start(Core& core, IkeSa& sa, const DeleteChildTask& task) {
    ChildSa* pair = sa.child_in(task.inbound);
    const bool is_unknown = pair == nullptr;
    // An offer that the peer took in a way that we could not: there is nothing here, but at the peer.
    if (is_unknown && task.reason != ChildDownReason::failed) return false;
    if (!is_unknown && (pair->state == ChildState::deleting || pair->state == ChildState::late)) return false;
    if (!is_unknown && pair->settled_at > core.now) {
        sa.enqueue(task, pair->settled_at);
        return false;
    }
    if (!is_unknown) pair->state = ChildState::deleting;
    send_request(core, sa, ExchangeType::informational, {DeletePayload{ProtocolId::esp, {task.inbound}}});
    sa.request = ChildDeletion{task.inbound, task.reason};
    return true;
}

bool start(Core& core, IkeSa& sa, const DeleteIkeTask& task) {
    if (sa.state == IkeState::deleting) return false;
    core.set_state(sa, IkeState::deleting);
    sa.leave_at.reset();
    send_request(core, sa, ExchangeType::informational, {DeletePayload{ProtocolId::ike, {}}});
    sa.request = IkeDeletion{task.reason};
    return true;
}

void on_response(Core& core, IkeSa& sa, const ChildDeletion& deletion) {
    ChildSa* pair = sa.child_in(deletion.inbound);
    if (pair == nullptr) return core.release(deletion.inbound);
    if (deletion.reason == ChildDownReason::replaced) return child::retire(core, sa, *pair);
    child::remove(core, sa, deletion.inbound, deletion.reason);
}

void on_response(Core& core, IkeSa& sa, const IkeDeletion& deletion) {
    upkeep::close(core, sa, deletion.reason);
}

std::vector<Payload> on_request(Core& core, IkeSa& sa, std::span<const Payload> payloads) {
    DeletePayload ours{ProtocolId::esp, {}};
    for (const Payload& payload : payloads) {
        const auto* theirs = std::get_if<DeletePayload>(&payload);
        if (theirs == nullptr || theirs->protocol == ProtocolId::ah) continue;
        if (theirs->protocol == ProtocolId::ike) {
            on_ike_deleted(core, sa);
            return {};
        }
        for (const Spi outbound : theirs->spis)
            if (const auto inbound = delete_pair(core, sa, outbound)) ours.spis.push_back(*inbound);
    }
    if (ours.spis.empty()) return {};
    return {ours};
}

void say_goodbye(Core& core, IkeSa& sa) {
    const bool can = sa.sealer && sa.is_authenticated() && sa.state != IkeState::closed;
    if (!can) return;
    sa.exchanges.abandon();
    send_request(core, sa, ExchangeType::informational, {DeletePayload{ProtocolId::ike, {}}});
}

}  // namespace isthmus::crypto::ike::deletion
