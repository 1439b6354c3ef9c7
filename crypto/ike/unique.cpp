#include "crypto/ike/unique.h"

#include "crypto/ike/child.h"
#include "crypto/ike/upkeep.h"

namespace isthmus::crypto::ike::unique {

namespace {

bool wins_by_spi(const IkeSa& a, const IkeSa& b) noexcept {
    return raw(a.spis.initiator) < raw(b.spis.initiator);
}

/// Both sides began before either was done.
bool crossed(const IkeSa& newer, const IkeSa& older) noexcept {
    return newer.we_initiated != older.we_initiated && newer.born < older.up_at;
}

void supersede(Core& core, IkeSa& winner, IkeSa& loser, bool silently) {
    for (ChildSa& child : winner.children)
        if (child.is_live()) child::use(core, winner, child);
    if (silently) return upkeep::close(core, loser, ChildDownReason::replaced);
    for (ChildSa& child : loser.children)
        if (child.is_live()) child.state = ChildState::replaced;
    loser.queue.clear();
    loser.enqueue(DeleteIkeTask{ChildDownReason::replaced});
    core.set_state(loser, IkeState::replaced);
}

/// Ours, that is not up yet, against one that is. One whose IKE_AUTH was not even sent cannot be up at the peer.
void settle_with_ours(Core& core, IkeSa& up, IkeSa& ours) {
    if (ours.state == IkeState::init_sent || wins_by_spi(up, ours))
        upkeep::close(core, ours, ChildDownReason::replaced);
}

}  // namespace

void on_up(Core& core, IkeSa& sa, bool peer_is_alone) {
    for (IkeSa* other : core.sas_of(sa.peer())) {
        if (other == &sa) continue;
        if (other->in_progress()) {
            settle_with_ours(core, sa, *other);
        } else if (other->is_up()) {
            const bool new_one_wins = !crossed(sa, *other) || wins_by_spi(sa, *other);
            if (new_one_wins)
                supersede(core, sa, *other, peer_is_alone);
            else
                supersede(core, *other, sa, false);
        }
    }
}

}  // namespace isthmus::crypto::ike::unique
