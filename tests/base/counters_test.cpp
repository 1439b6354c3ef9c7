#include "base/counters.h"

#include <doctest/doctest.h>

#include <thread>

using namespace isthmus;

TEST_CASE("a drop is booked for the worker and for the narrowest scope known") {
    TrafficCounters tunnel;
    TrafficCounters session;
    DropLedger ledger;
    ledger.set_scopes({&tunnel, nullptr}, {&session, nullptr});
    const auto reason = DropReason::esp_bad_icv;

    ledger.count(reason, TunnelIndex{0}, SessionIndex{0});
    CHECK(session.dropped_for(reason) == 1);
    CHECK(tunnel.dropped_for(reason) == 0);

    ledger.count(reason, TunnelIndex{0}, kNoSession);
    ledger.count(reason, TunnelIndex{0}, SessionIndex{1});  // a session that is gone
    CHECK(tunnel.dropped_for(reason) == 2);

    ledger.count(reason, kNoTunnel, kNoSession);
    ledger.count(reason, TunnelIndex{1}, kNoSession);
    CHECK(tunnel.dropped_for(reason) == 2);
    CHECK(ledger.total().dropped_for(reason) == 5);
}

TEST_CASE("what passed is counted in packets and bytes") {
    TrafficCounters counters;
    counters.passed(60);
    counters.passed(1'514);
    CHECK(counters.packets.read() == 2);
    CHECK(counters.bytes.read() == 1'574);
}

TEST_CASE("a counter is read by another thread while its owner adds") {
    Counter counter;
    std::thread reader([&counter] {
        std::uint64_t last = 0;
        while (last < 100'000) {
            const auto now = counter.read();
            if (now < last) break;  // never goes back
            last = now;
        }
        CHECK(last == 100'000);
    });
    for (int i = 0; i < 100'000; ++i) counter.add();
    reader.join();
}
