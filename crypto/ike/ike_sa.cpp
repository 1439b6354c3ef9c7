#include "crypto/ike/ike_sa.h"

#include <algorithm>

namespace isthmus::crypto::ike {

std::string_view name_of(IkeState state) noexcept {
    switch (state) {
        case IkeState::init_sent: return "connecting";
        case IkeState::auth_sent: return "authenticating";
        case IkeState::half_open: return "half open";
        case IkeState::established: return "established";
        case IkeState::replaced: return "replaced";
        case IkeState::deleting: return "deleting";
        case IkeState::closed: return "closed";
    }
    return "";
}

EspPath IkeSa::esp_path() const noexcept {
    if (in_udp) return {true, local, remote};
    return {false, {local.address, 0}, {remote.address, 0}};
}

ChildDownReason IkeSa::deletion_reason() const noexcept {
    const auto* deletion = under_way<IkeDeletion>();
    return deletion != nullptr ? deletion->reason : ChildDownReason::terminated;
}

ChildSa* IkeSa::child_in(Spi inbound) noexcept {
    const auto found = std::ranges::find(children, inbound, &ChildSa::inbound);
    return found == children.end() ? nullptr : &*found;
}

ChildSa* IkeSa::child_out(Spi outbound) noexcept {
    const auto found = std::ranges::find(children, outbound, &ChildSa::outbound);
    return found == children.end() ? nullptr : &*found;
}

ChildSa* IkeSa::live_child(std::string_view name) noexcept {
    ChildSa* newest = nullptr;
    for (ChildSa& child : children)
        if (child.is_live() && child.name == name) newest = &child;
    return newest;
}

const ChildOptions* IkeSa::child_options(std::string_view name) const noexcept {
    const auto found = std::ranges::find(options->children, name, &ChildOptions::name);
    return found == options->children.end() ? nullptr : &*found;
}

void IkeSa::enqueue(Task task, TimePoint not_before) {
    queue.push_back({std::move(task), not_before});
}

}  // namespace isthmus::crypto::ike
