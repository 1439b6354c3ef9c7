#include "base/inject.h"

#include <doctest/doctest.h>

#include <memory>
#include <vector>

using namespace isthmus;

TEST_CASE("an injected packet arrives whole, with where it goes") {
    const auto rings = std::make_unique<InjectRings>();
    const std::vector<std::uint8_t> packet(70, 9);
    REQUIRE(rings->offer(InjectClass::guard, TunnelIndex{2}, SessionIndex{5}, packet));
    int seen = 0;
    rings->drain(8, [&](InjectClass c, const InjectMessage& message) {
        ++seen;
        CHECK(c == InjectClass::guard);
        CHECK(message.tunnel == TunnelIndex{2});
        CHECK(message.session == SessionIndex{5});
        CHECK(message.data().size() == 70);
        CHECK(message.data()[69] == 9);
    });
    CHECK(seen == 1);
}

TEST_CASE("a class that is full overflows into its own counter and leaves the others their room") {
    const auto rings = std::make_unique<InjectRings>();
    const std::vector<std::uint8_t> packet(60, 1);
    for (std::size_t i = 0; i < InjectRings::kDepth + 3; ++i)
        CHECK(rings->offer(InjectClass::guard, TunnelIndex{0}, SessionIndex{0}, packet) ==
              (i < InjectRings::kDepth));
    CHECK(rings->offer(InjectClass::liveness, TunnelIndex{0}, SessionIndex{0}, packet));
    CHECK(rings->overflows(InjectClass::guard) == 3);
    CHECK(rings->overflows(InjectClass::liveness) == 0);
}

TEST_CASE("a packet too large to inject is counted, not cut") {
    const auto rings = std::make_unique<InjectRings>();
    const std::vector<std::uint8_t> packet(InjectMessage::kMaxSize + 1, 1);
    CHECK_FALSE(rings->offer(InjectClass::l2tp_control, TunnelIndex{0}, kNoSession, packet));
    CHECK(rings->overflows(InjectClass::l2tp_control) == 1);
}
