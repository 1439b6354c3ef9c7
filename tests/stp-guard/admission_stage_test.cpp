#include "stp-guard/admission_stage.h"

#include <doctest/doctest.h>

#include <map>

#include "tests/stp-guard/admission_bench.h"

using namespace isthmus;
using namespace isthmus::stp_guard;
using namespace isthmus::test;
using namespace std::chrono_literals;

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
