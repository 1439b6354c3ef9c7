// What the net is made of, and what happens to it.
#include "tests/sim/guard_net.h"

#include <algorithm>

namespace isthmus::test {

namespace {

std::string words(bool up) {
    return up ? " comes up" : " goes down";
}

}  // namespace

std::string GuardNet::text(std::size_t node, std::size_t port) const {
    return nodes_[node]->ports[port].name + " of node " + std::to_string(node);
}

// ----------------------------------------------------------------------------------------------------- building it

std::size_t GuardNet::add_node(std::uint64_t site, const std::vector<std::size_t>& segments,
                               std::uint64_t node_id, std::uint16_t vid) {
    auto node = std::make_unique<Node>();
    const std::size_t number = nodes_.size();
    node->identity = {DomainId{7}, SiteId{site}, NodeId{node_id != 0 ? node_id : 100 + number}};
    node->vid = vid;
    for (const std::size_t segment : segments) {
        Attachment lan;
        lan.kind = PortKind::lan;
        lan.segment = segment;
        lan.name = "lan" + std::to_string(node->ports.size());
        node->ports.push_back(lan);
        segments_ = std::max(segments_, segment + 1);
    }
    nodes_.push_back(std::move(node));
    return number;
}

std::size_t GuardNet::add_tunnel(std::size_t a, std::size_t b, Duration delay) {
    const std::size_t number = tunnels_.size();
    for (const auto& [me, other] : {std::pair(a, b), std::pair(b, a)}) {
        Attachment port;
        port.kind = PortKind::tunnel;
        port.tunnel = number;
        port.name = "to-" + std::to_string(other) + "-" + std::to_string(number);
        nodes_[me]->ports.push_back(port);
    }
    const auto last = [&](std::size_t node) { return nodes_[node]->ports.size() - 1; };
    tunnels_.push_back({{a, last(a) - (a == b ? 1 : 0)}, {b, last(b)}, true, delay, 0.0});
    return number;
}

std::size_t GuardNet::add_backdoor(std::size_t from, std::size_t to, bool up, Duration delay) {
    backdoors_.push_back({from, to, up, delay});
    return backdoors_.size() - 1;
}

void GuardNet::add_reflector(std::size_t segment, std::set<ProbeKind> kinds, bool rewrites) {
    reflectors_.push_back({segment, segment, std::move(kinds), rewrites});
}

void GuardNet::add_relay(std::size_t from, std::size_t to, std::set<ProbeKind> kinds, bool rewrites) {
    reflectors_.push_back({from, to, kinds, rewrites});
    reflectors_.push_back({to, from, std::move(kinds), rewrites});
}

void GuardNet::start() {
    for (std::size_t i = 0; i < nodes_.size(); ++i) start_node(i);
}

// ---------------------------------------------------------------------------------------------------- what happens

void GuardNet::set_backdoor(std::size_t backdoor, bool up) {
    note_shape();
    backdoors_[backdoor].up = up;
    remark("backdoor " + std::to_string(backdoor) + words(up));
}

void GuardNet::set_tunnel(std::size_t tunnel, bool up) {
    if (tunnels_[tunnel].up == up) return;
    note_shape();
    tunnels_[tunnel].up = up;
    remark("tunnel " + std::to_string(tunnel) + words(up));
    link_sessions(tunnel, may_be_up(tunnel));
}

void GuardNet::set_loss(double loss) {
    for (auto& tunnel : tunnels_) tunnel.loss = loss;
}

void GuardNet::set_lan(std::size_t node, std::size_t port, bool up) {
    note_shape();
    Attachment& lan = nodes_[node]->ports[port];
    lan.up = up;
    remark(text(node, port) + words(up));
    ++lan.link;
    if (!nodes_[node]->engine || !lan.present) return;
    nodes_[node]->engine->on_link(id_of(port), up, now_, lan.link);
    if (up) nodes_[node]->engine->on_lan_frame(id_of(port), now_);
    drain(node);
}

void GuardNet::stop_node(std::size_t number) {
    note_shape();
    Node& node = *nodes_[number];
    node.saved = node.engine->save(1, now_);
    node.engine.reset();
    remark("node " + std::to_string(number) + " stops");
    for (std::size_t t = 0; t < tunnels_.size(); ++t) peer_link(t, number, false);
}

void GuardNet::start_node(std::size_t number) {
    remark("node " + std::to_string(number) + " starts");
    bring_up(number);
    for (std::size_t t = 0; t < tunnels_.size(); ++t) peer_link(t, number, may_be_up(t));
    drain(number);
}

void GuardNet::renew_node(std::size_t number) {
    remark("node " + std::to_string(number) + " has a new engine" +
           (nodes_[number]->options.observe ? " that observes" : ""));
    nodes_[number]->saved = nodes_[number]->engine->save(1, now_);
    bring_up(number);
    drain(number);
}

void GuardNet::bring_up(std::size_t number) {
    Node& node = *nodes_[number];
    node.engine = std::make_unique<GuardEngine>(node.identity, node.options, authenticator_, rng_);
    if (!node.saved.empty()) (void)node.engine->restore(node.saved, 1, now_);
    for (Attachment& port : node.ports) port.told.reset();
    reconfigure(number);
    node.engine->on_bum(node.vid, now_);
    for (std::size_t p = 0; p < node.ports.size(); ++p) {
        const Attachment& port = node.ports[p];
        if (port.kind != PortKind::lan || !port.up || !port.present) continue;
        node.engine->on_link(id_of(p), true, now_, port.link);
        node.engine->on_lan_frame(id_of(p), now_);
    }
    for (std::size_t t = 0; t < tunnels_.size(); ++t)
        for (const End end : {tunnels_[t].a, tunnels_[t].b})
            if (end.node == number && may_be_up(t) && nodes_[other_end(t, end).node]->engine)
                node.engine->on_link(id_of(end.port), true, now_);
}

void GuardNet::set_present(std::size_t number, std::size_t port, bool present) {
    Node& node = *nodes_[number];
    Attachment& changed = node.ports[port];
    if (changed.present == present) return;
    note_shape();
    remark(text(number, port) + (present ? " is there" : " is taken away"));
    const bool lan = changed.kind == PortKind::lan;
    changed.present = present;
    changed.told.reset();
    if (node.engine && !present) node.engine->on_port_gone(id_of(port), now_);
    if (node.engine) reconfigure(number);
    if (node.engine && lan && present && changed.up) {
        node.engine->on_link(id_of(port), true, now_, changed.link);
        node.engine->on_lan_frame(id_of(port), now_);
    }
    if (node.engine) drain(number);
    if (!lan) link_sessions(changed.tunnel, may_be_up(changed.tunnel));
}

void GuardNet::set_carries(std::size_t node, std::size_t port, bool carries) {
    note_shape();
    nodes_[node]->ports[port].carries = carries;
    remark(text(node, port) + (carries ? " carries the VLAN" : " does not carry the VLAN"));
    if (!nodes_[node]->engine) return;
    reconfigure(node);
    drain(node);
}

void GuardNet::set_observes(std::size_t node, std::size_t port, std::optional<bool> observes) {
    nodes_[node]->ports[port].observes = observes;
    remark(text(node, port) + (!observes ? " follows the others" : *observes ? " observes" : " enforces"));
    if (!nodes_[node]->engine) return;
    reconfigure(node);
    drain(node);
}

void GuardNet::order(std::size_t number, const GuardCommand& command) {
    Node& node = *nodes_[number];
    if (!node.engine) return;
    if (command.what == GuardCommand::What::observe) node.observe_ordered = true;
    if (command.what == GuardCommand::What::enforce) node.observe_ordered = false;
    node.engine->on_command(command, now_);
    drain(number);
}

void GuardNet::jump(Duration by) {
    now_ += by;
    remark("the clock jumped");
    if (loop_since_) *loop_since_ += by;
}

GuardPort GuardNet::spec_of(const Node& node, std::size_t number) const {
    const Attachment& port = node.ports[number];
    GuardPort out;
    out.id = id_of(number);
    out.kind = port.kind;
    out.name = port.name;
    out.observe = port.observes;
    if (carries(node, port)) out.vlans.insert(VlanId::parse(node.vid).value());
    if (port.kind == PortKind::lan) return out;
    const Tunnel& tunnel = tunnels_[port.tunnel];
    const bool alike = nodes_[tunnel.a.node]->vid == nodes_[tunnel.b.node]->vid;
    out.renumbers = !alike;
    if (!alike) out.message_tag = node.vid;
    return out;
}

bool GuardNet::carries(const Node& node, const Attachment& port) const {
    if (port.kind == PortKind::tunnel) return port.carries;
    return std::any_of(node.ports.begin(), node.ports.end(), [](const Attachment& one) {
        return one.kind == PortKind::tunnel && one.present && one.carries;
    });
}

/// Tells of what is not as it was told.
void GuardNet::reconfigure(std::size_t number) {
    Node& node = *nodes_[number];
    for (std::size_t p = 0; p < node.ports.size(); ++p) {
        Attachment& port = node.ports[p];
        const GuardPort spec = spec_of(node, p);
        if (!port.present || port.told == spec) continue;
        port.told = spec;
        node.engine->on_port(spec, now_);
    }
}

GuardNet::End GuardNet::other_end(std::size_t tunnel, End end) const {
    const Tunnel& t = tunnels_[tunnel];
    return t.a.node == end.node && t.a.port == end.port ? t.b : t.a;
}

bool GuardNet::may_be_up(std::size_t tunnel) const {
    const auto& [a, b] = std::tie(tunnels_[tunnel].a, tunnels_[tunnel].b);
    return tunnels_[tunnel].up && nodes_[a.node]->ports[a.port].present &&
           nodes_[b.node]->ports[b.port].present;
}

void GuardNet::link_sessions(std::size_t tunnel, bool up) {
    for (const End end : {tunnels_[tunnel].a, tunnels_[tunnel].b}) {
        Node& node = *nodes_[end.node];
        if (!node.engine || !nodes_[other_end(tunnel, end).node]->engine) continue;
        node.engine->on_link(id_of(end.port), up, now_);
        drain(end.node);
    }
}

void GuardNet::peer_link(std::size_t tunnel, std::size_t restarted, bool up) {
    const Tunnel& t = tunnels_[tunnel];
    for (const End end : {t.a, t.b}) {
        const End other = other_end(tunnel, end);
        if (other.node != restarted || end.node == restarted || !nodes_[end.node]->engine) continue;
        nodes_[end.node]->engine->on_link(id_of(end.port), up, now_);
        drain(end.node);
    }
}

// -------------------------------------------------------------------------------------------------------- its time

bool GuardNet::run_until(TimePoint end, const std::function<bool()>& happened) {
    while (!happened()) {
        TimePoint next = end;
        std::size_t who = SIZE_MAX;
        for (std::size_t i = 0; i < nodes_.size(); ++i) {
            if (!nodes_[i]->engine) continue;
            const auto at = nodes_[i]->engine->next_timeout();
            if (at && *at < next) {
                next = *at;
                who = i;
            }
        }
        if (!queue_.empty() && queue_.top().at <= next) {
            const auto what = queue_.top().what;
            advance(queue_.top().at);
            queue_.pop();
            what();
        } else if (who != SIZE_MAX) {
            advance(next);
            nodes_[who]->engine->on_timeout(now_);
            drain(who);
        } else {
            advance(end);
            return happened();
        }
        watch_loop();
    }
    return true;
}

void GuardNet::drain(std::size_t number) {
    Node& node = *nodes_[number];
    while (auto action = node.engine->poll_action()) {
        if (auto* probe = std::get_if<SendProbe>(&*action)) send_probe(number, *probe);
        if (auto* message = std::get_if<SendPeer>(&*action))
            into_tunnel(number, port_of(message->session), {std::move(message->frame), 0});
        if (auto* event = std::get_if<GuardEvent>(&*action)) note(number, *event);
    }
}

}  // namespace isthmus::test
