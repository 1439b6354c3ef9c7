#include "appliance/datapath/doorbell.h"

#include <doctest/doctest.h>
#include <poll.h>

#include <atomic>
#include <thread>

#include "base/punt.h"

using namespace isthmus;
using isthmus::appliance::Doorbell;

namespace {
bool is_readable(int fd, int wait_ms = 0) {
    pollfd p{fd, POLLIN, 0};
    return poll(&p, 1, wait_ms) == 1;
}
}  // namespace

TEST_CASE("a bell that rang is readable until it is answered, and rings again afterwards") {
    Doorbell bell;
    CHECK_FALSE(is_readable(bell.fd()));
    bell.ring();
    bell.ring();
    CHECK(is_readable(bell.fd()));
    bell.answer();
    CHECK_FALSE(is_readable(bell.fd()));
    bell.ring();
    CHECK(is_readable(bell.fd()));
}

TEST_CASE("whoever sleeps until the bell rings sees every packet that a worker punts") {
    constexpr std::uint64_t kPackets = 20'000;
    Doorbell bell;
    const auto rings = std::make_unique<PuntRings>();
    std::thread worker([&] {
        const std::vector<std::uint8_t> packet(60, 1);
        for (std::uint64_t sent = 0; sent < kPackets;) {
            if (rings->offer(PuntClass::ike, kNoTunnel, kNoSession, {}, packet)) ++sent;
            if (rings->take_offered()) bell.ring();
        }
    });
    std::uint64_t seen = 0;
    while (seen < kPackets && is_readable(bell.fd(), 10'000)) {
        bell.answer();
        rings->drain(PuntRings::kDepth, [&](PuntClass, const PuntMessage&) { ++seen; });
    }
    worker.join();
    CHECK(seen == kPackets);
}
