#include "tunnel/offload/mss_clamp.h"

#include <doctest/doctest.h>

#include "tests/support/frame_builder.h"

using namespace isthmus;
using namespace isthmus::tunnel;
using namespace isthmus::test;

namespace {

constexpr MssLimits kLimits{1360, 1340};

FrameSpec syn(std::uint16_t mss) {
    FrameSpec spec;
    spec.flags = 0x02;
    spec.tcp_options = {2, 4, static_cast<std::uint8_t>(mss >> 8), static_cast<std::uint8_t>(mss), 4, 2,
                        1, 1};
    return spec;
}

}  // namespace

TEST_CASE("the limits follow from the MTU and the headers") {
    CHECK(MssLimits::for_mtu(1400) == MssLimits{1360, 1340});
    CHECK(MssLimits::for_mtu(40) == MssLimits{0, 0});
    CHECK(MssLimits::for_mtu(9000) == MssLimits{8960, 8940});
    CHECK(MssLimits::for_mtu(100'000) == MssLimits{65535, 65535});
}

TEST_CASE("SYN and SYN-ACK are lowered to the limit of their IP version, with a good checksum") {
    for (const bool v6 : {false, true}) {
        for (const std::uint8_t flags : {std::uint8_t{0x02}, std::uint8_t{0x12}, std::uint8_t{0xc2}}) {
            for (const auto& tags :
                 {std::vector<std::uint32_t>{}, {0x8100'0064}, {0x88a8'0064, 0x8100'6065}}) {
                auto before = syn(1460);
                before.v6 = v6;
                before.flags = flags;
                before.tags = tags;
                auto after = before;
                const std::uint16_t limit = v6 ? kLimits.tcp6 : kLimits.tcp4;
                after.tcp_options[2] = static_cast<std::uint8_t>(limit >> 8);
                after.tcp_options[3] = static_cast<std::uint8_t>(limit);
                auto frame = build(before);
                CHECK(clamp_mss(frame, {}, kLimits));
                CHECK(frame == build(after));
            }
        }
    }
}

TEST_CASE("an option at an odd offset is lowered too") {
    auto before = syn(1460);
    before.tcp_options = {1, 2, 4, 0x05, 0xb4, 1, 1, 0};
    auto after = before;
    after.tcp_options = {1, 2, 4, 0x05, 0x50, 1, 1, 0};
    auto frame = build(before);
    CHECK(clamp_mss(frame, {}, kLimits));
    CHECK(frame == build(after));
}

TEST_CASE("the checksum stays good for every value and limit") {
    for (std::uint32_t mss = 1; mss < 65536; mss += 97) {
        for (const std::uint16_t limit :
             {std::uint16_t{1}, std::uint16_t{536}, std::uint16_t{1360}, std::uint16_t{65534}}) {
            auto after = syn(std::min(limit, static_cast<std::uint16_t>(mss)));
            auto frame = build(syn(static_cast<std::uint16_t>(mss)));
            REQUIRE(clamp_mss(frame, {}, {limit, limit}) == (mss > limit));
            REQUIRE(frame == build(after));
        }
    }
}

TEST_CASE("a bad checksum stays bad by as much") {
    auto frame = build(syn(1460));
    auto expected = build(syn(1360));
    set16(frame, 50, at16(frame, 50) - 3U);
    set16(expected, 50, at16(expected, 50) - 3U);
    CHECK(clamp_mss(frame, {}, kLimits));
    CHECK(frame == expected);
}

TEST_CASE("a checksum that is still to be completed does not cover the option and is left alone") {
    auto before = syn(1460);
    before.partial_checksum = true;
    auto after = syn(1360);
    auto offload = offload_for(before, 0);
    offload.kind = Offload::Kind::none;
    auto frame = build(before);
    CHECK(clamp_mss(frame, offload, kLimits));
    CHECK(plain_segments(frame, offload) == std::vector<Frame>{build(after)});
}

TEST_CASE("what needs no clamping is left alone") {
    const auto unchanged = [](const FrameSpec& spec, MssLimits limits = kLimits) {
        auto frame = build(spec);
        CHECK_FALSE(clamp_mss(frame, {}, limits));
        CHECK(frame == build(spec));
    };
    unchanged(syn(1360));
    unchanged(syn(536));
    unchanged(syn(1460), {});
    auto spec = syn(1460);
    spec.flags = 0x10;
    unchanged(spec);
    spec = syn(1460);
    spec.tcp_options.clear();
    unchanged(spec);
    spec.tcp_options = {0, 2, 4, 0x05, 0xb4, 0, 0, 0};  // behind the end of the list
    unchanged(spec);
    spec.tcp_options = {2, 3, 0x05, 1};  // wrong size
    unchanged(spec);
    spec.tcp_options = {8, 0, 2, 4};  // an option of no size
    unchanged(spec);
    spec.tcp_options = {1, 1, 2, 4};  // runs past the header
    spec.payload = {0x05, 0xb4};
    unchanged(spec);
    spec.tcp_options = {1, 1, 1, 2};
    unchanged(spec);
    spec = syn(1460);
    spec.fragment_bits = 0x2000;
    unchanged(spec);
    spec = syn(1460);
    spec.protocol = 17;
    unchanged(spec);
}

TEST_CASE("frames cut short anywhere are left alone") {
    for (const bool v6 : {false, true}) {
        auto spec = syn(1460);
        spec.v6 = v6;
        spec.tags = {0x88a8'0005, 0x8100'0006};
        const auto whole = build(spec);
        for (std::size_t size = 0; size < whole.size(); ++size) {
            const Frame before(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
            auto frame = before;
            CHECK_FALSE(clamp_mss(frame, {}, kLimits));
            CHECK(frame == before);
        }
    }
}

TEST_CASE("the stage clamps by session and counts") {
    PacketPool pool(2048, 8);
    MssClampStage stage;
    PacketBatch batch;
    for (const auto session : {SessionIndex{0}, SessionIndex{1}, SessionIndex{2}, kNoSession}) {
        auto packet = packet_of(pool, build(syn(1460)));
        packet.meta.session = session;
        batch.push(std::move(packet));
    }
    stage.process(batch, TimePoint{});
    CHECK(stage.clamped().read() == 0);
    stage.set_limits(std::make_shared<const MssClampStage::Table>(MssClampStage::Table{{}, {1360, 1340}}));
    stage.process(batch, TimePoint{});
    CHECK(stage.clamped().read() == 1);
    CHECK(bytes_of(batch[0]) == build(syn(1460)));
    CHECK(bytes_of(batch[1]) == build(syn(1360)));
    CHECK(bytes_of(batch[2]) == build(syn(1460)));
    CHECK(bytes_of(batch[3]) == build(syn(1460)));
    CHECK(stage.overhead() == Overhead{});
    batch.clear();
}
