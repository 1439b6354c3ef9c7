// How frames go through the net.
#include "tests/sim/guard_net.h"

namespace isthmus::test {

namespace {

constexpr std::size_t kMaxHops = 12;
constexpr std::size_t kHostSends = SIZE_MAX - 1;
constexpr std::size_t kBackdoorSends = std::size_t{1} << 32;

}  // namespace

void GuardNet::send_probe(std::size_t number, const SendProbe& probe) {
    const std::size_t port = port_of(probe.place.port);
    const Attachment& out = nodes_[number]->ports[port];
    if (out.kind == PortKind::tunnel) return into_tunnel(number, port, {probe.frame, 0});
    nodes_[number]->last_lan_probe = probe.frame;
    if (out.up) flood(out.segment, {probe.frame, 0}, number, port);
}

void GuardNet::into_tunnel(std::size_t number, std::size_t port, Frame frame) {
    const std::size_t tunnel = nodes_[number]->ports[port].tunnel;
    const Tunnel& t = tunnels_[tunnel];
    if (!may_be_up(tunnel) || static_cast<double>(rng_.below(1'000'000)) < t.loss * 1e6) return;
    const End to = other_end(tunnel, {number, port});
    const Duration jitter = Duration(static_cast<std::int64_t>(rng_.below(2'000'000)));
    later(t.delay + jitter, [this, tunnel, to, frame = std::move(frame)] {
        if (may_be_up(tunnel)) out_of_tunnel(to.node, to.port, frame);
    });
}

void GuardNet::out_of_tunnel(std::size_t number, std::size_t port, const Frame& frame) {
    Node& node = *nodes_[number];
    if (!node.engine) return;
    const auto view = peek_guard_frame(frame.bytes);
    const bool message = view && view->header.type == GuardFrameType::message;
    // What a session does not carry ends at its allow-list.
    if (!message && !node.ports[port].carries) return;
    if (view) {
        node.engine->on_guard_frame(id_of(port), node.vid, frame.bytes, now_);
        drain(number);
        if (message || view->header.sender.node == node.identity.node) return;
    }
    if (state(End{number, port}) == VlanState::open) forward(number, port, frame);
}

/// From the LAN.
void GuardNet::into_port(std::size_t number, std::size_t port, const Frame& frame) {
    Node& node = *nodes_[number];
    if (!node.engine || !node.ports[port].up || !node.ports[port].present) return;
    const auto view = peek_guard_frame(frame.bytes);
    if (view) {
        node.engine->on_guard_frame(id_of(port), node.vid, frame.bytes, now_);
        drain(number);
        if (view->header.sender.node == node.identity.node) return;
    }
    if (!lan_blocked(number, port)) forward(number, port, frame);
}

void GuardNet::forward(std::size_t number, std::size_t from, Frame frame) {
    if (++frame.hops > kMaxHops) return;
    Node& node = *nodes_[number];
    for (std::size_t p = 0; p < node.ports.size(); ++p) {
        const Attachment& out = node.ports[p];
        if (p == from || !out.present) continue;
        if (out.kind == PortKind::tunnel) {
            if (state(End{number, p}) == VlanState::open) into_tunnel(number, p, frame);
        } else if (out.up && !lan_blocked(number, p)) {
            flood(out.segment, frame, number, p);
        }
    }
}

/// To all on the segment but who sent it.
void GuardNet::flood(std::size_t segment, Frame frame, std::size_t node, std::size_t port) {
    if (++frame.hops > kMaxHops) return;
    for (std::size_t n = 0; n < nodes_.size(); ++n)
        for (std::size_t p = 0; p < nodes_[n]->ports.size(); ++p) {
            const Attachment& at = nodes_[n]->ports[p];
            if (at.kind != PortKind::lan || at.segment != segment || (n == node && p == port)) continue;
            later(100us, [this, n, p, frame] { into_port(n, p, frame); });
        }
    for (const Backdoor& backdoor : backdoors_) {
        if (!backdoor.up || (backdoor.from != segment && backdoor.to != segment)) continue;
        const std::size_t to = backdoor.from == segment ? backdoor.to : backdoor.from;
        const auto which = static_cast<std::size_t>(&backdoor - backdoors_.data());
        if (node == kBackdoorSends + which && backdoor.from != backdoor.to) continue;
        later(backdoor.delay, [this, to, frame, which] {
            if (backdoors_[which].up) flood(to, frame, kBackdoorSends + which, 0);
        });
    }
    reflect(segment, frame, node);
}

void GuardNet::reflect(std::size_t segment, const Frame& frame, std::size_t node) {
    const auto view = peek_guard_frame(frame.bytes);
    if (node == kHostSends || !view) return;
    for (const Reflector& host : reflectors_) {
        if (host.from != segment || !host.kinds.contains(kind_of(view->destination))) continue;
        Frame echo = frame;
        if (host.rewrites) echo.bytes[11] ^= 0x55;
        later(2ms, [this, to = host.to, echo] { flood(to, echo, kHostSends, 0); });
    }
}

}  // namespace isthmus::test
