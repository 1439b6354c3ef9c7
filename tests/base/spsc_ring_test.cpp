#include "base/spsc_ring.h"

#include <doctest/doctest.h>

#include <thread>

using isthmus::SpscRing;

TEST_CASE("a ring gives out in order what was put in, and refuses when full") {
    SpscRing<int> ring(4);
    CHECK(ring.capacity() == 4);
    CHECK(ring.front() == nullptr);
    for (int round = 0; round < 3; ++round) {
        for (int i = 0; i < 4; ++i) {
            int* slot = ring.claim();
            REQUIRE(slot != nullptr);
            *slot = i;
            ring.publish();
        }
        CHECK(ring.claim() == nullptr);
        for (int i = 0; i < 4; ++i) {
            const int* slot = ring.front();
            REQUIRE(slot != nullptr);
            CHECK(*slot == i);
            ring.pop();
        }
        CHECK(ring.front() == nullptr);
    }
}

TEST_CASE("a slot that was claimed but not published is not seen") {
    SpscRing<int> ring(2);
    *ring.claim() = 1;
    CHECK(ring.front() == nullptr);
    ring.publish();
    CHECK(*ring.front() == 1);
}

TEST_CASE("two threads pass every item once and in order") {
    struct Item {
        std::size_t number = 0;
        std::size_t square = 0;
    };
    constexpr std::size_t kItems = 100'000;
    SpscRing<Item> ring(64);
    std::thread producer([&ring] {
        for (std::size_t i = 0; i < kItems;) {
            Item* slot = ring.claim();
            if (slot == nullptr) {
                std::this_thread::yield();
                continue;
            }
            *slot = {i, i * i};
            ring.publish();
            ++i;
        }
    });
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < kItems;) {
        const Item* slot = ring.front();
        if (slot == nullptr) {
            std::this_thread::yield();
            continue;
        }
        if (slot->number != i || slot->square != i * i) ++wrong;
        ring.pop();
        ++i;
    }
    producer.join();
    CHECK(wrong == 0);
    CHECK(ring.front() == nullptr);
}
