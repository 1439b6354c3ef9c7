// Sites, gateways and tunnels in small: LAN segments, backdoors between them, hosts that echo, and the real guard engines.
// Frames that are flooded go everywhere that states and links let them; tunnels lose and delay. One VLAN, which each gateway may number
// as it likes.
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <queue>
#include <set>
#include <string>
#include <tuple>
#include <utility>
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
    static constexpr TimePoint kStart{1000s};

    explicit GuardNet(std::uint64_t seed) : rng_(seed) {}

    // --------------------------------------------------------------------------------- building it (guard_net.cpp)

    /// Returns the node's number; it has one LAN port on each segment. Node identifiers grow with the number unless given.
    std::size_t add_node(std::uint64_t site, const std::vector<std::size_t>& segments,
                         std::uint64_t node_id = 0, std::uint16_t vid = kVid);
    /// Returns the tunnel's number.
    std::size_t add_tunnel(std::size_t a, std::size_t b, Duration delay = 20ms);
    std::size_t add_backdoor(std::size_t from, std::size_t to, bool up = false, Duration delay = 1ms);
    /// A host that sends back each flooded frame once. `kinds`: which destinations it hears; `rewrites`: with its own address.
    void add_reflector(std::size_t segment,
                       std::set<ProbeKind> kinds = {ProbeKind::multicast, ProbeKind::broadcast,
                                                    ProbeKind::decoy},
                       bool rewrites = false);
    /// A host with two interfaces that passes some kinds of frames between two segments.
    void add_relay(std::size_t from, std::size_t to, std::set<ProbeKind> kinds, bool rewrites);
    void start();

    // ------------------------------------------------------------------------------------------------ what happens

    void set_backdoor(std::size_t backdoor, bool up);
    void set_tunnel(std::size_t tunnel, bool up);
    void set_loss(double loss);
    void set_lan(std::size_t node, std::size_t port, bool up);
    /// The process ends; what it saved stays. Its sessions go down at both ends.
    void stop_node(std::size_t number);
    void start_node(std::size_t number);
    /// A configuration that takes a new engine, over what the old one saved. Sessions stay up, and nobody else notices.
    void renew_node(std::size_t number);
    /// Of a session's end or a LAN port: it is in the configuration, or not any more. Without a session's end the tunnel is down.
    void set_present(std::size_t node, std::size_t port, bool present);
    /// A session's end carries the VLAN, or not.
    void set_carries(std::size_t node, std::size_t port, bool carries);
    /// A session's end only observes, whatever the others do; nullopt: as the others.
    void set_observes(std::size_t node, std::size_t port, std::optional<bool> observes);
    void order(std::size_t node, const GuardCommand& command);

    void run(Duration duration) {
        run_until(now_ + duration, [] { return false; });
    }
    /// False: it did not happen in time.
    bool run_until(Duration within, const std::function<bool()>& happened) {
        return run_until(now_ + within, happened);
    }
    /// Nobody runs meanwhile: neither do frames.
    void jump(Duration by);
    /// A frame into a segment, as if a host there sent it.
    void inject(std::size_t segment, const std::vector<std::uint8_t>& frame) {
        flood(segment, {frame, 0}, SIZE_MAX, SIZE_MAX);
    }

    // --------------------------------------------------------------------------- looking at it (guard_net_loops.cpp)

    [[nodiscard]] TimePoint now() const { return now_; }
    GuardEngine& engine(std::size_t node) { return *nodes_[node]->engine; }
    GuardOptions& options(std::size_t node) { return nodes_[node]->options; }
    SeededRng& rng() { return rng_; }
    [[nodiscard]] std::size_t ports(std::size_t node) const { return nodes_[node]->ports.size(); }
    [[nodiscard]] std::size_t nodes() const { return nodes_.size(); }
    [[nodiscard]] std::size_t tunnels() const { return tunnels_.size(); }
    [[nodiscard]] std::size_t segments() const { return segments_; }
    [[nodiscard]] bool is_lan(std::size_t node, std::size_t port) const {
        return nodes_[node]->ports[port].kind == PortKind::lan;
    }
    [[nodiscard]] static PortId id_of(std::size_t port) {
        return PortId{static_cast<std::uint32_t>(port + 1)};
    }
    [[nodiscard]] const std::vector<Happened>& events() const { return events_; }
    [[nodiscard]] std::size_t count(GuardEventId id) const;
    [[nodiscard]] const std::string& story() const { return story_; }
    void remark(const std::string& what) {
        story_ += std::to_string((now_ - kStart) / 1ms) + " ms: " + what + "\n";
    }
    [[nodiscard]] VlanState state(std::size_t tunnel, std::size_t node) const;
    /// Of a session's end.
    [[nodiscard]] VlanState end_state(std::size_t node, std::size_t port) const {
        return state(End{node, port});
    }
    /// A session's end that is configured and carries the VLAN.
    [[nodiscard]] bool is_there(std::size_t node, std::size_t port) const {
        return nodes_[node]->ports[port].present && nodes_[node]->ports[port].carries;
    }
    /// It carries the VLAN, and would close it if that were called for.
    [[nodiscard]] bool enforces(std::size_t node, std::size_t port) const;
    /// Broadcasts cross.
    [[nodiscard]] bool crosses(std::size_t tunnel) const;
    [[nodiscard]] std::size_t crossing() const;
    [[nodiscard]] std::size_t segments_reached(std::size_t from) const;
    /// Frames can go round, in a way that some gateway is part of and could close: one that only observes could not.
    [[nodiscard]] bool loop_is_open() const;
    [[nodiscard]] Duration longest_loop() const {
        return std::max(longest_loop_, loop_since_ ? now_ - *loop_since_ : Duration{});
    }
    void forget_longest_loop() {
        longest_loop_ = {};
        if (loop_since_) loop_since_ = now_;
    }
    /// Each block had two witnesses, and began while there was a way round.
    [[nodiscard]] bool every_block_was_right() const { return wrong_blocks_ == 0; }
    /// What was last sent by that node on a LAN port.
    [[nodiscard]] const std::vector<std::uint8_t>& last_lan_probe(std::size_t node) const {
        return nodes_[node]->last_lan_probe;
    }

  private:
    struct Frame {
        std::vector<std::uint8_t> bytes;
        std::size_t hops = 0;
    };
    struct Attachment {
        PortKind kind = PortKind::lan;
        std::string name;
        std::size_t segment = 0;
        std::size_t tunnel = 0;
        bool up = true;
        std::uint64_t link = 1;  ///< of a LAN port: another one each time it comes
        bool present = true;
        bool carries = true;  ///< sessions; LAN ports carry what some session does
        std::optional<bool> observes;
        std::optional<GuardPort> told;  ///< to the engine
    };
    struct Node {
        Identity identity;
        std::uint16_t vid = kVid;
        GuardOptions options;
        bool observe_ordered = false;
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
    struct Wire {
        std::size_t a = 0;
        std::size_t b = 0;
        bool guarded = true;  ///< some gateway could close it
    };

    static std::size_t port_of(PortId id) { return raw(id) - 1; }

    // guard_net.cpp
    [[nodiscard]] std::string text(std::size_t node, std::size_t port) const;
    [[nodiscard]] GuardPort spec_of(const Node& node, std::size_t port) const;
    [[nodiscard]] bool carries(const Node& node, const Attachment& port) const;
    [[nodiscard]] bool may_be_up(std::size_t tunnel) const;
    void link_sessions(std::size_t tunnel, bool up);
    void bring_up(std::size_t number);
    void reconfigure(std::size_t number);
    void peer_link(std::size_t tunnel, std::size_t restarted, bool up);
    [[nodiscard]] End other_end(std::size_t tunnel, End end) const;
    bool run_until(TimePoint end, const std::function<bool()>& happened);
    void later(Duration delay, std::function<void()> what) {
        queue_.push({now_ + delay, ++order_, std::move(what)});
    }
    void advance(TimePoint to) { now_ = std::max(now_, to); }
    void drain(std::size_t number);

    // guard_net_loops.cpp
    [[nodiscard]] VlanState state(End end) const;
    [[nodiscard]] bool lan_blocked(std::size_t node, std::size_t port) const {
        return nodes_[node]->engine->lan_blocked({id_of(port), nodes_[node]->vid});
    }
    [[nodiscard]] std::vector<Wire> open_wires() const;
    /// Were everything open, frames could go round.
    [[nodiscard]] bool physically_looped() const;
    /// To be called before anything changes that frames could take.
    void note_shape() {
        if (physically_looped()) looped_until_ = now_;
    }
    void watch_loop();
    void note(std::size_t number, const GuardEvent& event);

    // guard_net_frames.cpp
    void send_probe(std::size_t number, const SendProbe& probe);
    void into_tunnel(std::size_t number, std::size_t port, Frame frame);
    void out_of_tunnel(std::size_t number, std::size_t port, const Frame& frame);
    void into_port(std::size_t number, std::size_t port, const Frame& frame);
    void forward(std::size_t number, std::size_t from, Frame frame);
    void flood(std::size_t segment, Frame frame, std::size_t node, std::size_t port);
    void reflect(std::size_t segment, const Frame& frame, std::size_t node);

    SeededRng rng_;
    ToyAuthenticator authenticator_;
    std::size_t segments_ = 0;
    std::vector<std::unique_ptr<Node>> nodes_;
    std::vector<Tunnel> tunnels_;
    std::vector<Backdoor> backdoors_;
    std::vector<Reflector> reflectors_;
    std::priority_queue<Later, std::vector<Later>, std::greater<>> queue_;
    std::uint64_t order_ = 0;
    TimePoint now_ = kStart;
    std::vector<Happened> events_;
    std::string story_;
    std::optional<TimePoint> loop_since_;
    std::optional<TimePoint> loop_ended_;
    std::optional<TimePoint> looped_until_;
    Duration longest_loop_{};
    std::size_t wrong_blocks_ = 0;
};

}  // namespace isthmus::test
