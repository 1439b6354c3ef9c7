#include "bridge/model.h"

#include <doctest/doctest.h>

#include "tests/bridge/fake_kernel.h"

using namespace isthmus;
using namespace isthmus::bridge;

TEST_CASE("a derived MAC address is stable, local, unicast, and differs by gateway and interface") {
    const auto mac = stable_mac("dc-gw", "br-dc");
    CHECK(mac == stable_mac("dc-gw", "br-dc"));
    CHECK_FALSE(mac.is_group());
    CHECK((mac.bytes[0] & 2) == 2);
    CHECK(mac != stable_mac("cloud-gw", "br-dc"));
    CHECK(mac != stable_mac("dc-gw", "br-dc2"));
    CHECK(stable_mac("ab", "c") != stable_mac("a", "bc"));
    // Written down: an upgrade must not change addresses.
    CHECK(mac.text() == "ae:9d:17:11:50:28");
}

TEST_CASE("interface names are those that the kernel takes") {
    for (const char* good : {"lan0", "br-dc", "eth0.100", "a", "fifteen-bytes-x"})
        CHECK_MESSAGE(valid_interface_name(good), good);
    for (const char* bad : {"", ".", "..", "a/b", "a b", "a:b", "sixteen-bytes-xy", "a\tb"})
        CHECK_MESSAGE(!valid_interface_name(bad), bad);
}

TEST_CASE("the holder of an address is the interface that can use it") {
    FakeKernel kernel;
    kernel.add("wan0", "").mtu = 1492;
    kernel.add("wan1", "").up = true;
    const auto address = *IpAddress::parse("192.0.2.1");
    auto& state = kernel.state();
    CHECK_FALSE(address_holder(state, address));
    state.addresses.push_back({state.links[0].index, address, 24, false, true, true});
    REQUIRE(address_holder(state, address));
    CHECK(address_holder(state, address)->interface == "wan0");
    CHECK(address_holder(state, address)->mtu == 1492);
    CHECK_FALSE(address_holder(state, address)->usable);
    state.addresses.push_back({state.links[1].index, address, 24, false, true, true});
    CHECK(address_holder(state, address)->interface == "wan1");
    CHECK(address_holder(state, address)->usable);
}
