#include "crypto/ike/engine.h"
#include "tests/crypto/ike/bring_up.h"

using namespace isthmus;
using namespace isthmus::test;

TEST_CASE("nobody is authenticated anew unless that is wanted: new keys of the IKE SA are enough") {
    World world(80);
    configure(world);
    bring_up(world);
    world.run_for(9h);
    CHECK(world.a().noted("IKE SA rekeyed"));
    CHECK_FALSE(world.a().noted("reauthentication"));
    CHECK_FALSE(world.peer_of(world.a()).ike_sas[0].reauthentication_in);
}

TEST_CASE("reauthentication makes a new IKE SA beside the old one, rekeyed or not, and loses nothing") {
    for (const Duration rekey : {Duration(4h), Duration(20min)}) {
        CAPTURE(rekey.count());
        World world(81);
        configure(world);
        world.a().peers[0].reauthentication = 1h;
        world.a().peers[0].lifetime.rekey = rekey;
        bring_up(world);
        const auto left = world.peer_of(world.a()).ike_sas[0].reauthentication_in;
        REQUIRE(left);
        CHECK(*left <= 1h);
        CHECK(*left >= 53min);
        world.run_for(53min);
        CHECK_FALSE(world.a().noted("reauthentication"));
        const auto before = world.peer_of(world.a()).ike_sas[0].initiator_spi;
        world.traffic = true;
        world.run_for(8min);
        CHECK(world.a().noted("reauthentication: beginning anew beside the IKE SA"));
        CHECK(world.peer_of(world.a()).ike_sas[0].initiator_spi != before);
        CHECK(world.disagreement() == "");
        CHECK(world.data_lost == 0);
        CHECK(world.data_unsent == 0);
    }
}

TEST_CASE("a peer that cannot be authenticated anew is tried for a tenth of the time, and then dropped") {
    World world(82);
    configure(world);
    world.a().peers[0].reauthentication = 1h;
    bring_up(world);
    world.b().peers[0].credentials = shared_key("another secret, which is not A's");
    world.call(world.b(), [&](Engine& e, TimePoint now) {
        e.configure(world.b().peers, now);
        return 0;
    });
    world.run_for(62min);
    CHECK(world.a().noted("the shared keys differ"));
    CHECK(world.both_up());
    world.run_for(6min);
    CHECK_FALSE(world.is_up(world.a()));
    CHECK(world.a().pairs.empty());
    CHECK(world.a().noted("without authentication anew"));
}

TEST_CASE("a side that only answers lets the IKE SA end when its peer has not authenticated anew") {
    World world(83);
    configure(world);
    world.b().peers[0].reauthentication = 1h;
    bring_up(world);
    const auto before = world.peer_of(world.a()).ike_sas[0].initiator_spi;
    world.run_for(65min);
    CHECK(world.peer_of(world.a()).ike_sas[0].initiator_spi == before);
    world.run_for(2min);
    CHECK(world.b().noted("without authentication anew"));
    CHECK(world.both_up());
    CHECK(world.peer_of(world.a()).ike_sas[0].initiator_spi != before);
    CHECK(world.disagreement() == "");
}
