#include "stp-guard/bpdu_observer.h"

#include <algorithm>
#include <array>
#include <utility>

namespace isthmus::stp_guard {

namespace {

using namespace std::chrono_literals;

constexpr Duration kMinute = 60s;
constexpr Duration kBetweenReports = 10s;
constexpr Duration kBetweenMismatches = 1h;
constexpr Duration kShortestLife = 3s;
constexpr Duration kLongestLife = 60s;

/// After which silence a tree is gone: three hello times (802.1Q section 13.25), for STP its max age.
Duration life_of(const TreeState& tree, Duration hello) {
    const Duration life = tree.kind == BpduKind::config ? tree.max_age : 3 * hello;
    return std::clamp(life, kShortestLife, kLongestLife);
}

/// How long one change keeps the flag up: max age and forward delay for STP, two hello times for the others.
Duration flag_of_one_change(BpduKind kind) {
    return kind == BpduKind::config ? 35s : 4s;
}

bool forwards(const Bpdu& bpdu) {
    return bpdu.kind != BpduKind::config && bpdu.flags.forwarding();
}

}  // namespace

void BpduObserver::on_bpdu(const SeenAt& at, const BpduFrame& frame, TimePoint now) {
    const TreeKey key{at, frame.pvst ? frame.bpdu.originating_vlan.value_or(frame.vid) : frame.vid,
                      frame.pvst};
    auto known = trees_.find(key);
    if (frame.bpdu.kind == BpduKind::topology_change) {
        // Names no root: it only says that a tree that is known changed.
        if (known != trees_.end()) count_change(key, known->second, frame.bpdu, now);
        return;
    }
    if (known == trees_.end()) {
        if (trees_.size() >= options_.most_trees) {
            ++not_kept_;
            return;
        }
        known = trees_.emplace(key, TreeState{}).first;
        known->second.first_seen = now;
    }
    TreeState& tree = known->second;
    update(key, tree, frame.bpdu, now);
    count_change(key, tree, frame.bpdu, now);
    check_vlan(key, tree, frame, now);
    if (at.kind == PortKind::tunnel) check_tunnel(key, tree, now);
}

void BpduObserver::update(const TreeKey& key, TreeState& tree, const Bpdu& bpdu, TimePoint now) {
    const BridgeId before = tree.root;
    const bool first = tree.bpdus == 0;
    ++tree.bpdus;
    tree.kind = bpdu.kind;
    tree.version = bpdu.version;
    tree.root = bpdu.root;
    tree.root_path_cost = bpdu.root_path_cost;
    tree.bridge = bpdu.sender();
    tree.port = bpdu.port;
    tree.forwarding = forwards(bpdu);
    tree.forward_delay = bpdu.forward_delay;
    tree.hello_time = bpdu.hello_time;
    tree.max_age = bpdu.max_age;
    tree.last_seen = now;
    if (!first && before == tree.root) return;
    tree.root_since = now;
    BpduEvent& event = emit(first ? BpduEventKind::tree_appeared : BpduEventKind::root_changed, key, tree);
    if (!first) event.before = before;
    compare_with_peers();
}

void BpduObserver::count_change(const TreeKey& key, TreeState& tree, const Bpdu& bpdu, TimePoint now) {
    Changes& changes = changes_[key];
    std::erase_if(changes.recent, [now](TimePoint t) { return now - t >= kMinute; });
    tree.changes_last_minute = static_cast<std::uint32_t>(changes.recent.size());
    if (!bpdu.tells_of_topology_change()) {
        changes.telling.reset();
        if (changes.recent.size() <= options_.changes_per_minute / 2) changes.stormed = false;
        return;
    }
    const bool notification = bpdu.kind == BpduKind::topology_change;
    if (!notification && changes.telling && now - *changes.telling < flag_of_one_change(bpdu.kind)) return;
    if (!notification) changes.telling = now;
    ++tree.topology_changes;
    // Enough to know that it is more than the limit.
    if (changes.recent.size() <= options_.changes_per_minute) changes.recent.push_back(now);
    tree.changes_last_minute = static_cast<std::uint32_t>(changes.recent.size());
    if (!changes.reported || now - *changes.reported >= kBetweenReports) {
        changes.reported = now;
        emit(BpduEventKind::topology_change, key, tree);
    }
    if (changes.recent.size() > options_.changes_per_minute && !changes.stormed) {
        changes.stormed = true;
        emit(BpduEventKind::topology_change_storm, key, tree);
    }
}

void BpduObserver::check_vlan(const TreeKey& key, const TreeState& tree, const BpduFrame& frame,
                              TimePoint now) {
    if (!frame.vlan_mismatch()) return;
    TreeKey arrival = key;
    arrival.vid = frame.vid;
    const auto [said, first] = mismatched_.try_emplace(arrival, now);
    if (!first && now - said->second < kBetweenMismatches) return;
    said->second = now;
    emit(BpduEventKind::vlan_mismatch, arrival, tree).other_vid = frame.bpdu.originating_vlan;
}

void BpduObserver::check_tunnel(const TreeKey& key, const TreeState& tree, TimePoint now) {
    if (options_.guard_tunnel) {
        const auto [said, first] = unfiltered_.try_emplace(key, now);
        if (first || now - said->second >= kBetweenReports) {
            said->second = now;
            emit(BpduEventKind::bpdu_from_tunnel, key, tree);
        }
    }
    if (!options_.root_guard) return;
    const auto ours = best_lan_root(key.vid);
    if (!ours || !(tree.root < *ours)) return;
    const bool first = superior_.insert_or_assign(key, now).second;
    if (first) emit(BpduEventKind::superior_from_tunnel, key, tree).before = ours;
}

void BpduObserver::on_peer_roots(PortId session, const std::vector<RootReport>& roots, TimePoint) {
    peers_[session] = roots;
    compare_with_peers();
}

void BpduObserver::on_peer_lost(PortId session) {
    peers_.erase(session);
    compare_with_peers();
}

void BpduObserver::compare_with_peers() {
    if (options_.transparent) return;
    std::set<std::pair<PortId, RootReport>> shared;
    for (const auto& [key, tree] : trees_) {
        if (key.at.kind != PortKind::lan) continue;
        const RootReport ours{key.vid, tree.root};
        for (const auto& [session, theirs] : peers_) {
            if (std::find(theirs.begin(), theirs.end(), ours) == theirs.end()) continue;
            const bool fresh =
                shared.emplace(session, ours).second && !shared_roots_.contains({session, ours});
            if (!fresh) continue;
            TreeKey at_peer = key;
            at_peer.at = {session, PortKind::tunnel};
            emit(BpduEventKind::backdoor_suspected, at_peer, tree);
        }
    }
    shared_roots_ = std::move(shared);
}

std::optional<BridgeId> BpduObserver::best_lan_root(std::uint16_t vid) const {
    std::optional<BridgeId> best;
    for (const auto& [key, tree] : trees_)
        if (key.at.kind == PortKind::lan && key.vid == vid && (!best || tree.root < *best)) best = tree.root;
    return best;
}

void BpduObserver::on_timeout(TimePoint now) {
    bool gone = false;
    for (auto at = trees_.begin(); at != trees_.end();) {
        const auto& [key, tree] = *at;
        if (now - tree.last_seen < life_of(tree, tree.hello_time)) {
            ++at;
            continue;
        }
        emit(BpduEventKind::tree_vanished, key, tree);
        changes_.erase(key);
        at = trees_.erase(at);
        gone = true;
    }
    std::erase_if(superior_, [&](const auto& entry) {
        const bool over = now - entry.second >= kLongestLife / 3 || !trees_.contains(entry.first);
        if (over) emit(BpduEventKind::superior_gone, entry.first, TreeState{});
        return over;
    });
    std::erase_if(mismatched_, [&](const auto& entry) { return now - entry.second >= kBetweenMismatches; });
    std::erase_if(unfiltered_, [&](const auto& entry) { return now - entry.second >= kMinute; });
    if (gone) compare_with_peers();
}

std::optional<TimePoint> BpduObserver::next_timeout() const {
    std::optional<TimePoint> next;
    const auto sooner = [&next](TimePoint t) {
        if (!next || t < *next) next = t;
    };
    for (const auto& [key, tree] : trees_) sooner(tree.last_seen + life_of(tree, tree.hello_time));
    for (const auto& [key, last] : superior_) sooner(last + kLongestLife / 3);
    return next;
}

std::optional<BpduEvent> BpduObserver::poll_event() {
    if (events_.empty()) return std::nullopt;
    BpduEvent event = std::move(events_.front());
    events_.pop_front();
    return event;
}

std::vector<RootReport> BpduObserver::lan_roots() const {
    std::vector<RootReport> out;
    for (const auto& [key, tree] : trees_) {
        if (key.at.kind != PortKind::lan) continue;
        const std::uint16_t vid = key.vid;
        const auto same =
            std::find_if(out.begin(), out.end(), [vid](const RootReport& r) { return r.vid == vid; });
        if (same == out.end()) {
            out.push_back({vid, tree.root});
        } else {
            same->root = std::min(same->root, tree.root);
        }
    }
    return out;
}

const TreeState* BpduObserver::lan_tree(PortId port, std::uint16_t vid) const {
    for (const std::uint16_t wanted : {vid, std::uint16_t{0}})
        for (const bool pvst : {true, false}) {
            const auto found = trees_.find({{port, PortKind::lan}, wanted, pvst});
            if (found != trees_.end()) return &found->second;
        }
    return nullptr;
}

BpduEvent& BpduObserver::emit(BpduEventKind kind, const TreeKey& key, const TreeState& tree) {
    BpduEvent event;
    event.kind = kind;
    event.tree = key;
    event.root = tree.root;
    event.changes_last_minute = tree.changes_last_minute;
    return events_.emplace_back(std::move(event));
}

std::string_view name_of(BpduEventKind kind) noexcept {
    constexpr std::array<std::string_view, 10> kNames{
        "tree_appeared",         "root_changed",  "tree_vanished",      "topology_change",
        "topology_change_storm", "vlan_mismatch", "backdoor_suspected", "bpdu_from_tunnel",
        "superior_from_tunnel",  "superior_gone"};
    return kNames[static_cast<std::size_t>(kind)];
}

}  // namespace isthmus::stp_guard
