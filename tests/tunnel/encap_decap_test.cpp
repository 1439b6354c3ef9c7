#include "tests/tunnel/stages.h"

#include <doctest/doctest.h>

#include "tests/support/counting_allocator.h"

using namespace isthmus;
using namespace isthmus::tunnel;
using namespace isthmus::tunnel::test;

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
