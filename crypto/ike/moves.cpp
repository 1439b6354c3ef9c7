#include "crypto/ike/moves.h"

namespace isthmus::crypto::ike::moves {

namespace {

/// Only a peer behind a NAT moves like this. Who is behind one himself would follow an attacker's copies.
bool may_move(const IkeSa& sa) noexcept {
    return sa.is_authenticated() && sa.floated && sa.nat.remote_behind && !sa.nat.local_behind;
}

void move(Core& core, IkeSa& sa, const Endpoint& remote) {
    core.note(NoteLevel::info, sa.peer(),
              "the peer has moved from " + sa.remote.text() + " to " + remote.text() + " behind its NAT");
    sa.remote = remote;
    core.mark(sa);
    core.mark_peer(sa.peer());
    if (!sa.in_udp || sa.children.empty()) return;
    PathMoved moved{sa.peer(), {}, sa.esp_path()};
    for (const ChildSa& child : sa.children) moved.inbound.push_back(child.inbound);
    core.emit(std::move(moved));
}

}  // namespace

void on_authentic_message(Core& core, IkeSa& sa, const Path& path) {
    if (may_move(sa) && path.local.port == core.options.nat_port && path.remote != sa.remote)
        move(core, sa, path.remote);
}

void on_authentic_esp(Core& core, IkeSa& sa, const Endpoint& remote) {
    if (may_move(sa) && sa.in_udp && remote != sa.remote) move(core, sa, remote);
}

}  // namespace isthmus::crypto::ike::moves
