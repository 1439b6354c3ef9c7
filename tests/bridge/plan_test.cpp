#include "bridge/plan.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "bridge/planner.h"
#include "tests/bridge/fake_kernel.h"

using namespace isthmus;
using namespace isthmus::bridge;

namespace {

VlanSet vlans(std::string_view text) {
    return VlanSet::parse(text).value();
}

Desired one_bridge(std::vector<std::string> ports = {"lan0"}) {
    Desired desired;
    desired.gateway = "dc-gw";
    desired.bridges.push_back(
        {"br-dc", Ownership::create, std::move(ports), 1500, VlanFiltering::automatic, false, {}});
    return desired;
}

FakeKernel world_with_lan0() {
    FakeKernel kernel;
    Link& lan0 = kernel.add("lan0", "veth");
    lan0.up = true;
    lan0.carrier = true;
    return kernel;
}

std::vector<std::string> texts(const Plan& p) {
    std::vector<std::string> out;
    for (const auto& operation : p.operations) out.push_back(text(operation));
    return out;
}

bool mentions(const Plan& p, std::string_view part) {
    for (const auto& t : texts(p))
        if (t.find(part) != std::string::npos) return true;
    return false;
}

Plan carried_out(FakeKernel& kernel, const Desired& desired, const Journal& journal = {}) {
    auto p = plan(desired, kernel.state(), journal);
    for (const auto& operation : p.operations)
        CHECK_MESSAGE(kernel.apply(operation).empty(), text(operation));
    return plan(desired, kernel.state(), p.journal);
}

Link& link_of(FakeKernel& kernel, std::string_view name) {
    auto& links = kernel.state().links;
    const auto found =
        std::find_if(links.begin(), links.end(), [&](const Link& l) { return l.name == name; });
    REQUIRE(found != links.end());
    return *found;
}

const State& port_state(const Plan& p, std::string_view name) {
    for (const auto& bridge : p.bridges)
        for (const auto& port : bridge.ports)
            if (port.name == name) return port.state;
    FAIL("no such port: ", name);
    static const State kNone;
    return kNone;
}

}  // namespace

TEST_CASE("a bridge is made, marked, silenced and set before any port joins") {
    auto kernel = world_with_lan0();
    const auto p = plan(one_bridge(), kernel.state(), {});
    const std::string mac = stable_mac("dc-gw", "br-dc").text();
    CHECK(texts(p) == std::vector<std::string>{
                          "create bridge br-dc with address " + mac,
                          "mark br-dc \"isthmus:dc-gw\"",
                          "set IPv6 address generation 1 on br-dc",
                          "disable IPv6 on br-dc",
                          "set on br-dc: stp off forward_delay 0 group_fwd_mask 0 multicast_snooping off "
                          "nf_call_iptables off "
                          "nf_call_ip6tables off nf_call_arptables off",
                          "set br-dc up",
                          "set IPv6 address generation 1 on lan0",
                          "disable IPv6 on lan0",
                          "put lan0 into br-dc",
                      });
    CHECK(p.journal.created == std::vector<std::string>{"br-dc"});
    REQUIRE(p.journal.ports.size() == 1);
    CHECK(p.journal.ports[0].mtu == 1500);
    CHECK(p.journal.ports[0].up);
    CHECK(p.journal.ports[0].inet6 == Inet6Settings{false, AddrGenMode::eui64});
}

TEST_CASE("a port that is not there waits and stops nothing else") {
    auto kernel = world_with_lan0();
    auto desired = one_bridge({"lan1", "lan0"});
    desired.taps.push_back({"ist-a", "br-dc", vlans("10"), false, false});
    const auto p = carried_out(kernel, desired);
    CHECK(port_state(p, "lan1") == State{StateWord::waiting, "no interface named lan1 yet"});
    CHECK(port_state(p, "ist-a") == State{StateWord::waiting, "TAP ist-a is not open yet"});
    CHECK(port_state(p, "lan0").word == StateWord::up);
    kernel.add("lan1", "").carrier = true;
    CHECK(port_state(carried_out(kernel, desired, p.journal), "lan1").word == StateWord::up);
}

TEST_CASE("a bridge of somebody else is refused, with the remedy, and its ports wait") {
    auto kernel = world_with_lan0();
    kernel.add("br-dc", "bridge");
    const auto p = plan(one_bridge(), kernel.state(), {});
    CHECK(p.operations.empty());
    CHECK(p.bridges[0].state.word == StateWord::conflict);
    CHECK(p.bridges[0].state.reason.find("ownership = \"adopt\"") != std::string::npos);
    CHECK(port_state(p, "lan0").word == StateWord::waiting);
}

TEST_CASE("a bridge of another gateway is refused by that gateway's name") {
    auto kernel = world_with_lan0();
    kernel.add("br-dc", "bridge").alias = "isthmus:cloud-gw";
    const auto p = plan(one_bridge(), kernel.state(), {});
    CHECK(p.operations.empty());
    CHECK(p.bridges[0].state.reason.find("belongs to gateway \"cloud-gw\"") != std::string::npos);
}

TEST_CASE("an interface that is no bridge is not taken for one") {
    auto kernel = world_with_lan0();
    kernel.add("br-dc", "veth");
    CHECK(plan(one_bridge(), kernel.state(), {}).bridges[0].state.word == StateWord::conflict);
    auto adopting = one_bridge();
    adopting.bridges[0].ownership = Ownership::adopt;
    CHECK(plan(adopting, kernel.state(), {}).bridges[0].state.word == StateWord::conflict);
}

TEST_CASE("a restart knows its own leftovers by their mark") {
    auto kernel = world_with_lan0();
    const auto first = carried_out(kernel, one_bridge());
    CHECK(plan(one_bridge(), kernel.state(), first.journal).operations.empty());
    // Without its journal too; then a port's IPv6 goes back to the default, as nobody knows better.
    const auto again = plan(one_bridge(), kernel.state(), {});
    CHECK(again.operations.empty());
    CHECK(again.journal.ports[0].inet6 == Inet6Settings{false, AddrGenMode::eui64});
}

TEST_CASE("a leftover of an earlier configuration is removed") {
    auto kernel = world_with_lan0();
    const auto before = kernel.state();
    auto p = carried_out(kernel, one_bridge());
    auto other = one_bridge({});
    other.bridges[0].name = "br-new";
    p = carried_out(kernel, other, p.journal);
    CHECK(p.operations.empty());
    CHECK(kernel.state().find("br-dc") == nullptr);
    CHECK(*kernel.state().find("lan0") == *before.find("lan0"));
}

TEST_CASE("a bridge made but not yet marked when the program died is known by journal and address") {
    auto kernel = world_with_lan0();
    const auto p = plan(one_bridge(), kernel.state(), {});
    REQUIRE(kernel.apply(p.operations[0]).empty());  // created; killed before the mark
    CHECK(plan(one_bridge(), kernel.state(), {}).bridges[0].state.word == StateWord::conflict);
    const auto next = plan(one_bridge(), kernel.state(), p.journal);
    CHECK(mentions(next, "mark br-dc \"isthmus:dc-gw\""));
    // One of the same name that somebody else made meanwhile has another address.
    FakeKernel other = world_with_lan0();
    other.add("br-dc", "bridge");
    CHECK(plan(one_bridge(), other.state(), p.journal).bridges[0].state.word == StateWord::conflict);
}

TEST_CASE("an adopted bridge keeps everything of its own and gets our ports") {
    auto kernel = world_with_lan0();
    kernel.add("br-dc", "bridge").bridge->stp = true;
    kernel.fix_mtu("br-dc", 1450);
    kernel.add("theirs", "veth");
    REQUIRE(kernel.apply(SetMaster{"theirs", "br-dc"}).empty());
    const Link bridge = *kernel.state().find("br-dc");
    const Link theirs = *kernel.state().find("theirs");
    auto desired = one_bridge({"lan0", "theirs"});
    desired.bridges[0].ownership = Ownership::adopt;
    auto p = carried_out(kernel, desired);
    CHECK(*kernel.state().find("br-dc") == bridge);
    CHECK(*kernel.state().find("theirs") == theirs);
    CHECK(kernel.state().find("lan0")->master == bridge.index);
    CHECK(kernel.state().find("lan0")->mtu == 1450);
    REQUIRE(p.warnings.size() == 1);
    CHECK(p.warnings[0].find("keeps its MTU of 1450") != std::string::npos);
    p = carried_out(kernel, {"dc-gw", {}, {}}, p.journal);
    CHECK(p.journal.empty());
    CHECK(*kernel.state().find("br-dc") == bridge);
    CHECK(kernel.state().find("theirs")->master == bridge.index);
    CHECK(kernel.state().find("lan0")->master == kNoInterface);
    CHECK(kernel.state().find("lan0")->mtu == 1500);
}

TEST_CASE(
    "ports that an adopted bridge has of its own are reported, and whether its spanning tree lets them "
    "forward") {
    auto kernel = world_with_lan0();
    kernel.add("br-dc", "bridge").bridge->stp = true;
    for (const char* name : {"eth1", "eth2"}) {
        kernel.add(name, "veth");
        REQUIRE(kernel.apply(SetMaster{name, "br-dc"}).empty());
    }
    auto desired = one_bridge({"lan0"});
    desired.bridges[0].ownership = Ownership::adopt;
    (void)carried_out(kernel, desired);
    ActualState state = kernel.state();
    for (Link& link : state.links) {
        if (link.name == "lan0") link.port.emplace().state = PortState::forwarding;
        if (link.name == "eth1") link.port.emplace().state = PortState::blocking;
        if (link.name == "eth2") link.port.emplace().state = PortState::learning;
    }
    const auto report = plan(desired, state, {}).bridges[0];
    REQUIRE(report.ports.size() == 1);
    CHECK(report.ports[0].forwards);
    REQUIRE(report.others.size() == 2);
    CHECK(report.others[0].name == "eth1");
    CHECK_FALSE(report.others[0].forwards);
    CHECK_FALSE(report.others[1].forwards);
    for (Link& link : state.links)
        if (link.bridge) link.bridge->stp = false;
    CHECK(plan(desired, state, {}).bridges[0].others[0].forwards);
}

TEST_CASE("untagged frames of sessions join those of an adopted bridge's ports, in whatever VLAN these are") {
    auto kernel = world_with_lan0();
    kernel.state().vlan_filtering = Support::yes;
    auto& settings = *kernel.add("br-dc", "bridge").bridge;
    settings.vlan_filtering = true;
    settings.vlan_default_pvid = 0;
    for (const char* name : {"eth1", "eth2", "ist-a"})
        kernel.add(name, std::string(name) == "ist-a" ? "tun" : "veth");
    for (const char* name : {"eth1", "eth2"}) REQUIRE(kernel.apply(SetMaster{name, "br-dc"}).empty());
    auto desired = one_bridge({});
    desired.bridges[0].ownership = Ownership::adopt;
    desired.taps.push_back({"ist-a", "br-dc", vlans("20"), true, false});
    const auto give = [&](const char* port, std::uint16_t pvid) {
        VlanTable& table = link_of(kernel, port).vlans;
        table = {vlans("20"), {}, VlanId::parse(pvid)};
        if (!table.pvid) return;
        table.members.insert(*table.pvid);
        table.untagged.insert(*table.pvid);
    };
    const auto pvid_of_session = [&] {
        (void)carried_out(kernel, desired);
        return kernel.state().find("ist-a")->vlans.pvid;
    };
    const auto report = [&] { return plan(desired, kernel.state(), {}).bridges[0]; };
    CHECK_FALSE(pvid_of_session());
    CHECK_FALSE(report().native);
    give("eth1", 10);
    CHECK(pvid_of_session() == VlanId::parse(10));
    CHECK(report().native == VlanId::parse(10));
    give("eth2", 10);
    CHECK(pvid_of_session() == VlanId::parse(10));
    // A port that is another one's access port: nobody can say which is meant.
    give("eth2", 11);
    CHECK_FALSE(pvid_of_session());
    REQUIRE(kernel.apply(SetMaster{"eth2", ""}).empty());
    link_of(kernel, "br-dc").bridge->vlan_default_pvid = 1;
    CHECK(pvid_of_session() == VlanId::parse(10));
    give("eth1", 1);
    CHECK(pvid_of_session() == VlanId::parse(1));
    desired.taps[0].untagged = false;
    CHECK_FALSE(pvid_of_session());
    CHECK_FALSE(report().native);
}

TEST_CASE("a port's report says how sessions' VLANs are numbered on its wire") {
    auto kernel = world_with_lan0();
    kernel.state().vlan_filtering = Support::yes;
    auto& settings = *kernel.add("br-dc", "bridge").bridge;
    settings.vlan_filtering = true;
    settings.vlan_default_pvid = 0;
    REQUIRE(kernel.apply(SetMaster{"lan0", "br-dc"}).empty());
    link_of(kernel, "lan0").vlans = {vlans("10,20"), vlans("10"), VlanId::parse(10)};
    kernel.add("ist-a", "tun");
    auto desired = one_bridge({"lan0"});
    desired.bridges[0].ownership = Ownership::adopt;
    desired.taps.push_back({"ist-a", "br-dc", vlans("10,20,30"), false, false});
    const auto p = carried_out(kernel, desired);
    const PortVlans& lan0 = p.bridges[0].ports.at(0).vlans;
    CHECK(lan0.from_wire(0) == std::optional<std::uint16_t>(10));
    CHECK(lan0.on_wire(20) == std::optional<std::uint16_t>(20));
    CHECK_FALSE(lan0.on_wire(30));
    link_of(kernel, "br-dc").bridge->vlan_filtering = false;
    CHECK(plan(desired, kernel.state(), p.journal).bridges[0].ports.at(0).vlans == PortVlans{});
}

TEST_CASE("a bridge to adopt that is not there yet is waited for") {
    auto kernel = world_with_lan0();
    auto desired = one_bridge();
    desired.bridges[0].ownership = Ownership::adopt;
    const auto p = plan(desired, kernel.state(), {});
    CHECK(p.operations.empty());
    CHECK(p.bridges[0].state.word == StateWord::waiting);
}

TEST_CASE("a port of somebody else's bridge is not taken away") {
    auto kernel = world_with_lan0();
    kernel.add("br-other", "bridge");
    REQUIRE(kernel.apply(SetMaster{"lan0", "br-other"}).empty());
    const auto p = plan(one_bridge(), kernel.state(), {});
    CHECK(port_state(p, "lan0").word == StateWord::conflict);
    CHECK(port_state(p, "lan0").reason.find("ip link set lan0 nomaster") != std::string::npos);
    CHECK_FALSE(mentions(p, "lan0"));
}

TEST_CASE("an interface that holds an address is not put into a bridge") {
    auto kernel = world_with_lan0();
    const IfIndex lan0 = kernel.state().find("lan0")->index;
    kernel.state().addresses = {{lan0, *IpAddress::parse("192.0.2.1"), 24, false, true, true}};
    const auto p = plan(one_bridge(), kernel.state(), {});
    CHECK(port_state(p, "lan0").word == StateWord::conflict);
    CHECK(port_state(p, "lan0").reason.find("holds address 192.0.2.1") != std::string::npos);
    CHECK_FALSE(mentions(p, "put lan0"));
    // What comes and goes with IPv6 itself is no reason.
    kernel.state().addresses = {{lan0, *IpAddress::parse("fe80::1"), 64, true, true, true},
                                {lan0, *IpAddress::parse("2001:db8::1"), 64, false, false, true}};
    CHECK(port_state(plan(one_bridge(), kernel.state(), {}), "lan0").word != StateWord::conflict);
}

TEST_CASE("an address on a bridge or port of ours is warned about") {
    auto kernel = world_with_lan0();
    const auto p = carried_out(kernel, one_bridge());
    kernel.state().addresses = {
        {kernel.state().find("br-dc")->index, *IpAddress::parse("192.0.2.9"), 24, false, true, true}};
    const auto next = plan(one_bridge(), kernel.state(), p.journal);
    REQUIRE(next.warnings.size() == 1);
    CHECK(next.warnings[0].find("ip address del 192.0.2.9/24 dev br-dc") != std::string::npos);
}

TEST_CASE("the loopback, a bridge, and an interface named twice are no ports") {
    auto kernel = world_with_lan0();
    kernel.add("lo", "").loopback = true;
    kernel.add("br-x", "bridge");
    const auto p = plan(one_bridge({"lo", "br-x", "lan0", "lan0"}), kernel.state(), {});
    REQUIRE(p.bridges[0].ports.size() == 4);
    CHECK(p.bridges[0].ports[0].state.word == StateWord::conflict);
    CHECK(p.bridges[0].ports[1].state.word == StateWord::conflict);
    CHECK(p.bridges[0].ports[2].state.word == StateWord::down);
    CHECK(p.bridges[0].ports[3].state.word == StateWord::conflict);
}

TEST_CASE("a session's interface that is no TAP is refused") {
    auto kernel = world_with_lan0();
    auto desired = one_bridge({});
    desired.taps.push_back({"lan0", "br-dc", vlans("10"), false, false});
    CHECK(port_state(plan(desired, kernel.state(), {}), "lan0").word == StateWord::conflict);
}

TEST_CASE("an MTU larger than a port takes is refused in words") {
    auto kernel = world_with_lan0();
    kernel.state().links[0].max_mtu = 1500;
    auto desired = one_bridge();
    desired.bridges[0].mtu = 9000;
    CHECK(port_state(plan(desired, kernel.state(), {}), "lan0").reason.find("at most 1500") !=
          std::string::npos);
}

TEST_CASE("more ports than a bridge takes are refused before anything is done") {
    FakeKernel kernel;
    auto desired = one_bridge({});
    for (std::size_t i = 0; i < kMaxPorts; ++i)
        desired.taps.push_back({"t" + std::to_string(i), "br-dc", vlans("10"), false, false});
    CHECK(plan(desired, kernel.state(), {}).bridges[0].state.word == StateWord::down);
    desired.bridges[0].ports.push_back("lan0");
    const auto p = plan(desired, kernel.state(), {});
    CHECK(p.operations.empty());
    CHECK(p.bridges[0].state.word == StateWord::conflict);
    CHECK(p.bridges[0].state.reason.find("1024 ports are more than the 1023") != std::string::npos);
}

TEST_CASE("split horizon isolates TAPs, and lets go of them again") {
    FakeKernel kernel;
    kernel.add("ist-a", "tun").carrier = true;
    auto desired = one_bridge({});
    desired.taps.push_back({"ist-a", "br-dc", vlans("10"), false, true});
    auto p = carried_out(kernel, desired);
    CHECK(kernel.state().find("ist-a")->port->isolated == true);
    CHECK(kernel.state().find("ist-a")->mac == stable_mac("dc-gw", "ist-a"));
    desired.taps[0].isolated = false;
    p = carried_out(kernel, desired, p.journal);
    CHECK(kernel.state().find("ist-a")->port->isolated == false);
}

TEST_CASE("with VLAN filtering each port is a member of what its sessions carry") {
    auto kernel = world_with_lan0();
    kernel.state().vlan_filtering = Support::yes;
    kernel.add("ist-a", "tun");
    kernel.add("ist-b", "tun");
    auto desired = one_bridge();
    desired.taps = {{"ist-a", "br-dc", vlans("10,20-29"), false, false},
                    {"ist-b", "br-dc", vlans("30"), false, false}};
    auto p = carried_out(kernel, desired);
    CHECK(p.bridges[0].vlan_filtering);
    CHECK(kernel.state().find("br-dc")->bridge->vlan_filtering == true);
    CHECK(kernel.state().find("br-dc")->bridge->vlan_default_pvid == 0);
    // VLAN 1 is where frames without an 802.1Q tag live, which to the bridge are those with an 802.1ad tag too.
    CHECK(kernel.state().find("lan0")->vlans == VlanTable{vlans("1,10,20-30"), vlans("1"), VlanId::parse(1)});
    CHECK(kernel.state().find("ist-a")->vlans ==
          VlanTable{vlans("1,10,20-29"), vlans("1"), VlanId::parse(1)});
    CHECK(kernel.state().find("ist-b")->vlans == VlanTable{vlans("1,30"), vlans("1"), VlanId::parse(1)});
    desired.taps[0].vlans = vlans("1,10");
    p = carried_out(kernel, desired, p.journal);
    CHECK(kernel.state().find("ist-a")->vlans ==
          VlanTable{vlans("1,10,4094"), vlans("4094"), VlanId::parse(4094)});
}

TEST_CASE("whether a bridge filters VLANs depends on the kernel, the wish and the sessions") {
    const TapPort listed{"ist-a", "br", vlans("10"), false, false};
    const TapPort untagged{"ist-b", "br", vlans("10"), true, false};
    const TapPort any{"ist-c", "br", VlanSet::all(), true, false};
    BridgeOptions options;
    const auto decide = [&](VlanFiltering wish, std::vector<const TapPort*> taps, Support kernel) {
        options.vlan_filtering = wish;
        return planner::decide_filtering(options, taps, kernel);
    };
    CHECK(decide(VlanFiltering::automatic, {&listed}, Support::yes).on);
    CHECK_FALSE(decide(VlanFiltering::automatic, {&listed}, Support::no).on);
    CHECK_FALSE(decide(VlanFiltering::automatic, {&listed}, Support::unknown).on);
    CHECK_FALSE(decide(VlanFiltering::automatic, {}, Support::yes).on);
    CHECK_FALSE(decide(VlanFiltering::automatic, {&listed, &untagged}, Support::yes).on);
    CHECK_FALSE(decide(VlanFiltering::automatic, {&listed, &any}, Support::yes).on);
    CHECK_FALSE(decide(VlanFiltering::off, {&listed}, Support::yes).on);
    CHECK(decide(VlanFiltering::on, {&listed, &untagged, &any}, Support::yes).on);
    CHECK(decide(VlanFiltering::on, {&listed}, Support::no).conflict.find("\"auto\"") != std::string::npos);
    CHECK(decide(VlanFiltering::on, {&listed}, Support::unknown).conflict.empty());
}

TEST_CASE("filtering that was asked for and cannot be had stops that bridge alone") {
    auto kernel = world_with_lan0();
    kernel.add("lan1", "").carrier = true;
    kernel.state().vlan_filtering = Support::no;
    auto desired = one_bridge();
    desired.bridges[0].vlan_filtering = VlanFiltering::on;
    desired.bridges.push_back(desired.bridges[0]);
    desired.bridges[1].name = "br-b";
    desired.bridges[1].ports = {"lan1"};
    desired.bridges[1].vlan_filtering = VlanFiltering::automatic;
    const auto p = carried_out(kernel, desired);
    CHECK(p.bridges[0].state.word == StateWord::conflict);
    CHECK(kernel.state().find("br-dc") == nullptr);
    CHECK(port_state(p, "lan1").word == StateWord::up);
}

TEST_CASE("br_netfilter is turned off where all bridges are ours, and back on in the end") {
    auto kernel = world_with_lan0();
    kernel.state().netfilter = {true, true, false};
    auto p = carried_out(kernel, one_bridge());
    CHECK(kernel.state().netfilter == BridgeNetfilter{false, false, false});
    CHECK(p.journal.netfilter == BridgeNetfilter{true, true, {}});
    CHECK(p.warnings.empty());
    SUBCASE("stop") {
        p = carried_out(kernel, {"dc-gw", {}, {}}, p.journal);
        CHECK(p.journal.empty());
    }
    SUBCASE("a bridge of somebody else appears, which may rely on it") {
        kernel.add("docker0", "bridge");
        p = carried_out(kernel, one_bridge(), p.journal);
        CHECK(p.journal.netfilter == BridgeNetfilter{});
        REQUIRE(p.warnings.size() == 1);
        CHECK(p.warnings[0].find("sysctl -w net.bridge.bridge-nf-call-iptables=0") != std::string::npos);
    }
    CHECK(kernel.state().netfilter == BridgeNetfilter{true, true, false});
}

TEST_CASE("a port that somebody took over is left alone in the end") {
    auto kernel = world_with_lan0();
    const auto p = carried_out(kernel, one_bridge());
    kernel.add("br-other", "bridge");
    REQUIRE(kernel.apply(SetMaster{"lan0", "br-other"}).empty());
    const Link lan0 = *kernel.state().find("lan0");
    const auto end = carried_out(kernel, {"dc-gw", {}, {}}, p.journal);
    CHECK(end.journal.empty());
    CHECK(*kernel.state().find("lan0") == lan0);
}

TEST_CASE("a device that came back under its name is another device") {
    auto kernel = world_with_lan0();
    auto p = carried_out(kernel, one_bridge());
    kernel.remove("lan0");
    Link& lan0 = kernel.add("lan0", "");
    lan0.mtu = 1400;
    const Link fresh = lan0;
    p = carried_out(kernel, one_bridge(), p.journal);
    CHECK(p.journal.ports.at(0).mtu == 1400);
    p = carried_out(kernel, {"dc-gw", {}, {}}, p.journal);
    CHECK(*kernel.state().find("lan0") == fresh);
}
