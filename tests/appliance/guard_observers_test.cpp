#include "appliance/guard_observers.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

using namespace isthmus;
using namespace isthmus::appliance;
using namespace isthmus::stp_guard;
using namespace std::chrono_literals;

namespace {

constexpr TimePoint kNow{1000s};
constexpr SeenAt kLan{PortId{1}, PortKind::lan};
constexpr SeenAt kFar{PortId{0x10000}, PortKind::tunnel};

GuardObservers observers(BpduObserverOptions options = {}) {
    return GuardObservers(options, [](PortId id) { return id == PortId{1} ? "lan0" : "vlans"; });
}

BpduFrame bpdu(std::uint8_t root, bool change = false) {
    BpduFrame out;
    out.bpdu.kind = BpduKind::rapid;
    out.bpdu.version = 2;
    out.bpdu.flags.bits = change ? 0x3d : 0x3c;
    out.bpdu.hello_time = 2s;
    out.bpdu.max_age = 20s;
    out.bpdu.root = {0x8000, MacAddress{{0, 0, 0, 0, 0, root}}};
    out.bpdu.bridge = out.bpdu.root;
    return out;
}

/// VRRP for 192.0.2.254, tagged (RFC 5798 section 5).
std::vector<std::uint8_t> vrrp(std::uint16_t vid) {
    ByteWriter out;
    out.bytes(std::array<std::uint8_t, 6>{0x01, 0x00, 0x5e, 0x00, 0x00, 0x12});
    out.bytes(std::array<std::uint8_t, 6>{0x00, 0x00, 0x5e, 0x00, 0x01, 0x0a});
    out.u16(0x8100).u16(vid).u16(0x0800);
    out.bytes(std::array<std::uint8_t, 20>{0x45, 0, 0,   32, 0, 0,   0,   0, 255, 112,
                                           0,    0, 192, 0,  2, 253, 224, 0, 0,   18});
    out.bytes(std::array<std::uint8_t, 12>{0x31, 10, 100, 1, 0, 100, 0, 0, 192, 0, 2, 254});
    return std::move(out).take();
}

std::vector<GuardEvent> events(GuardObservers& of) {
    std::vector<GuardEvent> out;
    while (auto event = of.poll_event()) out.push_back(std::move(*event));
    return out;
}

}  // namespace

TEST_CASE("a tree is shown as soon as it is seen, and told of when its root changes") {
    GuardObservers watch = observers();
    watch.on_bpdu(kLan, bpdu(1), kNow);
    CHECK(events(watch).empty());
    const auto trees = watch.trees(kNow + 1s);
    REQUIRE(trees.size() == 1);
    CHECK(trees[0]["port"] == "lan0");
    CHECK(trees[0]["side"] == "lan");
    watch.on_bpdu(kLan, bpdu(2), kNow + 2s);
    const auto told = events(watch);
    REQUIRE(told.size() == 1);
    CHECK(told[0].id == GuardEventId::root_changed);
    CHECK(told[0].sentence.find("on lan0 has another root: ") != std::string::npos);
    REQUIRE(watch.next_timeout());
    watch.on_timeout(kNow + 1min);
    CHECK(watch.trees(kNow + 1min).empty());
}

TEST_CASE("root guard says who wants to be root, and protects ours") {
    BpduObserverOptions options;
    options.transparent = options.root_guard = true;
    GuardObservers watch = observers(options);
    watch.on_bpdu(kLan, bpdu(5), kNow);
    REQUIRE(watch.lan_roots().size() == 1);
    CHECK(watch.lan_roots()[0].second == bpdu(5).bpdu.root);
    watch.on_bpdu(kFar, bpdu(1), kNow);
    const auto told = events(watch);
    REQUIRE(told.size() == 1);
    CHECK(told[0].id == GuardEventId::superior_root);
    CHECK(told[0].sentence.find("behind vlans wants to be the root of the spanning tree in place of") !=
          std::string::npos);
}

TEST_CASE("a gateway at both sites is told once, and not where each site is meant to have its own") {
    for (const bool dual : {false, true}) {
        GuardObservers watch = observers();
        if (dual) watch.set_dual(VlanSet::parse("10").value(), false);
        watch.on_gateway_frame(kLan, vrrp(10), kNow);
        CHECK(events(watch).empty());
        watch.on_gateway_frame(kFar, vrrp(10), kNow);
        watch.on_gateway_frame(kFar, vrrp(10), kNow + 1s);
        const auto told = events(watch);
        CHECK(told.size() == (dual ? 0 : 1));
        const auto seen = watch.gateways(kNow + 1s);
        REQUIRE(seen.size() == 1);
        CHECK(seen[0]["address"] == "192.0.2.254");
        CHECK(seen[0]["sites"].size() == 2);
        if (dual) continue;
        CHECK(told[0].id == GuardEventId::gateway_at_both_sites);
        CHECK(told[0].sentence.find("VLAN 10: the gateway 192.0.2.254 is active at both sites") == 0);
    }
}

TEST_CASE("what is no frame of a gateway says nothing") {
    GuardObservers watch = observers();
    const auto whole = vrrp(10);
    constexpr std::size_t kAsFarAsIp = 14 + 4 + 20;
    for (std::size_t size = 0; size < kAsFarAsIp; ++size)
        watch.on_gateway_frame(kLan, Bytes(whole).first(size), kNow);
    CHECK(events(watch).empty());
    CHECK(watch.gateways(kNow).empty());
}
