#include "stp-guard/guard_states.h"

namespace isthmus::stp_guard {

std::string_view name_of(VlanState state) noexcept {
    switch (state) {
        case VlanState::closed: return "closed";
        case VlanState::bum_blocked: return "bum_blocked";
        case VlanState::suspended: return "suspended";
        case VlanState::open: return "open";
    }
    return "unknown";
}

std::string_view name_of(Cause cause) noexcept {
    switch (cause) {
        case Cause::none: return "none";
        case Cause::starting: return "starting";
        case Cause::backdoor: return "backdoor";
        case Cause::sites_loop: return "sites_loop";
        case Cause::lan_loop: return "lan_loop";
        case Cause::outside_loop: return "outside_loop";
        case Cause::peer_proof: return "peer_proof";
        case Cause::sibling: return "sibling";
        case Cause::refused: return "refused";
        case Cause::operator_hold: return "operator_hold";
        case Cause::bpdu_guard: return "bpdu_guard";
        case Cause::storm: return "storm";
    }
    return "unknown";
}

}  // namespace isthmus::stp_guard
