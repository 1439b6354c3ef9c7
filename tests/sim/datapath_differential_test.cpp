// Random traffic of hosts through two gateways, from one TAP's frames to the other's: admission, MSS clamp, segmenting, L2TP, ESP,
// a link, and all of it back, merged. What leaves on the far side, after undoing what was merged, is what a plain
// one-frame-at-a-time reference makes of the same traffic: the same bytes, in the same order within each flow.
#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "tests/sim/gateway_pipelines.h"
#include "tests/support/random_traffic.h"
#include "tests/tunnel/offload/undoing_sink.h"
#include "tunnel/offload/segmenter.h"

using namespace isthmus;
using namespace isthmus::test;
using isthmus::tunnel::test::compare_flows;
using isthmus::tunnel::test::UndoingSink;

namespace {

constexpr TimePoint kStart{std::chrono::seconds(1)};

struct Weather {
    std::uint32_t one_in = 0;  ///< packets that something happens to; 0: none
};

class Comparison {
  public:
    Comparison(const PairOptions& options, Weather weather, std::uint64_t seed)
        : weather_(weather),
          dice_(seed),
          hosts_(seed),
          a_(options, 0),
          b_(options, 1),
          limits_(options.mss),
          segmenter_(slots_, a_.overhead().head, a_.overhead().tail) {}

    void run(std::size_t wanted) {
        while (frames < wanted) burst();
        CHECK(frames > 0);
    }

    std::size_t frames = 0;   ///< that went into the tunnel
    std::size_t refused = 0;  ///< that the guard kept out: runts and the like
    std::size_t writes = 0;   ///< to the far TAP
    std::size_t arrived = 0;
    [[nodiscard]] const GatewayPipelines& receiver() const { return b_; }

  private:
    void burst() {
        std::vector<Frame> sent;
        std::vector<Frame> packets;
        for (std::size_t most = 1 + dice_.roll(200); sent.size() < most;) from_host(sent, packets);
        frames += sent.size();
        deliver(sent, packets);
    }

    /// One frame of a host: the reference's frames to `sent`, the gateway's packets to `packets`, one for each.
    void from_host(std::vector<Frame>& sent, std::vector<Frame>& packets) {
        HostFrame host = hosts_.next();
        PacketBatch one;
        PacketBuffer frame = packet_of(large_, host.bytes, host.offload);
        frame.meta.session = kSession;
        frame.meta.tunnel = kTunnel;
        one.push(std::move(frame));
        a_.admit(one, kStart);
        if (one.empty()) {
            ++refused;
            return;
        }
        plain_clamp(host, limits_.tcp4, limits_.tcp6);
        auto expected = plain_segments(host.bytes, host.offload);
        REQUIRE(segmenter_.start(std::move(one[0])) == DropReason::none);
        one.clear();
        std::size_t n = 0;
        while (segmenter_.busy()) {
            PacketBatch batch;
            segmenter_.fill(batch);
            const std::size_t size = batch.size();
            a_.seal(batch, kStart);
            REQUIRE(batch.size() == size);
            for (const PacketBuffer& packet : batch) packets.push_back(bytes_of(packet));
            n += size;
        }
        REQUIRE(n == expected.size());
        std::move(expected.begin(), expected.end(), std::back_inserter(sent));
    }

    /// Loses, repeats and swaps packets; which of the frames each one is.
    std::vector<std::size_t> link(std::size_t count) {
        std::vector<std::size_t> order;
        for (std::size_t i = 0; i < count; ++i) {
            if (weather_.one_in == 0 || !dice_.one_in(weather_.one_in)) {
                order.push_back(i);
                continue;
            }
            switch (dice_.roll(3)) {
                case 0: break;
                case 1: order.insert(order.end(), 2, i); break;
                default:
                    order.push_back(i);
                    if (order.size() > 1) std::swap(order[order.size() - 1], order[order.size() - 2]);
                    break;
            }
        }
        return order;
    }

    void deliver(const std::vector<Frame>& sent, const std::vector<Frame>& packets) {
        const auto order = link(packets.size());
        std::vector<Frame> expected;
        std::set<std::size_t> seen;
        UndoingSink sink;
        PacketBatch batch;
        for (std::size_t i = 0; i < order.size(); ++i) {
            if (seen.insert(order[i]).second) expected.push_back(sent[order[i]]);
            batch.push(packet_of(received_, packets[order[i]]));
            if (batch.room() > 0 && i + 1 < order.size()) continue;
            b_.in(batch, kStart);
            coalescer_.add(batch, sink);
        }
        coalescer_.flush(sink);
        const auto wrong = compare_flows(expected, sink.frames);
        if (!sink.sound || !wrong.empty()) REQUIRE(wrong == "");
        writes += sink.writes.size();
        arrived += sink.frames.size();
    }

    Weather weather_;
    Dice dice_;
    Hosts hosts_;
    GatewayPipelines a_;
    GatewayPipelines b_;
    tunnel::MssLimits limits_;
    PacketPool large_{70'000, 1};
    PacketPool slots_{2048 + 512, 512};
    PacketPool received_{2048 + 512, 1024};
    tunnel::Segmenter segmenter_;
    tunnel::Coalescer coalescer_{{true, true, true, true}};
};

std::vector<PairOptions> pairs() {
    PairOptions udp;
    PairOptions ip;
    ip.encapsulation = tunnel::Encapsulation::ip;
    ip.mode = crypto::esp::Mode::tunnel;
    ip.suite = crypto::esp::Suite::chacha20_poly1305;
    PairOptions v6;
    v6.v6 = true;
    v6.suite = crypto::esp::Suite::aes128_cbc_hmac_sha256_128;
    PairOptions sequenced;
    sequenced.sequencing = true;
    sequenced.suite = crypto::esp::Suite::aes128_gcm16;
    udp.mss = ip.mss = v6.mss = sequenced.mss = tunnel::MssLimits::for_mtu(1396);
    return {udp, ip, v6, sequenced};
}

}  // namespace

TEST_CASE(
    "a million random frames cross two gateways as a plain reference has them, bit for bit and in order") {
    std::uint64_t seed = 20'240'607;
    std::size_t frames = 0;
    for (const PairOptions& options : pairs()) {
        Comparison comparison(options, {}, seed++);
        comparison.run(frames_wanted(250'000));
        CHECK(comparison.arrived == comparison.frames);
        CHECK(comparison.writes * 10 < comparison.frames * 9);
        CHECK(comparison.refused * 20 < comparison.frames);
        frames += comparison.frames;
    }
    MESSAGE(frames << " frames");
}

TEST_CASE("what random traffic loses, has twice and out of order on the link changes nothing else") {
    for (std::uint64_t seed = 1; seed <= 2; ++seed) {
        Comparison comparison({}, {20}, seed);
        comparison.run(frames_wanted(50'000));
        CHECK(comparison.arrived < comparison.frames);
        CHECK(comparison.receiver().dropped(DropReason::esp_replayed) > 0);
        CHECK(comparison.receiver().dropped(DropReason::esp_bad_icv) == 0);
    }
}
