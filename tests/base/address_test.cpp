#include "base/address.h"

#include <doctest/doctest.h>

using namespace isthmus;

TEST_CASE("MAC addresses go from text and back") {
    const auto mac = MacAddress::parse("02:00:5E:10:00:ff");
    REQUIRE(mac);
    CHECK(mac->text() == "02:00:5e:10:00:ff");
    CHECK_FALSE(mac->is_group());
    CHECK(MacAddress::parse("01:80:c2:00:00:00")->is_group());
    CHECK(MacAddress::parse("ff:ff:ff:ff:ff:ff")->is_broadcast());
    CHECK_FALSE(MacAddress::parse("ff:ff:ff:ff:ff:fe")->is_broadcast());
}

TEST_CASE("what is no MAC address is refused") {
    for (const char* text :
         {"", "02:00:5e:10:00", "02:00:5e:10:00:0", "02:00:5e:10:00:000", "02-00-5e-10-00-01",
          "02:00:5e:10:00:0g", "0x:00:5e:10:00:01", "02:00:5e:10:00:01 "}) {
        CAPTURE(text);
        CHECK_FALSE(MacAddress::parse(text));
    }
}

TEST_CASE("IP addresses of both families go from text and back") {
    const auto v4 = IpAddress::parse("192.0.2.1");
    REQUIRE(v4);
    CHECK(v4->is_v4());
    CHECK(v4->bytes().size() == 4);
    CHECK(v4->text() == "192.0.2.1");
    const auto v6 = IpAddress::parse("2001:DB8:0::1");
    REQUIRE(v6);
    CHECK(v6->is_v6());
    CHECK(v6->bytes().size() == 16);
    CHECK(v6->text() == "2001:db8::1");
    CHECK(IpAddress::parse("0.0.0.0")->is_unspecified());
    CHECK(IpAddress::parse("::")->is_unspecified());
    CHECK_FALSE(v6->is_unspecified());
}

TEST_CASE("0.0.0.0 and :: are different addresses") {
    CHECK(IpAddress::parse("0.0.0.0") != IpAddress::parse("::"));
}

TEST_CASE("what is no IP address is refused") {
    using namespace std::string_view_literals;
    for (const auto text : {""sv, "192.0.2"sv, "192.0.2.256"sv, "192.0.2.1/24"sv, "fe80::1%eth0"sv, ":::"sv,
                            "host"sv, " 192.0.2.1"sv, "192.0.2.1\0x"sv}) {
        CAPTURE(text);
        CHECK_FALSE(IpAddress::parse(text));
    }
}

TEST_CASE("an endpoint's text can be told into address and port") {
    CHECK(Endpoint{*IpAddress::parse("192.0.2.1"), 4500}.text() == "192.0.2.1:4500");
    CHECK(Endpoint{*IpAddress::parse("2001:db8::1"), 0}.text() == "[2001:db8::1]:0");
}
