#include "crypto/ike/wire/traffic_selector.h"

#include <doctest/doctest.h>

using namespace isthmus;
using namespace isthmus::crypto::ike;

namespace {
IpAddress ip(const char* text) {
    return *IpAddress::parse(text);
}
TrafficSelector range(const char* first, const char* last, std::uint8_t protocol = 0,
                      std::uint16_t first_port = 0, std::uint16_t last_port = 0xffff) {
    return {protocol, first_port, last_port, ip(first), ip(last)};
}
std::string error_of(const char* hex) {
    const auto parsed = parse_selectors(*from_hex(hex));
    return parsed ? "no error" : parsed.error();
}
}  // namespace

TEST_CASE("selectors that share nothing have nothing in common, others their overlap") {
    const auto host = TrafficSelector::host(ip("192.0.2.1"), 17, 1701);
    const auto net = range("192.0.2.0", "192.0.2.255");
    CHECK(net.contains(host));
    CHECK_FALSE(host.contains(net));
    CHECK(net.common(host) == host);
    CHECK(host.common(net) == host);
    CHECK(TrafficSelector::everything(false).common(net) == net);
    CHECK_FALSE(TrafficSelector::everything(true).common(net));
    CHECK_FALSE(host.common(TrafficSelector::host(ip("192.0.2.1"), 115)));
    CHECK_FALSE(host.common(TrafficSelector::host(ip("192.0.2.1"), 17, 1702)));
    CHECK_FALSE(host.common(TrafficSelector::host(ip("192.0.2.2"), 17, 1701)));
    CHECK(range("10.0.0.0", "10.0.0.9", 17, 5, 20).common(range("10.0.0.5", "10.0.0.20", 0, 10, 30)) ==
          range("10.0.0.5", "10.0.0.9", 17, 10, 20));
    CHECK_FALSE(range("10.0.0.0", "10.0.0.9").common(range("10.0.0.10", "10.0.0.20")));
}

TEST_CASE("opaque ports are in all ports, and in no other range") {
    const auto opaque = range("10.0.0.1", "10.0.0.1", 50, 0xffff, 0);
    const auto all = range("10.0.0.1", "10.0.0.1", 50);
    const auto some = range("10.0.0.1", "10.0.0.1", 50, 1, 0xffff);
    CHECK(all.contains(opaque));
    CHECK_FALSE(some.contains(opaque));
    CHECK_FALSE(opaque.contains(all));
    CHECK(opaque.contains(opaque));
    CHECK(all.common(opaque) == opaque);
    CHECK_FALSE(some.common(opaque));
    CHECK(opaque.text() == "10.0.0.1 protocol 50 without ports");
}

TEST_CASE("selectors have short texts") {
    CHECK(TrafficSelector::host(ip("192.0.2.1"), 17, 1701).text() == "192.0.2.1 UDP 1701");
    CHECK(TrafficSelector::host(ip("2001:db8::1"), 115).text() == "2001:db8::1 protocol 115");
    CHECK(range("10.0.0.0", "10.0.0.255", 6, 80, 90).text() == "10.0.0.0-10.0.0.255 TCP 80-90");
    CHECK(text_of(std::vector<TrafficSelector>{}) == "nothing");
}

TEST_CASE("selectors of other types are passed over; broken ones are refused with the reason") {
    const auto mixed = parse_selectors(*from_hex("020000000a000008deadbeef0711001006a506a5c0000201c0000201"));
    REQUIRE(mixed);
    CHECK(*mixed == std::vector{TrafficSelector::host(ip("192.0.2.1"), 17, 1701)});
    CHECK(error_of("") == "the number of selectors is cut short");
    CHECK(error_of("00000000") == "there is no selector");
    CHECK(error_of("01000000") == "selector 1: cut short");
    CHECK(error_of("0100000007110003") == "selector 1: length 3 does not fit");
    CHECK(error_of("0100000007110011") == "selector 1: length 17 does not fit");
    CHECK(error_of("010000000711000c06a506a5c0000201") == "selector 1: length 12 is not 16");
    CHECK(error_of("010000000711001006a606a5c0000201c0000201") ==
          "selector 1: the start port is above the end port");
    CHECK(error_of("010000000711001006a506a5c0000202c0000201") ==
          "selector 1: the starting address is above the ending address");
    CHECK(error_of("010000000711001006a506a5c0000201c000020100") ==
          "bytes are left behind the last selector");
}
