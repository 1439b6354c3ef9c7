// Sites, gateways and tunnels in small: LAN segments, backdoors between them, hosts that echo, and the real guard engines.
// Frames that are flooded go everywhere that states and links let them; tunnels lose and delay.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <queue>
#include <set>
#include <string>
#include <vector>

#include "stp-guard/guard_engine.h"
#include "stp-guard/loop_probe.h"
#include "tests/crypto/seeded_rng.h"
#include "tests/stp-guard/toy_authenticator.h"

namespace isthmus::test {

using namespace stp_guard;
using namespace std::chrono_literals;

class GuardNet {
  public:
    struct Happened {
        std::size_t node = 0;
        GuardEvent event;
    };
    static constexpr std::uint16_t kVid = 110;

    explicit GuardNet(std::uint64_t seed) : rng_(seed) {}

    // ------------------------------------------------------------------------------------------------- building it

    /// Returns the node's number; it has one LAN port on each segment. Node identifiers grow with the number unless given.
    std::size_t add_node(std::uint64_t site, const std::vector<std::size_t>& segments,
                         std::uint64_t node_id = 0) {
        auto node = std::make_unique<Node>();
        const std::size_t number = nodes_.size();
        node->identity = {DomainId{7}, SiteId{site}, NodeId{node_id != 0 ? node_id : 100 + number}};
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
    /// Returns the tunnel's number.
    std::size_t add_tunnel(std::size_t a, std::size_t b, Duration delay = 20ms) {
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
    std::size_t add_backdoor(std::size_t from, std::size_t to, bool up = false, Duration delay = 1ms) {
        backdoors_.push_back({from, to, up, delay});
        return backdoors_.size() - 1;
    }
    /// A host that sends back each flooded frame once. `kinds`: which destinations it hears; `rewrites`: with its own address.
    void add_reflector(std::size_t segment,
                       std::set<ProbeKind> kinds = {ProbeKind::multicast, ProbeKind::broadcast,
                                                    ProbeKind::decoy},
                       bool rewrites = false) {
        reflectors_.push_back({segment, segment, std::move(kinds), rewrites});
    }
    /// A host with two interfaces that passes some kinds of frames between two segments.
    void add_relay(std::size_t from, std::size_t to, std::set<ProbeKind> kinds, bool rewrites) {
        reflectors_.push_back({from, to, kinds, rewrites});
        reflectors_.push_back({to, from, std::move(kinds), rewrites});
    }
    void start() {
        for (std::size_t i = 0; i < nodes_.size(); ++i) start_node(i);
    }

    // ------------------------------------------------------------------------------------------------ what happens

    void set_backdoor(std::size_t backdoor, bool up) { backdoors_[backdoor].up = up; }
    void set_tunnel(std::size_t tunnel, bool up) {
        if (tunnels_[tunnel].up == up) return;
        tunnels_[tunnel].up = up;
        for (const End end : {tunnels_[tunnel].a, tunnels_[tunnel].b}) {
            Node& node = *nodes_[end.node];
            if (node.engine && nodes_[other_end(tunnel, end).node]->engine) {
                node.engine->on_link(id_of(end.port), up, now_);
                drain(end.node);
            }
        }
    }
    void set_loss(double loss) {
        for (auto& tunnel : tunnels_) tunnel.loss = loss;
    }
    void set_lan(std::size_t node, std::size_t port, bool up) {
        nodes_[node]->ports[port].up = up;
        ++nodes_[node]->ports[port].link;
        if (!nodes_[node]->engine) return;
        nodes_[node]->engine->on_link(id_of(port), up, now_, nodes_[node]->ports[port].link);
        if (up) nodes_[node]->engine->on_lan_frame(id_of(port), now_);
        drain(node);
    }
    /// The process ends; what it saved stays. Its sessions go down at both ends.
    void stop_node(std::size_t number) {
        Node& node = *nodes_[number];
        node.saved = node.engine->save(1, now_);
        node.engine.reset();
        for (std::size_t t = 0; t < tunnels_.size(); ++t) peer_link(t, number, false);
    }
    void start_node(std::size_t number) {
        Node& node = *nodes_[number];
        node.engine = std::make_unique<GuardEngine>(node.identity, node.options, authenticator_, rng_);
        if (!node.saved.empty()) (void)node.engine->restore(node.saved, 1, now_);
        for (std::size_t p = 0; p < node.ports.size(); ++p) {
            GuardPort port;
            port.id = id_of(p);
            port.kind = node.ports[p].kind;
            port.name = node.ports[p].name;
            port.vlans = vlans_;
            node.engine->on_port(port, now_);
        }
        node.engine->on_bum(kVid, now_);
        for (std::size_t p = 0; p < node.ports.size(); ++p) {
            if (node.ports[p].kind != PortKind::lan || !node.ports[p].up) continue;
            node.engine->on_link(id_of(p), true, now_, node.ports[p].link);
            node.engine->on_lan_frame(id_of(p), now_);
        }
        for (std::size_t t = 0; t < tunnels_.size(); ++t) {
            const Tunnel& tunnel = tunnels_[t];
            for (const End end : {tunnel.a, tunnel.b})
                if (end.node == number && tunnel.up && nodes_[other_end(t, end).node]->engine)
                    node.engine->on_link(id_of(end.port), true, now_);
            peer_link(t, number, tunnel.up);
        }
        drain(number);
    }
    void run(Duration duration) {
        run_until(now_ + duration, [] { return false; });
    }
    /// False: it did not happen in time.
    bool run_until(Duration within, const std::function<bool()>& happened) {
        return run_until(now_ + within, happened);
    }

    // -------------------------------------------------------------------------------------------------- looking at it

    [[nodiscard]] TimePoint now() const { return now_; }
    /// Nobody runs meanwhile: neither do frames.
    void jump(Duration by) {
        now_ += by;
        if (loop_since_) *loop_since_ += by;
    }
    GuardEngine& engine(std::size_t node) { return *nodes_[node]->engine; }
    GuardOptions& options(std::size_t node) { return nodes_[node]->options; }
    SeededRng& rng() { return rng_; }
    [[nodiscard]] const std::vector<Happened>& events() const { return events_; }
    [[nodiscard]] std::size_t count(GuardEventId id) const {
        std::size_t n = 0;
        for (const Happened& one : events_) n += one.event.id == id ? std::size_t{1} : std::size_t{0};
        return n;
    }
    [[nodiscard]] std::string story() const {
        std::string out;
        for (const Happened& one : events_)
            out += std::to_string((one.event.at - kStart) / 1ms) + " ms, node " + std::to_string(one.node) +
                   ": " + std::string(name_of(one.event.id)) + ": " + one.event.sentence + "\n";
        return out;
    }
    [[nodiscard]] VlanState state(std::size_t tunnel, std::size_t node, std::uint16_t vid = kVid) const {
        const End end = tunnels_[tunnel].a.node == node ? tunnels_[tunnel].a : tunnels_[tunnel].b;
        return state(end, vid);
    }
    /// Broadcasts of that VLAN cross.
    [[nodiscard]] bool crosses(std::size_t tunnel, std::uint16_t vid = kVid) const {
        const Tunnel& t = tunnels_[tunnel];
        return t.up && state(t.a, vid) == VlanState::open && state(t.b, vid) == VlanState::open;
    }
    [[nodiscard]] std::size_t crossing(std::uint16_t vid = kVid) const {
        std::size_t n = 0;
        for (std::size_t t = 0; t < tunnels_.size(); ++t)
            n += crosses(t, vid) ? std::size_t{1} : std::size_t{0};
        return n;
    }
    [[nodiscard]] std::size_t segments_reached(std::size_t from, std::uint16_t vid = kVid) const {
        Groups groups = connect(vid, nullptr);
        std::size_t n = 0;
        for (std::size_t s = 0; s < segments_; ++s)
            n += groups.find(s) == groups.find(from) ? std::size_t{1} : std::size_t{0};
        return n;
    }
    /// Frames can go round in that VLAN, in a way that some gateway is part of.
    [[nodiscard]] bool loop_is_open(std::uint16_t vid = kVid) const {
        bool loop = false;
        (void)connect(vid, &loop);
        return loop;
    }
    [[nodiscard]] Duration longest_loop() const {
        return std::max(longest_loop_, loop_since_ ? now_ - *loop_since_ : Duration{});
    }
    void forget_longest_loop() {
        longest_loop_ = {};
        if (loop_since_) loop_since_ = now_;
    }
    /// Each block had two witnesses, and began while there was a way round.
    [[nodiscard]] bool every_block_was_right() const { return wrong_blocks_ == 0; }

    /// A frame into a segment, as if a host there sent it.
    void inject(std::size_t segment, const std::vector<std::uint8_t>& frame, std::uint16_t vid = kVid) {
        flood(segment, {frame, vid, 0}, SIZE_MAX, SIZE_MAX);
    }
    /// What was last sent by that node on a LAN port.
    [[nodiscard]] const std::vector<std::uint8_t>& last_lan_probe(std::size_t node) const {
        return nodes_[node]->last_lan_probe;
    }
    void set_vlans(const VlanSet& vlans) { vlans_ = vlans; }

    static constexpr TimePoint kStart{1000s};

  private:
    struct Frame {
        std::vector<std::uint8_t> bytes;
        std::uint16_t vid = 0;
        std::size_t hops = 0;
    };
    struct Attachment {
        PortKind kind = PortKind::lan;
        std::string name;
        std::size_t segment = 0;
        std::size_t tunnel = 0;
        bool up = true;
        std::uint64_t link = 1;  ///< of a LAN port: another one each time it comes
    };
    struct Node {
        Identity identity;
        GuardOptions options;
        std::vector<Attachment> ports;
        std::unique_ptr<GuardEngine> engine;
        std::vector<std::uint8_t> saved;
        std::vector<std::uint8_t> last_lan_probe;
    };
    struct End {
        std::size_t node = 0;
        std::size_t port = 0;
    };
    struct Tunnel {
        End a;
        End b;
        bool up = true;
        Duration delay{};
        double loss = 0;
    };
    struct Backdoor {
        std::size_t from = 0;
        std::size_t to = 0;
        bool up = false;
        Duration delay{};
    };
    struct Reflector {
        std::size_t from = 0;
        std::size_t to = 0;
        std::set<ProbeKind> kinds;
        bool rewrites = false;
    };
    struct Later {
        TimePoint at;
        std::uint64_t order = 0;
        std::function<void()> what;
        friend bool operator>(const Later& a, const Later& b) {
            return std::pair(a.at, a.order) > std::pair(b.at, b.order);
        }
    };
    /// Union-find over segments and nodes.
    struct Groups {
        std::vector<std::size_t> parent;
        explicit Groups(std::size_t n) : parent(n) {
            for (std::size_t i = 0; i < n; ++i) parent[i] = i;
        }
        std::size_t find(std::size_t i) {
            while (parent[i] != i) i = parent[i] = parent[parent[i]];
            return i;
        }
        /// False: they were connected already.
        bool join(std::size_t a, std::size_t b) {
            const bool apart = find(a) != find(b);
            parent[find(a)] = find(b);
            return apart;
        }
    };
    static constexpr std::size_t kMaxHops = 12;

    static PortId id_of(std::size_t port) { return PortId{static_cast<std::uint32_t>(port + 1)}; }
    static std::size_t port_of(PortId id) { return raw(id) - 1; }

    [[nodiscard]] End other_end(std::size_t tunnel, End end) const {
        const Tunnel& t = tunnels_[tunnel];
        return t.a.node == end.node && t.a.port == end.port ? t.b : t.a;
    }
    [[nodiscard]] VlanState state(End end, std::uint16_t vid) const {
        const auto& engine = nodes_[end.node]->engine;
        return engine ? engine->vlan_state({id_of(end.port), vid}) : VlanState::closed;
    }
    void peer_link(std::size_t tunnel, std::size_t restarted, bool up) {
        const Tunnel& t = tunnels_[tunnel];
        for (const End end : {t.a, t.b}) {
            const End other = other_end(tunnel, end);
            if (other.node != restarted || end.node == restarted || !nodes_[end.node]->engine) continue;
            nodes_[end.node]->engine->on_link(id_of(end.port), up && t.up, now_);
            drain(end.node);
        }
    }
    void later(Duration delay, std::function<void()> what) {
        queue_.push({now_ + delay, ++order_, std::move(what)});
    }

    bool run_until(TimePoint end, const std::function<bool()>& happened) {
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
    void advance(TimePoint to) { now_ = std::max(now_, to); }
    void watch_loop() {
        const bool loop = loop_is_open();
        if (loop && !loop_since_) loop_since_ = now_;
        if (!loop && loop_since_) {
            longest_loop_ = std::max(longest_loop_, now_ - *loop_since_);
            loop_since_.reset();
            loop_ended_ = now_;
        }
    }

    void drain(std::size_t number) {
        Node& node = *nodes_[number];
        while (auto action = node.engine->poll_action()) {
            if (auto* probe = std::get_if<SendProbe>(&*action)) send_probe(number, *probe);
            if (auto* message = std::get_if<SendPeer>(&*action))
                into_tunnel(number, port_of(message->session), {std::move(message->frame), 0, 0});
            if (auto* event = std::get_if<GuardEvent>(&*action)) note(number, *event);
        }
    }
    void note(std::size_t number, const GuardEvent& event) {
        events_.push_back({number, event});
        if (event.id != GuardEventId::blocked && event.id != GuardEventId::lan_port_blocked) return;
        // A block is decided on probes that were on their way: the loop may have gone a moment ago, even since we last looked.
        if (event.witnesses < 2) ++wrong_blocks_;
        const bool gone_lately = loop_since_ || (loop_ended_ && now_ - *loop_ended_ < 2s);
        const bool right = physically_looped() || gone_lately;
        if (!right) ++wrong_blocks_;
    }
    /// Were everything open, frames could go round.
    [[nodiscard]] bool physically_looped() const {
        bool loop = false;
        Groups groups(segments_ + nodes_.size());
        for (std::size_t n = 0; n < nodes_.size(); ++n)
            for (const Attachment& port : nodes_[n]->ports)
                if (port.kind == PortKind::lan && port.up)
                    loop = !groups.join(port.segment, segments_ + n) || loop;
        for (const Tunnel& t : tunnels_)
            if (t.up) loop = !groups.join(segments_ + t.a.node, segments_ + t.b.node) || loop;
        for (const Backdoor& b : backdoors_)
            if (b.up) loop = !groups.join(b.from, b.to) || loop;
        return loop;
    }
    [[nodiscard]] Groups connect(std::uint16_t vid, bool* loop) const {
        Groups groups(segments_ + nodes_.size());
        const auto join = [&](std::size_t a, std::size_t b) {
            if (!groups.join(a, b) && loop != nullptr) *loop = true;
        };
        for (const Backdoor& b : backdoors_)
            if (b.up && b.from != b.to) (void)groups.join(b.from, b.to);
        for (std::size_t n = 0; n < nodes_.size(); ++n) {
            if (!nodes_[n]->engine) continue;
            for (std::size_t p = 0; p < nodes_[n]->ports.size(); ++p) {
                const Attachment& port = nodes_[n]->ports[p];
                if (port.kind == PortKind::lan && port.up && !nodes_[n]->engine->lan_blocked({id_of(p), vid}))
                    join(port.segment, segments_ + n);
            }
        }
        for (std::size_t t = 0; t < tunnels_.size(); ++t)
            if (crosses(t, vid)) join(segments_ + tunnels_[t].a.node, segments_ + tunnels_[t].b.node);
        return groups;
    }

    void send_probe(std::size_t number, const SendProbe& probe) {
        const std::size_t port = port_of(probe.place.port);
        const Attachment& out = nodes_[number]->ports[port];
        if (out.kind == PortKind::tunnel) return into_tunnel(number, port, {probe.frame, probe.place.vid, 0});
        nodes_[number]->last_lan_probe = probe.frame;
        if (out.up) flood(out.segment, {probe.frame, probe.place.vid, 0}, number, port);
    }
    void into_tunnel(std::size_t number, std::size_t port, Frame frame) {
        const std::size_t tunnel = nodes_[number]->ports[port].tunnel;
        const Tunnel& t = tunnels_[tunnel];
        if (!t.up || static_cast<double>(rng_.below(1'000'000)) < t.loss * 1e6) return;
        const End to = other_end(tunnel, {number, port});
        const Duration jitter = Duration(static_cast<std::int64_t>(rng_.below(2'000'000)));
        later(t.delay + jitter, [this, tunnel, to, frame = std::move(frame)] {
            if (tunnels_[tunnel].up) out_of_tunnel(to.node, to.port, frame);
        });
    }
    void out_of_tunnel(std::size_t number, std::size_t port, const Frame& frame) {
        Node& node = *nodes_[number];
        if (!node.engine) return;
        const auto view = peek_guard_frame(frame.bytes);
        if (view) {
            node.engine->on_guard_frame(id_of(port), frame.vid, frame.bytes, now_);
            drain(number);
            if (view->header.type == GuardFrameType::message ||
                view->header.sender.node == node.identity.node)
                return;
        }
        if (state({number, port}, frame.vid) == VlanState::open) forward(number, port, frame);
    }
    /// From the LAN.
    void into_port(std::size_t number, std::size_t port, const Frame& frame) {
        Node& node = *nodes_[number];
        if (!node.engine || !node.ports[port].up) return;
        const auto view = peek_guard_frame(frame.bytes);
        if (view) {
            node.engine->on_guard_frame(id_of(port), frame.vid, frame.bytes, now_);
            drain(number);
            if (view->header.sender.node == node.identity.node) return;
        }
        if (!node.engine->lan_blocked({id_of(port), frame.vid})) forward(number, port, frame);
    }
    void forward(std::size_t number, std::size_t from, Frame frame) {
        if (++frame.hops > kMaxHops) return;
        Node& node = *nodes_[number];
        for (std::size_t p = 0; p < node.ports.size(); ++p) {
            if (p == from) continue;
            const Attachment& out = node.ports[p];
            if (out.kind == PortKind::tunnel) {
                if (state({number, p}, frame.vid) == VlanState::open) into_tunnel(number, p, frame);
            } else if (out.up && !node.engine->lan_blocked({id_of(p), frame.vid})) {
                flood(out.segment, frame, number, p);
            }
        }
    }
    /// To all on the segment but who sent it.
    void flood(std::size_t segment, Frame frame, std::size_t node, std::size_t port) {
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
            if (node == kBackdoorSends + static_cast<std::size_t>(&backdoor - backdoors_.data()) &&
                backdoor.from != backdoor.to)
                continue;
            later(backdoor.delay,
                  [this, to, frame, which = static_cast<std::size_t>(&backdoor - backdoors_.data())] {
                      if (backdoors_[which].up) flood(to, frame, kBackdoorSends + which, 0);
                  });
        }
        reflect(segment, frame, node);
    }
    void reflect(std::size_t segment, const Frame& frame, std::size_t node) {
        const auto view = peek_guard_frame(frame.bytes);
        if (node == kHostSends || !view) return;
        for (const Reflector& host : reflectors_) {
            if (host.from != segment || !host.kinds.contains(kind_of(view->destination))) continue;
            Frame echo = frame;
            if (host.rewrites) echo.bytes[11] ^= 0x55;
            later(2ms, [this, to = host.to, echo] { flood(to, echo, kHostSends, 0); });
        }
    }
    static constexpr std::size_t kHostSends = SIZE_MAX - 1;
    static constexpr std::size_t kBackdoorSends = std::size_t{1} << 32;

    SeededRng rng_;
    ToyAuthenticator authenticator_;
    VlanSet vlans_ = VlanSet::parse("110").value();
    std::size_t segments_ = 0;
    std::vector<std::unique_ptr<Node>> nodes_;
    std::vector<Tunnel> tunnels_;
    std::vector<Backdoor> backdoors_;
    std::vector<Reflector> reflectors_;
    std::priority_queue<Later, std::vector<Later>, std::greater<>> queue_;
    std::uint64_t order_ = 0;
    TimePoint now_ = kStart;
    std::vector<Happened> events_;
    std::optional<TimePoint> loop_since_;
    std::optional<TimePoint> loop_ended_;
    Duration longest_loop_{};
    std::size_t wrong_blocks_ = 0;
};

}  // namespace isthmus::test
