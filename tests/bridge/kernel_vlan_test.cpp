// VLANs of a bridge that filters them: what is asked of the kernel for one VLAN leaves the others alone.
#include <doctest/doctest.h>
#include <linux/neighbour.h>

#include <algorithm>
#include <cerrno>

#include "bridge/io/capabilities.h"
#include "bridge/io/fdb_monitor.h"
#include "tests/bridge/private_namespace.h"

using namespace isthmus;
using namespace isthmus::bridge;

namespace {

MacAddress host(std::uint8_t number) {
    return {{0x02, 0, 0, 0, 0, number}};
}

/// A bridge that filters VLANs with two ports, both with VLANs 10 and 20.
struct Filtering {
    Hands hands;
    bool supported = false;
    IfIndex lan0;
    IfIndex lan1;

    Filtering() {
        BridgeSettings settings;
        settings.vlan_filtering = true;
        settings.vlan_default_pvid = 0;
        settings.forward_delay = 0;
        if (!hands.bridge("br0")) return;
        supported = probe_capabilities(hands.socket()).vlan_filtering == Support::yes &&
                    hands.change(netlink::set_bridge(hands.link("br0").index, settings));
        if (!supported || !hands.veth("lan0", "host0") || !hands.veth("lan1", "host1")) return;
        for (const char* name : {"lan0", "lan1"}) {
            REQUIRE(hands.change(netlink::set_master(hands.link(name).index, hands.link("br0").index)));
            for (netlink::Request& request :
                 netlink::add_vlans(hands.link(name).index, VlanSet::parse("10,20").value(), false, false))
                REQUIRE(hands.change(std::move(request)));
        }
        lan0 = hands.link("lan0").index;
        lan1 = hands.link("lan1").index;
        for (const char* name : {"br0", "lan0", "lan1"})
            REQUIRE(hands.change(netlink::set_up(hands.link(name).index, true)));
        // A port learns once it forwards, which its link decides a moment later.
        for (int i = 0; i < 500 && !(forwards("lan0") && forwards("lan1")); ++i) ::usleep(10'000);
    }
    [[nodiscard]] bool forwards(const char* name) {
        const auto link = hands.link(name);
        return link.port && link.port->state == PortState::forwarding;
    }
    /// As if the bridge had heard it there.
    [[nodiscard]] bool learn(IfIndex port, std::uint8_t number, std::uint16_t vid) {
        netlink::MessageBuilder message(RTM_NEWNEIGH, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE);
        ndmsg header{};
        header.ndm_family = AF_BRIDGE;
        header.ndm_ifindex = static_cast<std::int32_t>(raw(port));
        header.ndm_state = NUD_REACHABLE;
        header.ndm_flags = NTF_MASTER;
        message.header(header).attribute(NDA_LLADDR, host(number).bytes).u16(NDA_VLAN, vid);
        return hands.change(std::move(message).take());
    }
    [[nodiscard]] int refusal(netlink::Request request) {
        const auto done = hands.socket().change(std::move(request), "try");
        return done ? 0 : done.error().code;
    }
};

bool knows(FdbMonitor& monitor, std::uint8_t number) {
    REQUIRE(monitor.request_all());
    const auto hosts = monitor.drain().hosts;
    return std::any_of(hosts.begin(), hosts.end(),
                       [&](const auto& m) { return m.mac == host(number) && !m.removed; });
}

}  // namespace

TEST_CASE("what was learned on a port in one VLAN is forgotten, and nothing else is") {
    const PrivateNamespace space;
    if (!space.usable_for("bridge kernel: hosts of one VLAN")) return;
    Filtering net;
    if (!net.supported) {
        std::printf("SKIP bridge kernel: hosts of one VLAN: this kernel's bridge does not filter VLANs\n");
        return;
    }
    REQUIRE(net.learn(net.lan0, 1, 10));
    REQUIRE(net.learn(net.lan0, 2, 20));
    REQUIRE(net.learn(net.lan1, 3, 10));
    REQUIRE(net.hands.change(netlink::pin_host(net.lan0, host(4), 10)));
    REQUIRE(net.hands.change(netlink::flush_port_vlan(net.lan0, 10)));
    auto monitor = FdbMonitor::open();
    REQUIRE(monitor);
    CHECK_FALSE(knows(*monitor, 1));
    CHECK(knows(*monitor, 2));
    CHECK(knows(*monitor, 3));
    CHECK(knows(*monitor, 4));
}

TEST_CASE(
    "a port's VLAN can be blocked and opened, but not what it is no member of, nor against a spanning tree") {
    const PrivateNamespace space;
    if (!space.usable_for("bridge kernel: states of VLANs")) return;
    Filtering net;
    if (!net.supported) {
        std::printf("SKIP bridge kernel: states of VLANs: this kernel's bridge does not filter VLANs\n");
        return;
    }
    const auto set = [&](std::uint16_t vid, PortState state) {
        return net.refusal(netlink::set_vlan_state(net.lan0, *VlanId::parse(vid), state));
    };
    CHECK(set(10, PortState::blocking) == 0);
    CHECK(set(10, PortState::blocking) == 0);
    CHECK(set(10, PortState::forwarding) == 0);
    CHECK(set(30, PortState::blocking) == ENOENT);
    BridgeSettings tree;
    tree.stp = true;
    REQUIRE(net.hands.change(netlink::set_bridge(net.hands.link("br0").index, tree)));
    if (net.hands.link("br0").bridge->stp == true) CHECK(set(10, PortState::blocking) == EBUSY);
}
