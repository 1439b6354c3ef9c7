#include "stp-guard/mac_moves.h"

#include <doctest/doctest.h>

using namespace isthmus;
using namespace isthmus::stp_guard;
using namespace std::chrono_literals;

namespace {

constexpr TimePoint kStart{1000s};
constexpr PortId kLan{1};
constexpr PortId kTunnel{2};

HostKey host(std::uint32_t number, std::uint16_t vid = 110) {
    return {vid, MacAddress{{0x00, 0x50, 0x56, static_cast<std::uint8_t>(number >> 16),
                             static_cast<std::uint8_t>(number >> 8), static_cast<std::uint8_t>(number)}}};
}

}  // namespace

TEST_CASE("one move is a migration, five within 180 s are a duplicate, told once") {
    MacMoves moves{MacMoveOptions{}};
    CHECK_FALSE(moves.on_host(host(1), kLan, kStart).moved);
    CHECK_FALSE(moves.on_host(host(1), kLan, kStart).moved);
    for (int i = 1; i <= 8; ++i) {
        const auto outcome = moves.on_host(host(1), i % 2 != 0 ? kTunnel : kLan, kStart + i * 10s);
        CHECK(outcome.moved);
        CHECK(outcome.duplicate == (i == 5));
        CHECK(outcome.first_port == kLan);
        CHECK_FALSE(outcome.flap_storm);
    }
    CHECK(moves.moves() == 8);
    CHECK(moves.duplicates() == 1);
}

TEST_CASE("slow moves are no duplicate, and the same address in two VLANs is two hosts") {
    MacMoves moves{MacMoveOptions{}};
    for (int i = 0; i < 20; ++i)
        CHECK_FALSE(moves.on_host(host(1), i % 2 != 0 ? kTunnel : kLan, kStart + i * 50s).duplicate);
    for (int i = 0; i < 20; ++i)
        CHECK_FALSE(moves
                        .on_host(host(2, i % 2 != 0 ? std::uint16_t{10} : std::uint16_t{20}),
                                 i % 2 != 0 ? kTunnel : kLan, kStart)
                        .moved);
}

TEST_CASE(
    "a mass migration is no storm; twenty duplicates within a minute, or a thousand moves within five "
    "seconds, are") {
    MacMoves moves{MacMoveOptions{}};
    for (std::uint32_t i = 0; i < 900; ++i) (void)moves.on_host(host(i), kLan, kStart);
    for (std::uint32_t i = 0; i < 900; ++i)
        CHECK_FALSE(moves.on_host(host(i), kTunnel, kStart + 1s).flap_storm);

    MacMoves many{MacMoveOptions{}};
    int storms = 0;
    for (std::uint32_t i = 0; i < 1'001; ++i) (void)many.on_host(host(i), kLan, kStart);
    for (std::uint32_t i = 0; i < 1'001; ++i)
        storms += many.on_host(host(i), kTunnel, kStart + 1s).flap_storm ? 1 : 0;
    CHECK(storms == 1);

    MacMoves duplicates{MacMoveOptions{}};
    storms = 0;
    for (std::uint32_t i = 0; i < 20; ++i)
        for (int n = 0; n <= 5; ++n)
            storms +=
                duplicates.on_host(host(i), n % 2 != 0 ? kTunnel : kLan, kStart + i * 2s).flap_storm ? 1 : 0;
    CHECK(storms == 1);
    CHECK(duplicates.duplicates() == 20);
}

TEST_CASE("lost notifications are a storm's sign, once per storm") {
    MacMoves moves{MacMoveOptions{}};
    CHECK(moves.on_overrun(kStart));
    CHECK_FALSE(moves.on_overrun(kStart + 5s));
    CHECK(moves.on_overrun(kStart + 20s));
}

TEST_CASE("the table is bounded, and keeps whom it saw last") {
    MacMoveOptions options;
    options.table_size = 100;
    MacMoves moves{options};
    for (std::uint32_t i = 0; i < 10'000; ++i) (void)moves.on_host(host(i), kLan, kStart);
    CHECK(moves.on_host(host(9'999), kTunnel, kStart).moved);
    CHECK_FALSE_MESSAGE(moves.on_host(host(5), kTunnel, kStart).moved, "long forgotten");
}

TEST_CASE("who ages out or whose port goes is forgotten") {
    MacMoves moves{MacMoveOptions{}};
    (void)moves.on_host(host(1), kLan, kStart);
    moves.on_gone(host(1));
    CHECK_FALSE(moves.on_host(host(1), kTunnel, kStart).moved);
    moves.forget_port(kTunnel);
    CHECK_FALSE(moves.on_host(host(1), kLan, kStart).moved);
}

TEST_CASE("gateways' shared addresses and load balancers are told from hosts") {
    const auto is = [](const char* text) { return is_first_hop_gateway(MacAddress::parse(text).value()); };
    CHECK(is("00:00:0c:07:ac:01"));
    CHECK(is("00:00:0c:9f:f0:01"));
    CHECK(is("00:05:73:a0:00:01"));
    CHECK(is("00:00:5e:00:01:0a"));
    CHECK(is("00:00:5e:00:02:0a"));
    CHECK(is("00:07:b4:00:01:02"));
    CHECK_FALSE(is("00:00:5e:00:53:01"));
    CHECK_FALSE(is("00:00:0c:9f:00:01"));
    CHECK(is_load_balancing(MacAddress::parse("02:bf:0a:00:00:01").value()));
    CHECK(is_load_balancing(MacAddress::parse("03:bf:0a:00:00:01").value()));
}
