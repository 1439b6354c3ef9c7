// The real kernel, in namespaces of the test's own. Without the privilege to make one each test is skipped, and says so.
#include <doctest/doctest.h>
#include <linux/capability.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>

#include "bridge/io/event_monitor.h"
#include "bridge/io/journal_file.h"
#include "bridge/io/reconciler.h"
#include "bridge/io/sysctl.h"
#include "tests/bridge/private_namespace.h"

using namespace isthmus;
using namespace isthmus::bridge;

namespace {

Desired one_bridge(std::vector<std::string> ports = {"lan0"}) {
    Desired desired;
    desired.bridges.push_back(
        {"br-dc", Ownership::create, std::move(ports), 1500, VlanFiltering::automatic, false, {}});
    return desired;
}

TapPort tap(const std::string& name, std::string_view vlans, bool isolated = false) {
    return {name, "br-dc", VlanSet::parse(vlans).value(), false, isolated};
}

Reconciler opened(const TemporaryFolder& folder) {
    return std::move(Reconciler::open({"dc-gw", folder.path() / "bridge.journal"})).value();
}

/// Carriers come and go by themselves, some time after.
std::vector<Link> without_carrier(ActualState state) {
    for (auto& link : state.links) link.carrier = false;
    std::sort(state.links.begin(), state.links.end(),
              [](const Link& a, const Link& b) { return a.index < b.index; });
    return state.links;
}

void check_done(const Report& report) {
    for (const auto& sentence : report.failed) FAIL_CHECK(sentence);
    CHECK(report.settled);
}

/// Waits for something to read, and reads it. At most 5 s.
Changes next_changes(EventMonitor& monitor) {
    pollfd p{monitor.fd(), POLLIN, 0};
    if (::poll(&p, 1, 5000) != 1) return {};
    return monitor.drain();
}

/// Runs f in a process of its own; its result is the exit code.
template <class F>
int in_child(F f) {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(f());
    int status = 0;
    if (child < 0 || ::waitpid(child, &status, 0) != child || !WIFEXITED(status)) return -1;
    return WEXITSTATUS(status);
}

/// From root to nobody with these capabilities alone.
bool keep_only(std::uint32_t capabilities) {
    constexpr uid_t kNobody = 65534;
    if (::prctl(PR_SET_KEEPCAPS, 1) != 0 || ::setresgid(kNobody, kNobody, kNobody) != 0) return false;
    if (::setresuid(kNobody, kNobody, kNobody) != 0) return false;
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct data[2] = {{capabilities, capabilities, 0}, {0, 0, 0}};
    return ::syscall(SYS_capset, &header, data) == 0;
}

}  // namespace

TEST_CASE("probing the kernel says what it can and leaves no trace") {
    const PrivateNamespace space;
    if (!space.usable_for("bridge kernel: probing")) return;
    Hands hands;
    const auto before = hands.look();
    const auto found = probe_capabilities(hands.socket());
    CHECK(hands.look().links == before.links);
    CHECK(found.net_admin);
    CHECK(found.sysctl_writable);
    REQUIRE(found.bridge != Support::no);
    REQUIRE(hands.bridge("br0"));
    // Now that the module is there for sure, the probe must agree with an attempt.
    const auto again = probe_capabilities(hands.socket());
    CHECK(again.bridge == Support::yes);
    BridgeSettings filtering;
    filtering.vlan_filtering = true;
    const bool can =
        hands.socket().change(netlink::set_bridge(hands.link("br0").index, filtering), "filter").has_value();
    CHECK(again.vlan_filtering == (can ? Support::yes : Support::no));
}

TEST_CASE("the kernel is brought to what is wanted, at once and for good, and back") {
    const PrivateNamespace space;
    if (!space.usable_for("bridge kernel: there and back")) return;
    const TemporaryFolder folder;
    Hands hands;
    REQUIRE(hands.veth("lan0", "host0"));
    REQUIRE(hands.veth("lan1", "host1"));
    REQUIRE(hands.change(netlink::set_mtu(hands.link("lan1").index, 1400)));
    REQUIRE(hands.change(netlink::set_up(hands.link("lan1").index, true)));
    const auto before = hands.look();
    const TestTap tap_a("ist-a");
    const TestTap tap_b("ist-b");
    REQUIRE(tap_a.good());
    REQUIRE(tap_b.good());

    auto reconciler = opened(folder);
    auto desired = one_bridge({"lan0", "lan1"});
    desired.taps = {tap("ist-a", "10,20-29", true), tap("ist-b", "30", true)};
    check_done(reconciler.reconcile(desired));
    CHECK(std::filesystem::exists(folder.path() / "bridge.journal"));

    const Link bridge = hands.link("br-dc");
    CHECK(bridge.alias == "isthmus:dc-gw");
    CHECK(bridge.mac == stable_mac("dc-gw", "br-dc"));
    CHECK(bridge.up);
    CHECK(bridge.mtu == 1500);
    REQUIRE(bridge.bridge);
    CHECK(bridge.bridge->stp == false);
    CHECK(bridge.bridge->forward_delay == 0);
    CHECK(bridge.bridge->multicast_snooping == false);
    CHECK(bridge.bridge->group_fwd_mask == 0);
    if (before.has_ipv6()) CHECK(bridge.inet6 == Inet6Settings{true, AddrGenMode::none});
    for (const char* name : {"lan0", "lan1", "ist-a", "ist-b"}) {
        CAPTURE(name);
        const Link port = hands.link(name);
        CHECK(port.master == bridge.index);
        CHECK(port.up);
        CHECK(port.mtu == 1500);
        if (before.has_ipv6()) CHECK(port.inet6 == Inet6Settings{true, AddrGenMode::none});
        REQUIRE(port.port);
        CHECK(port.port->isolated == (port.kind == "tun"));
    }
    // No address of any kind came to bridge or ports.
    const auto now = hands.look();
    for (const auto& address : now.addresses) {
        const Link* holder = now.find(address.index);
        if (holder == nullptr) continue;
        const bool elsewhere = holder->name == "lo" || holder->name.rfind("host", 0) == 0;
        CHECK_MESSAGE(elsewhere, holder->name, " has ", address.address.text());
    }

    const auto again = reconciler.reconcile(desired);
    check_done(again);
    CHECK(again.done.empty());

    // Changes of the wish: an isolated TAP that is no longer, a port less, a larger MTU.
    desired.taps[0].isolated = false;
    desired.bridges[0].ports = {"lan0"};
    desired.bridges[0].mtu = 9000;
    check_done(reconciler.reconcile(desired));
    CHECK(hands.link("ist-a").port->isolated == false);
    CHECK(hands.link("ist-b").mtu == 9000);
    CHECK(hands.link("br-dc").mtu == 9000);
    CHECK(hands.link("lan1").master == kNoInterface);
    CHECK(hands.link("lan1").mtu == 1400);

    check_done(reconciler.stop());
    CHECK_FALSE(hands.exists("br-dc"));
    CHECK_FALSE(std::filesystem::exists(folder.path() / "bridge.journal"));
    for (const auto& was : without_carrier(before)) {
        CAPTURE(was.name);
        auto is = hands.link(was.name);
        is.carrier = false;
        CHECK(is.up == was.up);
        CHECK(is.mtu == was.mtu);
        CHECK(is.inet6 == was.inet6);
        CHECK(is == was);
    }
}

TEST_CASE("what a killed program left is taken back by the next, and undone by it") {
    const PrivateNamespace space;
    if (!space.usable_for("bridge kernel: killed")) return;
    const TemporaryFolder folder;
    Hands hands;
    REQUIRE(hands.veth("lan0", "host0"));
    REQUIRE(hands.change(netlink::set_mtu(hands.link("lan0").index, 1400)));
    const Link before = hands.link("lan0");
    auto desired = one_bridge();
    desired.taps = {tap("ist-a", "10")};
    {
        const TestTap open("ist-a");
        check_done(opened(folder).reconcile(desired));  // and never stopped
    }
    CHECK_FALSE(hands.exists("ist-a"));
    CHECK(hands.exists("br-dc"));
    const Link left = hands.link("br-dc");
    SUBCASE("the same configuration goes on where it was") {
        const TestTap open("ist-a");  // the program that starts again makes its TAP first
        auto reconciler = opened(folder);
        const auto report = reconciler.reconcile(desired);
        check_done(report);
        for (const auto& sentence : report.done)
            CHECK_MESSAGE(sentence.find("ist-a") != std::string::npos, sentence);
        CHECK(hands.link("br-dc").index == left.index);
        CHECK(hands.link("br-dc").bridge == left.bridge);
        CHECK(hands.link("ist-a").master == left.index);
        CHECK(reconciler.reconcile(desired).done.empty());
        check_done(reconciler.stop());
    }
    SUBCASE("another configuration removes what it does not want") {
        auto other = one_bridge({});
        other.bridges[0].name = "br-new";
        auto reconciler = opened(folder);
        check_done(reconciler.reconcile(other));
        CHECK(hands.exists("br-new"));
        CHECK_FALSE(hands.exists("br-dc"));
        CHECK(hands.link("lan0").mtu == 1400);
        check_done(reconciler.stop());
    }
    SUBCASE("without the journal the bridge is still known as ours") {
        std::filesystem::remove(folder.path() / "bridge.journal");
        auto reconciler = opened(folder);
        check_done(reconciler.reconcile(one_bridge()));
        CHECK(hands.link("br-dc").index == left.index);
        check_done(reconciler.stop());
        CHECK_FALSE(hands.exists("br-dc"));
        CHECK(hands.link("lan0").master == kNoInterface);
        return;  // how lan0 was, nobody knows any more
    }
    CHECK_FALSE(hands.exists("br-dc"));
    Link after = hands.link("lan0");
    after.carrier = before.carrier;
    CHECK(after == before);
}

TEST_CASE("a port that comes later is an event, and then up") {
    const PrivateNamespace space;
    if (!space.usable_for("bridge kernel: events")) return;
    const TemporaryFolder folder;
    Hands hands;
    auto monitor = std::move(EventMonitor::open()).value();
    CHECK_FALSE(monitor.drain().any());
    auto reconciler = opened(folder);
    auto report = reconciler.reconcile(one_bridge());
    check_done(report);
    REQUIRE(report.port("lan0"));
    CHECK(report.port("lan0")->state.word == StateWord::waiting);
    (void)monitor.drain();

    REQUIRE(hands.veth("lan0", "host0"));
    const auto changes = next_changes(monitor);
    const auto of_lan0 = [](const Changes::LinkChange& c) { return c.link.name == "lan0" && !c.removed; };
    CHECK(std::any_of(changes.links.begin(), changes.links.end(), of_lan0));
    // Carriers come some time after; each coming is an event.
    const auto all_up = [](const Report& r) {
        return r.port("lan0")->state.word == StateWord::up && r.bridge("br-dc")->state.word == StateWord::up;
    };
    report = reconciler.reconcile(one_bridge());
    for (int i = 0; i < 50 && !all_up(report); ++i) {
        (void)next_changes(monitor);
        report = reconciler.reconcile(one_bridge());
    }
    CHECK(report.port("lan0")->state == State{StateWord::up, {}});
    CHECK(report.bridge("br-dc")->state == State{StateWord::up, {}});

    REQUIRE(hands.address("host0", {192, 0, 2, 1}));
    bool seen = false;
    for (int i = 0; i < 20 && !seen; ++i)
        for (const auto& change : next_changes(monitor).addresses)
            seen = seen || (change.address.address == *IpAddress::parse("192.0.2.1") && !change.removed);
    CHECK(seen);
    const auto holder = reconciler.address_present(*IpAddress::parse("192.0.2.1")).value();
    REQUIRE(holder);
    CHECK(holder->interface == "host0");
    CHECK(holder->mtu == 1500);
    CHECK_FALSE(reconciler.address_present(*IpAddress::parse("192.0.2.2")).value());

    REQUIRE(hands.change(netlink::delete_link(hands.link("lan0").index)));
    CHECK(reconciler.reconcile(one_bridge()).port("lan0")->state.word == StateWord::waiting);
    check_done(reconciler.stop());
}

TEST_CASE("events that the kernel had to drop are noticed") {
    const PrivateNamespace space;
    if (!space.usable_for("bridge kernel: lost events")) return;
    Hands hands;
    REQUIRE(hands.veth("lan0", "host0"));
    auto monitor = std::move(EventMonitor::open()).value();
    const auto index = hands.link("lan0").index;
    for (std::uint32_t i = 0; i < 6000; ++i) REQUIRE(hands.change(netlink::set_mtu(index, 1300 + i % 2)));
    bool lost = false;
    for (int i = 0; i < 20; ++i) {
        const auto changes = monitor.drain();
        lost = lost || changes.lost;
        if (!changes.more) break;
    }
    CHECK(lost);
    REQUIRE(hands.change(netlink::set_mtu(index, 1400)));
    CHECK_FALSE(next_changes(monitor).links.empty());
}

TEST_CASE("a bridge of somebody else is refused, or adopted and left as it is") {
    const PrivateNamespace space;
    if (!space.usable_for("bridge kernel: adopt")) return;
    const TemporaryFolder folder;
    Hands hands;
    REQUIRE(hands.veth("lan0", "host0"));
    REQUIRE(hands.bridge("br-dc"));
    REQUIRE(hands.change(netlink::set_up(hands.link("br-dc").index, true)));
    const auto before = without_carrier(hands.look());
    auto reconciler = opened(folder);
    const auto refused = reconciler.reconcile(one_bridge());
    CHECK(refused.done.empty());
    CHECK(refused.bridge("br-dc")->state.word == StateWord::conflict);
    auto adopting = one_bridge();
    adopting.bridges[0].ownership = Ownership::adopt;
    const auto adopted = reconciler.reconcile(adopting);
    check_done(adopted);
    CHECK(hands.link("lan0").master == hands.link("br-dc").index);
    CHECK(reconciler.reconcile(adopting).done.empty());
    check_done(reconciler.stop());
    CHECK(without_carrier(hands.look()) == before);
}

TEST_CASE("a refusal of the kernel is reported in its words and stops nothing else") {
    const PrivateNamespace space;
    if (!space.usable_for("bridge kernel: refusals")) return;
    const TemporaryFolder folder;
    Hands hands;
    REQUIRE(hands.veth("lan0", "host0"));
    auto reconciler = opened(folder);
    auto desired = one_bridge();
    desired.bridges[0].mac = MacAddress{{1, 0, 0, 0, 0, 1}};  // a group address
    desired.bridges.push_back({"br-b", Ownership::create, {}, 1500, VlanFiltering::automatic, false, {}});
    const auto report = reconciler.reconcile(desired);
    CHECK_FALSE(report.settled);
    REQUIRE(report.failed.size() == 1);
    CHECK(report.failed[0].find("cannot create bridge br-dc") == 0);
    CHECK(report.bridge("br-dc")->state.word == StateWord::down);
    CHECK(report.port("lan0")->state.word == StateWord::down);
    CHECK(hands.exists("br-b"));
    check_done(reconciler.stop());
    CHECK_FALSE(hands.exists("br-b"));
}

TEST_CASE("br_netfilter is off while all bridges are ours") {
    const PrivateNamespace space;
    if (!space.usable_for("bridge kernel: br_netfilter")) return;
    const std::string sysctl = "/proc/sys/net/bridge/bridge-nf-call-iptables";
    if (!read_flag(sysctl)) {
        std::printf("SKIP bridge kernel: br_netfilter: it is not loaded\n");
        return;
    }
    REQUIRE(write_flag(sysctl, true).has_value());
    const TemporaryFolder folder;
    auto reconciler = opened(folder);
    check_done(reconciler.reconcile(one_bridge({})));
    CHECK(read_flag(sysctl) == false);
    check_done(reconciler.stop());
    CHECK(read_flag(sysctl) == true);
}

TEST_CASE("ports of a filtering bridge have the VLANs of their sessions") {
    const PrivateNamespace space;
    if (!space.usable_for("bridge kernel: VLAN filtering")) return;
    const TemporaryFolder folder;
    auto reconciler = opened(folder);
    if (reconciler.capabilities().vlan_filtering == Support::no) {
        std::printf("SKIP bridge kernel: VLAN filtering: this kernel's bridge does not filter VLANs\n");
        return;
    }
    Hands hands;
    REQUIRE(hands.veth("lan0", "host0"));
    const TestTap tap_a("ist-a");
    const TestTap tap_b("ist-b");
    auto desired = one_bridge();
    desired.taps = {tap("ist-a", "10,20-29"), tap("ist-b", "30")};
    const auto report = reconciler.reconcile(desired);
    check_done(report);
    CHECK(report.bridge("br-dc")->vlan_filtering);
    const auto vlans_of = [&](const char* name) {
        const auto now = hands.look();
        return now.find(name)->vlans;
    };
    const auto table = [](std::string_view all, std::string_view native) {
        const auto untagged = VlanSet::parse(native).value();
        return VlanTable{VlanSet::parse(all).value(), untagged, vlan_ranges(untagged).front().first};
    };
    CHECK(hands.link("br-dc").bridge->vlan_filtering == true);
    CHECK(hands.link("br-dc").bridge->vlan_default_pvid == 0);
    CHECK(vlans_of("br-dc") == VlanTable{});
    CHECK(vlans_of("lan0") == table("1,10,20-30", "1"));
    CHECK(vlans_of("ist-a") == table("1,10,20-29", "1"));
    CHECK(vlans_of("ist-b") == table("1,30", "1"));
    CHECK(reconciler.reconcile(desired).done.empty());
    desired.taps[0].vlans = VlanSet::parse("1,40").value();
    check_done(reconciler.reconcile(desired));
    CHECK(vlans_of("ist-a") == table("1,40,4094", "4094"));
    CHECK(reconciler.reconcile(desired).done.empty());
    check_done(reconciler.stop());
}

TEST_CASE("CAP_NET_ADMIN is all that it takes, IPv6's sysctls included") {
    const PrivateNamespace space;
    if (!space.usable_for("bridge kernel: CAP_NET_ADMIN alone")) return;
    const TemporaryFolder folder;
    REQUIRE(::chmod(folder.path().c_str(), 0777) == 0);
    Hands hands;
    REQUIRE(hands.veth("lan0", "host0"));
    const int failures = in_child([&] {
        if (!keep_only(1U << CAP_NET_ADMIN)) return 100;
        auto reconciler = opened(folder);
        if (!reconciler.capabilities().net_admin || !reconciler.capabilities().sysctl_writable) return 101;
        const auto report = reconciler.reconcile(one_bridge());
        for (const auto& sentence : report.failed) std::printf("%s\n", sentence.c_str());
        return static_cast<int>(report.failed.size()) + (report.settled ? 0 : 1);
    });
    CHECK(failures == 0);
    CHECK(hands.link("lan0").master == hands.link("br-dc").index);
    const Link bridge = hands.link("br-dc");
    if (bridge.inet6) CHECK(bridge.inet6->disabled);
}

TEST_CASE("without CAP_NET_ADMIN one sentence says what to do, and nothing is changed") {
    const PrivateNamespace space;
    if (!space.usable_for("bridge kernel: no privilege")) return;
    const TemporaryFolder folder;
    REQUIRE(::chmod(folder.path().c_str(), 0777) == 0);
    const int outcome = in_child([&] {
        if (!keep_only(0)) return 100;
        auto reconciler = opened(folder);
        const auto& found = reconciler.capabilities();
        if (found.net_admin || found.problems.empty()) return 1;
        if (found.problems[0].find("CAP_NET_ADMIN") == std::string::npos) return 2;
        const auto report = reconciler.reconcile(one_bridge());
        if (report.failed.empty() || !report.done.empty() || report.settled) return 3;
        return report.failed[0].find("EPERM") == std::string::npos ? 4 : 0;
    });
    CHECK(outcome == 0);
    CHECK_FALSE(Hands().exists("br-dc"));
}

TEST_CASE("a journal that cannot be read or written stops changes, in words") {
    const PrivateNamespace space;
    if (!space.usable_for("bridge kernel: journal")) return;
    const TemporaryFolder folder;
    const auto file = folder.path() / "bridge.journal";
    REQUIRE(save_journal(file, {{"br"}, {}, {}}, {"another-boot", "net:[1]"}).has_value());
    CHECK(load_journal(file, {"another-boot", "net:[1]"}).value().created.size() == 1);
    CHECK(load_journal(file, current_scope()).value().empty());
    std::filesystem::resize_file(file, 20);
    const auto broken = Reconciler::open({"dc-gw", file});
    REQUIRE_FALSE(broken.has_value());
    CHECK(broken.error().find("Remove the file to go on without") != std::string::npos);

    auto reconciler =
        std::move(Reconciler::open({"dc-gw", folder.path() / "missing" / "bridge.journal"})).value();
    const auto report = reconciler.reconcile(one_bridge({}));
    CHECK(report.done.empty());
    CHECK_FALSE(report.settled);
    CHECK_FALSE(Hands().exists("br-dc"));
}
