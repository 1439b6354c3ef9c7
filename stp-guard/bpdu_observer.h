// Whose spanning trees are seen where: roots, bridges, versions and topology changes of each port and VLAN, of both sites.
// Pure: fed with BPDUs and with what peers report, it says what is new or wrong. It blocks nothing.
#pragma once

#include <compare>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "stp-guard/bpdu.h"
#include "stp-guard/direction.h"

namespace isthmus::stp_guard {

/// One tree as seen at one place. A region's instances are not told apart: the common tree stands for them.
struct TreeKey {
    SeenAt at;
    std::uint16_t vid = 0;  ///< of the BPDUs' tag, 0 untagged; for PVST+ the VLAN that they name
    bool pvst = false;
    friend constexpr auto operator<=>(const TreeKey&, const TreeKey&) = default;
};

struct TreeState {
    BpduKind kind = BpduKind::config;
    std::uint8_t version = 0;
    BridgeId root;
    std::uint32_t root_path_cost = 0;
    BridgeId bridge;  ///< who sends here: the designated bridge
    std::uint16_t port = 0;
    bool forwarding = false;  ///< RSTP and later: the sender's port forwards
    Duration hello_time{};
    Duration forward_delay{};
    Duration max_age{};
    std::uint64_t bpdus = 0;
    std::uint64_t topology_changes = 0;  ///< BPDUs that began to tell of one
    std::uint32_t changes_last_minute = 0;
    TimePoint first_seen{};
    TimePoint last_seen{};
    TimePoint root_since{};
};

/// What a site tells its peer of its own LAN's trees, and what the peer tells of its.
struct RootReport {
    std::uint16_t vid = 0;
    BridgeId root;
    friend constexpr auto operator<=>(const RootReport&, const RootReport&) = default;
};

enum class BpduEventKind : std::uint8_t {
    tree_appeared,  ///< the first BPDU of a tree at that place
    root_changed,
    tree_vanished,          ///< none for three hello times, or its max age
    topology_change,        ///< began; at most one each ten seconds and place
    topology_change_storm,  ///< more than the limit in a minute
    vlan_mismatch,       ///< a PVST+ BPDU of another VLAN than it arrived in: two VLANs are joined somewhere
    backdoor_suspected,  ///< the same root at both sites while none crosses the tunnel
    bpdu_from_tunnel,    ///< with policy `guard`: the peer does not filter
    superior_from_tunnel,  ///< root guard: the peer's site would take our root's place
    superior_gone,         ///< no such BPDU for its max age
};
[[nodiscard]] std::string_view name_of(BpduEventKind kind) noexcept;

struct BpduEvent {
    BpduEventKind kind = BpduEventKind::tree_appeared;
    TreeKey tree;
    BridgeId root;                           ///< now
    std::optional<BridgeId> before;          ///< root_changed; superior_from_tunnel: our own
    std::optional<std::uint16_t> other_vid;  ///< vlan_mismatch: what the BPDU names
    std::uint32_t changes_last_minute = 0;
};

struct BpduObserverOptions {
    std::uint32_t changes_per_minute = 10;  ///< more are a topology change storm
    bool guard_tunnel = false;              ///< policy `guard`
    bool transparent = false;               ///< one tree over the WAN: the same root at both sites is right
    bool root_guard = false;                ///< with it: our root stays the root
    std::size_t most_trees = 8'192;         ///< beyond these new ones are counted, not kept
    friend constexpr bool operator==(const BpduObserverOptions&, const BpduObserverOptions&) = default;
};

class BpduObserver {
  public:
    explicit BpduObserver(BpduObserverOptions options = {}) : options_(options) {}

    void on_bpdu(const SeenAt& at, const BpduFrame& frame, TimePoint now);
    /// All roots of the peer's LAN, as it reports them; replaces its last report.
    void on_peer_roots(PortId session, const std::vector<RootReport>& roots, TimePoint now);
    void on_peer_lost(PortId session);
    void on_timeout(TimePoint now);
    [[nodiscard]] std::optional<TimePoint> next_timeout() const;
    [[nodiscard]] std::optional<BpduEvent> poll_event();

    /// For the peer: the best root of each VLAN on our LAN side.
    [[nodiscard]] std::vector<RootReport> lan_roots() const;
    /// The tree of that VLAN on a LAN port, else the one of untagged BPDUs. nullptr: none.
    [[nodiscard]] const TreeState* lan_tree(PortId port, std::uint16_t vid) const;
    [[nodiscard]] const std::map<TreeKey, TreeState>& trees() const noexcept { return trees_; }
    [[nodiscard]] std::uint64_t not_kept() const noexcept { return not_kept_; }

    /// Roots that both sites' LANs have now, though none crosses the tunnel.
    [[nodiscard]] const std::set<std::pair<PortId, RootReport>>& shared_roots() const noexcept {
        return shared_roots_;
    }

  private:
    struct Changes {
        std::deque<TimePoint> recent;      ///< of the last minute
        std::optional<TimePoint> telling;  ///< since when the flag stands, or was last counted
        std::optional<TimePoint> reported;
        bool stormed = false;
    };
    void update(const TreeKey& key, TreeState& tree, const Bpdu& bpdu, TimePoint now);
    void count_change(const TreeKey& key, TreeState& tree, const Bpdu& bpdu, TimePoint now);
    void check_vlan(const TreeKey& key, const TreeState& tree, const BpduFrame& frame, TimePoint now);
    void check_tunnel(const TreeKey& key, const TreeState& tree, TimePoint now);
    void compare_with_peers();
    [[nodiscard]] std::optional<BridgeId> best_lan_root(std::uint16_t vid) const;
    BpduEvent& emit(BpduEventKind kind, const TreeKey& key, const TreeState& tree);

    BpduObserverOptions options_;
    std::map<TreeKey, TreeState> trees_;
    std::map<TreeKey, Changes> changes_;
    std::map<TreeKey, TimePoint> mismatched_;  ///< when it was last said
    std::map<TreeKey, TimePoint> unfiltered_;  ///< from the tunnel; likewise
    std::map<TreeKey, TimePoint> superior_;    ///< when the last one came
    std::map<PortId, std::vector<RootReport>> peers_;
    std::set<std::pair<PortId, RootReport>> shared_roots_;
    std::deque<BpduEvent> events_;
    std::uint64_t not_kept_ = 0;
};

}  // namespace isthmus::stp_guard
