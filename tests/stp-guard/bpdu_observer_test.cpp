#include "stp-guard/bpdu_observer.h"

#include <doctest/doctest.h>

#include <vector>

using namespace isthmus;
using namespace isthmus::stp_guard;
using namespace std::chrono_literals;

namespace {

constexpr SeenAt kLan{PortId{1}, PortKind::lan};
constexpr SeenAt kTunnel{PortId{9}, PortKind::tunnel};
constexpr TimePoint kNow{1h};

BridgeId bridge(std::uint16_t priority, std::uint8_t last) {
    return {priority, {{0, 0x19, 6, 0, 0, last}}};
}

BpduFrame hello(std::uint16_t vid = 0, BridgeId root = bridge(0x8000, 1), BpduKind kind = BpduKind::rapid) {
    BpduFrame frame;
    frame.vid = vid;
    frame.bpdu.kind = kind;
    frame.bpdu.version = kind == BpduKind::rapid ? 2 : 0;
    frame.bpdu.root = root;
    frame.bpdu.bridge = bridge(0x8000, 7);
    frame.bpdu.hello_time = 2s;
    frame.bpdu.max_age = 20s;
    frame.bpdu.forward_delay = 15s;
    return frame;
}

BpduFrame changed(BpduKind kind = BpduKind::rapid) {
    BpduFrame frame = hello(0, bridge(0x8000, 1), kind);
    frame.bpdu.flags.bits = 1;
    return frame;
}

std::vector<BpduEvent> events(BpduObserver& observer) {
    std::vector<BpduEvent> out;
    while (auto event = observer.poll_event()) out.push_back(std::move(*event));
    return out;
}

std::vector<BpduEventKind> kinds(BpduObserver& observer) {
    std::vector<BpduEventKind> out;
    for (const BpduEvent& event : events(observer)) out.push_back(event.kind);
    return out;
}

using Kinds = std::vector<BpduEventKind>;
using enum BpduEventKind;

}  // namespace

TEST_CASE("trees appear, change their root, and vanish after three hellos") {
    BpduObserver observer;
    observer.on_bpdu(kLan, hello(10), kNow);
    observer.on_bpdu(kLan, hello(10), kNow + 2s);
    CHECK(kinds(observer) == Kinds{tree_appeared});
    observer.on_bpdu(kLan, hello(10, bridge(0x4000, 2)), kNow + 4s);
    const auto change = events(observer);
    REQUIRE(change.size() == 1);
    CHECK(change[0].kind == root_changed);
    CHECK(change[0].root == bridge(0x4000, 2));
    CHECK(change[0].before == bridge(0x8000, 1));
    const TreeState* tree = observer.lan_tree(PortId{1}, 10);
    REQUIRE(tree != nullptr);
    CHECK(tree->bpdus == 3);
    CHECK(tree->bridge == bridge(0x8000, 7));
    CHECK(tree->root_since == kNow + 4s);
    CHECK(observer.next_timeout() == kNow + 10s);
    observer.on_timeout(kNow + 9s);
    CHECK(kinds(observer).empty());
    observer.on_timeout(kNow + 10s);
    CHECK(kinds(observer) == Kinds{tree_vanished});
    CHECK(observer.trees().empty());
    CHECK_FALSE(observer.next_timeout().has_value());
}

TEST_CASE("a tree of 802.1D is given its max age") {
    BpduObserver observer;
    observer.on_bpdu(kLan, hello(0, bridge(0x8000, 1), BpduKind::config), kNow);
    CHECK(observer.next_timeout() == kNow + 20s);
}

TEST_CASE("each VLAN's tree stands for itself, and the untagged one for those that have none") {
    BpduObserver observer;
    observer.on_bpdu(kLan, hello(0, bridge(0x8000, 1)), kNow);
    observer.on_bpdu(kLan, hello(10, bridge(0x8000, 2)), kNow);
    CHECK(observer.lan_tree(PortId{1}, 10)->root == bridge(0x8000, 2));
    CHECK(observer.lan_tree(PortId{1}, 20)->root == bridge(0x8000, 1));
    CHECK(observer.lan_tree(PortId{2}, 20) == nullptr);
    CHECK(observer.lan_roots() == std::vector<RootReport>{{0, bridge(0x8000, 1)}, {10, bridge(0x8000, 2)}});
}

TEST_CASE("a change is counted once, however many BPDUs tell of it") {
    BpduObserver observer;
    observer.on_bpdu(kLan, hello(), kNow);
    (void)events(observer);
    // RSTP: two hellos carry the flag. STP: 35 s of them.
    observer.on_bpdu(kLan, changed(), kNow + 2s);
    observer.on_bpdu(kLan, changed(), kNow + 4s);
    observer.on_bpdu(kLan, hello(), kNow + 6s);
    CHECK(observer.trees().begin()->second.topology_changes == 1);
    CHECK(kinds(observer) == Kinds{topology_change});
    const SeenAt old{PortId{2}, PortKind::lan};
    for (int s = 0; s < 34; s += 2)
        observer.on_bpdu(old, changed(BpduKind::config), kNow + std::chrono::seconds(s));
    CHECK(observer.lan_tree(PortId{2}, 0)->topology_changes == 1);
}

TEST_CASE("more changes than the limit in a minute are a storm, said once, until it is over") {
    BpduObserver observer;
    observer.on_bpdu(kLan, hello(), kNow);
    TimePoint now = kNow;
    std::size_t storms = 0;
    std::size_t changes = 0;
    const auto run = [&](int count, Duration step) {
        for (int i = 0; i < count; ++i) {
            now += step;
            observer.on_bpdu(kLan, changed(), now);
            observer.on_bpdu(kLan, hello(), now);
            for (const auto kind : kinds(observer)) {
                storms += kind == topology_change_storm ? 1U : 0U;
                changes += kind == topology_change ? 1U : 0U;
            }
        }
    };
    run(10, 2s);
    CHECK(storms == 0);
    run(140, 2s);
    CHECK(storms == 1);
    CHECK(changes <= 31);  // one each ten seconds
    CHECK(observer.trees().begin()->second.topology_changes == 150);
    run(10, 30s);
    run(12, 2s);
    CHECK(storms == 2);
}

TEST_CASE("a flag that stays up counts again after the time of one change, and notifications count each") {
    BpduObserver observer;
    observer.on_bpdu(kLan, hello(), kNow);
    for (int s = 0; s < 60; ++s) observer.on_bpdu(kLan, changed(), kNow + std::chrono::seconds(s));
    CHECK(observer.trees().begin()->second.topology_changes == 15);
    BpduFrame notification = hello();
    notification.bpdu.kind = BpduKind::topology_change;
    for (int i = 0; i < 5; ++i) observer.on_bpdu(kLan, notification, kNow + 70s);
    CHECK(observer.trees().begin()->second.topology_changes == 20);
    observer.on_bpdu({PortId{5}, PortKind::lan}, notification, kNow + 70s);
    CHECK(observer.trees().size() == 1);
}

TEST_CASE("a PVST+ BPDU in another VLAN than its own is told, once an hour") {
    BpduObserver observer;
    BpduFrame frame = hello(20);
    frame.pvst = true;
    frame.bpdu.originating_vlan = 10;
    observer.on_bpdu(kLan, frame, kNow);
    const auto found = events(observer);
    REQUIRE(found.size() == 2);
    CHECK(found[0].kind == tree_appeared);
    CHECK(found[1].kind == vlan_mismatch);
    CHECK(found[1].tree.vid == 20);
    CHECK(found[1].other_vid == 10);
    observer.on_bpdu(kLan, frame, kNow + 2s);
    CHECK(kinds(observer).empty());
    observer.on_bpdu(kLan, frame, kNow + 1h);
    CHECK(kinds(observer) == Kinds{vlan_mismatch});
}

TEST_CASE("the same root at both sites while none crosses is a suspected backdoor, whichever comes first") {
    for (const bool peer_first : {false, true}) {
        BpduObserver observer;
        const std::vector<RootReport> theirs{{10, bridge(0x8000, 1)}, {20, bridge(0x8000, 5)}};
        if (peer_first) observer.on_peer_roots(PortId{9}, theirs, kNow);
        observer.on_bpdu(kLan, hello(10), kNow);
        observer.on_bpdu(kLan, hello(20, bridge(0x8000, 6)), kNow);
        if (!peer_first) observer.on_peer_roots(PortId{9}, theirs, kNow);
        std::vector<BpduEvent> suspicions;
        for (const auto& event : events(observer))
            if (event.kind == backdoor_suspected) suspicions.push_back(event);
        REQUIRE(suspicions.size() == 1);
        CHECK(suspicions[0].tree.at == kTunnel);
        CHECK(suspicions[0].tree.vid == 10);
        CHECK(suspicions[0].root == bridge(0x8000, 1));
        CHECK(observer.shared_roots().size() == 1);
        observer.on_peer_roots(PortId{9}, theirs, kNow + 1s);
        CHECK(kinds(observer).empty());
        observer.on_peer_roots(PortId{9}, {}, kNow + 2s);
        CHECK(observer.shared_roots().empty());
        observer.on_peer_roots(PortId{9}, theirs, kNow + 3s);
        CHECK(kinds(observer) == Kinds{backdoor_suspected});
        observer.on_peer_lost(PortId{9});
        CHECK(observer.shared_roots().empty());
    }
}

TEST_CASE("with one tree over the WAN the same root at both sites is right") {
    BpduObserverOptions options;
    options.transparent = true;
    BpduObserver observer(options);
    observer.on_bpdu(kLan, hello(10), kNow);
    observer.on_peer_roots(PortId{9}, {{10, bridge(0x8000, 1)}}, kNow);
    CHECK(kinds(observer) == Kinds{tree_appeared});
}

TEST_CASE("with policy guard a BPDU from the tunnel is an alarm, at most each ten seconds") {
    BpduObserverOptions options;
    options.guard_tunnel = true;
    BpduObserver observer(options);
    observer.on_bpdu(kLan, hello(10), kNow);
    for (int s = 0; s < 10; s += 2) observer.on_bpdu(kTunnel, hello(10), kNow + std::chrono::seconds(s));
    CHECK(kinds(observer) == Kinds{tree_appeared, tree_appeared, bpdu_from_tunnel});
    observer.on_bpdu(kTunnel, hello(10), kNow + 10s);
    CHECK(kinds(observer) == Kinds{bpdu_from_tunnel});
}

TEST_CASE("root guard tells of better roots from the tunnel, and when they are gone") {
    BpduObserverOptions options;
    options.transparent = true;
    options.root_guard = true;
    BpduObserver observer(options);
    observer.on_bpdu(kLan, hello(10), kNow);
    observer.on_bpdu(kTunnel, hello(10, bridge(0x9000, 1)), kNow);
    CHECK(kinds(observer) == Kinds{tree_appeared, tree_appeared});
    observer.on_bpdu(kTunnel, hello(10, bridge(0x7000, 1)), kNow + 2s);
    observer.on_bpdu(kTunnel, hello(10, bridge(0x7000, 1)), kNow + 4s);
    const auto found = events(observer);
    REQUIRE(found.size() == 2);
    CHECK(found[0].kind == root_changed);
    CHECK(found[1].kind == superior_from_tunnel);
    CHECK(found[1].root == bridge(0x7000, 1));
    CHECK(found[1].before == bridge(0x8000, 1));
    observer.on_bpdu(kTunnel, hello(10, bridge(0x9000, 1)), kNow + 6s);
    observer.on_bpdu(kLan, hello(10), kNow + 24s);
    observer.on_bpdu(kTunnel, hello(10, bridge(0x9000, 1)), kNow + 24s);
    observer.on_timeout(kNow + 24s);
    CHECK(kinds(observer) == Kinds{root_changed, superior_gone});
}

TEST_CASE("forged trees without end fill the table and no more, and do not push out what is there") {
    BpduObserverOptions options;
    options.most_trees = 100;
    BpduObserver observer(options);
    observer.on_bpdu(kLan, hello(0), kNow);
    for (std::uint16_t vid = 1; vid < 4095; ++vid) observer.on_bpdu(kLan, hello(vid), kNow);
    CHECK(observer.trees().size() == 100);
    CHECK(observer.not_kept() == 3'995);
    CHECK(observer.lan_tree(PortId{1}, 0) != nullptr);
}

TEST_CASE("each kind of event has a name") {
    CHECK(name_of(tree_appeared) == "tree_appeared");
    CHECK(name_of(backdoor_suspected) == "backdoor_suspected");
    CHECK(name_of(superior_gone) == "superior_gone");
}
