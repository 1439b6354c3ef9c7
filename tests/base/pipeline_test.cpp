#include "base/pipeline.h"

#include <doctest/doctest.h>

using namespace isthmus;

namespace {

/// Appends its letter to every packet; drops packets that start with its letter.
class Letter final : public Stage {
  public:
    Letter(char letter, Overhead overhead, int& calls)
        : letter_(letter), overhead_(overhead), calls_(calls) {}
    std::string_view name() const noexcept override { return {&letter_, 1}; }
    Overhead overhead() const noexcept override { return overhead_; }
    void process(PacketBatch& batch, TimePoint /*now*/) noexcept override {
        ++calls_;
        for (auto& packet : batch) {
            if (packet.data()[0] == static_cast<std::uint8_t>(letter_)) {
                packet.meta.drop = DropReason::malformed_frame;
            } else {
                packet.append(1)[0] = static_cast<std::uint8_t>(letter_);
            }
        }
    }

  private:
    char letter_;
    Overhead overhead_;
    int& calls_;
};

std::vector<std::unique_ptr<Stage>> letters(int& calls) {
    std::vector<std::unique_ptr<Stage>> stages;
    stages.push_back(std::make_unique<Letter>('a', Overhead{12, 1}, calls));
    stages.push_back(std::make_unique<Letter>('b', Overhead{30, 18}, calls));
    return stages;
}

void push(PacketBatch& batch, PacketPool& pool, char first) {
    auto packet = pool.allocate(0);
    REQUIRE(packet);
    packet->append(1)[0] = static_cast<std::uint8_t>(first);
    batch.push(std::move(*packet));
}

}  // namespace

TEST_CASE("a pipeline that does not fit its buffers is refused, naming each stage's need") {
    int calls = 0;
    const std::string why = Pipeline::build(letters(calls), {41, 19}).error();
    CHECK(why ==
          "pipeline needs 42 bytes before and 19 behind each packet (a 12+1, b 30+18), but buffers have 41 "
          "and 19");
    CHECK_FALSE(Pipeline::build(letters(calls), {42, 18}));
    const auto fits = Pipeline::build(letters(calls), {42, 19});
    REQUIRE(fits);
    CHECK(fits->overhead() == Overhead{42, 19});
}

TEST_CASE("stages run in order, and what one drops the next does not see") {
    int calls = 0;
    auto pipeline = Pipeline::build(letters(calls), {64, 64});
    REQUIRE(pipeline);
    PacketPool pool(64, 4);
    PacketBatch batch;
    DropLedger ledger;
    push(batch, pool, 'x');
    push(batch, pool, 'a');
    push(batch, pool, 'b');
    pipeline->process(batch, TimePoint{}, ledger);
    REQUIRE(batch.size() == 1);
    CHECK(to_hex(batch[0].data()) == to_hex(std::array<std::uint8_t, 3>{'x', 'a', 'b'}));
    CHECK(ledger.total().dropped_for(DropReason::malformed_frame) == 2);
    CHECK(calls == 2);
}

TEST_CASE("a pipeline stops where nothing is left") {
    int calls = 0;
    auto pipeline = Pipeline::build(letters(calls), {64, 64});
    REQUIRE(pipeline);
    PacketPool pool(64, 4);
    PacketBatch batch;
    DropLedger ledger;
    pipeline->process(batch, TimePoint{}, ledger);
    CHECK(calls == 0);
    push(batch, pool, 'a');
    pipeline->process(batch, TimePoint{}, ledger);
    CHECK(calls == 1);
}
