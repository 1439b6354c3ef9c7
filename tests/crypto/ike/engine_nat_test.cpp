#include "crypto/ike/engine.h"
#include "tests/crypto/ike/bring_up.h"

using namespace isthmus;
using namespace isthmus::test;

TEST_CASE(
    "behind a NAT ESP goes in UDP, the selectors are what each side sees, and a moved mapping is followed") {
    World world(13);
    configure(world);
    world.nat_of_a = Endpoint{IpAddress::v4({198, 51, 100, 7}), 20'000};
    world.b().peers[0].remote_host = "";
    bring_up(world);
    const auto at_a = world.peer_of(world.a()).ike_sas[0];
    const auto at_b = world.peer_of(world.b()).ike_sas[0];
    CHECK(at_a.in_udp);
    CHECK(at_b.in_udp);
    CHECK(at_a.local_behind_nat);
    CHECK(at_b.remote_behind_nat);
    CHECK(text_of(at_a.children[0].local_selectors) == "192.0.2.1 UDP 1701");
    CHECK(text_of(at_b.children[0].remote_selectors) == "198.51.100.7 UDP 1701");
    CHECK(at_b.remote == Endpoint{IpAddress::v4({198, 51, 100, 7}), 24'500});
    CHECK(world.a().keepalives == 0);

    world.run_for(25s);
    world.nat_of_a->port = 30'000;
    world.traffic = true;
    world.run_for(2s);
    CHECK(world.peer_of(world.b()).ike_sas[0].remote.port == 34'500);
    CHECK_FALSE(world.b().moves.empty());
    world.run_for(1s);
    world.data_lost = 0;
    world.run_for(20s);
    CHECK(world.data_lost == 0);
    CHECK(world.disagreement() == "");
}

TEST_CASE("encapsulation can be forced by either side, and be forbidden") {
    for (const bool by_initiator : {true, false}) {
        World world(14);
        configure(world);
        (by_initiator ? world.a() : world.b()).peers[0].encapsulation = Encapsulation::always;
        bring_up(world);
        CHECK(world.peer_of(world.a()).ike_sas[0].in_udp);
        CHECK(world.peer_of(world.b()).ike_sas[0].in_udp);
    }
    World world(15);
    configure(world);
    world.a().peers[0].encapsulation = Encapsulation::never;
    bring_up(world);
    CHECK_FALSE(world.peer_of(world.b()).ike_sas[0].in_udp);
}

TEST_CASE("a NAT's mapping is kept open") {
    World world(16);
    configure(world);
    world.nat_of_a = Endpoint{IpAddress::v4({198, 51, 100, 7}), 20'000};
    world.b().peers[0].remote_host = "";
    for (Side* side : {&world.a(), &world.b()}) side->peers[0].liveness.detect = 1h;
    bring_up(world);
    world.run_for(200s);
    CHECK(world.a().keepalives >= 9);
    CHECK(world.b().keepalives == 0);
}
