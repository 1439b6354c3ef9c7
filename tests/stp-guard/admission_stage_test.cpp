#include "stp-guard/admission_stage.h"

#include <doctest/doctest.h>

#include "tests/stp-guard/frames.h"
#include "tests/support/counting_allocator.h"

using namespace isthmus;
using namespace isthmus::stp_guard;
using namespace isthmus::test;
using namespace std::chrono_literals;

namespace {

constexpr TimePoint kNow{1h};
const Octets kUnicast = frame_to(kHost, kIpv4);
const Octets kFlooded = frame_to(kBroadcast, kArp);

SessionAdmission trunk(std::string_view vlans, bool untagged = false) {
    SessionAdmission session;
    session.options.vlans = VlanSet::parse(vlans).value();
    session.options.untagged = untagged;
    session.state = PortState::open;
    return session;
}

SessionAdmission whole_port() {
    SessionAdmission session;
    session.options.any_vlan = true;
    session.state = PortState::open;
    return session;
}

SessionAdmission limited(std::uint32_t rate, std::uint32_t burst) {
    SessionAdmission session = whole_port();
    session.options.flood_limit = {rate, burst};
    return session;
}

/// One stage with its sessions, and what it says of single frames.
struct Bench {
    PacketPool pool{70'000, 300};
    std::unique_ptr<PacketBatch> batch = std::make_unique<PacketBatch>();
    AdmissionStage stage;

    explicit Bench(AdmissionTable table, Direction direction = Direction::to_tunnel,
                   PuntRings* punt = nullptr)
        : stage(direction, punt) {
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

TEST_CASE("with flooding closed, unicast goes on") {
    SessionAdmission session = whole_port();
    session.state = PortState::flood_closed;
    for (const Direction direction : {Direction::to_tunnel, Direction::from_tunnel}) {
        Bench bench({session}, direction);
        CHECK(bench.fate(kUnicast) == DropReason::none);
        CHECK(bench.fate(kFlooded) == DropReason::port_blocked);
        CHECK(bench.fate(frame_to("01:00:5e:00:00:fb", kIpv4)) == DropReason::port_blocked);
    }
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

TEST_CASE("each session's broadcast and multicast towards the tunnel have their own limit") {
    Bench bench({limited(10, 5), limited(10, 5)});
    CHECK(bench.passing(8, kNow, 0) == 5);
    CHECK(bench.fate(frame_to("33:33:00:00:00:01", kIpv4), 0) == DropReason::storm_limit);
    CHECK(bench.fate(kUnicast, 0) == DropReason::none);
    CHECK(bench.passing(8, kNow, 1) == 5);
    CHECK(bench.passing(8, kNow + 300ms, 0) == 3);
    CHECK(bench.stage.counters().broadcast.read() == 13);
}

TEST_CASE("frames that a trunk does not carry use none of its limit") {
    SessionAdmission session = trunk("10");
    session.options.flood_limit = {1, 1};
    Bench bench({session});
    for (int i = 0; i < 10; ++i)
        CHECK(bench.fate(frame_to(kBroadcast, kArp, {{0x8100, 20}})) == DropReason::vlan_not_allowed);
    for (int i = 0; i < 10; ++i)
        CHECK(bench.fate(frame_to(kBridgeGroup, kRstBpdu)) == DropReason::link_local_protocol);
    CHECK(bench.fate(frame_to(kBroadcast, kArp, {{0x8100, 10}})) == DropReason::none);
}

TEST_CASE("from the tunnel nothing is limited: the peer limited it") {
    Bench bench({limited(1, 1)}, Direction::from_tunnel);
    CHECK(bench.passing(100, kNow) == 100);
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
    CHECK(bench.stage.counters().multicast.read() == 10);
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

TEST_CASE("a new table leaves the bucket of an unchanged limit as it is, and starts a changed one anew") {
    Bench bench({limited(10, 5), limited(10, 5)});
    CHECK(bench.passing(5, kNow, 0) == 5);
    CHECK(bench.passing(5, kNow, 1) == 5);
    bench.set({limited(10, 5), limited(10, 4), limited(10, 3)});
    CHECK(bench.passing(5, kNow, 0) == 0);
    CHECK(bench.passing(5, kNow, 1) == 4);
    CHECK(bench.passing(5, kNow, 2) == 3);
    SessionAdmission blocked = limited(10, 5);
    blocked.state = PortState::blocked;
    bench.set({blocked});
    CHECK(bench.passing(5, kNow, 0) == 0);
    bench.set({limited(10, 5)});
    CHECK(bench.passing(5, kNow + 200ms, 0) == 2);
}

TEST_CASE("a session that went away leaves no bucket to the next one in its place") {
    Bench bench({limited(10, 5)});
    CHECK(bench.passing(5, kNow) == 5);
    bench.set({std::nullopt});
    bench.set({limited(10, 5)});
    CHECK(bench.passing(5, kNow) == 5);
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
    for (std::size_t i = 0; i < PuntRings::kDepth + 3; ++i)
        CHECK(bench.fate(bpdu) == DropReason::link_local_protocol);
    CHECK(rings->overflows(PuntClass::bpdu) == 3);
}

TEST_CASE("packets that were dropped or taken before are left alone") {
    Bench bench({whole_port()});
    PacketBuffer dropped = bench.packet(frame_to(kBridgeGroup, kRstBpdu));
    dropped.meta.drop = DropReason::no_buffer;
    CHECK(bench.fate(std::move(dropped)) == DropReason::no_buffer);
    CHECK(bench.stage.counters().bpdus() == 0);
    CHECK(bench.fate(PacketBuffer()) == DropReason::none);
}

TEST_CASE("a full batch is judged without one allocation") {
    const auto rings = std::make_unique<PuntRings>();
    Bench bench({trunk("10", true)}, Direction::to_tunnel, rings.get());
    const std::vector<Octets> frames{
        kUnicast, kFlooded, tagged(10), tagged(11), frame_to(kBridgeGroup, kRstBpdu), hex("0200")};
    for (std::size_t i = 0; i < PacketBatch::kCapacity; ++i)
        bench.batch->push(bench.packet(frames[i % frames.size()]));
    DropLedger ledger;
    const AllocationCount allocations;
    bench.stage.process(*bench.batch, kNow);
    bench.batch->sweep(ledger);
    CHECK(allocations.so_far() == 0);
    CHECK(bench.batch->size() == 129);
}

TEST_CASE("the stage needs no room and fits any pipeline") {
    CHECK(AdmissionStage(Direction::to_tunnel).overhead() == Overhead{});
    std::vector<std::unique_ptr<Stage>> stages;
    stages.push_back(std::make_unique<AdmissionStage>(Direction::from_tunnel));
    CHECK(Pipeline::build(std::move(stages), {}).has_value());
}

TEST_CASE("unicast to a host that was never heard through the tunnel is flooding, and limited as such") {
    RemoteHosts hosts(1);
    PacketPool pool(2048, 8);
    const auto table = std::make_shared<const AdmissionTable>(AdmissionTable{limited(10, 5)});
    AdmissionStage out(Direction::to_tunnel, nullptr, &hosts);
    AdmissionStage in(Direction::from_tunnel, nullptr, &hosts);
    out.set_sessions(table);
    in.set_sessions(table);
    const auto fate = [&](AdmissionStage& stage, const Octets& frame) {
        PacketBatch batch;
        PacketBuffer packet = pool.allocate(0).value();
        std::memcpy(packet.append(frame.size()).data(), frame.data(), frame.size());
        packet.meta.session = SessionIndex{0};
        batch.push(std::move(packet));
        stage.process(batch, kNow);
        return batch[0].meta.drop;
    };
    int passed = 0;
    for (int i = 0; i < 20; ++i) passed += fate(out, kUnicast) == DropReason::none ? 1 : 0;
    CHECK(passed == 5);
    CHECK(out.counters().unknown_unicast.read() == 5);

    Octets answer = kUnicast;
    std::copy_n(kUnicast.begin(), 6, answer.begin() + 6);  // the host speaks
    CHECK(fate(in, answer) == DropReason::none);
    for (int i = 0; i < 20; ++i) CHECK(fate(out, kUnicast) == DropReason::none);
}

TEST_CASE("while flooding is closed only unicast to hosts heard through the tunnel crosses") {
    RemoteHosts hosts(1);
    PacketPool pool(2048, 8);
    AdmissionStage out(Direction::to_tunnel, nullptr, &hosts);
    SessionAdmission closed = whole_port();
    closed.state = PortState::flood_closed;
    out.set_sessions(std::make_shared<const AdmissionTable>(AdmissionTable{closed}));
    const auto fate = [&] {
        PacketBatch batch;
        PacketBuffer packet = pool.allocate(0).value();
        std::memcpy(packet.append(kUnicast.size()).data(), kUnicast.data(), kUnicast.size());
        packet.meta.session = SessionIndex{0};
        batch.push(std::move(packet));
        out.process(batch, kNow);
        return batch[0].meta.drop;
    };
    CHECK(fate() == DropReason::port_blocked);
    MacAddress mac;
    std::copy_n(kUnicast.begin(), 6, mac.bytes.begin());
    hosts.heard(SessionIndex{0}, 0, mac, kNow);
    CHECK(fate() == DropReason::none);
}
