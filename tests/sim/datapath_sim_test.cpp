// Both gateways' pipelines, joined by a link that loses, repeats, reorders and alters packets.
#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <random>

#include "tests/sim/gateway_pipelines.h"
#include "tests/support/counting_allocator.h"

using namespace isthmus;
using namespace isthmus::test;

namespace {

constexpr TimePoint kStart{std::chrono::seconds(1)};

/// Chances in percent, and how far a packet may fall behind.
struct Link {
    int lost = 0;
    int repeated = 0;
    int altered = 0;
    std::size_t reorder_depth = 0;
};

/// A unicast frame that carries its number, of a length that depends on it.
Frame numbered_frame(std::uint32_t number) {
    Frame frame{0x02, 0, 0, 0, 0, 2, 0x02, 0, 0, 0, 0, 1, 0x88, 0xb7};
    frame.resize(60 + number * 37 % 1400);
    store_be32(frame.data() + 14, number);
    for (std::size_t i = 18; i < frame.size(); ++i) frame[i] = static_cast<std::uint8_t>(number + i);
    return frame;
}

class Simulation {
  public:
    Simulation(const PairOptions& options, Link link, unsigned seed)
        : link_(link), random_(seed), a_(options, 0), b_(options, 1) {}

    void run(std::uint32_t frames) {
        for (std::uint32_t next = 0; next < frames;) {
            PacketBatch batch;
            for (int n = roll(1, 40); n > 0 && next < frames; --n)
                batch.push(a_.frame(pool_, numbered_frame(next++)));
            a_.out(batch, kStart);
            for (PacketBuffer& packet : batch) carry(packet.data());
            batch.clear();
            deliver(link_.reorder_depth);
        }
        deliver(0);
    }

    /// Frame numbers that arrived, in order; each arrived unharmed or the test has failed.
    [[nodiscard]] const std::vector<std::uint32_t>& arrived() const { return arrived_; }
    [[nodiscard]] const GatewayPipelines& receiver() const { return b_; }

  private:
    int roll(int low, int high) { return std::uniform_int_distribution<int>(low, high)(random_); }

    void carry(Bytes packet) {
        if (roll(0, 99) < link_.lost) return;
        const int copies = roll(0, 99) < link_.repeated ? 2 : 1;
        for (int n = 0; n < copies; ++n) {
            Frame copy(packet.begin(), packet.end());
            if (roll(0, 99) < link_.altered)
                copy[static_cast<std::size_t>(roll(0, static_cast<int>(copy.size()) - 1))] ^=
                    static_cast<std::uint8_t>(1 << roll(0, 7));
            in_flight_.push_back(std::move(copy));
        }
    }

    /// Delivers all but the last `keep` packets, in an order that is off by at most reorder_depth.
    void deliver(std::size_t keep) {
        while (in_flight_.size() > keep) {
            PacketBatch batch;
            while (in_flight_.size() > keep && batch.room() > 0) {
                const auto depth = std::min(link_.reorder_depth, in_flight_.size() - 1);
                const auto at = static_cast<std::size_t>(roll(0, static_cast<int>(depth)));
                PacketBuffer packet = pool_.allocate(0).value();
                const Frame& bytes = in_flight_[at];
                std::copy(bytes.begin(), bytes.end(), packet.append(bytes.size()).begin());
                batch.push(std::move(packet));
                in_flight_.erase(in_flight_.begin() + static_cast<std::ptrdiff_t>(at));
            }
            b_.in(batch, kStart);
            for (const PacketBuffer& packet : batch) note(packet.data());
        }
    }

    void note(Bytes frame) {
        REQUIRE(frame.size() >= 18);
        const std::uint32_t number = load_be32(frame.data() + 14);
        const Frame expected = numbered_frame(number);
        REQUIRE(std::equal(frame.begin(), frame.end(), expected.begin(), expected.end()));
        arrived_.push_back(number);
    }

    Link link_;
    std::mt19937 random_;
    PacketPool pool_{2048 + 512, 1024};
    GatewayPipelines a_;
    GatewayPipelines b_;
    std::vector<Frame> in_flight_;
    std::vector<std::uint32_t> arrived_;
};

std::vector<std::uint32_t> numbers(std::uint32_t count) {
    std::vector<std::uint32_t> all(count);
    for (std::uint32_t i = 0; i < count; ++i) all[i] = i;
    return all;
}

bool has_duplicates(std::vector<std::uint32_t> seen) {
    std::sort(seen.begin(), seen.end());
    return std::adjacent_find(seen.begin(), seen.end()) != seen.end();
}

std::vector<PairOptions> variants() {
    std::vector<PairOptions> all;
    for (const auto suite : crypto::esp::kAllSuites) {
        for (const auto encapsulation : {tunnel::Encapsulation::udp, tunnel::Encapsulation::ip}) {
            PairOptions o;
            o.suite = suite;
            o.encapsulation = encapsulation;
            o.v6 = all.size() % 2 == 1;
            o.mode = all.size() % 3 == 0 ? crypto::esp::Mode::tunnel : crypto::esp::Mode::transport;
            o.cookie_size = static_cast<std::uint8_t>(all.size() % 3 * 4);
            o.sequencing = all.size() % 4 >= 2;
            o.extended_sequence = all.size() % 5 != 0;
            all.push_back(o);
        }
    }
    return all;
}

}  // namespace

TEST_CASE(
    "over a clean link every frame arrives once, in order and unharmed, with every suite and encapsulation") {
    for (const PairOptions& options : variants()) {
        Simulation sim(options, {}, 1);
        sim.run(400);
        CHECK(sim.arrived() == numbers(400));
    }
}

TEST_CASE("over a bad link no frame arrives twice or harmed, and what was not lost arrives") {
    for (unsigned seed = 1; seed <= 10; ++seed) {
        Simulation sim({}, {10, 10, 5, 20}, seed);
        sim.run(2'000);
        CHECK_FALSE(has_duplicates(sim.arrived()));
        CHECK(sim.arrived().size() > 1'500);
        CHECK(sim.receiver().dropped(DropReason::esp_replayed) > 0);
        CHECK(sim.receiver().dropped(DropReason::esp_bad_icv) +
                  sim.receiver().dropped(DropReason::esp_unknown_spi) >
              0);
    }
}

TEST_CASE("reordering alone loses nothing inside the window") {
    Simulation sim({}, {0, 0, 0, 60}, 3);
    sim.run(5'000);
    CHECK_FALSE(has_duplicates(sim.arrived()));
    CHECK(sim.arrived().size() == 5'000);
}

TEST_CASE("a session that demands order delivers in order only, and picks up again after each loss") {
    PairOptions options;
    options.sequencing = true;
    Simulation lossy(options, {1, 0, 0, 0}, 4);
    lossy.run(4'000);
    CHECK(std::is_sorted(lossy.arrived().begin(), lossy.arrived().end()));
    CHECK(lossy.arrived().size() > 3'000);
    CHECK(lossy.receiver().dropped(DropReason::l2tp_out_of_sequence) > 0);

    Simulation reordering(options, {0, 0, 0, 3}, 4);
    reordering.run(2'000);
    CHECK(std::is_sorted(reordering.arrived().begin(), reordering.arrived().end()));
    CHECK(reordering.arrived().size() + reordering.receiver().dropped(DropReason::l2tp_out_of_sequence) ==
          2'000);
}

TEST_CASE("extended sequence numbers cross 2^32 under loss and reordering") {
    PairOptions options;
    options.first_sequence = 0xffff'ff00;
    Simulation sim(options, {10, 5, 0, 30}, 5);
    sim.run(3'000);
    CHECK_FALSE(has_duplicates(sim.arrived()));
    CHECK(sim.arrived().size() > 2'500);
    CHECK(sim.receiver().dropped(DropReason::esp_bad_icv) == 0);
}

TEST_CASE("without extended sequence numbers the SA stops at 2^32 - 1 and never wraps") {
    PairOptions options;
    options.extended_sequence = false;
    options.first_sequence = 0xffff'ffff - 9;
    Simulation sim(options, {}, 6);
    sim.run(100);
    CHECK(sim.arrived() == numbers(10));
}

TEST_CASE("no allocation for a packet, from the frame to the frame") {
    GatewayPipelines a({}, 0);
    GatewayPipelines b({}, 1);
    PacketPool pool(2048 + 512, 512);
    const Frame frame = numbered_frame(12);
    const auto batch_over = [&] {
        PacketBatch batch;
        for (int n = 0; n < 64; ++n) batch.push(a.frame(pool, frame));
        a.out(batch, kStart);
        b.in(batch, kStart);
        return batch.size();
    };
    REQUIRE(batch_over() == 64);  // whatever is made once is made here
    const AllocationCount count;
    std::size_t arrived = 0;
    for (int n = 0; n < 50; ++n) arrived += batch_over();
    CHECK(arrived == 50 * 64);
    CHECK(count.so_far() == 0);
}
