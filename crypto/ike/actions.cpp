#include "crypto/ike/actions.h"

namespace isthmus::crypto::ike {

std::string_view name_of(ChildDownReason reason) noexcept {
    switch (reason) {
        case ChildDownReason::replaced: return "replaced";
        case ChildDownReason::deleted_by_peer: return "deleted by the peer";
        case ChildDownReason::terminated: return "terminated";
        case ChildDownReason::peer_lost: return "peer lost";
        case ChildDownReason::expired: return "expired";
        case ChildDownReason::failed: return "failed";
    }
    return "";
}

std::string_view name_of(PeerState state) noexcept {
    switch (state) {
        case PeerState::idle: return "idle";
        case PeerState::resolving: return "resolving";
        case PeerState::connecting: return "connecting";
        case PeerState::up: return "up";
        case PeerState::degraded: return "degraded";
        case PeerState::waiting: return "waiting";
    }
    return "";
}

}  // namespace isthmus::crypto::ike
