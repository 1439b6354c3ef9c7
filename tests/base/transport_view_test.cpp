#include "base/transport_view.h"

#include <doctest/doctest.h>

#include "tests/support/frame_builder.h"

using namespace isthmus;
using namespace isthmus::test;

TEST_CASE("headers are found through tags, options and extension headers") {
    FrameSpec spec;
    SUBCASE("TCP over IPv4") {}
    SUBCASE("TCP with options") {
        spec.tcp_options = {1, 1, 1, 1};
    }
    SUBCASE("IPv4 options") {
        spec.ip_options = {1, 1, 1, 1, 1, 1, 1, 1};
    }
    SUBCASE("two tags") {
        spec.tags = {0x9100'0001, 0x8100'0002};
    }
    SUBCASE("TCP over IPv6") {
        spec.v6 = true;
    }
    SUBCASE("UDP over IPv6 behind options and an authentication header") {
        spec.v6 = true;
        spec.protocol = 17;
        spec.first_extension = 0;
        spec.ip_options = {51, 0, 1, 4, 0, 0, 0, 0, 17, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2};
    }
    SUBCASE("neither TCP nor UDP") {
        spec.protocol = 47;
    }
    spec.payload = pattern(30);
    spec.trailer = {0, 0, 0};
    const auto frame = build(spec);
    const auto view = TransportView::of(frame);
    CHECK(view.ip_version == (spec.v6 ? 6 : 4));
    CHECK(view.protocol == spec.protocol);
    CHECK_FALSE(view.fragment);
    CHECK(view.l3 == places(spec).l3);
    CHECK(view.l4 == places(spec).l4);
    CHECK(view.payload == (spec.protocol == 47 ? 0 : places(spec).payload));
    CHECK(view.end == frame.size() - 3);
    CHECK(view.has_ip_options() == !spec.ip_options.empty());
    CHECK(view.is_tcp() == (spec.protocol == 6));
    CHECK(view.is_udp() == (spec.protocol == 17));
    CHECK(view.pseudo_sum(frame, 1234) == plain_pseudo_sum(frame, view.l3, spec.v6, spec.protocol, 1234));
}

TEST_CASE("fragments have no transport header") {
    for (const std::uint16_t bits : {std::uint16_t{0x2000}, std::uint16_t{0x0001}, std::uint16_t{0x3fff}}) {
        FrameSpec spec;
        spec.fragment_bits = bits;
        const auto view = TransportView::of(build(spec));
        CHECK(view.fragment);
        CHECK(view.l4 == 0);
        CHECK(view.payload == 0);
    }
    FrameSpec spec;
    spec.v6 = true;
    spec.first_extension = 44;
    spec.ip_options = {6, 0, 0, 1, 0, 0, 0, 9};
    const auto view = TransportView::of(build(spec));
    CHECK(view.fragment);
    CHECK(view.l4 == 0);
}

TEST_CASE("frames cut short anywhere yield no header that is not whole") {
    for (const bool v6 : {false, true}) {
        FrameSpec spec;
        spec.v6 = v6;
        spec.tags = {0x88a8'0001, 0x8100'0002};
        spec.tcp_options = {1, 1, 1, 1};
        const auto frame = build(spec);
        for (std::size_t size = 0; size < frame.size(); ++size) {
            const Frame cut(frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(size));
            const auto view = TransportView::of(cut);
            CHECK(view.payload == 0);
            CHECK(view.l4 <= size);
            CHECK((view.l4 != 0) == (size >= places(spec).l4));
            CHECK((view.l3 != 0) == (size >= 22));
        }
    }
}

TEST_CASE("what is not IP has no view, and unsound headers end it") {
    FrameSpec spec;
    auto frame = build(spec);
    set16(frame, 12, 0x0806);
    CHECK(TransportView::of(frame).ip_version == 0);
    spec.tags = {0x8100'0001, 0x8100'0002, 0x8100'0003};
    CHECK(TransportView::of(build(spec)).ip_version == 0);

    const auto l4_after = [](bool v6, std::size_t at, std::uint8_t value) {
        FrameSpec s;
        s.v6 = v6;
        auto f = build(s);
        f[at] = value;
        return TransportView::of(f).l4;
    };
    CHECK(l4_after(false, 14, 0x65) == 0);  // version
    CHECK(l4_after(false, 14, 0x44) == 0);  // header of 16 bytes
    CHECK(l4_after(false, 14, 0x4f) == 0);  // header past the end
    CHECK(l4_after(true, 14, 0x45) == 0);
    CHECK(l4_after(true, 20, 60) == 0);  // an extension header that is too long
    FrameSpec tcp;
    auto bad = build(tcp);
    bad[46] = 0x40;
    CHECK(TransportView::of(bad).l4 == 34);
    CHECK(TransportView::of(bad).payload == 0);

    FrameSpec chain;
    chain.v6 = true;
    chain.first_extension = 60;
    for (int i = 0; i < 9; ++i) append(chain.ip_options, {60, 0, 1, 4, 0, 0, 0, 0});
    CHECK(TransportView::of(build(chain)).l4 == 0);
}
