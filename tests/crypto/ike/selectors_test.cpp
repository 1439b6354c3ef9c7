#include "crypto/ike/selectors.h"

using namespace isthmus;
using namespace isthmus::crypto::ike;

namespace {

const IpAddress kA = IpAddress::v4({192, 0, 2, 1});
const IpAddress kB = IpAddress::v4({198, 51, 100, 7});

}  // namespace

TEST_CASE("selectors without addresses are those of the end itself") {
    SelectorOptions udp;
    udp.protocol = 17;
    udp.first_port = udp.last_port = 1701;
    SelectorOptions net;
    net.range = SelectorOptions::Range{IpAddress::v4({10, 0, 0, 0}), IpAddress::v4({10, 0, 0, 255})};
    const Selectors made = selectors_of({udp, net}, kA);
    CHECK(text_of(made) == "192.0.2.1 UDP 1701, 10.0.0.0-10.0.0.255");
}

TEST_CASE("narrowing keeps what both sides cover") {
    const Selectors all{TrafficSelector::everything(false)};
    const Selectors one{TrafficSelector::host(kA, 17, 1701)};
    CHECK(narrow(one, all) == one);
    CHECK(narrow(all, one) == one);
    CHECK(narrow(one, {TrafficSelector::host(kB, 17, 1701)}).empty());
    CHECK(narrow(one, {TrafficSelector::host(kA, 17, 1702)}).empty());
    CHECK(narrow(one, {TrafficSelector::host(kA, 115)}).empty());
    // strongSwan offers the same twice when a packet has triggered it.
    CHECK(narrow(one, {one[0], all[0]}) == one);
}

TEST_CASE("what covers another covers each of its selectors") {
    const Selectors all{TrafficSelector::everything(false)};
    const Selectors one{TrafficSelector::host(kA, 17, 1701)};
    CHECK(covers(all, one));
    CHECK_FALSE(covers(one, all));
    CHECK(covers(one, {}));
}

TEST_CASE("behind a NAT one address stands for the end, and wider selectors for themselves") {
    Selectors net{TrafficSelector::host(kA, 0)};
    net[0].last = IpAddress::v4({192, 0, 2, 255});
    CHECK(with_actual_address({TrafficSelector::host(kA, 17, 1701)}, kB) ==
          Selectors{TrafficSelector::host(kB, 17, 1701)});
    CHECK(with_actual_address(net, kB) == net);
}
