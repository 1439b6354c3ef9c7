#include <map>

#include "tests/support/counting_allocator.h"
#include "tests/tunnel/packets.h"
#include "tunnel/decap_stage.h"
#include "tunnel/encap_stage.h"

using namespace isthmus;
using namespace isthmus::tunnel;
using namespace isthmus::tunnel::test;

namespace {

constexpr TimePoint kNow{};

std::uint8_t next_header(Encapsulation e) {
    return e == Encapsulation::udp ? kIpProtocolUdp : kIpProtocolL2tp;
}

/// Site A's decapsulation of packets that come from site B outside ESP.
struct Receiver : Worker {
    std::unique_ptr<PuntRings> rings = std::make_unique<PuntRings>();
    ConnectionIds connections;
    DecapStage stage;
    Path path = path_from_b();

    explicit Receiver(std::shared_ptr<const SessionTable> table)
        : stage(std::move(table), *rings, &connections) {}

    void run() {
        stage.process(batch, kNow);
        batch.sweep(ledger);
    }
    PacketBuffer& arrive(Bytes packet, Encapsulation e = Encapsulation::udp) {
        PacketBuffer& p = add(packet);
        p.meta.next_header = next_header(e);
        p.meta.path = &path;
        return p;
    }
    /// One packet; the reason why it was dropped, none if it passed.
    DropReason fate(Bytes packet, Encapsulation e = Encapsulation::udp) {
        batch.clear();
        arrive(packet, e);
        stage.process(batch, kNow);
        const DropReason reason = batch[0].meta.drop;
        last_session = batch[0].meta.session;
        last_tunnel = batch[0].meta.tunnel;
        batch.sweep(ledger);
        return reason;
    }
    SessionIndex last_session{};
    TunnelIndex last_tunnel{};
};

struct Sender : Worker {
    EncapStage stage;
    explicit Sender(std::shared_ptr<const SessionTable> table) : stage(std::move(table)) {}

    PacketBuffer& frame_for(std::uint32_t session, Bytes frame) {
        PacketBuffer& p = add(frame);
        p.meta.session = SessionIndex{session};
        return p;
    }
    void run() {
        stage.process(batch, kNow);
        batch.sweep(ledger);
    }
    Octets sent(std::uint32_t session, Bytes frame) {
        batch.clear();
        frame_for(session, frame);
        run();
        return batch.empty() ? Octets{} : copy(batch[0].data());
    }
};

SessionEntry with_cookies() {
    auto s = session_entry();
    s.options.local_cookie = cookie("f1f2f3f4f5f6f7f8");
    s.options.remote_cookie = cookie("0102030405060708");
    return s;
}
const Octets kGood = hex("00030000 a1b2c3d4 f1f2f3f4f5f6f7f8") + frame();

/// Sequenced and checked, sublayer both ways.
SessionEntry sequenced() {
    auto s = session_entry();
    s.options.send_sublayer = s.options.receive_sublayer = Sublayer::standard;
    s.options.send_sequence = true;
    s.options.receive_sequencing = ReceiveSequencing::drop_out_of_order;
    return s;
}

}  // namespace

TEST_CASE("every encapsulation, cookie, sublayer and sequencing carries frames from site to site") {
    for (const auto e : {Encapsulation::udp, Encapsulation::ip}) {
        for (const char* c : {"", "deadbeef", "0102030405060708"}) {
            for (const auto sublayer : {Sublayer::none, Sublayer::standard}) {
                for (const bool sequence : {false, true}) {
                    if (sequence && sublayer == Sublayer::none) continue;
                    auto s = session_entry();
                    s.options.remote_cookie = cookie(c);
                    s.options.local_cookie = cookie("f1f2f3f4");
                    s.options.send_sublayer = sublayer;
                    s.options.send_sequence = sequence;
                    auto peer = mirrored(s);
                    peer.options.send_sequence = false;
                    peer.options.receive_sequencing =
                        sequence ? ReceiveSequencing::drop_out_of_order : ReceiveSequencing::ignore;
                    Sender site_a(table({tunnel_entry(e)}, {s}));
                    Receiver site_b(table({mirrored(tunnel_entry(e))}, {peer}));
                    site_b.path = {{ip("192.0.2.2"), 1701}, {ip("192.0.2.1"), 1701}, std::nullopt};

                    for (const std::size_t size : {14U, 42U, 60U, 1514U}) {
                        const Octets original = frame(size);
                        const Octets wire = site_a.sent(0, original);
                        const std::size_t header =
                            front_size(e) + cookie(c).size + (sublayer == Sublayer::standard ? 4 : 0);
                        REQUIRE(wire.size() == header + size);
                        CHECK(site_a.batch[0].meta.next_header == next_header(e));
                        CHECK(site_a.batch[0].meta.tunnel == TunnelIndex{0});
                        REQUIRE(site_b.fate(wire, e) == DropReason::none);
                        CHECK(copy(site_b.batch[0].data()) == original);
                        CHECK(site_b.last_session == SessionIndex{0});
                        CHECK(site_b.last_tunnel == TunnelIndex{0});
                    }
                }
            }
        }
    }
}

TEST_CASE("a message cut at any byte is dropped as truncated or without a frame, never read past its end") {
    auto s = with_cookies();
    s.options.receive_sublayer = Sublayer::standard;
    Receiver a(table({tunnel_entry()}, {s}));
    const Octets whole = hex("00030000 a1b2c3d4 f1f2f3f4f5f6f7f8 00000000") + frame(14);
    for (std::size_t size = 0; size < whole.size(); ++size) {
        CAPTURE(size);
        CHECK(a.fate(Bytes(whole).first(size)) ==
              (size < 20 ? DropReason::l2tp_truncated : DropReason::l2tp_no_frame));
    }
    CHECK(a.fate(whole) == DropReason::none);
}

TEST_CASE("each wrong thing has a reason of its own, booked where it belongs") {
    auto other = tunnel_entry(Encapsulation::udp, 1);
    other.options.remote = ip("192.0.2.3");
    auto theirs = session_entry(1, 1);
    Receiver a(table({tunnel_entry(), other}, {with_cookies(), theirs}));
    CHECK(a.fate(kGood) == DropReason::none);

    Octets wrong = kGood;
    wrong[1] = 2;
    CHECK(a.fate(wrong) == DropReason::l2tp_bad_version);
    CHECK(a.last_tunnel == TunnelIndex{0});

    wrong = kGood;
    wrong[7] = 0x99;
    CHECK(a.fate(wrong) == DropReason::l2tp_unknown_session);
    CHECK(a.last_tunnel == TunnelIndex{0});
    CHECK(a.last_session == kNoSession);

    CHECK(a.fate(hex("00030000 a1b2c3d5") + frame()) == DropReason::l2tp_wrong_peer);
    CHECK(a.last_tunnel == TunnelIndex{0});
    CHECK(a.last_session == kNoSession);

    for (std::size_t i = 8; i < 16; ++i) {
        wrong = kGood;
        wrong[i] ^= 0x10;
        CHECK(a.fate(wrong) == DropReason::l2tp_bad_cookie);
        CHECK(a.last_session == SessionIndex{0});
    }
    CHECK(a.fate(Bytes(kGood).first(29)) == DropReason::l2tp_no_frame);
    CHECK(a.fate(kGood, Encapsulation::ip) == DropReason::l2tp_unknown_session);

    a.path.remote.address = ip("198.51.100.1");
    CHECK(a.fate(kGood) == DropReason::l2tp_wrong_peer);
    CHECK(a.last_tunnel == kNoTunnel);
}

TEST_CASE("a session of the other encapsulation is not reached") {
    Receiver a(table({tunnel_entry(Encapsulation::ip)}, {session_entry()}));
    CHECK(a.fate(hex("00030000 a1b2c3d4") + frame()) == DropReason::l2tp_wrong_peer);
    CHECK(a.fate(hex("a1b2c3d4") + frame(), Encapsulation::ip) == DropReason::none);
}

TEST_CASE("both cookies are accepted while they change") {
    auto s = with_cookies();
    s.other_local_cookie = cookie("1111111122222222");
    Receiver a(table({tunnel_entry()}, {s}));
    CHECK(a.fate(kGood) == DropReason::none);
    CHECK(a.fate(hex("00030000 a1b2c3d4 1111111122222222") + frame()) == DropReason::none);
    CHECK(a.fate(hex("00030000 a1b2c3d4 1111111122222223") + frame()) == DropReason::l2tp_bad_cookie);
}

TEST_CASE("a protected tunnel takes only what its own SA vouches for") {
    auto guarded = tunnel_entry();
    guarded.is_protected = true;
    auto other = tunnel_entry(Encapsulation::udp, 1);
    other.options.remote = ip("192.0.2.3");
    other.is_protected = true;
    Receiver a(table({guarded, other}, {with_cookies()}));
    CHECK(a.fate(kGood) == DropReason::clear_packet_refused);
    CHECK(a.last_tunnel == TunnelIndex{0});

    const auto through_esp = [&](std::uint16_t tunnel, Encapsulation e) {
        a.batch.clear();
        PacketBuffer& p = a.arrive(kGood, e);
        p.meta.tunnel = TunnelIndex{tunnel};
        a.stage.process(a.batch, kNow);
        return a.batch[0].meta.drop;
    };
    CHECK(through_esp(0, Encapsulation::udp) == DropReason::none);
    CHECK(through_esp(1, Encapsulation::udp) == DropReason::l2tp_wrong_peer);

    a.batch.clear();
    PacketBuffer& p = a.arrive(hex("a1b2c3d4 f1f2f3f4f5f6f7f8") + frame(), Encapsulation::ip);
    p.meta.tunnel = TunnelIndex{0};
    a.stage.process(a.batch, kNow);
    CHECK(a.batch[0].meta.drop == DropReason::inner_protocol);

    a.batch.clear();
    a.add(kGood).meta.next_header = 6;
    a.stage.process(a.batch, kNow);
    CHECK(a.batch[0].meta.drop == DropReason::inner_protocol);
}

TEST_CASE("control messages go to the control thread as they are, and count as no drop") {
    auto over_ip = tunnel_entry(Encapsulation::ip, 1);
    Receiver a(table({tunnel_entry(), over_ip}, {}));
    const Octets over_udp = hex("c803 0014 0badcafe 0000 0000 8008 0000 0000 0006");
    a.connections.insert(ControlConnectionId{0x0bad'cafe});
    a.arrive(over_udp);
    a.arrive(hex("00000000") + over_udp, Encapsulation::ip);
    a.run();
    CHECK(a.batch.empty());
    std::vector<Octets> got;
    std::vector<TunnelIndex> tunnels;
    a.rings->drain(8, [&](PuntClass c, const PuntMessage& m) {
        CHECK(c == PuntClass::l2tp_control);
        CHECK(m.path == path_from_b());
        got.push_back(copy(m.data()));
        tunnels.push_back(m.tunnel);
    });
    CHECK(got == std::vector<Octets>{over_udp, hex("00000000") + over_udp});
    CHECK(tunnels == std::vector<TunnelIndex>{TunnelIndex{0}, TunnelIndex{1}});
    for (std::size_t r = 0; r < kDropReasonCount; ++r)
        CHECK(a.drops(DropReason{static_cast<std::uint8_t>(r)}) == 0);
}

TEST_CASE(
    "a control message from a stranger is punted without a tunnel; outside ESP from a protected peer it is "
    "refused") {
    auto guarded = tunnel_entry();
    guarded.is_protected = true;
    Receiver a(table({guarded}, {}));
    const Octets message = hex("c803 000c 00000000 0000 0000");
    CHECK(a.fate(message) == DropReason::clear_packet_refused);
    a.path.remote.address = ip("198.51.100.1");
    CHECK(a.fate(message) == DropReason::none);
    std::size_t count = 0;
    a.rings->drain(8, [&](PuntClass, const PuntMessage& m) {
        ++count;
        CHECK(m.tunnel == kNoTunnel);
    });
    CHECK(count == 1);
}

namespace {

/// How many of each class wait in the rings; they are emptied.
std::map<PuntClass, std::size_t> waiting(Receiver& a) {
    std::map<PuntClass, std::size_t> out;
    a.rings->drain(PuntRings::kDepth, [&](PuntClass c, const PuntMessage&) { ++out[c]; });
    return out;
}

const Octets kHello = hex("c803 0014 0badcafe 0001 0001 8008 0000 0000 0006");
const Octets kRequest = hex("c803 0014 00000000 0000 0000 8008 0000 0000 0001");

}  // namespace

TEST_CASE("messages of connections that live, of peers' addresses and of strangers go up apart") {
    const auto over_ip = tunnel_entry(Encapsulation::ip, 1);
    Receiver a(table({tunnel_entry(), over_ip}, {}));
    const auto class_of = [&](const Octets& message, Encapsulation e = Encapsulation::udp) {
        a.arrive(message, e);
        a.run();
        const auto seen = waiting(a);
        REQUIRE(seen.size() == 1);
        return seen.begin()->first;
    };
    const Octets zero_word(4, 0);
    CHECK(class_of(kHello) == PuntClass::l2tp_request);  // an id that nobody was given
    CHECK(class_of(kRequest) == PuntClass::l2tp_request);
    CHECK(class_of(zero_word + kRequest, Encapsulation::ip) == PuntClass::l2tp_request);

    a.connections.insert(ControlConnectionId{0x0bad'cafe});
    CHECK(class_of(kHello) == PuntClass::l2tp_control);
    CHECK(class_of(zero_word + kHello, Encapsulation::ip) == PuntClass::l2tp_control);
    CHECK(class_of(kRequest) == PuntClass::l2tp_request);

    a.path.remote.address = ip("198.51.100.1");
    CHECK(class_of(kRequest) == PuntClass::l2tp_stranger);
    CHECK(class_of(kHello) == PuntClass::l2tp_control);  // the peer may have moved: control decides

    a.connections.erase(ControlConnectionId{0x0bad'cafe});
    CHECK(class_of(kHello) == PuntClass::l2tp_stranger);
}

TEST_CASE("through a tunnel's SA a request is that of a peer, whatever its address") {
    Receiver a(table({tunnel_entry()}, {}));
    a.path.remote.address = ip("198.51.100.1");
    a.arrive(kRequest).meta.tunnel = TunnelIndex{0};
    a.run();
    CHECK(waiting(a) == std::map<PuntClass, std::size_t>{{PuntClass::l2tp_request, 1}});
}

TEST_CASE("a flood of requests is limited, peers' and strangers' apart, and holds up no live connection") {
    Receiver a(table({tunnel_entry()}, {}));
    a.connections.insert(ControlConnectionId{0x0bad'cafe});
    Path stranger = a.path;
    stranger.remote.address = ip("198.51.100.1");
    // 100,000 in a second, a tenth of them in the peer's name, and one message of a live connection in a thousand.
    std::map<PuntClass, std::size_t> sum;
    for (int millisecond = 0; millisecond < 1000; ++millisecond) {
        for (int i = 0; i < 100; ++i) {
            PacketBuffer& p = a.arrive(i == 50 ? kHello : kRequest);
            if (i % 10 != 0) p.meta.path = i == 50 ? &a.path : &stranger;
            if (a.batch.size() < 32 && i < 99) continue;
            a.stage.process(a.batch, kNow + std::chrono::milliseconds(millisecond));
            a.batch.sweep(a.ledger);
        }
        for (const auto& [c, n] : waiting(a)) sum[c] += n;
    }
    CHECK(sum[PuntClass::l2tp_control] == 1000);
    const auto most = DecapStage::kRequestsPerSecond + PuntRings::kDepth;
    CHECK(sum[PuntClass::l2tp_request] > 0);
    CHECK(sum[PuntClass::l2tp_request] <= most);
    CHECK(sum[PuntClass::l2tp_stranger] > 0);
    CHECK(sum[PuntClass::l2tp_stranger] <= most);
    // Each class counts its own.
    CHECK(a.rings->overflows(PuntClass::l2tp_control) == 0);
    CHECK(a.rings->overflows(PuntClass::l2tp_request) == 9'000 - sum[PuntClass::l2tp_request]);
    CHECK(a.rings->overflows(PuntClass::l2tp_stranger) == 90'000 - sum[PuntClass::l2tp_stranger]);
    CHECK(a.drops(DropReason::punt_overflow) ==
          99'000 - sum[PuntClass::l2tp_request] - sum[PuntClass::l2tp_stranger]);
}

TEST_CASE("a full ring drops control messages as punt_overflow, and counts them by class") {
    Receiver a(table({tunnel_entry()}, {}));
    a.connections.insert(ControlConnectionId{0x0bad'cafe});
    for (std::size_t i = 0; i < PuntRings::kDepth; ++i) a.arrive(kRequest);
    a.run();
    CHECK(a.drops(DropReason::punt_overflow) == 0);
    // The limit lets more through by now, but nobody has emptied the ring.
    a.arrive(kRequest);
    a.stage.process(a.batch, kNow + std::chrono::seconds(1));
    a.batch.sweep(a.ledger);
    CHECK(a.rings->overflows(PuntClass::l2tp_request) == 1);
    for (std::size_t i = 0; i < PuntRings::kDepth + 3; ++i) a.arrive(kHello);
    a.run();
    CHECK(a.batch.empty());
    CHECK(a.drops(DropReason::punt_overflow) == 4);
    CHECK(a.rings->overflows(PuntClass::l2tp_control) == 3);
}

TEST_CASE("a session that demands sequence numbers drops unsequenced and out-of-order packets apart") {
    Receiver a(table({tunnel_entry()}, {sequenced()}));
    const auto message = [](std::uint32_t word) {
        ByteWriter w;
        w.u32(0x0003'0000).u32(0xa1b2c3d4).u32(word).bytes(frame());
        return copy(w.view());
    };
    CHECK(a.fate(message(0x4000'0000)) == DropReason::none);
    CHECK(a.fate(message(0x0000'0001)) == DropReason::l2tp_sequence_missing);
    CHECK(a.fate(message(0x4000'0001)) == DropReason::none);
    CHECK(a.fate(message(0x4000'0001)) == DropReason::l2tp_out_of_sequence);
    CHECK(a.fate(message(0x4000'0005)) == DropReason::l2tp_out_of_sequence);
    CHECK(a.fate(message(0x4000'0002)) == DropReason::none);
}

TEST_CASE("a packet with a wrong cookie does not move the expected sequence number") {
    auto s = sequenced();
    s.options.local_cookie = cookie("01020304");
    Receiver a(table({tunnel_entry()}, {s}));
    CHECK(a.fate(hex("00030000 a1b2c3d4 01020304 40000000") + frame()) == DropReason::none);
    CHECK(a.fate(hex("00030000 a1b2c3d4 01020305 40000001") + frame()) == DropReason::l2tp_bad_cookie);
    CHECK(a.fate(hex("00030000 a1b2c3d4 01020304 40000001") + frame()) == DropReason::none);
}

TEST_CASE("sequence numbers of a session go on across a reload that keeps it, both ways") {
    Sender a(table({tunnel_entry()}, {sequenced()}));
    static_cast<void>(a.sent(0, frame()));
    auto changed = sequenced();
    changed.max_frame = 1514;
    a.stage.set_sessions(table({tunnel_entry()}, {changed, session_entry(1)}));
    const Octets second = a.sent(0, frame());
    CHECK(load_be32(second.data() + 8) == 0x4000'0001);

    Receiver b(table({tunnel_entry()}, {sequenced()}));
    CHECK(b.fate(hex("00030000 a1b2c3d4 40000000") + frame()) == DropReason::none);
    b.stage.set_sessions(table({tunnel_entry()}, {changed}));
    CHECK(b.fate(hex("00030000 a1b2c3d4 40000005") + frame()) == DropReason::l2tp_out_of_sequence);
    CHECK(b.fate(hex("00030000 a1b2c3d4 40000001") + frame()) == DropReason::none);

    auto reborn = changed;
    reborn.incarnation = 1;
    a.stage.set_sessions(table({tunnel_entry()}, {reborn}));
    CHECK(load_be32(a.sent(0, frame()).data() + 8) == 0x4000'0000);
}

TEST_CASE("a frame over the session's limit is dropped, one at the limit passes") {
    auto s = session_entry();
    s.max_frame = 1000;
    Sender a(table({tunnel_entry()}, {s}));
    CHECK_FALSE(a.sent(0, frame(1000)).empty());
    CHECK(a.sent(0, frame(1001)).empty());
    CHECK(a.drops(DropReason::exceeds_path_mtu) == 1);
}

TEST_CASE("the limit is on the frame in the tunnel: a one-VLAN session's tag does not count") {
    auto s = session_entry();
    s.max_frame = 1000;
    s.options.access_vlan = VlanId::parse(7);
    Sender a(table({tunnel_entry()}, {s}));
    CHECK(a.sent(0, tagged(frame(1000), 7)) == hex("00030000 51627384") + frame(1000));
    CHECK(a.sent(0, tagged(frame(1000), 8)).empty());
    CHECK(a.drops(DropReason::vlan_not_allowed) == 1);
}

TEST_CASE(
    "a one-VLAN session's frame gets its tag without further headroom, even behind the smallest header") {
    auto s = session_entry();
    s.options.access_vlan = VlanId::parse(200);
    Receiver a(table({tunnel_entry(Encapsulation::ip)}, {s}));
    // Confined to its own bytes, as a packet split from a run is.
    PacketBuffer whole = a.packet(hex("a1b2c3d4") + frame(14));
    PacketBuffer& p = a.batch.push(whole.share(0, whole.size()));
    p.meta.next_header = kIpProtocolL2tp;
    p.meta.path = &a.path;
    a.run();
    REQUIRE(a.batch.size() == 1);
    CHECK(copy(a.batch[0].data()) == tagged(frame(14), 200));
    a.batch.clear();
}

TEST_CASE("sessions that are unknown or down send and receive nothing") {
    auto down = session_entry();
    down.up = false;
    Sender a(table({tunnel_entry()}, {down}));
    CHECK(a.sent(0, frame()).empty());
    CHECK(a.sent(9, frame()).empty());
    CHECK(a.drops(DropReason::session_down) == 2);
    Receiver b(table({tunnel_entry()}, {down}));
    CHECK(b.fate(hex("00030000 a1b2c3d4") + frame()) == DropReason::session_down);
}

TEST_CASE("a frame without a whole Ethernet header does not enter the tunnel") {
    Sender a(table({tunnel_entry()}, {session_entry()}));
    for (std::size_t size = 0; size < kEthernetHeaderSize; ++size)
        CHECK(a.sent(0, Bytes(frame()).first(size)).empty());
    CHECK(a.drops(DropReason::malformed_frame) == kEthernetHeaderSize);
}

TEST_CASE("traffic is counted per session as frames and per tunnel as messages") {
    TrafficCounters session_out, session_in, tunnel_out, tunnel_in;
    auto t = tunnel_entry();
    t.out = &tunnel_out;
    t.in = &tunnel_in;
    auto s = with_cookies();
    s.out = &session_out;
    s.in = &session_in;
    s.max_frame = 100;
    Sender a(table({t}, {s}));
    static_cast<void>(a.sent(0, frame(60)));
    static_cast<void>(a.sent(0, frame(101)));
    CHECK(session_out.packets.read() == 1);
    CHECK(session_out.bytes.read() == 60);
    CHECK(tunnel_out.packets.read() == 1);
    CHECK(tunnel_out.bytes.read() == 76);

    Receiver b(table({t}, {s}));
    b.ledger.set_scopes({&tunnel_in}, {&session_in});
    CHECK(b.fate(kGood) == DropReason::none);
    CHECK(session_in.packets.read() == 1);
    CHECK(session_in.bytes.read() == 60);
    CHECK(tunnel_in.bytes.read() == 76);
    Octets wrong = kGood;
    wrong[8] ^= 1;
    CHECK(b.fate(wrong) == DropReason::l2tp_bad_cookie);
    CHECK(session_in.dropped_for(DropReason::l2tp_bad_cookie) == 1);
    CHECK(session_in.packets.read() == 1);
}

TEST_CASE("control goes ahead of data, with the control class, and gets the first sequence numbers") {
    Sender a(table({tunnel_entry()}, {sequenced()}));
    for (std::uint8_t i = 0; i < 6; ++i) a.frame_for(0, frame(60, i)).meta.control = i % 2 == 1;
    a.run();
    REQUIRE(a.batch.size() == 6);
    const std::uint8_t order[] = {1, 3, 5, 0, 2, 4};
    for (std::uint32_t i = 0; i < 6; ++i) {
        const Octets packet = copy(a.batch[i].data());
        CHECK(load_be32(packet.data() + 8) == (0x4000'0000 | i));
        CHECK(Octets(packet.begin() + 12, packet.end()) == frame(60, order[i]));
        CHECK(a.batch[i].meta.traffic_class == (i < 3 ? 48 << 2 : 0));
    }
}

TEST_CASE(
    "while Session IDs are being changed a session receives with both, each under either cookie of its own") {
    SessionEntry s = with_cookies();
    s.other_local_id = SessionId{0xb1b2b3b4};
    s.other_local_cookie = cookie("e1e2e3e4e5e6e7e8");
    Receiver a(table({tunnel_entry()}, {s}));
    CHECK(a.fate(kGood) == DropReason::none);
    CHECK(a.fate(hex("00030000 b1b2b3b4 e1e2e3e4e5e6e7e8") + frame()) == DropReason::none);
    CHECK(a.last_session == s.index);
    CHECK(a.fate(hex("00030000 b1b2b3b4 0000000000000000") + frame()) == DropReason::l2tp_bad_cookie);
    CHECK(a.fate(hex("00030000 b1b2b3b5 e1e2e3e4e5e6e7e8") + frame()) == DropReason::l2tp_unknown_session);
}

TEST_CASE("while Session IDs are being changed each has sequence numbers of its own, whichever comes first") {
    const auto message = [](std::uint32_t id, std::uint32_t number) {
        ByteWriter w;
        w.u32(0x0003'0000).u32(id).u32(0x4000'0000 | number).bytes(frame());
        return copy(w.view());
    };
    constexpr std::uint32_t kOld = 0xa1b2c3d4;
    constexpr std::uint32_t kNew = 0xb1b2b3b4;
    SessionEntry s = sequenced();
    Receiver a(table({tunnel_entry()}, {s}));
    CHECK(a.fate(message(kOld, 100)) == DropReason::none);
    // The new session beside the old one, in its place, and alone.
    s.other_local_id = SessionId{kNew};
    a.stage.set_sessions(table({tunnel_entry()}, {s}));
    CHECK(a.fate(message(kNew, 0)) == DropReason::none);
    CHECK(a.fate(message(kOld, 101)) == DropReason::none);
    std::swap(s.options.local_id, *s.other_local_id);
    s.options.remote_id = SessionId{0xc1c2c3c4};
    s.incarnation = 1;
    a.stage.set_sessions(table({tunnel_entry()}, {s}));
    CHECK(a.fate(message(kOld, 102)) == DropReason::none);
    CHECK(a.fate(message(kNew, 1)) == DropReason::none);
    CHECK(a.fate(message(kOld, 102)) == DropReason::l2tp_out_of_sequence);
    CHECK(a.fate(message(kNew, 1)) == DropReason::l2tp_out_of_sequence);
    s.other_local_id.reset();
    a.stage.set_sessions(table({tunnel_entry()}, {s}));
    CHECK(a.fate(message(kNew, 2)) == DropReason::none);
    CHECK(a.fate(message(kOld, 103)) == DropReason::l2tp_unknown_session);
    // Set up anew under the same id they start again.
    s.incarnation = 2;
    a.stage.set_sessions(table({tunnel_entry()}, {s}));
    CHECK(a.fate(message(kNew, 0)) == DropReason::none);
}

TEST_CASE("a control message through ESP is punted with the ports of its own UDP header") {
    Receiver a(table({tunnel_entry()}, {session_entry()}));
    PacketMeta& meta = a.arrive(hex("c8030014 00000001 0000 0000 8008 0000 0000 0006")).meta;
    meta.tunnel = TunnelIndex{0};
    meta.inner_source_port = 40'001;
    meta.inner_destination_port = 1701;
    a.run();
    int seen = 0;
    a.rings->drain(8, [&](PuntClass, const PuntMessage& message) {
        ++seen;
        CHECK(message.path.remote.port == 40'001);
        CHECK(message.path.local.port == 1701);
        CHECK(message.path.remote.address == a.path.remote.address);
    });
    CHECK(seen == 1);
}

TEST_CASE("a control message that control has put between the frames passes as it is, ahead of them") {
    Sender a(table({tunnel_entry()}, {session_entry()}));
    a.frame_for(0, frame(60, 1));
    const Octets message = hex("c803 0014 00000001 0000 0000 8008 0000 0000 0006");
    PacketMeta& meta = a.add(message).meta;
    meta.control = true;
    meta.tunnel = TunnelIndex{0};
    meta.next_header = kIpProtocolUdp;
    meta.traffic_class = 48 << 2;
    a.run();
    REQUIRE(a.batch.size() == 2);
    CHECK(copy(a.batch[0].data()) == message);
    CHECK(a.batch[0].meta.next_header == kIpProtocolUdp);
    CHECK(a.batch[0].meta.traffic_class == 48 << 2);
}

TEST_CASE("a congestion mark of the outer header that the frame cannot carry is a drop of its own") {
    Receiver a(table({tunnel_entry()}, {session_entry()}));
    a.arrive(hex("00030000 a1b2c3d4") + frame()).meta.traffic_class = 3;
    a.run();
    CHECK(a.batch.empty());
    CHECK(a.drops(DropReason::ecn_congestion) == 1);
}

TEST_CASE("many tunnels and sessions share one batch") {
    std::vector<TunnelEntry> tunnels;
    std::vector<SessionEntry> sessions;
    for (std::uint16_t i = 0; i < 50; ++i) {
        tunnels.push_back(tunnel_entry(i % 2 == 0 ? Encapsulation::udp : Encapsulation::ip, i));
        tunnels.back().options.remote = IpAddress::v4({10, 0, 0, static_cast<std::uint8_t>(i)});
        for (std::uint32_t k = 0; k < 4; ++k) sessions.push_back(session_entry(i * 4U + k, i));
    }
    const auto t = table(tunnels, sessions);
    Sender a(t);
    for (std::uint32_t i = 0; i < 200; ++i) a.frame_for(i, frame(60, static_cast<std::uint8_t>(i)));
    a.run();
    REQUIRE(a.batch.size() == 200);
    for (std::uint32_t i = 0; i < 200; ++i) {
        CHECK(raw(a.batch[i].meta.tunnel) == i / 4);
        const std::size_t at = tunnels[i / 4].options.encapsulation == Encapsulation::udp ? 4 : 0;
        CHECK(load_be32(a.batch[i].data().data() + at) == 0x51627384 + i);
    }
}

TEST_CASE("encapsulating and decapsulating allocate nothing") {
    auto s = sequenced();
    s.options.receive_sequencing = ReceiveSequencing::ignore;
    const auto t = table({tunnel_entry()}, {s});
    Sender a(t);
    Receiver b(t);
    const isthmus::test::AllocationCount count;
    for (int round = 0; round < 10; ++round) {
        for (int i = 0; i < 64; ++i) {
            auto p = a.pool.allocate(64);
            std::memset(p->append(100).data(), 0, 100);
            p->meta.session = SessionIndex{0};
            a.batch.push(std::move(*p));
        }
        a.run();
        for (PacketBuffer& p : a.batch) {
            store_be32(p.data().data() + 4, 0xa1b2c3d4);
            p.meta.path = &b.path;
            p.meta.tunnel = kNoTunnel;
            b.batch.push(std::move(p));
        }
        a.batch.clear();
        b.run();
        if (b.batch.size() != 64) FAIL("lost packets");
        b.batch.clear();
    }
    CHECK(count.so_far() == 0);
}
