#include "stp-guard/admission_stage.h"

#include <doctest/doctest.h>

#include <map>

#include "tests/stp-guard/frames.h"
#include "tests/support/counting_allocator.h"

using namespace isthmus;
using namespace isthmus::stp_guard;
using namespace isthmus::test;
using namespace std::chrono_literals;

namespace {

constexpr TimePoint kNow{1h};
const Octets kUnicast = frame_to(kHost, kIpv4);
const Octets kFlooded = frame_to(kBroadcast, kIpv4);

/// Of an open session whose limits nothing here reaches.
SessionAdmission opened() {
    SessionAdmission session;
    session.state = PortState::open;
    session.vlans = std::make_shared<const VlanStates>(VlanState::open);
    session.meters = std::make_shared<SessionMeters>(1);
    for (auto& limit : session.options.storm.classes) limit.reset();
    session.options.storm.per_source = {1'000'000, 1'000'000};
    return session;
}

SessionAdmission trunk(std::string_view vlans, bool untagged = false) {
    SessionAdmission session = opened();
    session.options.vlans = VlanSet::parse(vlans).value();
    session.options.untagged = untagged;
    return session;
}

SessionAdmission whole_port() {
    SessionAdmission session = opened();
    session.options.any_vlan = true;
    return session;
}

/// Each class for itself.
SessionAdmission limited(std::uint64_t rate, std::uint64_t burst) {
    SessionAdmission session = whole_port();
    for (auto& limit : session.options.storm.classes)
        limit = StormLimit{StormLimit::Unit::packets, rate, burst, rate / 2};
    return session;
}

/// One stage with its sessions, and what it says of single frames.
struct Bench {
    PacketPool pool{70'000, 300};
    std::unique_ptr<PacketBatch> batch = std::make_unique<PacketBatch>();
    AdmissionStage stage;

    explicit Bench(AdmissionTable table, Direction direction = Direction::to_tunnel,
                   PuntRings* punt = nullptr, HostTables hosts = {})
        : stage(direction, punt, hosts) {
        set(std::move(table));
    }
    void set(AdmissionTable table) {
        stage.set_sessions(std::make_shared<const AdmissionTable>(std::move(table)));
    }

    PacketBuffer packet(const Octets& frame, std::uint32_t session = 0) {
        auto p = pool.allocate(0);
        REQUIRE(p);
        if (!frame.empty()) std::memcpy(p->append(frame.size()).data(), frame.data(), frame.size());
        p->meta.session = SessionIndex{session};
        return std::move(*p);
    }
    DropReason fate(PacketBuffer p, TimePoint now = kNow) {
        batch->clear();
        batch->push(std::move(p));
        stage.process(*batch, now);
        return (*batch)[0].meta.drop;
    }
    DropReason fate(const Octets& frame, std::uint32_t session = 0, TimePoint now = kNow) {
        return fate(packet(frame, session), now);
    }
    /// How many of `count` broadcasts pass at `now`.
    int passing(int count, TimePoint now, std::uint32_t session = 0) {
        int passed = 0;
        for (int i = 0; i < count; ++i) passed += fate(kFlooded, session, now) == DropReason::none ? 1 : 0;
        return passed;
    }
};

const Octets kArpRequest = frame_to(kBroadcast, kArp);

Octets tagged(std::uint16_t tci, std::uint16_t tpid = 0x8100) {
    return frame_to(kHost, kIpv4, {{tpid, tci}});
}

}  // namespace

TEST_CASE("a trunk lets its own VLANs cross, both ways, and no other") {
    for (const Direction direction : {Direction::to_tunnel, Direction::from_tunnel}) {
        Bench bench({trunk("10,20-29")}, direction);
        for (std::uint16_t vid = 1; vid < 4096; ++vid) {
            const bool allowed = vid == 10 || (vid >= 20 && vid <= 29);
            CHECK(bench.fate(tagged(vid)) == (allowed ? DropReason::none : DropReason::vlan_not_allowed));
        }
        CHECK(bench.fate(kUnicast) == DropReason::untagged_not_allowed);
        CHECK(bench.fate(tagged(0xe000)) == DropReason::untagged_not_allowed);
    }
}

TEST_CASE("untagged and priority-tagged frames cross if asked for, and 4095 never on a trunk") {
    Bench bench({trunk("10", true)});
    CHECK(bench.fate(kUnicast) == DropReason::none);
    CHECK(bench.fate(tagged(0)) == DropReason::none);
    CHECK(bench.fate(tagged(0xe000)) == DropReason::none);
    CHECK(bench.fate(tagged(0xf000)) == DropReason::none);
    CHECK(bench.fate(tagged(4095)) == DropReason::vlan_not_allowed);
}

TEST_CASE("the port as it is carries everything that is a customer's") {
    Bench bench({whole_port()});
    for (const Octets& frame :
         {kUnicast, tagged(0), tagged(1), tagged(4094), tagged(10, 0x88a8), tagged(10, 0x9100), kFlooded})
        CHECK(bench.fate(frame) == DropReason::none);
}

TEST_CASE("stacked tags are judged by the outermost, of any kind, and frames are not touched") {
    Bench bench({trunk("10")});
    for (const std::uint16_t tpid : {std::uint16_t{0x8100}, std::uint16_t{0x88a8}, std::uint16_t{0x9100}}) {
        const auto good = frame_to(kHost, kIpv4, {{tpid, 10}, {0x8100, 4000}});
        CHECK(bench.fate(good) == DropReason::none);
        CHECK(std::equal(good.begin(), good.end(), (*bench.batch)[0].data().begin()));
        CHECK(bench.fate(frame_to(kHost, kIpv4, {{tpid, 4000}, {0x8100, 10}})) ==
              DropReason::vlan_not_allowed);
        CHECK(bench.fate(frame_to(kHost, kIpv4, {{tpid, 0}, {0x8100, 10}})) ==
              DropReason::untagged_not_allowed);
    }
    CHECK(bench.fate(frame_to(kHost, kIpv4, {{0x88a8, 10}, {0x8100, 20}, {0x8100, 30}})) == DropReason::none);
}

TEST_CASE("frames without IP cross like any other") {
    Bench bench({trunk("10", true)});
    for (const std::string_view payload :
         {"0030 f0f003", "0030 ffff0030", "0030 e0e003", "0030 aaaa03 000000 8137", "0030 fefe03", "6003 00",
          "88b5 4c32"}) {
        CHECK(bench.fate(frame_to(kHost, hex(payload))) == DropReason::none);
        CHECK(bench.fate(frame_to(kHost, hex(payload), {{0x8100, 10}})) == DropReason::none);
        CHECK(bench.fate(frame_to(kHost, hex(payload), {{0x8100, 11}})) == DropReason::vlan_not_allowed);
    }
}

TEST_CASE("link-local protocols cross in neither direction, and are counted by kind") {
    for (const Direction direction : {Direction::to_tunnel, Direction::from_tunnel}) {
        Bench bench({whole_port()}, direction);
        CHECK(bench.fate(frame_to(kBridgeGroup, kConfigBpdu)) == DropReason::link_local_protocol);
        CHECK(bench.fate(frame_to(kBridgeGroup, kRstBpdu)) == DropReason::link_local_protocol);
        CHECK(bench.fate(frame_to(kBridgeGroup, kTcnBpdu)) == DropReason::link_local_protocol);
        CHECK(bench.fate(frame_to(kBridgeGroup, kRstBpdu, {{0x8100, 7}})) == DropReason::link_local_protocol);
        CHECK(bench.fate(frame_to(kPvst, hex("0032 aaaa0300000c010b 0000"), {{0x8100, 7}})) ==
              DropReason::link_local_protocol);
        CHECK(bench.fate(frame_to("01:80:c2:00:00:0e", hex("88cc02"))) == DropReason::link_local_protocol);
        const AdmissionCounters& counters = bench.stage.counters();
        CHECK(counters.of(LinkLocalKind::stp_config) == 1);
        CHECK(counters.of(LinkLocalKind::rstp) == 2);
        CHECK(counters.of(LinkLocalKind::stp_tcn) == 1);
        CHECK(counters.of(LinkLocalKind::pvst) == 1);
        CHECK(counters.of(LinkLocalKind::lldp) == 1);
        CHECK(counters.bpdus() == 5);
    }
}

TEST_CASE("a session comes up blocked, and what it would drop anyway keeps its own reason") {
    Bench bench({SessionAdmission{}});
    CHECK(bench.fate(kUnicast) == DropReason::port_blocked);
    CHECK(bench.fate(kFlooded) == DropReason::port_blocked);
    CHECK(bench.fate(frame_to(kBridgeGroup, kRstBpdu)) == DropReason::link_local_protocol);
    CHECK(bench.fate(hex("0200")) == DropReason::malformed_frame);
}

TEST_CASE("each VLAN's state is obeyed both ways, and the others go on") {
    SessionAdmission session = whole_port();
    VlanStates states(VlanState::open);
    states.set(0, VlanState::bum_blocked);
    states.set(20, VlanState::suspended);
    states.set(30, VlanState::closed);
    session.vlans = std::make_shared<const VlanStates>(states);
    const auto broadcast = [](std::uint16_t vid) { return frame_to(kBroadcast, kIpv4, {{0x8100, vid}}); };
    for (const Direction direction : {Direction::to_tunnel, Direction::from_tunnel}) {
        Bench bench({session}, direction);
        CHECK(bench.fate(kUnicast) == DropReason::none);
        CHECK(bench.fate(kFlooded) == DropReason::vlan_bum_blocked);
        CHECK(bench.fate(frame_to("01:00:5e:00:00:fb", kIpv4)) == DropReason::vlan_bum_blocked);
        CHECK(bench.fate(tagged(10)) == DropReason::none);
        CHECK(bench.fate(broadcast(10)) == DropReason::none);
        CHECK(bench.fate(tagged(20)) == DropReason::vlan_suspended);
        CHECK(bench.fate(broadcast(20)) == DropReason::vlan_suspended);
        CHECK(bench.fate(tagged(30)) == DropReason::port_blocked);
        CHECK(bench.fate(broadcast(30)) == DropReason::port_blocked);
    }
}

TEST_CASE("a session of whose VLANs nothing is said is closed, and one without meters floods nothing") {
    SessionAdmission session = whole_port();
    session.vlans = nullptr;
    Bench bench({session});
    CHECK(bench.fate(kUnicast) == DropReason::port_blocked);
    session = whole_port();
    session.meters = nullptr;
    bench.set({session});
    CHECK(bench.fate(kUnicast) == DropReason::none);
    CHECK(bench.fate(kFlooded) == DropReason::port_blocked);
}

TEST_CASE("frames of no session, and of one that went away, are dropped as such") {
    Bench bench({whole_port(), std::nullopt});
    CHECK(bench.fate(kUnicast, 0) == DropReason::none);
    CHECK(bench.fate(kUnicast, 1) == DropReason::session_down);
    CHECK(bench.fate(kUnicast, 2) == DropReason::session_down);
    CHECK(bench.fate(kUnicast, raw(kNoSession)) == DropReason::session_down);
    bench.stage.set_sessions(nullptr);
    CHECK(bench.fate(kUnicast, 0) == DropReason::session_down);
}

TEST_CASE("a frame cut inside its header or tags is malformed, at every byte") {
    Bench bench({whole_port()});
    const auto whole = frame_to(kHost, kIpv4, {{0x88a8, 10}, {0x8100, 20}});
    for (std::size_t size = 0; size <= whole.size(); ++size) {
        const Octets cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
        CHECK(bench.fate(cut) == (size < 22 ? DropReason::malformed_frame : DropReason::none));
    }
}

TEST_CASE("each class of each session has its own limit, in both directions") {
    for (const Direction direction : {Direction::to_tunnel, Direction::from_tunnel}) {
        Bench bench({limited(10, 5), limited(10, 5)}, direction);
        CHECK(bench.passing(8, kNow, 0) == 5);
        CHECK(bench.fate(kUnicast, 0) == DropReason::none);
        CHECK(bench.fate(kArpRequest, 0) == DropReason::none);
        CHECK(bench.fate(frame_to("33:33:00:00:00:01", kIpv4), 0) == DropReason::none);
        CHECK(bench.passing(8, kNow, 1) == 5);
        CHECK(bench.passing(8, kNow + 300ms, 0) == 3);
        CHECK(bench.stage.counters().of(StormClass::broadcast) == 13);
        CHECK(bench.stage.counters().of(StormClass::address_resolution) == 1);
    }
}

TEST_CASE("each VLAN has its own limits") {
    Bench bench({limited(10, 5)});
    for (const std::uint16_t vid : std::array<std::uint16_t, 3>{1, 2, 4094}) {
        int passed = 0;
        for (int i = 0; i < 20; ++i)
            passed += bench.fate(frame_to(kBroadcast, kIpv4, {{0x8100, vid}})) == DropReason::none ? 1 : 0;
        CHECK(passed == 5);
    }
}

TEST_CASE("frames that a trunk does not carry use none of its limit") {
    SessionAdmission session = limited(1, 1);
    session.options.any_vlan = false;
    session.options.vlans = VlanSet::parse("10").value();
    Bench bench({session});
    for (int i = 0; i < 10; ++i)
        CHECK(bench.fate(frame_to(kBroadcast, kIpv4, {{0x8100, 20}})) == DropReason::vlan_not_allowed);
    for (int i = 0; i < 10; ++i)
        CHECK(bench.fate(frame_to(kBridgeGroup, kRstBpdu)) == DropReason::link_local_protocol);
    CHECK(bench.fate(frame_to(kBroadcast, kIpv4, {{0x8100, 10}})) == DropReason::none);
}

TEST_CASE("a large frame that will be cut weighs as many as its segments") {
    Bench bench({limited(10, 10)});
    const auto big = [&bench](std::size_t payload) {
        Octets frame = frame_to("01:00:5e:00:00:fb", kIpv4);
        frame.resize(42 + payload, 0);
        PacketBuffer packet = bench.packet(frame);
        packet.meta.offload = {Offload::Kind::udp, true, false, 1400, 42, 34, 6};
        return packet;
    };
    CHECK(bench.fate(big(7 * 1400)) == DropReason::none);
    CHECK(bench.fate(big(3 * 1400 + 1)) == DropReason::storm_limit);
    CHECK(bench.fate(big(3 * 1400)) == DropReason::none);
    CHECK(bench.fate(big(1)) == DropReason::storm_limit);
    CHECK(bench.stage.counters().of(StormClass::multicast) == 10);
}

TEST_CASE("offload headers that mean nothing count as one frame") {
    Bench bench({limited(10, 1)});
    PacketBuffer packet = bench.packet(kFlooded);
    packet.meta.offload = {Offload::Kind::udp, true, false, 0, 42, 34, 6};
    CHECK(bench.fate(std::move(packet), kNow) == DropReason::none);
    packet = bench.packet(kFlooded);
    packet.meta.offload = {Offload::Kind::udp, true, false, 1, 60'000, 34, 6};
    CHECK(bench.fate(std::move(packet), kNow + 1s) == DropReason::none);
}

TEST_CASE("meters go on through new tables, whatever else changes") {
    SessionAdmission session = limited(10, 5);
    Bench bench({session});
    CHECK(bench.passing(5, kNow) == 5);
    session.state = PortState::blocked;
    bench.set({session});
    CHECK(bench.passing(5, kNow) == 0);
    session.state = PortState::open;
    bench.set({session});
    CHECK(bench.passing(5, kNow + 200ms) == 2);
    session.meters = std::make_shared<SessionMeters>(1);
    bench.set({session});
    CHECK(bench.passing(5, kNow + 200ms) == 5);
}

TEST_CASE("spanning trees' frames are copied to the control thread, and a full ring changes no verdict") {
    const auto rings = std::make_unique<PuntRings>();
    Bench bench({whole_port()}, Direction::to_tunnel, rings.get());
    const auto bpdu = frame_to(kBridgeGroup, kRstBpdu, {{0x8100, 7}});
    CHECK(bench.fate(frame_to("01:80:c2:00:00:0e", hex("88cc02"))) == DropReason::link_local_protocol);
    CHECK(bench.fate(bpdu) == DropReason::link_local_protocol);
    std::size_t copies = 0;
    rings->drain(10, [&](PuntClass c, const PuntMessage& message) {
        ++copies;
        CHECK(c == PuntClass::bpdu);
        CHECK(message.session == SessionIndex{0});
        CHECK(std::equal(bpdu.begin(), bpdu.end(), message.data().begin(), message.data().end()));
    });
    CHECK(copies == 1);
    for (int i = 0; i < 200; ++i)
        CHECK(bench.fate(bpdu, 0, kNow + std::chrono::seconds(i)) == DropReason::link_local_protocol);
    CHECK(rings->overflows(PuntClass::bpdu) == 200 - PuntRings::kDepth);
}

TEST_CASE("a storm of BPDUs in one session leaves the ring to the others") {
    const auto rings = std::make_unique<PuntRings>();
    Bench bench({whole_port(), whole_port()}, Direction::to_tunnel, rings.get());
    const auto bpdu = frame_to(kBridgeGroup, kRstBpdu);
    for (int i = 0; i < 1'000; ++i) CHECK(bench.fate(bpdu, 0) == DropReason::link_local_protocol);
    CHECK(bench.fate(bpdu, 1) == DropReason::link_local_protocol);
    std::map<SessionIndex, std::size_t> copies;
    rings->drain(1'000, [&](PuntClass, const PuntMessage& message) { ++copies[message.session]; });
    CHECK(copies[SessionIndex{0}] == 32);
    CHECK(copies[SessionIndex{1}] == 1);
    CHECK(rings->overflows(PuntClass::bpdu) == 0);
}

TEST_CASE("packets that were dropped or taken before are left alone") {
    Bench bench({whole_port()});
    PacketBuffer dropped = bench.packet(frame_to(kBridgeGroup, kRstBpdu));
    dropped.meta.drop = DropReason::no_buffer;
    CHECK(bench.fate(std::move(dropped)) == DropReason::no_buffer);
    CHECK(bench.stage.counters().bpdus() == 0);
    CHECK(bench.fate(PacketBuffer()) == DropReason::none);
}

TEST_CASE("the stage needs no room and fits any pipeline") {
    CHECK(AdmissionStage(Direction::to_tunnel).overhead() == Overhead{});
    std::vector<std::unique_ptr<Stage>> stages;
    stages.push_back(std::make_unique<AdmissionStage>(Direction::from_tunnel));
    CHECK(Pipeline::build(std::move(stages), {}).has_value());
}

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
