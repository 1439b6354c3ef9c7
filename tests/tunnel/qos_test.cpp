#include "tunnel/qos.h"

#include "base/checksum.h"
#include "tests/tunnel/packets.h"

using namespace isthmus;
using namespace isthmus::tunnel;
using namespace isthmus::tunnel::test;

namespace {

/// An untagged frame with an IPv4 header of this traffic class and a right checksum.
Octets ipv4_frame(std::uint8_t traffic_class) {
    Octets header = hex("45 00 0014 1234 4000 40 11 0000 0a0a0001 0a0a0002");
    header[1] = traffic_class;
    store_be16(header.data() + 10, internet_checksum(header));
    return addresses() + hex("0800") + header;
}
Octets ipv6_frame(std::uint8_t traffic_class) {
    Octets header =
        hex("600abcde 0000 3b 40 20010db8000000000000000000000001 20010db8000000000000000000000002");
    header[0] = static_cast<std::uint8_t>(0x60 | traffic_class >> 4);
    header[1] = static_cast<std::uint8_t>((traffic_class << 4) | 0x0a);
    return addresses() + hex("86dd") + header;
}
Octets arp_frame() {
    return addresses() + hex("0806 0001 0800 0604 0001") + Octets(20);
}

using Tagging = Octets (*)(const Octets&);
const Tagging kTaggings[] = {
    [](const Octets& f) { return f; },
    [](const Octets& f) { return tagged(f, 10); },
    [](const Octets& f) { return tagged(tagged(f, 10), 20, kEtherTypeServiceVlan); },
};

}  // namespace

TEST_CASE("ECN leaves a tunnel as the table of RFC 6040 section 4.2 says") {
    using E = Ecn;
    const std::optional<Ecn> drop;
    // rows: inner Not-ECT, ECT(1), ECT(0), CE (numeric order); columns: outer in the same order
    const std::optional<Ecn> expected[4][4] = {
        {E::not_ect, E::not_ect, E::not_ect, drop},
        {E::ect1, E::ect1, E::ect1, E::ce},
        {E::ect0, E::ect1, E::ect0, E::ce},
        {E::ce, E::ce, E::ce, E::ce},
    };
    for (std::uint8_t inner = 0; inner < 4; ++inner) {
        for (std::uint8_t outer = 0; outer < 4; ++outer) {
            CAPTURE(int(inner));
            CAPTURE(int(outer));
            CHECK(combine_ecn(Ecn{inner}, Ecn{outer}) == expected[inner][outer]);
        }
    }
}

TEST_CASE(
    "the outer mark reaches the inner header through no, one and two tags, and the IPv4 checksum stays "
    "right") {
    for (const Tagging tagging : kTaggings) {
        for (int inner = 0; inner < 256; ++inner) {
            for (std::uint8_t outer = 0; outer < 4; ++outer) {
                const auto combined = combine_ecn(ecn_of(static_cast<std::uint8_t>(inner)), Ecn{outer});
                const auto wanted = static_cast<std::uint8_t>(
                    (inner & 0xfc) | static_cast<int>(combined.value_or(Ecn::not_ect)));
                for (auto* make : {ipv4_frame, ipv6_frame}) {
                    Octets f = tagging(make(static_cast<std::uint8_t>(inner)));
                    REQUIRE(apply_outer_ecn(f, outer) == combined.has_value());
                    if (combined) REQUIRE(f == tagging(make(wanted)));
                }
            }
        }
    }
}

TEST_CASE("a frame without IP counts as Not-ECT") {
    Octets f = arp_frame();
    CHECK(apply_outer_ecn(f, 1));
    CHECK(apply_outer_ecn(f, 2));
    CHECK(f == arp_frame());
    CHECK_FALSE(apply_outer_ecn(f, 3));
}

TEST_CASE("the outer traffic class follows the policy") {
    const std::uint8_t ef_ect0 = (46 << 2) | 2;
    for (const Tagging tagging : kTaggings) {
        for (auto* make : {ipv4_frame, ipv6_frame}) {
            const Octets f = tagging(make(ef_ect0));
            CHECK(outer_traffic_class(f, DscpPolicy::none, EcnMode::normal) == 2);
            CHECK(outer_traffic_class(f, DscpPolicy::none, EcnMode::compatibility) == 0);
            CHECK(outer_traffic_class(f, DscpPolicy::copy_inner, EcnMode::normal) == ef_ect0);
            CHECK(outer_traffic_class(f, DscpPolicy::copy_inner, EcnMode::compatibility) == (46 << 2));
        }
    }
    CHECK(outer_traffic_class(arp_frame(), DscpPolicy::copy_inner, EcnMode::normal) == 0);
}

TEST_CASE("the outermost tag's priority becomes a class selector") {
    for (std::uint16_t pcp = 0; pcp < 8; ++pcp) {
        const Octets f =
            tagged(tagged(ipv4_frame(1), 0), static_cast<std::uint16_t>(pcp << 13 | 0x1fff), 0x88a8);
        CHECK(outer_traffic_class(f, DscpPolicy::from_pcp, EcnMode::normal) == (pcp << 5 | 1));
        CHECK(outer_traffic_class(f, DscpPolicy::from_pcp, EcnMode::compatibility) == pcp << 5);
    }
    CHECK(outer_traffic_class(ipv4_frame(0), DscpPolicy::from_pcp, EcnMode::normal) == 0);
}

TEST_CASE("frames cut at any byte are read within their bounds") {
    for (const Tagging tagging : kTaggings) {
        for (auto* make : {ipv4_frame, ipv6_frame}) {
            const Octets whole = tagging(make(1));
            for (std::size_t size = 0; size < whole.size(); ++size) {
                Octets cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
                CHECK(outer_traffic_class(cut, DscpPolicy::copy_inner, EcnMode::normal) == 0);
                CHECK(apply_outer_ecn(cut, 1));
                CHECK_FALSE(apply_outer_ecn(cut, 3));
            }
        }
    }
}

TEST_CASE("an IP header of the wrong version or behind three tags is not taken for one") {
    Octets wrong = ipv4_frame(1);
    wrong[14] = 0x65;
    CHECK(outer_traffic_class(wrong, DscpPolicy::copy_inner, EcnMode::normal) == 0);
    const Octets three = tagged(tagged(tagged(ipv4_frame(1), 1), 2), 3);
    CHECK(outer_traffic_class(three, DscpPolicy::copy_inner, EcnMode::normal) == 0);
}
