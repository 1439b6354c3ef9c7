#include "tunnel/offload/segmenter.h"

#include <doctest/doctest.h>

#include "base/vnet_header.h"
#include "tests/support/frame_builder.h"

using namespace isthmus;
using namespace isthmus::tunnel;
using namespace isthmus::test;

namespace {

struct Bench {
    PacketPool large{66000, 2};
    PacketPool slots{2048, 64};
    Segmenter segmenter{slots, 100, 40};

    std::vector<Frame> run(const Frame& frame, const Offload& offload) {
        std::vector<Frame> out;
        REQUIRE(segmenter.start(packet_of(large, frame, offload)) == DropReason::none);
        while (auto packet = segmenter.next()) out.push_back(bytes_of(*packet));
        CHECK_FALSE(segmenter.busy());
        return out;
    }
};

Frame hex(const char* text) {
    return *from_hex(text);
}

}  // namespace

TEST_CASE(
    "a TCP frame behind two tags becomes known segments: id and sequence wrap, CWR first, FIN and PSH last") {
    const auto big =
        hex("02005e10000102005e10010188a800648100600a080045000050ffff4000400625a70a0000010a0001019c400050ffff"
            "fff00000004d5099"
            "020015440000303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f5051525354555657");
    Offload offload;
    offload.kind = Offload::Kind::tcp4;
    offload.needs_checksum = true;
    offload.ecn = true;
    offload.segment_size = 16;
    offload.header_size = 62;
    offload.checksum_start = 42;
    offload.checksum_offset = 16;
    Bench bench;
    const auto out = bench.run(big, offload);
    REQUIRE(out.size() == 3);
    CHECK(to_hex(out[0]) ==
          "02005e10000102005e10010188a800648100600a080045000038ffff4000400625bf0a0000010a0001019c400050ffffff"
          "f00000004d5090"
          "020041b30000303132333435363738393a3b3c3d3e3f");
    CHECK(to_hex(out[1]) ==
          "02005e10000102005e10010188a800648100600a08004500003800004000400625bf0a0000010a0001019c400050000000"
          "000000004d5010"
          "0200c1a30000404142434445464748494a4b4c4d4e4f");
    CHECK(to_hex(out[2]) ==
          "02005e10000102005e10010188a800648100600a08004500003000014000400625c60a0000010a0001019c400050000000"
          "100000004d5019"
          "0200ae8300005051525354555657");
}

TEST_CASE("a UDP run over IPv6 becomes known datagrams of odd size") {
    const auto big =
        hex("02005e10000102005e10010186dd600123450030114020010db800000000000000000000000120010db8000000000000"
            "0000000001019c40"
            "005000305cb5303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f5051525354555657");
    FrameSpec spec;
    spec.v6 = true;
    spec.protocol = 17;
    Bench bench;
    const auto out = bench.run(big, offload_for(spec, 15));
    REQUIRE(out.size() == 3);
    CHECK(to_hex(out[0]) ==
          "02005e10000102005e10010186dd600123450017114020010db800000000000000000000000120010db800000000000000"
          "00000001019c40"
          "005000174d39303132333435363738393a3b3c3d3e");
    CHECK(to_hex(out[1]) ==
          "02005e10000102005e10010186dd600123450017114020010db800000000000000000000000120010db800000000000000"
          "00000001019c40"
          "00500017d4cf3f404142434445464748494a4b4c4d");
    CHECK(to_hex(out[2]) ==
          "02005e10000102005e10010186dd600123450012114020010db800000000000000000000000120010db800000000000000"
          "00000001019c40"
          "005000126b254e4f5051525354555657");
}

TEST_CASE("segments of every kind of frame are what a plain segmenter makes") {
    FrameSpec spec;
    spec.partial_checksum = true;
    spec.payload = pattern(5000);
    SUBCASE("TCP over IPv4 with timestamps") {
        spec.tcp_options = {1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8};
    }
    SUBCASE("TCP over IPv4 with IP options and one tag") {
        spec.ip_options = {7, 3, 4, 0};
        spec.tags = {0x8100'e00a};
    }
    SUBCASE("TCP over IPv6 with ECE, CWR, PSH and FIN") {
        spec.v6 = true;
        spec.flags = 0xd9;
    }
    SUBCASE("TCP over IPv6 with hop-by-hop and destination options") {
        spec.v6 = true;
        spec.first_extension = 0;
        spec.ip_options = {60, 0, 1, 4, 0, 0, 0, 0, 6, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    }
    SUBCASE("UDP over IPv4") {
        spec.protocol = 17;
    }
    SUBCASE("UDP over IPv6 behind two tags") {
        spec.protocol = 17;
        spec.v6 = true;
        spec.tags = {0x88a8'0005, 0x8100'0006};
    }
    SUBCASE("an urgent pointer and a wrapping sequence number") {
        spec.flags = 0x30;
        spec.urgent = 99;
        spec.sequence = 0xffff'f000;
    }
    Bench bench;
    const auto frame = build(spec);
    for (const std::size_t size : {8UL, 9UL, 536UL, 1448UL, 1449UL, 4999UL, 5000UL, 6000UL}) {
        if (size + places(spec).payload > 1900) continue;
        CHECK(bench.run(frame, offload_for(spec, size)) == plain_segments(frame, offload_for(spec, size)));
    }
}

TEST_CASE("a frame that is not segmented passes as it is, its checksum completed") {
    FrameSpec spec;
    spec.payload = pattern(333);
    Bench bench;
    CHECK(bench.run(build(spec), {}) == std::vector<Frame>{build(spec)});

    for (const std::uint8_t protocol : {std::uint8_t{6}, std::uint8_t{17}}) {
        FrameSpec partial = spec;
        partial.protocol = protocol;
        partial.partial_checksum = true;
        Offload offload = offload_for(partial, 0);
        offload.kind = Offload::Kind::none;
        partial.partial_checksum = false;
        FrameSpec input = partial;
        input.partial_checksum = true;
        CHECK(bench.run(build(input), offload) == std::vector<Frame>{build(partial)});
    }
}

TEST_CASE("a completed checksum of zero is sent as its other form") {
    PacketPool pool(256, 1);
    Offload offload;
    offload.needs_checksum = true;
    offload.checksum_start = 14;
    offload.checksum_offset = 2;
    Frame frame(18, 0);
    frame[14] = 0xff;
    frame[15] = 0xff;
    auto packet = packet_of(pool, frame, offload);
    REQUIRE(complete_checksum(packet) == DropReason::none);
    CHECK_FALSE(packet.meta.offload.needs_checksum);
    CHECK(load_be16(packet.data().data() + 16) == 0xffff);
}

TEST_CASE("a datagram whose checksum comes out as zero gets its other form, a TCP segment does not") {
    for (const std::uint8_t protocol : {std::uint8_t{17}, std::uint8_t{6}}) {
        FrameSpec spec;
        spec.protocol = protocol;
        spec.payload = pattern(200);
        spec.payload[0] = spec.payload[1] = 0;
        const std::size_t field = protocol == 17 ? 40 : 50;
        const auto offload = offload_for(spec, 100);
        spec.partial_checksum = true;
        const auto would_be = at16(plain_segments(build(spec), offload)[0], field);
        set16(spec.payload, 0, would_be);
        Bench bench;
        const auto out = bench.run(build(spec), offload);
        CHECK(at16(out[0], field) == (protocol == 17 ? 0xffff : 0));
    }
}

TEST_CASE("segments keep the frame's metadata but for its offload, and have their room") {
    FrameSpec spec;
    spec.partial_checksum = true;
    spec.payload = pattern(3000);
    Bench bench;
    auto packet = packet_of(bench.large, build(spec), offload_for(spec, 1000));
    packet.meta.session = SessionIndex{7};
    packet.meta.traffic_class = 0x28;
    REQUIRE(bench.segmenter.start(std::move(packet)) == DropReason::none);
    CHECK(bench.segmenter.remaining() == 3);
    PacketBatch batch;
    bench.segmenter.fill(batch);
    REQUIRE(batch.size() == 3);
    for (const auto& segment : batch) {
        CHECK(segment.meta.session == SessionIndex{7});
        CHECK(segment.meta.traffic_class == 0x28);
        CHECK(segment.meta.offload.kind == Offload::Kind::none);
        CHECK_FALSE(segment.meta.offload.needs_checksum);
        CHECK(segment.headroom() == 100);
        CHECK(segment.tailroom() >= 40);
    }
    CHECK(bench.large.available() == 2);
}

TEST_CASE("an empty pool pauses segmenting, and a full batch does") {
    FrameSpec spec;
    spec.partial_checksum = true;
    spec.payload = pattern(64000);
    PacketPool large(66000, 1);
    PacketPool slots(2048, 10);
    Segmenter segmenter(slots, 64, 64);
    REQUIRE(segmenter.start(packet_of(large, build(spec), offload_for(spec, 1000))) == DropReason::none);
    const auto expected = plain_segments(build(spec), offload_for(spec, 1000));
    std::vector<Frame> out;
    while (segmenter.busy()) {
        PacketBatch batch;
        segmenter.fill(batch);
        CHECK(batch.size() <= 10);
        for (const auto& segment : batch) out.push_back(bytes_of(segment));
        CHECK(segmenter.remaining() == expected.size() - out.size());
    }
    CHECK(out == expected);

    REQUIRE(segmenter.start(packet_of(large, build(spec), offload_for(spec, 1000))) == DropReason::none);
    CHECK(segmenter.next());
    segmenter.abandon();
    CHECK_FALSE(segmenter.busy());
    CHECK(large.available() == 1);
}

TEST_CASE("frames that do not match their offload, or would not fit, are refused") {
    Bench bench;
    FrameSpec spec;
    spec.partial_checksum = true;
    spec.payload = pattern(4000);
    const auto start = [&bench](const Frame& frame, const Offload& offload) {
        const auto drop = bench.segmenter.start(packet_of(bench.large, frame, offload));
        CHECK_FALSE(bench.segmenter.busy());
        return drop;
    };
    auto wrong = offload_for(spec, 1000);
    wrong.kind = Offload::Kind::tcp6;
    CHECK(start(build(spec), wrong) == DropReason::bad_offload_header);
    wrong.kind = Offload::Kind::udp;
    CHECK(start(build(spec), wrong) == DropReason::bad_offload_header);
    CHECK(start(build(spec), offload_for(spec, 0)) == DropReason::bad_offload_header);
    CHECK(start(build(spec), offload_for(spec, 1900)) == DropReason::exceeds_path_mtu);
    const auto frame = build(spec);
    for (std::size_t size = 0; size <= places(spec).payload; ++size) {
        const Frame cut(frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(size));
        CHECK(start(cut, offload_for(spec, 1000)) == DropReason::bad_offload_header);
    }
    auto outside = offload_for(spec, 0);
    outside.kind = Offload::Kind::none;
    outside.checksum_start = static_cast<std::uint16_t>(frame.size() - 17);
    CHECK(start(frame, outside) == DropReason::bad_offload_header);
    CHECK(bench.large.available() == 2);
}
