// Random worlds and wishes: what holds for every plan.
#include <doctest/doctest.h>

#include <random>

#include "bridge/plan.h"
#include "tests/bridge/fake_kernel.h"

using namespace isthmus;
using namespace isthmus::bridge;

namespace {

class Dice {
  public:
    explicit Dice(std::uint32_t seed) : engine_(seed) {}
    [[nodiscard]] unsigned below(unsigned n) { return static_cast<unsigned>(engine_() % n); }
    [[nodiscard]] bool one_in(unsigned n) { return below(n) == 0; }
    [[nodiscard]] bool coin() { return one_in(2); }

  private:
    std::mt19937 engine_;
};

constexpr unsigned kBridgeNames = 4;
constexpr unsigned kPortNames = 6;
constexpr unsigned kTapNames = 4;
constexpr const char* kGateway = "gw";

std::string named(const char* prefix, unsigned i) {
    return prefix + std::to_string(i);
}

VlanSet some_vlans(Dice& dice) {
    if (dice.one_in(8)) return VlanSet::all();
    VlanSet out;
    const unsigned count = dice.below(5);
    for (unsigned i = 0; i < count; ++i) out.insert(*VlanId::parse(1 + dice.below(6)));
    if (dice.one_in(4)) out.insert(*VlanId::parse(4094));
    return out;
}

void add_bridge(FakeKernel& kernel, Dice& dice, unsigned i, bool leftovers) {
    const auto name = named("br", i);
    Link& bridge = kernel.add(name, "bridge");
    bridge.up = dice.coin();
    if (dice.one_in(3)) bridge.alias = "isthmus:other";
    if (leftovers && dice.one_in(2)) bridge.alias = ownership_mark(kGateway);
    bridge.bridge->stp = dice.one_in(4);
    bridge.bridge->group_fwd_mask = dice.one_in(4) ? 0x4000 : 0;
    if (kernel.state().vlan_filtering == Support::yes) {
        bridge.bridge->vlan_filtering = dice.coin();
        bridge.bridge->vlan_default_pvid = static_cast<std::uint16_t>(dice.below(3));
    }
    if (dice.one_in(3)) kernel.fix_mtu(name, dice.coin() ? 1400 : 9000);
}

void add_port(FakeKernel& kernel, Dice& dice, unsigned i) {
    const auto name = named("lan", i);
    Link& port = kernel.add(name, dice.coin() ? "" : "veth");
    port.up = dice.coin();
    port.carrier = dice.coin();
    port.mtu = dice.one_in(3) ? 9000 : 1500;
    port.max_mtu = dice.one_in(5) ? 1500 : 65535;
    port.mtu = std::min(port.mtu, port.max_mtu);
    if (dice.one_in(4)) port.inet6.reset();
    if (port.inet6 && dice.one_in(3)) port.inet6 = Inet6Settings{true, AddrGenMode::stable_privacy};
    if (dice.one_in(6))
        kernel.state().addresses.push_back(
            {port.index, *IpAddress::parse("192.0.2.1"), 24, false, true, true});
    const auto bridge = named("br", dice.below(kBridgeNames));
    if (dice.one_in(4) && kernel.state().find(bridge) != nullptr)
        REQUIRE(kernel.apply(SetMaster{name, bridge}).empty());
}

void open_taps(FakeKernel& kernel, Dice& dice) {
    for (unsigned i = 0; i < kTapNames; ++i) {
        const auto name = named("tap", i);
        if (kernel.state().find(name) == nullptr && dice.coin()) kernel.add(name, "tun").carrier = true;
    }
}
void close_taps(FakeKernel& kernel) {
    for (unsigned i = 0; i < kTapNames; ++i) kernel.remove(named("tap", i));
}

FakeKernel some_world(Dice& dice, bool leftovers) {
    FakeKernel kernel;
    kernel.state().vlan_filtering = static_cast<Support>(dice.below(3));
    kernel.state().ipv6_disabled_by_default = dice.one_in(4);
    if (dice.coin()) kernel.state().netfilter = {dice.coin(), dice.coin(), dice.coin()};
    Link& loopback = kernel.add("lo", "");
    loopback.loopback = true;
    for (unsigned i = 0; i < kBridgeNames; ++i)
        if (dice.one_in(3)) add_bridge(kernel, dice, i, leftovers);
    for (unsigned i = 0; i < kPortNames; ++i)
        if (!dice.one_in(4)) add_port(kernel, dice, i);
    return kernel;
}

/// `may_release`: the same bridge may be created in one wish and adopted in another, which lets go of it.
Desired some_wish(Dice& dice, bool may_release) {
    Desired desired;
    desired.gateway = kGateway;
    for (unsigned i = 0; i < kBridgeNames; ++i) {
        if (dice.one_in(3)) continue;
        BridgeOptions options;
        options.name = named("br", i);
        const bool adopt = may_release ? dice.one_in(3) : i >= kBridgeNames / 2;
        options.ownership = adopt ? Ownership::adopt : Ownership::create;
        options.mtu = dice.one_in(3) ? 9000 : 1500;
        options.vlan_filtering = static_cast<VlanFiltering>(dice.below(3));
        options.multicast_snooping = dice.one_in(4);
        if (dice.one_in(5)) options.mac = MacAddress{{2, 0, 0, 0, 0, static_cast<std::uint8_t>(i)}};
        for (unsigned p = 0; p < kPortNames; ++p)
            if (dice.one_in(4)) options.ports.push_back(named("lan", p));
        if (dice.one_in(20)) options.ports.push_back("lo");
        desired.bridges.push_back(std::move(options));
    }
    for (unsigned i = 0; i < kTapNames; ++i)
        if (dice.coin())
            desired.taps.push_back({named("tap", i), named("br", dice.below(kBridgeNames)), some_vlans(dice),
                                    dice.coin(), dice.one_in(3)});
    return desired;
}

std::string listing(const Plan& p) {
    std::string out;
    for (const auto& operation : p.operations) out += "\n  " + text(operation);
    return out;
}

/// Applies the first `count` operations and returns the journal that was on disk meanwhile.
Journal carry_out(FakeKernel& kernel, const Plan& p, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
        const auto refused = kernel.apply(p.operations[i]);
        CHECK_MESSAGE(refused.empty(), text(p.operations[i]), ": ", refused);
    }
    return p.journal;
}
Journal carry_out(FakeKernel& kernel, const Plan& p) {
    return carry_out(kernel, p, p.operations.size());
}

/// Carries out a plan and checks that the next is empty. Its journal is the one to go on with.
Journal settle(FakeKernel& kernel, const Desired& desired, const Journal& journal) {
    const auto first = plan(desired, kernel.state(), journal);
    const auto after = carry_out(kernel, first);
    const auto second = plan(desired, kernel.state(), after);
    CHECK_MESSAGE(second.operations.empty(), "first:", listing(first), "\nsecond:", listing(second));
    const auto third = plan(desired, kernel.state(), second.journal);
    CHECK_MESSAGE(third.operations.empty(), "first:", listing(first), "\nthird:", listing(third));
    CHECK(third.journal == second.journal);
    return second.journal;
}

/// Everything but TAPs, which come and go with the program, in the order of their names.
std::vector<Link> links_of(const FakeKernel& kernel) {
    std::vector<Link> out;
    for (const auto& link : kernel.state().links)
        if (link.kind != "tun") out.push_back(link);
    std::sort(out.begin(), out.end(), [](const Link& a, const Link& b) { return a.name < b.name; });
    return out;
}

void check_same(const FakeKernel& now, const FakeKernel& then) {
    const auto a = links_of(now);
    const auto b = links_of(then);
    REQUIRE(a.size() == b.size());
    for (std::size_t i = 0; i < a.size(); ++i) {
        CAPTURE(a[i].name);
        CHECK(a[i].index == b[i].index);
        CHECK(a[i].master == b[i].master);
        CHECK(a[i].mtu == b[i].mtu);
        CHECK(a[i].up == b[i].up);
        CHECK(a[i].inet6 == b[i].inet6);
        CHECK(a[i] == b[i]);
    }
    CHECK(now.state().netfilter == then.state().netfilter);
}

}  // namespace

TEST_CASE("a plan that was carried out leaves nothing to plan, whatever was there and whatever is wanted") {
    for (std::uint32_t seed = 0; seed < 2000; ++seed) {
        CAPTURE(seed);
        Dice dice(seed);
        auto kernel = some_world(dice, true);
        open_taps(kernel, dice);
        auto journal = settle(kernel, some_wish(dice, true), {});
        open_taps(kernel, dice);
        journal = settle(kernel, some_wish(dice, true), journal);
    }
}

TEST_CASE("stopping brings back exactly what was there, after any sequence of wishes") {
    for (std::uint32_t seed = 0; seed < 2000; ++seed) {
        CAPTURE(seed);
        Dice dice(seed);
        auto kernel = some_world(dice, false);
        const FakeKernel before = kernel;
        Journal journal;
        const unsigned wishes = 1 + dice.below(3);
        for (unsigned i = 0; i < wishes; ++i) {
            open_taps(kernel, dice);
            journal = settle(kernel, some_wish(dice, false), journal);
        }
        if (dice.coin()) close_taps(kernel);
        journal = settle(kernel, {kGateway, {}, {}}, journal);
        CHECK(journal.empty());
        close_taps(kernel);
        check_same(kernel, before);
    }
}

TEST_CASE("a program killed at any step finds its way back") {
    for (std::uint32_t seed = 0; seed < 2000; ++seed) {
        CAPTURE(seed);
        Dice dice(seed);
        auto kernel = some_world(dice, false);
        const FakeKernel before = kernel;
        Journal journal;
        auto wish = some_wish(dice, false);
        const unsigned lives = 1 + dice.below(4);
        for (unsigned life = 0; life < lives; ++life) {
            open_taps(kernel, dice);
            const auto p = plan(wish, kernel.state(), journal);
            journal = carry_out(kernel, p, dice.below(static_cast<unsigned>(p.operations.size()) + 1));
            close_taps(kernel);
            // The journal outlives the program, its configuration may change in between.
            std::string text = serialize(journal, {"boot", "net:[1]"});
            journal = parse_journal(text, {"boot", "net:[1]"}).value();
        }
        journal = settle(kernel, wish, journal);
        journal = settle(kernel, {kGateway, {}, {}}, journal);
        CHECK(journal.empty());
        check_same(kernel, before);
    }
}
