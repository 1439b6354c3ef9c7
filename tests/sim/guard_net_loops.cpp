// Which ways there are through the net, and whether some lead round.
#include "tests/sim/guard_net.h"

namespace isthmus::test {

namespace {

/// A block is decided on probes that were on their way: the loop may have gone a moment ago, even since we last looked.
constexpr auto kLately = 2s;

}  // namespace

std::size_t GuardNet::count(GuardEventId id) const {
    std::size_t n = 0;
    for (const Happened& one : events_) n += one.event.id == id ? std::size_t{1} : std::size_t{0};
    return n;
}

VlanState GuardNet::state(std::size_t tunnel, std::size_t node) const {
    return state(tunnels_[tunnel].a.node == node ? tunnels_[tunnel].a : tunnels_[tunnel].b);
}

VlanState GuardNet::state(End end) const {
    const Node& node = *nodes_[end.node];
    return node.engine ? node.engine->vlan_state({id_of(end.port), node.vid}) : VlanState::closed;
}

bool GuardNet::crosses(std::size_t tunnel) const {
    const Tunnel& t = tunnels_[tunnel];
    return may_be_up(tunnel) && state(t.a) == VlanState::open && state(t.b) == VlanState::open;
}

std::size_t GuardNet::crossing() const {
    std::size_t n = 0;
    for (std::size_t t = 0; t < tunnels_.size(); ++t) n += crosses(t) ? std::size_t{1} : std::size_t{0};
    return n;
}

std::size_t GuardNet::segments_reached(std::size_t from) const {
    Groups groups(segments_ + nodes_.size());
    for (const Wire& wire : open_wires()) groups.join(wire.a, wire.b);
    std::size_t n = 0;
    for (std::size_t s = 0; s < segments_; ++s)
        n += groups.find(s) == groups.find(from) ? std::size_t{1} : std::size_t{0};
    return n;
}

bool GuardNet::loop_is_open() const {
    Groups groups(segments_ + nodes_.size());
    bool loop = false;
    for (const Wire& wire : open_wires()) loop = (!groups.join(wire.a, wire.b) && wire.guarded) || loop;
    return loop;
}

/// Of LANs before tunnels, and of either what nobody could close first: a circle of that alone is none of the guard's, and any other
/// has a wire that comes after. A LAN port is closed for circles through two of them only.
std::vector<GuardNet::Wire> GuardNet::open_wires() const {
    std::vector<Wire> out;
    for (const Backdoor& b : backdoors_)
        if (b.up && b.from != b.to) out.push_back({b.from, b.to, false});
    for (std::size_t n = 0; n < nodes_.size(); ++n) {
        if (!nodes_[n]->engine) continue;
        for (std::size_t p = 0; p < nodes_[n]->ports.size(); ++p) {
            const Attachment& port = nodes_[n]->ports[p];
            const bool is_way = port.kind == PortKind::lan && port.present && port.up && !lan_blocked(n, p);
            if (is_way) out.push_back({port.segment, segments_ + n, enforces(n, p)});
        }
    }
    const auto unguarded_first = [&out](std::size_t from) {
        std::stable_partition(out.begin() + static_cast<std::ptrdiff_t>(from), out.end(),
                              [](const Wire& wire) { return !wire.guarded; });
    };
    unguarded_first(0);
    const std::size_t of_lans = out.size();
    for (std::size_t t = 0; t < tunnels_.size(); ++t) {
        const auto& [a, b] = std::tie(tunnels_[t].a, tunnels_[t].b);
        if (!crosses(t)) continue;
        const bool guarded = enforces(a.node, a.port) || enforces(b.node, b.port);
        out.push_back({segments_ + a.node, segments_ + b.node, guarded});
    }
    unguarded_first(of_lans);
    return out;
}

bool GuardNet::enforces(std::size_t node, std::size_t port) const {
    const Node& at = *nodes_[node];
    if (at.observe_ordered || !carries(at, at.ports[port])) return false;
    return !at.ports[port].observes.value_or(at.options.observe);
}

bool GuardNet::physically_looped() const {
    bool loop = false;
    Groups groups(segments_ + nodes_.size());
    for (std::size_t n = 0; n < nodes_.size(); ++n)
        for (const Attachment& port : nodes_[n]->ports)
            if (port.kind == PortKind::lan && port.up && port.present)
                loop = !groups.join(port.segment, segments_ + n) || loop;
    for (std::size_t t = 0; t < tunnels_.size(); ++t) {
        const auto& [a, b] = std::tie(tunnels_[t].a, tunnels_[t].b);
        const bool both = nodes_[a.node]->ports[a.port].carries && nodes_[b.node]->ports[b.port].carries;
        if (both && may_be_up(t)) loop = !groups.join(segments_ + a.node, segments_ + b.node) || loop;
    }
    for (const Backdoor& b : backdoors_)
        if (b.up) loop = !groups.join(b.from, b.to) || loop;
    return loop;
}

void GuardNet::watch_loop() {
    const bool loop = loop_is_open();
    if (loop && !loop_since_) {
        loop_since_ = now_;
        remark("a loop is open");
    }
    if (!loop && loop_since_) {
        remark("the loop is closed after " + std::to_string((now_ - *loop_since_) / 1ms) + " ms");
        longest_loop_ = std::max(longest_loop_, now_ - *loop_since_);
        loop_since_.reset();
        loop_ended_ = now_;
    }
}

void GuardNet::note(std::size_t number, const GuardEvent& event) {
    events_.push_back({number, event});
    remark("node " + std::to_string(number) + ": " + std::string(name_of(event.id)) + ": " + event.sentence);
    if (event.id != GuardEventId::blocked && event.id != GuardEventId::lan_port_blocked) return;
    const auto lately = [this](const std::optional<TimePoint>& at) { return at && now_ - *at < kLately; };
    const bool right = physically_looped() || loop_since_ || lately(loop_ended_) || lately(looped_until_);
    if (!right || event.witnesses < 2) ++wrong_blocks_;
}

}  // namespace isthmus::test
