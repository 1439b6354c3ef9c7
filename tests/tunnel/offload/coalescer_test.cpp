#include "tunnel/offload/coalescer.h"

#include <doctest/doctest.h>

#include <functional>

#include "tests/tunnel/offload/undoing_sink.h"

using namespace isthmus;
using namespace isthmus::tunnel;
using namespace isthmus::test;
using namespace isthmus::tunnel::test;

namespace {

constexpr CoalesceOptions kAll{true, true, true, true};

struct Bench {
    explicit Bench(CoalesceOptions options = kAll) : coalescer(options) {}
    PacketPool pool{2048, 1024};
    Coalescer coalescer;
    UndoingSink sink;

    void add(const Frame& frame, SessionIndex session = SessionIndex{0}) {
        auto packet = packet_of(pool, frame);
        packet.meta.session = session;
        coalescer.add(std::move(packet), sink);
        in.push_back(frame);
    }
    void flush() {
        coalescer.flush(sink);
        CHECK_FALSE(coalescer.holds_frames());
        CHECK(pool.available() == pool.count());
        CHECK(sink.sound);
        CHECK(compare_flows(in, sink.frames) == "");
    }
    std::vector<Frame> in;
};

/// The n-th segment of a run.
FrameSpec segment(FrameSpec base, std::uint32_t n, std::size_t size = 100) {
    base.sequence += n * static_cast<std::uint32_t>(size);
    base.identification = static_cast<std::uint16_t>(base.identification + n);
    base.payload = pattern(size, n + 1);
    return base;
}

FrameSpec udp() {
    FrameSpec spec;
    spec.protocol = 17;
    return spec;
}

}  // namespace

TEST_CASE("known segments become a known frame with an offload") {
    Bench bench;
    FrameSpec base;
    base.flags = 0x90;
    base.tags = {0x8100'600a};
    auto first = segment(base, 0, 16);
    auto second = segment(base, 1, 16);
    auto third = segment(base, 2, 16);
    second.flags = 0x10;
    third.flags = 0x19;
    third.payload.resize(8);
    for (const auto& s : {first, second, third}) bench.add(build(s));
    CHECK(bench.sink.writes.size() == 1);
    bench.flush();
    REQUIRE(bench.sink.writes.size() == 1);

    FrameSpec whole = base;
    whole.flags = 0x99;
    whole.partial_checksum = true;
    whole.payload = first.payload;
    append(whole.payload, second.payload);
    append(whole.payload, third.payload);
    const auto& write = bench.sink.writes[0];
    CHECK(to_hex(write.whole) == to_hex(build(whole)));
    CHECK(write.pieces == 3);
    CHECK(write.offload.kind == Offload::Kind::tcp4);
    CHECK(write.offload.ecn);
    CHECK(write.offload.needs_checksum);
    CHECK(write.offload.segment_size == 16);
    CHECK(write.offload.header_size == 58);
    CHECK(write.offload.checksum_start == 38);
    CHECK(write.offload.checksum_offset == 16);
}

TEST_CASE("runs of every kind are merged") {
    FrameSpec base;
    SUBCASE("TCP over IPv4") {}
    SUBCASE("TCP over IPv4 with timestamps") {
        base.tcp_options = {1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8};
    }
    SUBCASE("TCP over IPv6 behind two tags") {
        base.v6 = true;
        base.tags = {0x88a8'0005, 0x8100'0006};
    }
    SUBCASE("TCP with a wrapping sequence number and identification") {
        base.sequence = 0xffff'ff00;
        base.identification = 0xfffe;
    }
    SUBCASE("TCP with congestion experienced on every packet") {
        base.traffic_class = 3;
    }
    SUBCASE("UDP over IPv4") {
        base = udp();
    }
    SUBCASE("UDP over IPv6") {
        base = udp();
        base.v6 = true;
    }
    SUBCASE("IPv4 without DF") {
        base.fragment_bits = 0;
    }
    Bench bench;
    for (std::uint32_t n = 0; n < 10; ++n) bench.add(build(segment(base, n)));
    bench.flush();
    REQUIRE(bench.sink.writes.size() == 1);
    CHECK(bench.sink.writes[0].packets == 10);
}

TEST_CASE("frames that differ are never merged, and leave unchanged in order") {
    struct Difference {
        const char* what;
        std::function<void(FrameSpec&)> change;
    };
    const std::vector<Difference> both = {
        {"destination MAC", [](FrameSpec& s) { s.mac_end = 9; }},
        {"a tag", [](FrameSpec& s) { s.tags = {0x8100'0064}; }},
        {"DSCP", [](FrameSpec& s) { s.traffic_class = 0x28; }},
        {"ECN", [](FrameSpec& s) { s.traffic_class = 3; }},
        {"TTL", [](FrameSpec& s) { s.ttl = 63; }},
        {"bytes behind the packet",
         [](FrameSpec& s) {
             s.trailer = {0, 0};
         }},
    };
    const std::vector<Difference> v4 = {
        {"identification ahead", [](FrameSpec& s) { s.identification++; }},
        {"identification the same", [](FrameSpec& s) { s.identification--; }},
        {"DF", [](FrameSpec& s) { s.fragment_bits = 0; }},
        {"reserved fragment bit", [](FrameSpec& s) { s.fragment_bits = 0xc000; }},
        {"more fragments", [](FrameSpec& s) { s.fragment_bits = 0x2000; }},
        {"fragment offset", [](FrameSpec& s) { s.fragment_bits = 0x0005; }},
        {"IP options",
         [](FrameSpec& s) {
             s.ip_options = {1, 1, 1, 1};
         }},
    };
    const std::vector<Difference> v6 = {
        {"flow label", [](FrameSpec& s) { s.flow_label++; }},
        {"extension header",
         [](FrameSpec& s) {
             s.first_extension = 60;
             s.ip_options = {s.protocol, 0, 1, 4, 0, 0, 0, 0};
         }},
        {"fragment header",
         [](FrameSpec& s) {
             s.first_extension = 44;
             s.ip_options = {s.protocol, 0, 0, 1, 0, 0, 0, 9};
         }},
    };
    const std::vector<Difference> tcp = {
        {"sequence gap", [](FrameSpec& s) { s.sequence++; }},
        {"sequence repeated", [](FrameSpec& s) { s.sequence -= 100; }},
        {"acknowledgment", [](FrameSpec& s) { s.acknowledgment++; }},
        {"window", [](FrameSpec& s) { s.window++; }},
        {"urgent pointer", [](FrameSpec& s) { s.urgent = 1; }},
        {"timestamps", [](FrameSpec& s) { s.tcp_options[11] ^= 1; }},
        {"options' size",
         [](FrameSpec& s) {
             append(s.tcp_options, {1, 1, 1, 1});
         }},
        {"ECE", [](FrameSpec& s) { s.flags |= 0x40; }},
        {"CWR on the second", [](FrameSpec& s) { s.flags |= 0x80; }},
        {"URG", [](FrameSpec& s) { s.flags |= 0x20; }},
        {"SYN", [](FrameSpec& s) { s.flags |= 0x02; }},
        {"RST", [](FrameSpec& s) { s.flags |= 0x04; }},
        {"no ACK", [](FrameSpec& s) { s.flags = 0; }},
        {"no data", [](FrameSpec& s) { s.payload.clear(); }},
        {"larger", [](FrameSpec& s) { s.payload = pattern(101); }},
        {"tiny", [](FrameSpec& s) { s.payload = pattern(7); }},
    };
    const std::vector<Difference> udp_only = {
        {"no checksum", [](FrameSpec& s) { s.udp_no_checksum = true; }},
        {"larger", [](FrameSpec& s) { s.payload = pattern(101); }},
        {"empty", [](FrameSpec& s) { s.payload.clear(); }},
    };
    for (const bool is_v6 : {false, true}) {
        for (const bool is_udp : {false, true}) {
            FrameSpec base;
            base.v6 = is_v6;
            if (is_udp) {
                base.protocol = 17;
            } else {
                base.tcp_options = {1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8};
            }
            auto differences = both;
            const auto& by_version = is_v6 ? v6 : v4;
            const auto& by_protocol = is_udp ? udp_only : tcp;
            differences.insert(differences.end(), by_version.begin(), by_version.end());
            differences.insert(differences.end(), by_protocol.begin(), by_protocol.end());
            for (const auto& difference : differences) {
                CAPTURE(difference.what);
                CAPTURE(is_v6);
                CAPTURE(is_udp);
                auto second = segment(base, 1);
                difference.change(second);
                for (const bool third : {false, true}) {
                    Bench bench;
                    bench.add(build(segment(base, 0)));
                    bench.add(build(second));
                    // Then also with one that would have followed.
                    if (third) bench.add(build(segment(base, 2)));
                    bench.flush();
                    CHECK(bench.sink.writes[0].packets == 1);
                    CHECK(bench.sink.frames[0] == bench.in[0]);
                }
            }
        }
    }
}

TEST_CASE("a bad checksum is never merged and stays bad") {
    for (const std::size_t at : {25UL, 51UL, 80UL}) {  // in the IP header's, the TCP header's, the payload
        for (const std::uint32_t bad : {0U, 1U, 2U}) {
            Bench bench;
            for (std::uint32_t n = 0; n < 3; ++n) {
                auto frame = build(segment({}, n));
                if (n == bad) frame[at] ^= 0x10;
                bench.add(frame);
            }
            bench.flush();
            std::size_t merged = 0;
            for (const auto& write : bench.sink.writes) merged = std::max(merged, write.packets);
            CHECK(merged == (bad == 1 ? 1 : 2));
            CHECK(bench.sink.frames.size() == 3);
        }
    }
}

TEST_CASE("the other form of a zero checksum is not merged, as segmenting would not make it again") {
    Bench bench;
    FrameSpec spec = segment({}, 1);
    // Two payload bytes are chosen so that the checksum comes out as zero.
    spec.payload[0] = spec.payload[1] = 0;
    auto frame = build(spec);
    const auto checksum = at16(frame, 50);
    set16(frame, 54, checksum);
    set16(frame, 50, 0xffff);
    bench.add(build(segment({}, 0)));
    bench.add(frame);
    bench.flush();
    CHECK(bench.sink.writes.size() == 2);

    set16(frame, 50, 0);
    Bench canonical;
    canonical.add(build(segment({}, 0)));
    canonical.add(frame);
    canonical.flush();
    CHECK(canonical.sink.writes.size() == 1);
}

TEST_CASE("the other form of a zero IPv4 header checksum is not merged either") {
    FrameSpec base;
    while (at16(build(segment(base, 1)), 24) != 0) ++base.identification;
    auto frame = build(segment(base, 1));
    for (const bool canonical : {true, false}) {
        set16(frame, 24, canonical ? 0 : 0xffff);
        Bench bench;
        bench.add(build(segment(base, 0)));
        bench.add(frame);
        bench.flush();
        CHECK(bench.sink.writes.size() == (canonical ? 1 : 2));
    }
}

TEST_CASE("packets with the reserved fragment bit are not merged even among themselves") {
    Bench bench;
    FrameSpec base;
    base.fragment_bits = 0xc000;
    for (std::uint32_t n = 0; n < 3; ++n) bench.add(build(segment(base, n)));
    bench.flush();
    CHECK(bench.sink.writes.size() == 3);
}

TEST_CASE("flows that interleave are each merged, and none changes order") {
    Bench bench;
    for (std::uint32_t n = 0; n < 12; ++n) {
        for (std::uint8_t host = 1; host <= 20; ++host) {
            FrameSpec base = host % 3 == 0 ? udp() : FrameSpec{};
            base.host = host;
            base.v6 = host % 2 == 0;
            bench.add(build(segment(base, n)));
        }
    }
    bench.flush();
    CHECK(bench.sink.writes.size() == 20);
}

TEST_CASE("the same packets in two sessions are two flows") {
    Bench bench;
    for (std::uint32_t n = 0; n < 5; ++n) {
        for (const auto session : {SessionIndex{1}, SessionIndex{2}}) {
            auto packet = packet_of(bench.pool, build(segment({}, n)));
            packet.meta.session = session;
            bench.coalescer.add(std::move(packet), bench.sink);
        }
    }
    bench.coalescer.flush(bench.sink);
    REQUIRE(bench.sink.writes.size() == 2);
    CHECK(bench.sink.writes[0].session == SessionIndex{1});
    CHECK(bench.sink.writes[1].session == SessionIndex{2});
}

TEST_CASE("runs end at 64 KiB, and at 64 datagrams") {
    Bench tcp;
    for (std::uint32_t n = 0; n < 100; ++n) tcp.add(build(segment({}, n, 1448)));
    tcp.flush();
    REQUIRE(tcp.sink.writes.size() == 3);
    CHECK(tcp.sink.writes[0].packets == 45);
    CHECK(tcp.sink.writes[0].whole.size() <= 65535);

    Bench datagrams;
    for (std::uint32_t n = 0; n < 100; ++n) datagrams.add(build(segment(udp(), n, 18)));
    datagrams.flush();
    REQUIRE(datagrams.sink.writes.size() == 2);
    CHECK(datagrams.sink.writes[0].packets == 64);
}

TEST_CASE("more flows and more frames than there is room for are flushed, not lost") {
    Bench bench;
    for (std::uint32_t n = 0; n < 5; ++n) {
        for (std::uint32_t port = 0; port < 150; ++port) {
            FrameSpec base;
            base.source_port = static_cast<std::uint16_t>(1000 + port);
            bench.add(build(segment(base, n)));
        }
    }
    bench.flush();

    Bench many;
    for (std::uint32_t n = 0; n < 40; ++n) {
        for (std::uint32_t port = 0; port < 20; ++port) {
            FrameSpec base;
            base.source_port = static_cast<std::uint16_t>(1000 + port);
            many.add(build(segment(base, n)));
        }
    }
    many.flush();
    CHECK(many.sink.writes.size() < 60);
}

TEST_CASE("what may not be merged passes at once") {
    Bench bench({true, true, false, false});
    bench.add(build(segment(udp(), 0)));
    bench.add(build(segment(udp(), 1)));
    Frame arp = build({});
    set16(arp, 12, 0x0806);
    bench.add(arp);
    FrameSpec icmp;
    icmp.protocol = 1;
    icmp.payload = pattern(64);
    bench.add(build(icmp));
    bench.add(Frame(14, 0));
    CHECK(bench.sink.writes.size() == 5);
    bench.flush();
}

TEST_CASE("a frame that comes with an offload keeps it") {
    Bench bench;
    FrameSpec spec;
    spec.partial_checksum = true;
    spec.payload = pattern(100);
    auto offload = offload_for(spec, 50);
    bench.add(build(segment({}, 0)));
    bench.coalescer.add(packet_of(bench.pool, build(spec), offload), bench.sink);
    REQUIRE(bench.sink.writes.size() == 2);
    CHECK(bench.sink.writes[1].offload.segment_size == 50);
    CHECK(bench.sink.writes[1].whole == build(spec));
}

TEST_CASE("frames cut short anywhere pass unchanged") {
    for (const bool v6 : {false, true}) {
        FrameSpec base;
        base.v6 = v6;
        base.tags = {0x88a8'0005, 0x8100'0006};
        base.tcp_options = {1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8};
        const auto whole = build(segment(base, 1, 20));
        for (std::size_t size = 0; size < whole.size(); ++size) {
            Bench bench;
            bench.add(build(segment(base, 0, 20)));
            bench.add(Frame(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)));
            bench.flush();
            CHECK(bench.sink.writes.size() == 2);
        }
    }
}

TEST_CASE("the counters say how many frames became how many") {
    Bench bench;
    for (std::uint32_t n = 0; n < 10; ++n) bench.add(build(segment({}, n)));
    bench.flush();
    CHECK(bench.coalescer.frames_in().read() == 10);
    CHECK(bench.coalescer.frames_out().read() == 1);
}
