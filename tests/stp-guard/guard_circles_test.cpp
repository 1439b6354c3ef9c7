// One engine alone: frames that come round, and hosts that are asked where they are.
#include <doctest/doctest.h>

#include "stp-guard/host_question.h"
#include "tests/stp-guard/frames.h"
#include "tests/stp-guard/lone_gateway.h"

using namespace isthmus;
using namespace isthmus::stp_guard;
using namespace isthmus::test;
using namespace std::chrono_literals;

namespace {

const MacAddress kNobody = guard_source(NodeId{1}, PortId{0xffff'ffff});
constexpr PortId kOtherTunnel{4};
constexpr Place kOtherEdge{kOtherTunnel, kVid};

std::vector<std::uint8_t> ping_to(std::string_view last_octet = "02") {
    const std::string text = "0800 45000054 00000000 4001 0000 c0000201 c00002" + std::string(last_octet);
    return frame_to(kHost, hex(text), {{0x8100, kVid}});
}

}  // namespace

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
              question_for(addressee_of(ping).value(), guard_source(NodeId{1}, out), kNobody));
    }
    CHECK(gateway.count(GuardEventId::circling_unicast) == 1);
    const GuardEvent& event = gateway.last(GuardEventId::circling_unicast);
    CHECK(event.severity == Severity::warning);
    CHECK(event.place == kEdge);
    for (const std::string_view word :
         {"VLAN 110", "02:00:5e:10:00:01 (192.0.2.2)", "dc2", "dropped", "asked where"})
        CHECK_MESSAGE(event.sentence.find(word) != std::string::npos, event.sentence);
    for (int i = 0; i < 3; ++i) {
        gateway.run(200ms);
        goes_round(ping);
    }
    REQUIRE(gateway.questions.size() == 8);
    CHECK(gateway.questions[4].frame ==
          question_for(addressee_of(ping).value(), guard_source(NodeId{1}, kLan), kNobody));
    CHECK_MESSAGE(
        gateway.questions[6].frame == question_for(addressee_of(ping).value(), guard_source(NodeId{1}, kLan),
                                                   guard_source(NodeId{1}, kLan)),
        "where switches flood no unicast the fourth answer comes to us at least");
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
    REQUIRE(gateway.questions.size() == 4);  // and once more
    CHECK(gateway.questions[0].place == Place{kLan, kVid});
    CHECK(gateway.questions[1].place == Place{kOtherLan, kVid});
    CHECK(gateway.questions[0].frame ==
          question_for(sender_of(flooded).value(), guard_source(NodeId{1}, kLan), kNobody));
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
    REQUIRE(gateway.questions.size() == 4);
    CHECK(gateway.questions[0].place == Place{kLan, kVid});
    CHECK(gateway.questions[1].place == kEdge);
}

TEST_CASE(
    "whose unicast still passes the blocked session is asked where it is, ever more seldom, and nobody is "
    "told") {
    Gateway gateway;
    gateway.bring_up();
    block(gateway);
    std::vector<Duration> asked;
    const TimePoint start = gateway.now;
    for (std::size_t before = 0; gateway.now < start + 100s; gateway.run(100ms)) {
        gateway.engine.on_stray_unicast(kEdge, ping_to(), gateway.now);
        gateway.collect();
        if (gateway.questions.size() == before) continue;
        before = gateway.questions.size();
        asked.push_back(gateway.now - start);
    }
    // Those that no other one follows within a quarter of a second are said once more.
    CHECK(asked == std::vector<Duration>{0ms,     100ms,   200ms,   400ms,   800ms,   1200ms,  1600ms,
                                         2000ms,  3200ms,  3600ms,  6400ms,  6800ms,  12800ms, 13200ms,
                                         25600ms, 26000ms, 51200ms, 51600ms, 83200ms, 83500ms});
    REQUIRE(gateway.questions.size() == 42);
    CHECK(gateway.questions[0].place == Place{kLan, kVid});
    CHECK(gateway.questions[1].place == Place{kOtherLan, kVid});
    CHECK(gateway.questions[0].frame ==
          question_for(addressee_of(ping_to()).value(), guard_source(NodeId{1}, kLan), kNobody));
    CHECK(gateway.count(GuardEventId::stray_unicast) == 0);
    CHECK(gateway.engine.status(gateway.now).hosts_asked == 21);
}

TEST_CASE(
    "a question is said once more when no frame of the host can be under way any more that teaches the old "
    "place") {
    Gateway gateway;
    gateway.bring_up();
    block(gateway);
    const auto seconds_until = [&](std::size_t questions) {
        const TimePoint start = gateway.now;
        while (gateway.questions.size() < questions && gateway.now < start + 10s) gateway.run(10ms);
        return gateway.now - start;
    };
    gateway.engine.on_stray_unicast(kEdge, ping_to(), gateway.now);
    gateway.collect();
    REQUIRE(gateway.questions.size() == 2);
    gateway.run(100ms);
    gateway.engine.on_stray_unicast(kEdge, ping_to(), gateway.now);
    gateway.collect();
    REQUIRE(gateway.questions.size() == 4);
    // From then on nothing is heard of the host: a switch may send to us what the bridge has where it came from, and drops.
    const Duration until = seconds_until(6);
    CHECK(until >= 250ms);
    CHECK(until <= 400ms);
    CHECK(gateway.questions[4].place == Place{kLan, kVid});
    CHECK(gateway.questions[4].frame == gateway.questions[0].frame);
    CHECK(gateway.questions[5].frame == gateway.questions[1].frame);
    CHECK_MESSAGE(seconds_until(7) == 10s, "once is enough");

    gateway.engine.on_stray_unicast(kEdge, ping_to(), gateway.now);
    gateway.engine.on_command(command(GuardCommand::What::observe), gateway.now);
    gateway.collect();
    const std::size_t asked = gateway.questions.size();
    gateway.run(2s);
    CHECK_MESSAGE(gateway.questions.size() == asked, "who only observes asks nobody");
}

TEST_CASE("nobody is asked because of what passes a session that a person holds, or that is open") {
    Gateway gateway;
    gateway.bring_up();
    gateway.run(10s);
    gateway.engine.on_stray_unicast(kEdge, ping_to(), gateway.now);
    gateway.engine.on_command(command(GuardCommand::What::hold, kVid), gateway.now);
    REQUIRE(gateway.engine.vlan_state(kEdge) == VlanState::bum_blocked);
    gateway.engine.on_stray_unicast(kEdge, ping_to(), gateway.now);
    gateway.engine.on_stray_unicast({kTunnel, 999}, ping_to(), gateway.now);
    gateway.collect();
    CHECK(gateway.questions.empty());
    CHECK(gateway.count(GuardEventId::stray_unicast) == 0);
}

namespace {

/// Two sessions of one split-horizon group; the host moved from the LAN to the second one.
struct MeshedGateway : Gateway {
    MeshedGateway() {
        bring_up();
        for (const PortId id : {kTunnel, kOtherTunnel}) {
            GuardPort session = port(id, PortKind::tunnel, id == kTunnel ? "dc2" : "dc3");
            session.isolated = true;
            engine.on_port(session, now);
        }
        engine.on_link(kOtherTunnel, true, now);
        run(10s);
    }
    void host_at(PortId id) {
        engine.on_host({id, 0}, mac, now);
        while (auto action = engine.poll_action())
            if (auto* stray = std::get_if<StrayHost>(&*action)) strays.push_back(*stray);
    }
    const MacAddress mac = MacAddress::parse(kHost).value();
    std::vector<StrayHost> strays;
};

}  // namespace

TEST_CASE(
    "a host that goes from the LAN behind a session of a split-horizon group is watched until it is back") {
    MeshedGateway gateway;
    gateway.host_at(kOtherTunnel);
    CHECK_MESSAGE(gateway.strays.empty(), "nobody heard it here");
    gateway.host_at(kLan);
    gateway.host_at(kOtherLan);
    gateway.strays.clear();
    gateway.host_at(kTunnel);
    REQUIRE(gateway.strays.size() == 1);
    CHECK(gateway.strays[0].place == Place{kTunnel, 0});
    CHECK(gateway.strays[0].mac == gateway.mac);
    CHECK(gateway.strays[0].stray);
    gateway.host_at(kOtherTunnel);
    CHECK_MESSAGE(gateway.strays.size() == 1, "nothing else for those who send frames for it here");
    gateway.host_at(kLan);
    REQUIRE(gateway.strays.size() == 2);
    CHECK_FALSE(gateway.strays[1].stray);
    gateway.engine.on_host_gone(0, gateway.mac, gateway.now);
    gateway.host_at(kLan);
    REQUIRE(gateway.strays.size() == 3);
    CHECK_FALSE(gateway.strays[2].stray);
}

TEST_CASE("frames that split horizon loses are told of, and their host is asked everywhere, loop or not") {
    MeshedGateway gateway;
    gateway.host_at(kLan);
    gateway.host_at(kOtherTunnel);
    gateway.engine.on_stray_unicast(kEdge, ping_to(), gateway.now);
    gateway.engine.on_stray_unicast(kEdge, ping_to(), gateway.now);
    gateway.collect();
    REQUIRE(gateway.questions.size() == 4);
    CHECK(gateway.questions[3].place == kOtherEdge);
    CHECK(gateway.count(GuardEventId::stray_unicast) == 1);
    for (const std::string_view word : {"VLAN 110", "02:00:5e:10:00:01 (192.0.2.2)", "out of dc2",
                                        "behind dc3", "split_horizon", "lost", "asked where"})
        CHECK_MESSAGE(gateway.last(GuardEventId::stray_unicast).sentence.find(word) != std::string::npos,
                      gateway.last(GuardEventId::stray_unicast).sentence);
    gateway.host_at(kLan);
    gateway.run(1s);
    gateway.engine.on_stray_unicast(kEdge, ping_to(), gateway.now);
    gateway.collect();
    CHECK_MESSAGE(gateway.questions.size() == 4, "it is back");
}

TEST_CASE("while a loop is whole, whose frames split horizon loses is asked only after the block") {
    MeshedGateway gateway;
    gateway.host_at(kLan);
    gateway.host_at(kOtherTunnel);
    gateway.loop(kLan, kTunnel);
    while (gateway.engine.status(gateway.now).probes.own_returned == 0) gateway.run(1ms);
    REQUIRE(gateway.engine.vlan_state(kEdge) == VlanState::open);
    gateway.engine.on_stray_unicast(kEdge, ping_to(), gateway.now);
    gateway.collect();
    CHECK(gateway.questions.empty());
    while (gateway.engine.vlan_state(kEdge) == VlanState::open) gateway.run(10ms);
    gateway.run(200ms);
    CHECK(gateway.questions.size() == 3);  // two LAN ports and the other session
}
