#include "base/shared_ids.h"

#include <doctest/doctest.h>

#include <memory>
#include <set>
#include <thread>

#include "tests/crypto/seeded_rng.h"

using namespace isthmus;
using ConnectionIds = SharedIds<ControlConnectionId>;

TEST_CASE("an id is known from when it is put in until it is taken out") {
    ConnectionIds ids;
    const ControlConnectionId id{0x1234'5678};
    CHECK_FALSE(ids.contains(id));
    CHECK(ids.insert(id));
    CHECK(ids.insert(id));  // twice is once
    CHECK(ids.contains(id));
    CHECK_FALSE(ids.contains(ControlConnectionId{0x1234'5679}));
    ids.erase(id);
    CHECK_FALSE(ids.contains(id));
    ids.erase(id);
}

TEST_CASE("0 is nobody's id") {
    ConnectionIds ids;
    CHECK_FALSE(ids.insert(ControlConnectionId{}));
    CHECK_FALSE(ids.contains(ControlConnectionId{}));
    ids.erase(ControlConnectionId{});
    CHECK_FALSE(ids.contains(ControlConnectionId{}));
}

TEST_CASE("thousands of random ids find room, and nothing is left after a million have come and gone") {
    ConnectionIds ids;
    isthmus::test::SeededRng rng{1};
    std::set<std::uint32_t> in_use;
    for (int i = 0; i < 1'000'000; ++i) {
        const std::uint32_t id = rng.u32() | 1;
        if (in_use.insert(id).second && !ids.insert(ControlConnectionId{id})) FAIL("no room");
        if (in_use.size() <= 2000) continue;
        ids.erase(ControlConnectionId{*in_use.begin()});
        in_use.erase(in_use.begin());
    }
    for (const std::uint32_t id : in_use) CHECK(ids.contains(ControlConnectionId{id}));
    for (const std::uint32_t id : in_use) ids.erase(ControlConnectionId{id});
    int left = 0;
    for (std::uint32_t id = 1; id <= 100'000; ++id) left += ids.contains(ControlConnectionId{id}) ? 1 : 0;
    CHECK(left == 0);
}

TEST_CASE("a place that is full refuses an id and keeps those it has") {
    ConnectionIds ids;
    std::uint32_t taken = 0;
    while (taken < 100 && ids.insert(ControlConnectionId{7 + (taken << 16)})) ++taken;
    CHECK(taken == 16);
    for (std::uint32_t i = 0; i < taken; ++i) CHECK(ids.contains(ControlConnectionId{7 + (i << 16)}));
    ids.erase(ControlConnectionId{7});
    CHECK(ids.insert(ControlConnectionId{7 + (99U << 16)}));
}

TEST_CASE("a worker sees an id that stays, whatever comes and goes beside it") {
    const auto ids = std::make_unique<ConnectionIds>();
    const ControlConnectionId stays{0x0005'0007};
    REQUIRE(ids->insert(stays));
    std::atomic<bool> done = false;
    std::thread control([&] {
        for (std::uint32_t i = 0; i < 20'000; ++i) {
            const ControlConnectionId other{7 + ((100 + i % 8) << 16)};
            (void)ids->insert(other);
            ids->erase(other);
        }
        done = true;
    });
    int missed = 0;
    while (!done) missed += ids->contains(stays) ? 0 : 1;
    control.join();
    CHECK(missed == 0);
}
