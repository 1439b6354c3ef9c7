#include "crypto/esp/udp4500.h"

#include <doctest/doctest.h>

#include <vector>

using namespace isthmus;
using namespace isthmus::crypto::esp;

namespace {
Udp4500Kind kind(std::vector<std::uint8_t> datagram) {
    return classify_udp4500(datagram);
}
}  // namespace

TEST_CASE("a datagram on port 4500 is ESP, IKE behind four zero bytes, or a keepalive") {
    CHECK(kind({0xff}) == Udp4500Kind::keepalive);
    CHECK(kind({0, 0, 0, 0}) == Udp4500Kind::ike);
    CHECK(kind({0, 0, 0, 0, 1, 2, 3}) == Udp4500Kind::ike);
    CHECK(kind({0xc0, 0, 0, 1, 0, 0, 0, 1}) == Udp4500Kind::esp);
    CHECK(kind({0xff, 0xff, 0xff, 0xff}) == Udp4500Kind::esp);
}

TEST_CASE("what is too short for any of them is a runt") {
    CHECK(kind({}) == Udp4500Kind::runt);
    CHECK(kind({0}) == Udp4500Kind::runt);
    CHECK(kind({0xff, 0xff}) == Udp4500Kind::runt);
    CHECK(kind({0, 0, 0}) == Udp4500Kind::runt);
}
