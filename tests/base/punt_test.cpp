#include "base/punt.h"

#include <doctest/doctest.h>

#include <thread>

using namespace isthmus;

namespace {
std::vector<std::uint8_t> packet(std::uint8_t number, std::size_t size = 60) {
    return std::vector<std::uint8_t>(size, number);
}
}  // namespace

TEST_CASE("a punted packet arrives whole, with how it came") {
    PuntRings rings;
    const Path path{
        {*IpAddress::parse("192.0.2.1"), 4500}, {*IpAddress::parse("192.0.2.2"), 4500}, Spi{0x100}};
    REQUIRE(rings.offer(PuntClass::ike, TunnelIndex{1}, kNoSession, path, packet(7)));
    int seen = 0;
    rings.drain(8, [&](PuntClass c, const PuntMessage& message) {
        ++seen;
        CHECK(c == PuntClass::ike);
        CHECK(message.tunnel == TunnelIndex{1});
        CHECK(message.path == path);
        CHECK(message.data().size() == 60);
        CHECK(message.data()[59] == 7);
    });
    CHECK(seen == 1);
}

TEST_CASE("a flood of one class overflows into its own counter and starves no other") {
    PuntRings rings;
    for (std::size_t i = 0; i < PuntRings::kDepth + 10; ++i) {
        const bool taken = rings.offer(PuntClass::arp, kNoTunnel, SessionIndex{0}, {}, packet(1));
        CHECK(taken == (i < PuntRings::kDepth));
    }
    CHECK(rings.offer(PuntClass::ike, kNoTunnel, kNoSession, {}, packet(2)));
    CHECK(rings.overflows(PuntClass::arp) == 10);
    CHECK(rings.overflows(PuntClass::ike) == 0);

    std::size_t arp = 0;
    std::size_t ike = 0;
    rings.drain(4, [&](PuntClass c, const PuntMessage&) { ++(c == PuntClass::arp ? arp : ike); });
    CHECK(arp == 4);
    CHECK(ike == 1);
}

TEST_CASE("a worker is told once that it has put in something, however much it was") {
    const auto rings = std::make_unique<PuntRings>();
    CHECK_FALSE(rings->take_offered());
    CHECK(rings->offer(PuntClass::ike, kNoTunnel, kNoSession, {}, packet(1)));
    CHECK(rings->offer(PuntClass::bpdu, kNoTunnel, kNoSession, {}, packet(1)));
    CHECK(rings->take_offered());
    CHECK_FALSE(rings->take_offered());
    CHECK_FALSE(rings->offer(PuntClass::bpdu, kNoTunnel, kNoSession, {}, packet(1, 5000)));
    CHECK_FALSE(rings->take_offered());
}

TEST_CASE("a packet too large to punt is counted, not cut") {
    PuntRings rings;
    CHECK(rings.offer(PuntClass::bpdu, kNoTunnel, kNoSession, {}, packet(1, PuntMessage::kMaxSize)));
    CHECK_FALSE(
        rings.offer(PuntClass::bpdu, kNoTunnel, kNoSession, {}, packet(1, PuntMessage::kMaxSize + 1)));
    CHECK(rings.overflows(PuntClass::bpdu) == 1);
}

TEST_CASE("a worker punts while the control thread drains") {
    PuntRings rings;
    constexpr std::size_t kPackets = 5'000;
    std::thread worker([&rings] {
        for (std::size_t i = 0; i < kPackets; ++i) {
            const auto c = static_cast<PuntClass>(i % kPuntClassCount);
            const auto bytes = packet(static_cast<std::uint8_t>(i % 251));
            while (!rings.offer(c, kNoTunnel, SessionIndex{static_cast<std::uint32_t>(i)}, {}, bytes))
                std::this_thread::yield();
        }
    });
    std::size_t seen = 0;
    std::size_t wrong = 0;
    while (seen < kPackets) {
        rings.drain(16, [&](PuntClass c, const PuntMessage& message) {
            ++seen;
            const auto i = raw(message.session);
            if (i % kPuntClassCount != static_cast<std::size_t>(c) || message.data()[0] != i % 251) ++wrong;
        });
        std::this_thread::yield();
    }
    worker.join();
    CHECK(wrong == 0);
}

TEST_CASE("classes have names") {
    CHECK(name_of(PuntClass::ike) == "ike");
    CHECK(name_of(PuntClass::probe) == "probe");
}
