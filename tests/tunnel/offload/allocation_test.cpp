#include <doctest/doctest.h>

#include "tests/support/counting_allocator.h"
#include "tests/support/frame_builder.h"
#include "tunnel/offload/coalescer.h"
#include "tunnel/offload/mss_clamp.h"
#include "tunnel/offload/segmenter.h"

using namespace isthmus;
using namespace isthmus::test;
using namespace isthmus::tunnel;

namespace {

class CountingSink final : public FrameSink {
  public:
    void on_frame(const GatheredFrame& frame) noexcept override {
        ++writes;
        packets += frame.packets;
    }
    std::size_t writes = 0;
    std::size_t packets = 0;
};

}  // namespace

TEST_CASE("no packet costs an allocation in segmenting, clamping or merging") {
    PacketPool large(70'000, 2);
    PacketPool slots(2048, 512);
    Segmenter segmenter(slots, 128, 64);
    MssClampStage clamp;
    clamp.set_limits(std::make_shared<const MssClampStage::Table>(MssClampStage::Table{{1000, 1000}}));
    Coalescer coalescer({true, true, true, true});
    CountingSink sink;
    PacketBatch batch;
    std::vector<std::pair<Frame, Offload>> host;
    for (const std::uint8_t protocol : {std::uint8_t{6}, std::uint8_t{17}, std::uint8_t{1}}) {
        for (const bool v6 : {false, true}) {
            FrameSpec spec;
            spec.v6 = v6;
            spec.protocol = protocol;
            spec.partial_checksum = protocol != 1;
            spec.payload = pattern(protocol == 1 ? 64 : 30'000);
            host.emplace_back(build(spec), protocol == 1 ? Offload{} : offload_for(spec, 1000));
        }
    }

    std::uint64_t allocations = 0;
    for (int round = 0; round < 50; ++round) {
        for (const auto& [bytes, offload] : host) {
            auto frame = packet_of(large, bytes, offload);
            frame.meta.session = SessionIndex{0};
            const AllocationCount count;
            REQUIRE(segmenter.start(std::move(frame)) == DropReason::none);
            segmenter.fill(batch);
            clamp.process(batch, {});
            coalescer.add(batch, sink);
            allocations += count.so_far();
        }
        const AllocationCount count;
        coalescer.flush(sink);
        allocations += count.so_far();
    }
    CHECK(allocations == 0);
    CHECK(sink.packets == 50 * (4 * 30 + 2));
    CHECK(sink.writes == 50 * (4 + 2));
}
