#include "crypto/ike/unique.h"

#include "tests/crypto/ike/bring_up.h"

using namespace isthmus;
using namespace isthmus::test;

TEST_CASE("INITIAL_CONTACT: the peer's old IKE SA goes without a word; without it the old one is deleted") {
    for (const bool says_so : {true, false}) {
        CAPTURE(says_so);
        World world(90);
        configure(world);
        world.a().peers[0].initial_contact = says_so;
        world.b().peers[0].liveness.detect = 1h;
        bring_up(world);
        const auto old = world.peer_of(world.b()).ike_sas.at(0).initiator_spi;
        std::size_t deletions = 0;
        world.filter = [&](const Side& from, const SendDatagram& sent) {
            constexpr std::uint8_t kInformational = 37;
            const bool of_old = IkeSpi{load_be64(sent.bytes.data())} == old;
            if (&from == &world.b() && of_old && sent.bytes[18] == kInformational) ++deletions;
            return true;
        };
        world.kill(world.a());
        world.start(world.a());
        REQUIRE(world.run_till([&] { return world.both_up() && !world.a().pairs.empty(); }, 3s));
        CHECK((deletions == 0) == says_so);
        CHECK((world.b().pairs.size() == 1) == says_so);
        world.run_for(20s);
        CHECK(world.disagreement() == "");
    }
}

TEST_CASE("INITIAL_CONTACT is not said while there is another IKE SA: rebuilding beside it loses nothing") {
    World world(91);
    configure(world);
    bring_up(world);
    world.traffic = true;
    const auto before = world.peer_of(world.a()).ike_sas.at(0).initiator_spi;
    REQUIRE(world.call(world.a(), [](Engine& e, TimePoint now) { return e.initiate("peer-b", now); }));
    world.run_for(20s);
    CHECK(world.peer_of(world.a()).ike_sas.at(0).initiator_spi != before);
    CHECK(world.disagreement() == "");
    CHECK(world.data_lost == 0);
}
