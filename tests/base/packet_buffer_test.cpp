#include "base/packet_buffer.h"

#include <doctest/doctest.h>

#include <algorithm>

using namespace isthmus;

TEST_CASE("headers go in front of and behind the data in place") {
    PacketPool pool(256, 1);
    auto packet = pool.allocate(64);
    REQUIRE(packet);
    CHECK(packet->size() == 0);
    CHECK(packet->headroom() == 64);
    CHECK(packet->tailroom() == pool.block_size() - 64);

    const auto data = packet->append(4);
    std::ranges::copy(std::array<std::uint8_t, 4>{1, 2, 3, 4}, data.begin());
    packet->prepend(2)[0] = 9;
    packet->append(1)[0] = 8;
    CHECK(packet->size() == 7);
    CHECK(packet->headroom() == 62);
    packet->trim_front(2);
    packet->trim_back(1);
    CHECK(to_hex(packet->data()) == "01020304");
    CHECK(packet->data().data() == data.data());
}

TEST_CASE("a pool gives each block once and then none until one comes back") {
    PacketPool pool(128, 3);
    std::vector<PacketBuffer> held;
    for (int i = 0; i < 3; ++i) {
        auto packet = pool.allocate(0);
        REQUIRE(packet);
        packet->append(1)[0] = static_cast<std::uint8_t>(i);
        held.push_back(std::move(*packet));
    }
    CHECK(pool.available() == 0);
    CHECK_FALSE(pool.allocate(0));
    for (std::uint8_t i = 0; i < 3; ++i) CHECK(held[i].data()[0] == i);

    held.pop_back();
    CHECK(pool.available() == 1);
    CHECK(pool.allocate(0));
    held.clear();
    CHECK(pool.available() == 3);
}

TEST_CASE("a headroom larger than a block is refused, and costs no block") {
    PacketPool pool(128, 1);
    CHECK_FALSE(pool.allocate(pool.block_size() + 1));
    CHECK(pool.available() == 1);
    CHECK(pool.allocate(pool.block_size()));
}

TEST_CASE("a moved-from packet is empty and the block lives on") {
    PacketPool pool(128, 2);
    auto first = pool.allocate(0);
    REQUIRE(first);
    first->append(1);
    first->meta.next_header = 50;
    PacketBuffer second = std::move(*first);
    CHECK_FALSE(static_cast<bool>(*first));  // NOLINT(bugprone-use-after-move): what this is about
    CHECK(second.size() == 1);
    CHECK(second.meta.next_header == 50);

    auto third = pool.allocate(0);
    REQUIRE(third);
    second = std::move(*third);  // lets go of its first block
    CHECK(pool.available() == 1);
    PacketBuffer& alias = second;
    second = std::move(alias);
    CHECK(static_cast<bool>(second));
}

TEST_CASE("packets that share a block are confined to their own bytes, and the last one gives it back") {
    PacketPool pool(256, 1);
    {
        auto whole = pool.allocate(16);
        REQUIRE(whole);
        const auto data = whole->append(100);
        for (std::size_t i = 0; i < data.size(); ++i) data[i] = static_cast<std::uint8_t>(i);
        whole->meta.tunnel = TunnelIndex{3};

        PacketBuffer part = whole->share(10, 20);
        PacketBuffer rest = whole->share(30, 70);
        *whole = PacketBuffer();
        CHECK(pool.available() == 0);
        CHECK(part.meta.tunnel == TunnelIndex{3});
        CHECK(part.size() == 20);
        CHECK(part.data()[0] == 10);
        CHECK(part.headroom() == 0);
        CHECK(part.tailroom() == 0);

        part.trim_front(8);  // an opened packet: the room of its own header is its own
        CHECK(part.headroom() == 8);
        part.prepend(8)[0] = 0xee;
        CHECK(rest.data()[0] == 30);

        part = PacketBuffer();
        CHECK(pool.available() == 0);
    }
    CHECK(pool.available() == 1);
}
