// Hosts of real bridges, in a network namespace of the test's own.
#include <doctest/doctest.h>

#include <algorithm>

#include "bridge/io/fdb_monitor.h"
#include "tests/bridge/private_namespace.h"

using namespace isthmus;
using namespace isthmus::bridge;

namespace {

MacAddress host(std::uint32_t number) {
    MacAddress mac{{0x02, 0, 0, 0, 0, 0}};
    store_be32(mac.bytes.data() + 2, number);
    return mac;
}

/// A bridge with two ports.
struct TwoPorts {
    Hands hands;
    bool made = hands.bridge("br0") && hands.veth("lan0", "host0") && hands.veth("lan1", "host1") &&
                hands.change(netlink::set_master(hands.link("lan0").index, hands.link("br0").index)) &&
                hands.change(netlink::set_master(hands.link("lan1").index, hands.link("br0").index));
    IfIndex lan0 = hands.link("lan0").index;
    IfIndex lan1 = hands.link("lan1").index;
};

std::vector<netlink::FdbMessage> all_of(FdbMonitor& monitor, bool& lost) {
    std::vector<netlink::FdbMessage> out;
    for (bool more = true; more;) {
        FdbChanges changes = monitor.drain();
        out.insert(out.end(), changes.hosts.begin(), changes.hosts.end());
        lost = lost || changes.lost;
        more = changes.more;
    }
    return out;
}

}  // namespace

TEST_CASE(
    "a host is told when a bridge learns it, when it moves and when it goes, and again when asked for") {
    const PrivateNamespace space;
    if (!space.usable_for("bridge kernel: hosts")) return;
    TwoPorts net;
    REQUIRE(net.made);
    auto monitor = FdbMonitor::open();
    REQUIRE(monitor);
    bool lost = false;
    const auto last = [&] {
        const auto told = all_of(*monitor, lost);
        const auto found =
            std::find_if(told.rbegin(), told.rend(), [](const auto& m) { return m.mac == host(1); });
        REQUIRE(found != told.rend());
        return *found;
    };
    REQUIRE(net.hands.change(netlink::pin_host(net.lan0, host(1), 0)));
    CHECK(last().port == net.lan0);
    REQUIRE(net.hands.change(netlink::pin_host(net.lan1, host(1), 0)));
    const auto moved = last();
    CHECK(moved.port == net.lan1);
    CHECK(moved.bridge == net.hands.link("br0").index);
    REQUIRE(net.hands.change(netlink::remove_host(net.lan1, host(1), 0)));
    CHECK(last().removed);
}

TEST_CASE("forty thousand moves are all told, or their loss is") {
    const PrivateNamespace space;
    if (!space.usable_for("bridge kernel: forty thousand moves")) return;
    TwoPorts net;
    REQUIRE(net.made);
    auto monitor = FdbMonitor::open();
    REQUIRE(monitor);
    constexpr std::uint32_t kMoves = 40'000;
    for (std::uint32_t i = 0; i < kMoves; ++i)
        REQUIRE(net.hands.change(netlink::pin_host(i % 2 == 0 ? net.lan0 : net.lan1, host(7), 0)));
    bool lost = false;
    const auto told = all_of(*monitor, lost);
    const auto count =
        std::count_if(told.begin(), told.end(), [](const auto& message) { return message.mac == host(7); });
    CHECK((lost || count == kMoves));
    // What was lost comes back when it is asked for.
    REQUIRE(monitor->request_all());
    const auto again = all_of(*monitor, lost);
    const auto known =
        std::find_if(again.begin(), again.end(), [](const auto& message) { return message.mac == host(7); });
    REQUIRE(known != again.end());
    CHECK(known->port == net.lan1);
}
