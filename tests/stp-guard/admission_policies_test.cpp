// What the stage does beyond its allow-list: hosts, observing, BPDUs, probes, gateways.
#include <doctest/doctest.h>

#include <map>

#include "tests/stp-guard/admission_bench.h"
#include "tests/support/counting_allocator.h"

using namespace isthmus;
using namespace isthmus::stp_guard;
using namespace isthmus::test;
using namespace std::chrono_literals;

namespace {

MacAddress mac_in(const Octets& frame, std::size_t at) {
    MacAddress mac;
    std::copy_n(frame.begin() + static_cast<std::ptrdiff_t>(at), 6, mac.bytes.begin());
    return mac;
}

/// The same frame, from whom it was for.
Octets answer_to(const Octets& frame) {
    Octets answer = frame;
    std::copy_n(frame.begin(), 6, answer.begin() + 6);
    std::copy_n(frame.begin() + 6, 6, answer.begin());
    return answer;
}

Octets from_host(std::uint32_t number, const Octets& from_type = kIpv4, std::string_view to = kBroadcast) {
    Octets frame = frame_to(to, from_type);
    store_be32(frame.data() + 8, number);
    return frame;
}

/// Both directions' stages over the same tables.
struct Both {
    KnownHosts hosts{1};
    Bench out;
    Bench in;

    explicit Both(const SessionAdmission& session)
        : out({session}, Direction::to_tunnel, nullptr, {&hosts.lan, &hosts.tunnel, nullptr}),
          in({session}, Direction::from_tunnel, nullptr, {&hosts.tunnel, &hosts.lan, &hosts.bridge}) {}
};

}  // namespace

TEST_CASE("unicast to a host that was never heard through the tunnel is flooding, and limited as such") {
    Both both(limited(10, 5));
    int passed = 0;
    for (int i = 0; i < 20; ++i) passed += both.out.fate(kUnicast) == DropReason::none ? 1 : 0;
    CHECK(passed == 5);
    CHECK(both.out.stage.counters().of(StormClass::unknown_unicast) == 5);
    CHECK(both.in.fate(answer_to(kUnicast)) == DropReason::none);
    for (int i = 0; i < 20; ++i) CHECK(both.out.fate(kUnicast) == DropReason::none);
    CHECK(both.out.stage.counters().of(StormClass::unknown_unicast) == 5);
}

TEST_CASE("unicast from the tunnel is known if its host spoke to the tunnel, or if the bridge knows it") {
    SessionAdmission session = limited(10, 2);
    session.bridge = SessionIndex{7};
    Both both(session);
    const Octets from_tunnel = from_host(1, kIpv4, kHost);
    int passed = 0;
    for (int i = 0; i < 20; ++i) passed += both.in.fate(from_tunnel) == DropReason::none ? 1 : 0;
    CHECK(passed == 2);
    CHECK(both.in.stage.counters().of(StormClass::unknown_unicast) == 2);

    SUBCASE("spoke") {
        CHECK(both.out.fate(answer_to(from_tunnel)) == DropReason::none);
    }
    SUBCASE("the bridge knows it") {
        (void)both.hosts.bridge.heard(SessionIndex{7}, 0, mac_in(from_tunnel, 0), {0, 0}, kNow);
    }
    for (int i = 0; i < 20; ++i) CHECK(both.in.fate(from_tunnel) == DropReason::none);
}

TEST_CASE("a bridge that filters VLANs knows its hosts by VLAN") {
    SessionAdmission session = limited(10, 1);
    session.bridge = SessionIndex{0};
    session.bridge_filters_vlans = true;
    Both both(session);
    const Octets frame = tagged(10);
    (void)both.hosts.bridge.heard(SessionIndex{0}, 10, mac_in(frame, 0), {0, 0}, kNow);
    for (int i = 0; i < 5; ++i) CHECK(both.in.fate(frame) == DropReason::none);
    CHECK(both.in.stage.counters().of(StormClass::unknown_unicast) == 0);
    CHECK(both.in.fate(tagged(20)) == DropReason::none);
    CHECK(both.in.fate(tagged(20)) == DropReason::storm_limit);
}

TEST_CASE("where BUM is blocked only unicast to hosts heard through the tunnel crosses") {
    SessionAdmission session = whole_port();
    session.vlans = std::make_shared<const VlanStates>(VlanState::bum_blocked);
    Both both(session);
    CHECK(both.out.fate(kUnicast) == DropReason::vlan_bum_blocked);
    (void)both.hosts.tunnel.heard(SessionIndex{0}, 0, mac_in(kUnicast, 0), {0, 0}, kNow);
    CHECK(both.out.fate(kUnicast) == DropReason::none);
}

TEST_CASE("new hosts beyond the limit are dropped, flooding or not, and known ones go on") {
    SessionAdmission session = whole_port();
    session.options.macs = {3, 0};
    Both both(session);
    for (std::uint32_t i = 0; i < 3; ++i) CHECK(both.in.fate(from_host(i)) == DropReason::none);
    CHECK(both.in.fate(from_host(3)) == DropReason::mac_limit);
    (void)both.hosts.lan.heard(SessionIndex{0}, 0, mac_in(kUnicast, 0), {0, 0}, kNow);
    CHECK(both.in.fate(from_host(4, kIpv4, kHost)) == DropReason::mac_limit);
    CHECK(both.in.fate(from_host(1, kIpv4, kHost)) == DropReason::none);
    CHECK(both.in.fate(from_host(1)) == DropReason::none);
    CHECK(both.out.fate(from_host(5)) == DropReason::none);
}

TEST_CASE("frames over a limit make nobody known") {
    Both both(limited(10, 1));
    CHECK(both.in.fate(from_host(1)) == DropReason::none);
    CHECK(both.in.fate(from_host(2)) == DropReason::storm_limit);
    CHECK(both.hosts.tunnel.knows(SessionIndex{0}, 0, mac_in(from_host(1), 6), kNow));
    CHECK_FALSE(both.hosts.tunnel.knows(SessionIndex{0}, 0, mac_in(from_host(2), 6), kNow));
}

TEST_CASE("who observes counts everything and drops nothing of it, but for what was never opened") {
    SessionAdmission session = limited(10, 1);
    session.options.observe = true;
    session.options.macs = {1, 0};
    VlanStates states(VlanState::open);
    states.set(10, VlanState::bum_blocked);
    states.set(20, VlanState::suspended);
    states.set(30, VlanState::closed);
    session.vlans = std::make_shared<const VlanStates>(states);
    Both both(session);
    for (std::uint32_t i = 0; i < 5; ++i) CHECK(both.in.fate(from_host(i)) == DropReason::none);
    CHECK(both.in.fate(frame_to(kBroadcast, kIpv4, {{0x8100, 10}})) == DropReason::none);
    CHECK(both.in.fate(tagged(20)) == DropReason::none);
    CHECK(both.in.fate(tagged(30)) == DropReason::port_blocked);
    CHECK(both.in.fate(frame_to(kBridgeGroup, kRstBpdu)) == DropReason::link_local_protocol);
    CHECK(both.in.stage.counters().observed.read() == 6);
}

TEST_CASE("kinds of the allow list cross, and no other") {
    SessionAdmission session = trunk("10", true);
    session.options.link_local.insert(LinkLocalKind::lldp);
    Bench bench({session});
    const Octets lldp = frame_to("01:80:c2:00:00:0e", hex("88cc02"));
    CHECK(bench.fate(lldp) == DropReason::none);
    CHECK(bench.fate(frame_to("01:80:c2:00:00:0e", hex("88cc02"), {{0x8100, 11}})) ==
          DropReason::vlan_not_allowed);
    CHECK(bench.fate(frame_to("01:80:c2:00:00:02", hex("8809 01"))) == DropReason::link_local_protocol);
    CHECK(bench.fate(frame_to(kBridgeGroup, kRstBpdu)) == DropReason::link_local_protocol);
    CHECK(bench.stage.counters().link_local_passed[static_cast<std::size_t>(LinkLocalKind::lldp)].read() ==
          1);
    session.state = PortState::blocked;
    bench.set({session});
    CHECK(bench.fate(lldp) == DropReason::port_blocked);
}

TEST_CASE("with policy transparent BPDUs cross where BUM does not, and with guard they do not") {
    SessionAdmission session = trunk("10", true);
    session.vlans = std::make_shared<const VlanStates>(VlanState::bum_blocked);
    for (const Direction direction : {Direction::to_tunnel, Direction::from_tunnel}) {
        session.options.bpdus = BpduPolicy::transparent;
        Bench bench({session}, direction);
        CHECK(bench.fate(frame_to(kBridgeGroup, kRstBpdu)) == DropReason::none);
        CHECK(bench.fate(frame_to(kBridgeGroup, kConfigBpdu, {{0x8100, 10}})) == DropReason::none);
        CHECK(bench.fate(frame_to(kBridgeGroup, kConfigBpdu, {{0x8100, 11}})) ==
              DropReason::vlan_not_allowed);
        CHECK(bench.fate(frame_to("01:80:c2:00:00:0e", hex("88cc02"))) == DropReason::link_local_protocol);
        session.options.bpdus = BpduPolicy::guard;
        bench.set({session});
        CHECK(bench.fate(frame_to(kBridgeGroup, kRstBpdu)) == DropReason::link_local_protocol);
    }
}

TEST_CASE("topology change notifications are limited by the minute, other BPDUs not") {
    SessionAdmission session = whole_port();
    session.options.bpdus = BpduPolicy::transparent;
    session.options.topology_changes_per_minute = 10;
    Bench bench({session});
    int passed = 0;
    for (int i = 0; i < 600; ++i)
        passed +=
            bench.fate(frame_to(kBridgeGroup, kTcnBpdu), 0, kNow + i * 100ms) == DropReason::none ? 1 : 0;
    CHECK(passed == 19);  // ten at once, and one each six seconds
    for (int i = 0; i < 600; ++i) CHECK(bench.fate(frame_to(kBridgeGroup, kConfigBpdu)) == DropReason::none);
}

TEST_CASE(
    "root guard keeps better roots out of the tunnel's BPDUs, in that VLAN, and lets ours and worse pass") {
    SessionAdmission session = whole_port();
    session.options.bpdus = BpduPolicy::transparent;
    session.protected_roots = {{0, {0x8001, {{0x00, 0x19, 0x06, 0xea, 0xb8, 0x80}}}}};
    Bench bench({session}, Direction::from_tunnel);
    const auto with_root = [](std::uint16_t priority, const std::vector<Tag>& tags = {}) {
        Octets frame = frame_to(kBridgeGroup, kRstBpdu, tags);
        store_be16(frame.data() + 14 + 4 * tags.size() + 3 + 5, priority);
        return frame;
    };
    CHECK(bench.fate(with_root(0x8001)) == DropReason::none);
    CHECK(bench.fate(with_root(0x9001)) == DropReason::none);
    CHECK(bench.fate(with_root(0x7001)) == DropReason::link_local_protocol);
    CHECK(bench.fate(with_root(0x7001, {{0x8100, 10}})) == DropReason::none);
    Bench out({session}, Direction::to_tunnel);
    CHECK(out.fate(with_root(0x7001)) == DropReason::none);
}

namespace {

/// The head of one of the guard's own frames.
Octets guard_frame(std::string_view type, std::string_view node, std::string_view to = "03:4c:32:42:47:01",
                   const std::vector<Tag>& tags = {}) {
    return frame_to(to,
                    hex("88b5 4c324c47 01" + std::string(type) + "0000 00000001 0000000000000002" +
                        std::string(node) + "0000000000000004"),
                    tags);
}
constexpr std::string_view kOurs = "00000000000000aa";
constexpr std::string_view kTheirs = "00000000000000bb";

}  // namespace

TEST_CASE("loop probes are copied up in every state, cross where BUM crosses, and end where they began") {
    const auto rings = std::make_unique<PuntRings>();
    for (const Direction direction : {Direction::to_tunnel, Direction::from_tunnel}) {
        SessionAdmission session = limited(1, 1);
        session.node = NodeId{0xaa};
        VlanStates states(VlanState::open);
        states.set(10, VlanState::bum_blocked);
        states.set(20, VlanState::suspended);
        states.set(30, VlanState::closed);
        session.vlans = std::make_shared<const VlanStates>(states);
        Bench bench({session}, direction, rings.get());
        const auto probe = [](std::string_view node, std::uint16_t vid) {
            return guard_frame("01", node, "03:4c:32:42:47:01", {{0x8100, vid}});
        };
        for (int i = 0; i < 20; ++i) CHECK(bench.fate(probe(kTheirs, 40)) == DropReason::none);
        CHECK(bench.fate(probe(kTheirs, 10)) == DropReason::vlan_bum_blocked);
        CHECK(bench.fate(probe(kTheirs, 20)) == DropReason::vlan_suspended);
        CHECK(bench.fate(probe(kTheirs, 30)) == DropReason::port_blocked);
        CHECK(bench.fate(probe(kOurs, 40)) == DropReason::guard_frame);
        CHECK(bench.fate(guard_frame("01", kTheirs, "02:00:00:00:00:99")) == DropReason::none);
        std::size_t copies = 0;
        rings->drain(64, [&](PuntClass c, const PuntMessage&) { copies += c == PuntClass::probe ? 1U : 0U; });
        CHECK(copies == 25);
        CHECK(bench.stage.counters().probes.read() == 25);
    }
}

TEST_CASE("the peer's messages go up from the tunnel whatever the VLANs' state, and go no further") {
    const auto rings = std::make_unique<PuntRings>();
    SessionAdmission session = trunk("10");
    session.vlans = nullptr;
    const Octets message = guard_frame("02", kTheirs, "01:80:c2:00:00:0e");
    Bench in({session}, Direction::from_tunnel, rings.get());
    CHECK(in.fate(message) == DropReason::guard_frame);
    Bench out({session}, Direction::to_tunnel, rings.get());
    CHECK(out.fate(message) == DropReason::link_local_protocol);
    std::size_t copies = 0;
    rings->drain(64, [&](PuntClass c, const PuntMessage& m) {
        CHECK(c == PuntClass::probe);
        CHECK(m.size == message.size());
        ++copies;
    });
    CHECK(copies == 1);
}

TEST_CASE("in dual-gateway mode gateways' frames stay, both ways, in that VLAN only") {
    GatewayOptions options;
    options.dual.insert(VlanId::parse(10).value());
    SessionAdmission session = whole_port();
    session.gateways = std::make_shared<const GatewayFilter>(options);
    Octets hello =
        frame_to("01:00:5e:00:00:12", hex("0800 4500001c 00000000 ff700000 c0000201 e0000012 2101 64 01"),
                 {{0x8100, 10}});
    for (const Direction direction : {Direction::to_tunnel, Direction::from_tunnel}) {
        Bench bench({session}, direction);
        CHECK(bench.fate(hello) == DropReason::gateway_isolation);
        CHECK(bench.fate(frame_to("01:00:5e:00:00:12",
                                  hex("0800 4500001c 00000000 ff700000 c0000201 e0000012 2101 64 01"),
                                  {{0x8100, 20}})) == DropReason::none);
        CHECK(bench.fate(tagged(10)) == DropReason::none);
    }
}

TEST_CASE("gateways' frames are copied up, so that their gateways can be proposed") {
    const auto rings = std::make_unique<PuntRings>();
    Bench bench({whole_port()}, Direction::from_tunnel, rings.get());
    CHECK(bench.fate(frame_to("01:00:5e:00:00:12",
                              hex("0800 4500001c 00000000 ff700000 c0000201 e0000012 2101 64 01"))) ==
          DropReason::none);
    CHECK(bench.fate(kFlooded) == DropReason::none);
    std::size_t copies = 0;
    rings->drain(64, [&](PuntClass c, const PuntMessage&) { copies += c == PuntClass::arp ? 1U : 0U; });
    CHECK(copies == 1);
}

TEST_CASE(
    "where a VLAN's BUM is blocked, known unicast that goes round is dropped and shown to control; elsewhere "
    "it is not") {
    SessionAdmission session = whole_port();
    VlanStates states(VlanState::open);
    states.set(10, VlanState::bum_blocked);
    session.vlans = std::make_shared<const VlanStates>(states);
    for (const Direction direction : {Direction::to_tunnel, Direction::from_tunnel}) {
        auto rings = std::make_unique<PuntRings>();
        Bench bench({session}, direction, rings.get());
        Octets frame = tagged(10);
        frame.resize(1'000);
        for (int i = 0; i < 3; ++i) CHECK(bench.fate(frame) == DropReason::none);
        CHECK(bench.fate(frame) == DropReason::circling_unicast);
        for (int i = 0; i < 100; ++i) CHECK(bench.fate(tagged(20)) == DropReason::none);
        int copies = 0;
        rings->drain(PuntRings::kDepth, [&](PuntClass c, const PuntMessage& message) {
            if (c == PuntClass::stray_unicast) return;
            CHECK(c == PuntClass::circling);
            CHECK(message.session == SessionIndex{0});
            CHECK(std::equal(message.data().begin(), message.data().end(), frame.begin()));
            CHECK(message.size == 128);
            ++copies;
        });
        CHECK(copies == 1);
    }
}

TEST_CASE(
    "known unicast that goes round fast is dropped before a loop is proven too, where a probe of ours came "
    "back") {
    SessionAdmission session = whole_port();
    session.node = NodeId{0xaa};
    Bench bench({session});
    for (int i = 0; i < 100; ++i) CHECK(bench.fate(tagged(10)) == DropReason::none);
    CHECK(bench.fate(guard_frame("01", kOurs, kBroadcast, {{0x8100, 10}})) == DropReason::guard_frame);
    for (int i = 0; i < 3; ++i) CHECK(bench.fate(tagged(10)) == DropReason::none);
    CHECK(bench.fate(tagged(10)) == DropReason::circling_unicast);
    for (int i = 0; i < 100; ++i) {
        CHECK(bench.fate(tagged(20)) == DropReason::none);
        CHECK(bench.fate(tagged(10, 0x88a8), 0, kNow + i * 11ms) == DropReason::none);
        CHECK(bench.fate(tagged(10), 0, kNow + 2s) == DropReason::none);
    }
}

TEST_CASE("answers to a guard's questions pass no block, though a bridge may know whom they are for") {
    SessionAdmission session = whole_port();
    VlanStates states(VlanState::open);
    states.set(10, VlanState::bum_blocked);
    session.vlans = std::make_shared<const VlanStates>(states);
    session.bridge = SessionIndex{7};
    for (const Direction direction : {Direction::to_tunnel, Direction::from_tunnel}) {
        KnownHosts hosts(1);
        Bench bench({session}, direction, nullptr, {&hosts.tunnel, &hosts.lan, &hosts.bridge});
        for (const std::string_view to : {"02:4c:47:01:02:03", "02:4c:48:01:02:03"})
            for (const std::uint16_t vid : {std::uint16_t{10}, std::uint16_t{20}})
                (void)hosts.lan.heard(SessionIndex{0}, vid, MacAddress::parse(to).value(), {}, kNow);
        const auto answer = [](std::string_view to, std::uint16_t vid) {
            return frame_to(to, kArp, {{0x8100, vid}});
        };
        CHECK(bench.fate(answer("02:4c:47:01:02:03", 10)) == DropReason::vlan_bum_blocked);
        CHECK(bench.fate(answer("02:4c:47:01:02:03", 20)) == DropReason::none);
        CHECK(bench.fate(answer("02:4c:48:01:02:03", 10)) == DropReason::none);
    }
}

TEST_CASE("what is flooded and comes round is shown to control, and passes within its limits") {
    auto rings = std::make_unique<PuntRings>();
    Bench bench({whole_port()}, Direction::from_tunnel, rings.get());
    for (int i = 0; i < 100; ++i) CHECK(bench.fate(kFlooded) == DropReason::none);
    for (std::uint32_t i = 0; i < 100; ++i) CHECK(bench.fate(from_host(i)) == DropReason::none);
    int copies = 0;
    rings->drain(PuntRings::kDepth, [&](PuntClass c, const PuntMessage& message) {
        CHECK(c == PuntClass::circling);
        CHECK(std::equal(message.data().begin(), message.data().end(), kFlooded.begin(), kFlooded.end()));
        ++copies;
    });
    CHECK(copies == 4);  // the 4th, and 8, 16 and 32 after it
}

TEST_CASE("a session that only observes counts what goes round, and lets it pass") {
    SessionAdmission session = whole_port();
    session.vlans = std::make_shared<const VlanStates>(VlanState::bum_blocked);
    session.options.observe = true;
    auto rings = std::make_unique<PuntRings>();
    Bench bench({session}, Direction::from_tunnel, rings.get());
    for (int i = 0; i < 4; ++i) CHECK(bench.fate(kUnicast) == DropReason::none);
    CHECK(bench.stage.counters().observed.read() == 1);
    rings->drain(PuntRings::kDepth,
                 [](PuntClass, const PuntMessage&) { FAIL("control is shown a frame that passed"); });
}

TEST_CASE("full batches of every kind of frame, over limits and under, are judged without one allocation") {
    const auto rings = std::make_unique<PuntRings>();
    SessionAdmission session = limited(10, 5);
    session.options.bpdus = BpduPolicy::transparent;
    session.options.storm.all = percent_of(10'000'000, 10);
    session.options.macs = {20, 30};
    session.protected_roots = {{0, {0x8001, {}}}};
    GatewayOptions gateways;
    gateways.dual.insert(VlanId::parse(10).value());
    gateways.gateways = {{10, IpAddress::v4({192, 0, 2, 1}), {}}};
    session.gateways = std::make_shared<const GatewayFilter>(gateways);
    const std::vector<Octets> frames{kUnicast,
                                     kFlooded,
                                     tagged(10),
                                     kArpRequest,
                                     frame_to(kBroadcast, kArp, {{0x8100, 10}}),
                                     frame_to(kBridgeGroup, kRstBpdu),
                                     frame_to(kBridgeGroup, kTcnBpdu),
                                     guard_frame("01", kTheirs),
                                     guard_frame("02", kTheirs, "01:80:c2:00:00:0e"),
                                     hex("0200")};
    for (const Direction direction : {Direction::to_tunnel, Direction::from_tunnel}) {
        KnownHosts hosts(1);
        Bench bench({session}, direction, rings.get(), {&hosts.lan, &hosts.tunnel, &hosts.bridge});
        DropLedger ledger;
        std::uint64_t allocated = 0;
        for (std::uint32_t round = 0; round < 20; ++round) {
            for (std::uint32_t i = 0; i < PacketBatch::kCapacity; ++i) {
                Octets frame = frames[i % frames.size()];
                if (frame.size() > 12) store_be32(frame.data() + 8, round * 7 + i % 3);
                bench.batch->push(bench.packet(frame));
            }
            const AllocationCount allocations;
            bench.stage.process(*bench.batch, kNow + std::chrono::milliseconds(20 * round));
            allocated += allocations.so_far();
            bench.batch->clear();
        }
        CHECK(allocated == 0);
        CHECK(session.meters->of(direction).talkers().ranking().size() > 1);
    }
}
