#include "appliance/datapath/published.h"

#include <doctest/doctest.h>

#include <atomic>
#include <thread>

using isthmus::appliance::Published;

TEST_CASE("a worker sees each publication once, and the newest") {
    Published<int> published;
    CHECK(published.take_if_new() == nullptr);
    published.publish(std::make_shared<const int>(1));
    published.publish(std::make_shared<const int>(2));
    const auto seen = published.take_if_new();
    REQUIRE(seen);
    CHECK(*seen == 2);
    CHECK(published.take_if_new() == nullptr);
}

TEST_CASE("publications cross threads whole and never go back") {
    Published<int> published;
    std::atomic<bool> done{false};
    std::thread control([&] {
        for (int i = 1; i <= 2'000; ++i) published.publish(std::make_shared<const int>(i));
        done = true;
    });
    int last = 0;
    while (true) {
        const bool ended = done;
        if (const auto seen = published.take_if_new()) {
            CHECK(*seen >= last);
            last = *seen;
        }
        if (ended) break;
    }
    control.join();
    CHECK(last == 2'000);
}
