#include "crypto/ike/other_version.h"

#include "crypto/ike/wire/message.h"
#include "tests/crypto/ike/bring_up.h"

using namespace isthmus;
using namespace isthmus::test;

namespace {

void receive(World& world, std::uint8_t major, bool is_response = false) {
    Header header;
    header.initiator_spi = IkeSpi{0x1122334455667788};
    header.exchange = ExchangeType::ike_sa_init;
    header.from_initiator = true;
    header.is_response = is_response;
    header.message_id = MessageId{7};
    auto bytes = emit_message(header, {});
    bytes[17] = static_cast<std::uint8_t>(major << 4U);
    world.call(world.a(), [&](Engine& e, TimePoint now) {
        e.on_datagram(bytes, {{world.a().address, 500}, {world.b().address, 500}, std::nullopt}, now, {});
        return 0;
    });
}

}  // namespace

TEST_CASE("a peer that speaks IKEv1 and is not up is said to") {
    World world(70);
    configure(world);
    world.start(world.a());
    const auto sent = world.a().datagrams;
    receive(world, 1);
    CHECK(world.a().datagrams == sent);
    const auto peer = world.peer_of(world.a());
    REQUIRE(peer.last_error);
    CHECK(peer.last_error->find("at 192.0.2.2:500 somebody speaks IKEv1") == 0);
}

TEST_CASE("a version of the future is answered with the one that we speak, a response of it is not") {
    World world(71);
    configure(world);
    world.start(world.a());
    std::vector<std::vector<std::uint8_t>> answers;
    world.filter = [&](const Side&, const SendDatagram& sent) {
        answers.push_back(sent.bytes);
        return true;
    };
    receive(world, 3, true);
    CHECK(answers.empty());
    receive(world, 3);
    REQUIRE(answers.size() == 1);
    const auto answer = parse_message(answers[0]);
    REQUIRE(answer);
    CHECK(answer->header.is_response);
    CHECK_FALSE(answer->header.from_initiator);
    CHECK(answer->header.initiator_spi == IkeSpi{0x1122334455667788});
    CHECK(answer->header.message_id == MessageId{7});
    CHECK(find_notify(answer->payloads, NotifyType::invalid_major_version) != nullptr);
    CHECK(world.a().noted("major version 3"));
    for (int i = 0; i < 100; ++i) receive(world, 3);
    CHECK(answers.size() < 30);
}

TEST_CASE("where all is well, what somebody sends at the peer's address is no error of the peer's") {
    World world(72);
    configure(world);
    bring_up(world);
    receive(world, 1);
    CHECK_FALSE(world.peer_of(world.a()).last_error);
    CHECK(world.disagreement() == "");
}
