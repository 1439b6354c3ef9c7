// One engine alone: frames that come round, and hosts that are asked where they are.
#include <doctest/doctest.h>

#include "stp-guard/host_question.h"
#include "tests/stp-guard/frames.h"
#include "tests/stp-guard/lone_gateway.h"

using namespace isthmus;
using namespace isthmus::stp_guard;
using namespace isthmus::test;
using namespace std::chrono_literals;

TEST_CASE("whose frames go round past a block is asked on every LAN port where it is, and people are told") {
    Gateway gateway;
    gateway.bring_up();
    gateway.run(10s);
    const std::vector<std::uint8_t> ping =
        frame_to(kHost, hex("0800 45000054 00000000 4001 0000 c0000201 c0000202"), {{0x8100, kVid}});
    const auto goes_round = [&](const std::vector<std::uint8_t>& frame) {
        gateway.engine.on_circling_frame(kEdge, frame, gateway.now);
        gateway.collect();
    };
    goes_round(ping);
    CHECK_MESSAGE(gateway.questions.empty(), "nothing is blocked: the question would go round itself");

    block(gateway);
    goes_round(ping);
    goes_round(ping);
    REQUIRE(gateway.questions.size() == 2);
    for (std::size_t i = 0; i < 2; ++i) {
        const PortId out = i == 0 ? kLan : kOtherLan;
        CHECK(gateway.questions[i].place == Place{out, kVid});
        CHECK(gateway.questions[i].frame ==
              question_for(addressee_of(ping).value(), guard_source(NodeId{1}, out)));
    }
    CHECK(gateway.count(GuardEventId::circling_unicast) == 1);
    const GuardEvent& event = gateway.last(GuardEventId::circling_unicast);
    CHECK(event.severity == Severity::warning);
    CHECK(event.place == kEdge);
    for (const std::string_view word :
         {"VLAN 110", "02:00:5e:10:00:01 (192.0.2.2)", "dc2", "dropped", "asked where"})
        CHECK_MESSAGE(event.sentence.find(word) != std::string::npos, event.sentence);
    gateway.run(200ms);
    goes_round(ping);
    CHECK(gateway.questions.size() == 4);
}

TEST_CASE("flooded frames that come round make the probes look closer, and prove nothing") {
    Gateway gateway;
    gateway.bring_up();
    gateway.run(10s);
    const auto probes_within = [&](Duration duration) {
        const std::size_t before = gateway.probes;
        gateway.run(duration);
        return gateway.probes - before;
    };
    gateway.run(1s);
    const std::size_t usual = probes_within(700ms);
    const auto flooded = frame_to(kBroadcast, kArp, {{0x8100, kVid}});
    gateway.engine.on_circling_frame(kEdge, flooded, gateway.now);
    CHECK(probes_within(700ms) >= usual + 12);  // six on each of three ports, spaced
    gateway.engine.on_circling_frame(kEdge, flooded, gateway.now);
    CHECK(probes_within(700ms) <= usual + 6);  // but not for each that comes
    CHECK(gateway.engine.vlan_state(kEdge) == VlanState::open);
    CHECK(gateway.questions.empty());
}

TEST_CASE("who cannot be asked is told of and not asked, and observing nobody is") {
    Gateway gateway;
    gateway.bring_up();
    block(gateway);
    gateway.engine.on_circling_frame(kEdge, frame_to(kHost, hex("88b5 00"), {{0x8100, kVid}}), gateway.now);
    gateway.engine.on_circling_frame(kEdge, frame_to(kBroadcast, kArp, {{0x8100, kVid}}), gateway.now);
    gateway.engine.on_circling_frame({kTunnel, 999}, frame_to(kHost, kIpv4), gateway.now);
    gateway.collect();
    CHECK(gateway.questions.empty());
    CHECK(gateway.count(GuardEventId::circling_unicast) == 1);
    CHECK(gateway.last(GuardEventId::circling_unicast).sentence.find("no address") != std::string::npos);
    gateway.engine.on_command(command(GuardCommand::What::observe), gateway.now);
    gateway.engine.on_circling_frame(
        kEdge, frame_to(kHost, hex("0800 45000054 00000000 4001 0000 c0000201 c0000202"), {{0x8100, kVid}}),
        gateway.now);
    gateway.collect();
    CHECK(gateway.questions.empty());
}

TEST_CASE(
    "who said what came by two ways before the block is asked where it is as soon as something is blocked") {
    Gateway gateway;
    gateway.bring_up();
    gateway.run(10s);
    const Octets asks = hex("0806 0001 0800 0604 0001 02005e100101 c0000207 000000000000 c0000203");
    const auto flooded = frame_to(kBroadcast, asks, {{0x8100, kVid}});
    for (int i = 0; i < 3; ++i) gateway.engine.on_circling_frame(kEdge, flooded, gateway.now);
    gateway.engine.on_circling_frame(kEdge, frame_to(kBroadcast, hex("88b5 00"), {{0x8100, kVid}}),
                                     gateway.now);
    gateway.run(100ms);
    CHECK_MESSAGE(gateway.questions.empty(), "the question would go round itself");
    gateway.loop(kLan, kTunnel);
    gateway.run(3s);
    REQUIRE(gateway.engine.vlan_state(kEdge) == VlanState::bum_blocked);
    REQUIRE(gateway.questions.size() == 2);
    CHECK(gateway.questions[0].place == Place{kLan, kVid});
    CHECK(gateway.questions[1].place == Place{kOtherLan, kVid});
    CHECK(gateway.questions[0].frame ==
          question_for(sender_of(flooded).value(), guard_source(NodeId{1}, kLan)));
}

TEST_CASE(
    "what is learned in a loop between LAN ports is forgotten once it is blocked, and senders are asked") {
    Gateway gateway;
    gateway.bring_up();
    gateway.run(10s);
    const Octets asks = hex("0806 0001 0800 0604 0001 02005e100101 c0000207 000000000000 c0000203");
    gateway.engine.on_circling_frame(kEdge, frame_to(kBroadcast, asks, {{0x8100, kVid}}), gateway.now);
    const std::size_t before = gateway.flushes.size();
    gateway.loop(kLan, kOtherLan);
    gateway.run(3s);
    REQUIRE(gateway.engine.lan_blocked({kOtherLan, kVid}));
    REQUIRE(gateway.flushes.size() == before + 1);
    CHECK(gateway.flushes.back().local_too);
    REQUIRE(gateway.questions.size() == 2);
    CHECK(gateway.questions[0].place == Place{kLan, kVid});
    CHECK(gateway.questions[1].place == kEdge);
}
