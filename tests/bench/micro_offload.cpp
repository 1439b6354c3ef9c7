// What segmenting and coalescing cost: nanoseconds per segment, beside the memcpy that no way of doing it can avoid.
// Build with the target micro_offload, in release; run on a quiet core.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include "base/checksum.h"
#include "tests/support/frame_builder.h"
#include "tunnel/offload/coalescer.h"
#include "tunnel/offload/mss_clamp.h"
#include "tunnel/offload/segmenter.h"

using namespace isthmus;
using namespace isthmus::test;
using namespace isthmus::tunnel;

namespace {

constexpr int kRounds = 15;
constexpr int kRunsPerRound = 200;

/// Median over rounds of the time of one run, in nanoseconds, less that of `without`.
double measure(const std::function<void()>& run) {
    std::vector<double> rounds;
    for (int i = 0; i < kRounds; ++i) {
        const auto start = std::chrono::steady_clock::now();
        for (int k = 0; k < kRunsPerRound; ++k) run();
        const auto took = std::chrono::steady_clock::now() - start;
        rounds.push_back(std::chrono::duration<double, std::nano>(took).count() / kRunsPerRound);
    }
    std::sort(rounds.begin(), rounds.end());
    return rounds[rounds.size() / 2];
}

void report(const char* what, double nanoseconds, std::size_t segments, std::size_t bytes) {
    std::printf("%-58s %8.0f ns %7.1f ns/segment %6.1f GB/s\n", what, nanoseconds,
                nanoseconds / static_cast<double>(segments), static_cast<double>(bytes) / nanoseconds);
}

class NullSink final : public FrameSink {
  public:
    void on_frame(const GatheredFrame& frame) noexcept override { writes += frame.pieces.size(); }
    std::size_t writes = 0;
};

FrameSpec big_tcp(bool v6) {
    FrameSpec spec;
    spec.v6 = v6;
    spec.partial_checksum = true;
    spec.tcp_options = {1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8};
    spec.payload = pattern(1448 * 44);
    return spec;
}

/// As the kernel's read leaves it: the frame's bytes put into the packet anew each time, for segmenting zeroes fields.
void segmenting(const char* what, const FrameSpec& spec, std::size_t size) {
    PacketPool large(70'000, 1);
    PacketPool slots(2048, 64);
    Segmenter segmenter(slots, 128, 64);
    const auto frame = build(spec);
    const auto offload = offload_for(spec, size);
    const Frame header(frame.begin(), frame.begin() + offload.header_size);
    auto source = large.allocate(128);
    const auto bytes = source->append(frame.size());
    std::copy(frame.begin(), frame.end(), bytes.begin());
    const std::size_t segments = (spec.payload.size() + size - 1) / size;
    const double took = measure([&] {
        std::copy(header.begin(), header.end(), bytes.begin());
        auto packet = source->share(0, source->size());
        packet.meta.offload = offload;
        if (segmenter.start(std::move(packet)) != DropReason::none) std::abort();
        PacketBatch batch;
        while (segmenter.busy()) {
            segmenter.fill(batch);
            batch.clear();
        }
    });
    report(what, took, segments, frame.size());
}

void coalescing(const char* what, FrameSpec spec, std::size_t size, std::size_t flows) {
    PacketPool large(70'000, 1);
    PacketPool slots(2048, 1024);
    std::vector<std::vector<Frame>> runs;
    for (std::size_t i = 0; i < flows; ++i) {
        spec.host = static_cast<std::uint8_t>(i + 1);
        const auto frame = build(spec);
        runs.push_back(plain_segments(frame, offload_for(spec, size)));
    }
    std::vector<PacketBuffer> originals;
    for (std::size_t n = 0; n < runs[0].size(); ++n) {
        for (const auto& run : runs) originals.push_back(packet_of(slots, run[n]));
    }
    std::vector<Frame> headers;
    for (const auto& run : runs) headers.push_back(run[0]);
    Coalescer coalescer({true, true, true, true});
    NullSink sink;
    std::size_t bytes = 0;
    for (const auto& packet : originals) bytes += packet.size();
    const double took = measure([&] {
        // Merging writes into the first frames' headers.
        for (std::size_t i = 0; i < flows; ++i)
            std::copy_n(headers[i].begin(), 100, originals[i].data().begin());
        for (auto& packet : originals) coalescer.add(packet.share(0, packet.size()), sink);
        coalescer.flush(sink);
    });
    report(what, took, originals.size(), bytes);
    std::printf("%-58s %8.2f frames per write\n", "",
                static_cast<double>(coalescer.frames_in().read()) /
                    static_cast<double>(coalescer.frames_out().read()));
}

void copying() {
    const Frame from = pattern(1448 * 44);
    Frame to(from.size());
    volatile std::uint16_t keep = 0;
    report("memcpy of 64 KiB at once", measure([&] {
               std::memcpy(to.data(), from.data(), from.size());
               keep = to[1];
           }),
           44, from.size());
    const auto by_segment = [&](auto&& f) {
        return measure([&] {
            for (std::size_t at = 0; at < from.size(); at += 1448) f(at);
            keep = to[1];
        });
    };
    const auto in = [&](std::size_t at) { return Bytes(from).subspan(at, 1448); };
    const auto out = [&](std::size_t at) { return MutableBytes(to).subspan(at, 1448); };
    report("memcpy of 1,448 bytes",
           by_segment([&](std::size_t at) { std::memcpy(to.data() + at, from.data() + at, 1448); }), 44,
           from.size());
    report("ones_complement_sum", by_segment([&](std::size_t at) { keep = ones_complement_sum(in(at)); }), 44,
           from.size());
    report("copy_and_sum", by_segment([&](std::size_t at) { keep = copy_and_sum(out(at), in(at)); }), 44,
           from.size());
    report("memcpy, then ones_complement_sum", by_segment([&](std::size_t at) {
               std::memcpy(to.data() + at, from.data() + at, 1448);
               keep = ones_complement_sum(Bytes(to).subspan(at, 1448));
           }),
           44, from.size());
}

}  // namespace

int main() {
    copying();
    segmenting("segment 64 KiB of TCP over IPv4 into 1,448", big_tcp(false), 1448);
    segmenting("segment 64 KiB of TCP over IPv6 into 1,428", big_tcp(true), 1428);
    segmenting("segment 64 KiB of TCP over IPv4 into 536", big_tcp(false), 536);
    FrameSpec udp = big_tcp(false);
    udp.protocol = 17;
    udp.tcp_options.clear();
    segmenting("segment 64 KiB of UDP over IPv4 into 1,472", udp, 1472);
    coalescing("merge TCP of 1,448 bytes, one flow", big_tcp(false), 1448, 1);
    coalescing("merge TCP of 1,428 bytes over IPv6, one flow", big_tcp(true), 1428, 1);
    coalescing("merge TCP of 1,448 bytes, eight flows", big_tcp(false), 1448, 8);
    udp.payload.resize(18 * 64);
    coalescing("merge UDP of 18 bytes, one flow", udp, 18, 1);
    FrameSpec single = udp;
    single.payload = pattern(18);
    coalescing("64 flows of one frame of 18 bytes each", single, 18, 64);

    PacketPool slots(2048, 64);
    MssClampStage stage;
    stage.set_limits(std::make_shared<const MssClampStage::Table>(MssClampStage::Table{{1360, 1340}}));
    PacketBatch batch;
    for (int i = 0; i < 64; ++i) batch.push(packet_of(slots, build(single))).meta.session = SessionIndex{0};
    report("MSS clamp stage over frames that are none of its business",
           measure([&] { stage.process(batch, {}); }), 64, 64 * 60);
    batch.clear();
    return 0;
}
