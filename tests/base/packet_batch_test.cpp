#include "base/packet_batch.h"

#include <doctest/doctest.h>

using namespace isthmus;

namespace {

void fill(PacketBatch& batch, PacketPool& pool, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
        auto packet = pool.allocate(0);
        REQUIRE(packet);
        packet->append(1)[0] = static_cast<std::uint8_t>(i);
        batch.push(std::move(*packet));
    }
}

std::string order(const PacketBatch& batch) {
    std::string out;
    for (const auto& packet : batch) out += std::to_string(packet.data()[0]) + " ";
    return out;
}

}  // namespace

TEST_CASE("a sweep takes out what is dropped, books it, and keeps the others' order") {
    PacketPool pool(64, 8);
    PacketBatch batch;
    DropLedger ledger;
    fill(batch, pool, 6);
    for (const std::size_t i : {0U, 2U, 3U, 5U}) batch[i].meta.drop = DropReason::storm_limit;
    batch.sweep(ledger);
    CHECK(order(batch) == "1 4 ");
    CHECK(ledger.total().dropped_for(DropReason::storm_limit) == 4);
    CHECK(pool.available() == 6);
    batch.sweep(ledger);
    CHECK(batch.size() == 2);
    CHECK(ledger.total().dropped_for(DropReason::storm_limit) == 4);
}

TEST_CASE("a packet that a stage took goes without being booked") {
    PacketPool pool(64, 4);
    PacketBatch batch;
    DropLedger ledger;
    fill(batch, pool, 3);
    batch[1].meta.drop = DropReason::storm_limit;
    const PacketBuffer taken = std::move(batch[1]);
    batch.sweep(ledger);
    CHECK(order(batch) == "0 2 ");
    CHECK(ledger.total().dropped_for(DropReason::storm_limit) == 0);
    CHECK(taken.data()[0] == 1);
}

TEST_CASE("a batch holds its capacity, and clearing gives all back") {
    PacketPool pool(64, PacketBatch::kCapacity);
    PacketBatch batch;
    CHECK(batch.empty());
    CHECK(batch.room() == PacketBatch::kCapacity);
    fill(batch, pool, PacketBatch::kCapacity);
    CHECK(batch.room() == 0);
    CHECK(pool.available() == 0);
    batch.clear();
    CHECK(batch.empty());
    CHECK(pool.available() == PacketBatch::kCapacity);
}
