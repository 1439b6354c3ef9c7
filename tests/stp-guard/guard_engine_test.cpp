// One engine alone; whole networks of them are in tests/sim/guard_sim_test.cpp.
#include "stp-guard/guard_engine.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "stp-guard/host_question.h"
#include "stp-guard/loop_probe.h"
#include "tests/crypto/seeded_rng.h"
#include "tests/stp-guard/frames.h"
#include "tests/stp-guard/toy_authenticator.h"

using namespace isthmus;
using namespace isthmus::stp_guard;
using namespace isthmus::test;
using namespace std::chrono_literals;

namespace {

constexpr TimePoint kStart{1000s};
constexpr PortId kLan{1};
constexpr PortId kOtherLan{2};
constexpr PortId kTunnel{3};
constexpr std::uint16_t kVid = 110;
constexpr Place kEdge{kTunnel, kVid};
constexpr std::uint64_t kBoot = 42;

GuardPort port(PortId id, PortKind kind, const std::string& name, const std::string& vlans = "110,120") {
    GuardPort out;
    out.id = id;
    out.kind = kind;
    out.name = name;
    out.vlans = VlanSet::parse(vlans).value();
    return out;
}

/// A gateway with two LAN ports and a session to a peer without a guard.
struct Gateway {
    explicit Gateway(const GuardOptions& options = {}, std::uint64_t seed = 1)
        : rng(seed), engine({DomainId{1}, SiteId{1}, NodeId{1}}, options, authenticator, rng) {}

    void bring_up() {
        engine.on_port(port(kLan, PortKind::lan, "ens5"), now);
        engine.on_port(port(kOtherLan, PortKind::lan, "ens6"), now);
        engine.on_port(port(kTunnel, PortKind::tunnel, "dc2"), now);
        for (const PortId id : {kLan, kOtherLan, kTunnel}) engine.on_link(id, true, now);
        engine.on_lan_frame(kLan, now);
        engine.on_lan_frame(kOtherLan, now);
        collect();
    }
    void run(Duration duration) {
        const TimePoint end = now + duration;
        while (const auto at = engine.next_timeout()) {
            if (*at > end) break;
            now = std::max(now, *at);
            engine.on_timeout(now);
            collect();
        }
        now = end;
    }
    void collect() {
        while (auto action = engine.poll_action()) {
            if (auto* event = std::get_if<GuardEvent>(&*action)) events.push_back(*event);
            if (auto* flush = std::get_if<FlushRemoteMacs>(&*action)) flushes.push_back(*flush);
            if (auto* pin = std::get_if<PinMac>(&*action)) pins.push_back(*pin);
            if (auto* state = std::get_if<SetVlanState>(&*action)) states.push_back(*state);
            if (auto* lan = std::get_if<BlockLanPort>(&*action)) lan_blocks.push_back(*lan);
            if (std::holds_alternative<PersistState>(*action)) ++persists;
            if (auto* probe = std::get_if<SendProbe>(&*action)) on_probe(*probe);
        }
    }
    /// What was sent on `looped_from` comes back on `looped_to`, as long as that lasts.
    void on_probe(const SendProbe& probe) {
        if (!peek_guard_frame(probe.frame)) return questions.push_back(probe);
        ++probes;
        const bool returns = looped_from && probe.place == Place{*looped_from, kVid};
        if (!returns) return;
        engine.on_guard_frame(looped_to, kVid, probe.frame, now + 1ms);
    }
    void loop(PortId from, PortId to) {
        looped_from = from;
        looped_to = to;
    }
    [[nodiscard]] std::size_t count(GuardEventId id) const {
        return static_cast<std::size_t>(std::count_if(
            events.begin(), events.end(), [id](const GuardEvent& event) { return event.id == id; }));
    }
    [[nodiscard]] const GuardEvent& last(GuardEventId id) const {
        const auto found = std::find_if(events.rbegin(), events.rend(),
                                        [id](const GuardEvent& event) { return event.id == id; });
        REQUIRE_MESSAGE(found != events.rend(), std::string(name_of(id)));
        return *found;
    }

    ToyAuthenticator authenticator;
    SeededRng rng;
    GuardEngine engine;
    TimePoint now = kStart;
    std::vector<GuardEvent> events;
    std::vector<FlushRemoteMacs> flushes;
    std::vector<PinMac> pins;
    std::vector<SetVlanState> states;
    std::vector<BlockLanPort> lan_blocks;
    std::vector<SendProbe> questions;  ///< to hosts
    std::size_t persists = 0;
    std::size_t probes = 0;
    std::optional<PortId> looped_from;
    PortId looped_to{};
};

void block(Gateway& gateway) {
    gateway.run(10s);
    REQUIRE(gateway.engine.vlan_state(kEdge) == VlanState::open);
    gateway.loop(kLan, kTunnel);
    gateway.run(3s);
    REQUIRE(gateway.engine.vlan_state(kEdge) == VlanState::bum_blocked);
}

BpduFrame bpdu(bool topology_change = false, std::uint8_t root = 1) {
    BpduFrame out;
    out.bpdu.kind = BpduKind::rapid;
    out.bpdu.flags.bits = topology_change ? 0x3d : 0x3c;
    out.bpdu.forward_delay = 15s;
    out.bpdu.root = {0x8000, MacAddress{{0, 0, 0, 0, 0, root}}};
    return out;
}

GuardCommand command(GuardCommand::What what, std::optional<std::uint16_t> vid = std::nullopt) {
    GuardCommand out;
    out.what = what;
    out.vid = vid;
    return out;
}

}  // namespace

TEST_CASE(
    "a VLAN starts closed and opens after three clean rounds, counted from when the LAN carries frames") {
    Gateway gateway;
    gateway.bring_up();
    CHECK(gateway.engine.vlan_state(kEdge) == VlanState::closed);
    gateway.run(3s);
    CHECK(gateway.engine.vlan_state(kEdge) == VlanState::closed);
    CHECK(gateway.engine.status(gateway.now).vlans.size() == 2);
    gateway.run(3s);
    CHECK(gateway.engine.vlan_state(kEdge) == VlanState::open);
    CHECK(gateway.engine.status(gateway.now).open_vlans == 2);
    CHECK(gateway.count(GuardEventId::peer_without_guard) == 1);
}

TEST_CASE("without a LAN link nothing is clean, only blind, and it says so") {
    Gateway gateway;
    gateway.bring_up();
    gateway.engine.on_link(kLan, false, gateway.now);
    gateway.engine.on_link(kOtherLan, false, gateway.now);
    gateway.run(60s);
    CHECK(gateway.engine.vlan_state(kEdge) == VlanState::closed);
    CHECK(gateway.engine.status(gateway.now).vlans.at(0).waiting_for ==
          "no LAN port of this VLAN has a link");
}

TEST_CASE("a gateway without any LAN port opens: there is nothing to wait for") {
    Gateway gateway;
    gateway.engine.on_port(port(kTunnel, PortKind::tunnel, "dc2"), gateway.now);
    gateway.engine.on_link(kTunnel, true, gateway.now);
    gateway.run(6s);
    CHECK(gateway.engine.vlan_state(kEdge) == VlanState::open);
}

TEST_CASE("a block says in one sentence what was seen, what was done and when it is tried again") {
    Gateway gateway;
    gateway.bring_up();
    block(gateway);
    const GuardEvent& event = gateway.last(GuardEventId::blocked);
    CHECK(event.severity == Severity::critical);
    CHECK(event.place == kEdge);
    CHECK(event.witnesses >= 2);
    CHECK(event.sentence.starts_with(
        "VLAN 110 on dc2: our probes of VLAN 110 sent on ens5 came back on dc2 after 1 ms ("));
    CHECK(event.sentence.ends_with(
        "Broadcast, unknown unicast and multicast are blocked; tried again in 30 s, and open after "
        "three clean rounds of probes."));
    CHECK_MESSAGE(gateway.engine.vlan_state({kTunnel, 120}) == VlanState::open,
                  "other VLANs are not touched");
    CHECK(gateway.count(GuardEventId::blocked) == 1);
    CHECK(gateway.persists >= 1);
}

TEST_CASE("a lab may do without the checks: open at once, and closed when a loop is proven") {
    GuardOptions options;
    options.opening.checked = false;
    Gateway gateway(options);
    gateway.bring_up();
    CHECK(gateway.engine.vlan_state(kEdge) == VlanState::open);
    gateway.loop(kLan, kTunnel);
    gateway.run(3s);
    CHECK(gateway.engine.vlan_state(kEdge) == VlanState::bum_blocked);
}

TEST_CASE("known unicast is closed only before the first opening") {
    Gateway gateway;
    gateway.bring_up();
    gateway.run(10s);
    gateway.engine.on_link(kTunnel, false, gateway.now);
    gateway.engine.on_link(kTunnel, true, gateway.now);
    gateway.collect();
    CHECK(gateway.engine.vlan_state(kEdge) == VlanState::bum_blocked);
    CHECK_MESSAGE(!gateway.flushes.empty(), "who was behind the tunnel may be reached another way now");
    gateway.run(5s);
    CHECK(gateway.engine.vlan_state(kEdge) == VlanState::open);
}

TEST_CASE("a restart within one boot keeps the block, its cause and its time") {
    Gateway before;
    before.bring_up();
    block(before);
    const auto saved = before.engine.save(kBoot, before.now);
    const auto held_until = before.engine.status(before.now).vlans.at(0).held_until;

    Gateway after({}, 2);
    after.now = before.now + 2s;
    REQUIRE(after.engine.restore(saved, kBoot, after.now));
    after.bring_up();
    CHECK(after.engine.vlan_state(kEdge) == VlanState::bum_blocked);
    const VlanStatus vlan = after.engine.status(after.now).vlans.at(0);
    CHECK(vlan.cause == Cause::backdoor);
    CHECK(vlan.held_until == held_until);
    CHECK(vlan.trips == 1);
    CHECK_MESSAGE(after.engine.vlan_state({kTunnel, 120}) == VlanState::bum_blocked,
                  "it was open before: known unicast goes on");
    CHECK(after.count(GuardEventId::state_restored) == 1);
    after.run(40s);
    CHECK(after.engine.vlan_state(kEdge) == VlanState::open);
}

TEST_CASE("a restart on a LAN whose link was not interrupted counts its rounds at once") {
    constexpr std::uint64_t kLink = 0x0000'0005'0000'0003;
    const auto up = [](Gateway& gateway, std::uint64_t link) {
        gateway.engine.on_port(port(kLan, PortKind::lan, "ens5"), gateway.now);
        gateway.engine.on_port(port(kTunnel, PortKind::tunnel, "dc2"), gateway.now);
        gateway.engine.on_link(kLan, true, gateway.now, link);
        gateway.engine.on_link(kTunnel, true, gateway.now);
        gateway.collect();
    };
    GuardOptions options;
    options.opening.peer_unheard = 0s;
    Gateway before(options);
    up(before, kLink);
    CHECK(before.persists == 0);
    before.run(10s);
    REQUIRE(before.engine.vlan_state(kEdge) == VlanState::open);
    CHECK_MESSAGE(before.persists >= 2, "that the LAN is ready, and that the session was open");
    const auto saved = before.engine.save(kBoot, before.now);
    const auto opens_within = [&](std::uint64_t link, std::uint64_t boot, bool save_again,
                                  Duration patience) {
        Gateway after(options, 2);
        after.now = before.now + 1s;
        REQUIRE(after.engine.restore(saved, boot, after.now));
        if (save_again) {
            const auto again = after.engine.save(boot, after.now);
            Gateway third(options, 3);
            third.now = after.now;
            REQUIRE(third.engine.restore(again, boot, third.now));
            up(third, link);
            third.run(patience);
            return third.engine.vlan_state(kEdge) == VlanState::open;
        }
        up(after, link);
        after.run(patience);
        return after.engine.vlan_state(kEdge) == VlanState::open;
    };
    CHECK(opens_within(kLink, kBoot, false, 2s));
    CHECK_MESSAGE(opens_within(kLink, kBoot, true, 2s), "although the process between never saw the port");
    CHECK_FALSE_MESSAGE(opens_within(kLink + 1, kBoot, false, 4s), "the link came and went");
    CHECK_FALSE_MESSAGE(opens_within(kLink, kBoot + 1, false, 4s), "another boot");
    CHECK_FALSE_MESSAGE(opens_within(0, kBoot, false, 4s), "nobody knows");
    CHECK(opens_within(kLink + 1, kBoot, false, 10s));
}

TEST_CASE("observing by configuration ends with it, observing by order only by order") {
    GuardOptions observing;
    observing.observe = true;
    Gateway trial(observing);
    Gateway earnest({}, 2);
    REQUIRE(earnest.engine.restore(trial.engine.save(kBoot, kStart), kBoot, kStart));
    CHECK_FALSE(earnest.engine.status(kStart).observe);
    earnest.engine.on_command(command(GuardCommand::What::observe), kStart);
    Gateway later({}, 3);
    REQUIRE(later.engine.restore(earnest.engine.save(kBoot, kStart), kBoot, kStart));
    CHECK(later.engine.status(kStart).observe);
}

TEST_CASE("over a reboot, when the clock starts anew, the rest of the hold is kept") {
    Gateway before;
    before.bring_up();
    block(before);
    const auto saved = before.engine.save(kBoot, before.now);
    const auto left = *before.engine.status(before.now).vlans.at(0).held_until - before.now;

    Gateway after({}, 2);
    after.now = TimePoint(5s);
    REQUIRE(after.engine.restore(saved, kBoot + 1, after.now));
    after.bring_up();
    CHECK(after.engine.status(after.now).vlans.at(0).held_until == after.now + left);
}

TEST_CASE(
    "a state that is saved before its ports come back is not lost, and a broken one is refused in words") {
    Gateway before;
    before.bring_up();
    block(before);
    const auto saved = before.engine.save(kBoot, before.now);
    Gateway between({}, 2);
    between.now = before.now;
    REQUIRE(between.engine.restore(saved, kBoot, between.now));
    Gateway after({}, 3);
    after.now = before.now;
    REQUIRE(after.engine.restore(between.engine.save(kBoot, between.now), kBoot, after.now));
    after.bring_up();
    CHECK(after.engine.vlan_state(kEdge) == VlanState::bum_blocked);

    auto broken = saved;
    broken.pop_back();
    const auto refused = Gateway().engine.restore(broken, kBoot, kStart);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().find("truncated") != std::string::npos);
}

TEST_CASE("hold blocks until cleared or for a time, and survives a restart") {
    Gateway gateway;
    gateway.bring_up();
    gateway.run(10s);
    gateway.engine.on_command(command(GuardCommand::What::hold, kVid), gateway.now);
    gateway.collect();
    CHECK(gateway.engine.vlan_state(kEdge) == VlanState::bum_blocked);
    CHECK(gateway.engine.vlan_state({kTunnel, 120}) == VlanState::open);
    gateway.run(2h);
    CHECK(gateway.engine.vlan_state(kEdge) == VlanState::bum_blocked);

    Gateway after({}, 2);
    after.now = gateway.now;
    REQUIRE(after.engine.restore(gateway.engine.save(kBoot, gateway.now), kBoot, after.now));
    after.bring_up();
    after.run(60s);
    CHECK(after.engine.vlan_state(kEdge) == VlanState::bum_blocked);
    after.engine.on_command(command(GuardCommand::What::clear, kVid), after.now);
    after.run(5s);
    CHECK(after.engine.vlan_state(kEdge) == VlanState::open);
    CHECK(after.last(GuardEventId::cleared).sentence.find("1 block cleared by order of a person") !=
          std::string::npos);

    GuardCommand for_a_minute = command(GuardCommand::What::hold, kVid);
    for_a_minute.hold_for = 60s;
    after.engine.on_command(for_a_minute, after.now);
    after.run(59s);
    CHECK(after.engine.vlan_state(kEdge) == VlanState::bum_blocked);
    after.run(5s);
    CHECK(after.engine.vlan_state(kEdge) == VlanState::open);
}

TEST_CASE(
    "clear waits for clean rounds, clear by force does not, and a loop that is there is blocked again") {
    Gateway gateway;
    gateway.bring_up();
    block(gateway);
    gateway.engine.on_command(command(GuardCommand::What::clear), gateway.now);
    gateway.run(10s);
    CHECK(gateway.engine.vlan_state(kEdge) == VlanState::bum_blocked);
    gateway.engine.on_command(command(GuardCommand::What::clear_force), gateway.now);
    gateway.collect();
    CHECK(gateway.engine.vlan_state(kEdge) == VlanState::open);
    gateway.run(3s);
    CHECK(gateway.engine.vlan_state(kEdge) == VlanState::bum_blocked);
    CHECK(gateway.engine.status(gateway.now).vlans.at(0).trips == 1);
}

TEST_CASE("observing, everything is told and nothing is blocked") {
    GuardOptions options;
    options.observe = true;
    Gateway gateway(options);
    gateway.bring_up();
    CHECK(gateway.engine.vlan_state(kEdge) == VlanState::open);
    gateway.loop(kLan, kTunnel);
    gateway.run(20s);
    CHECK(gateway.engine.vlan_state(kEdge) == VlanState::open);
    for (const SetVlanState& state : gateway.states) CHECK(state.state == VlanState::open);

    gateway.engine.on_command(command(GuardCommand::What::enforce), gateway.now);
    gateway.run(5s);
    CHECK(gateway.engine.vlan_state(kEdge) != VlanState::open);
    gateway.engine.on_command(command(GuardCommand::What::observe), gateway.now);
    gateway.collect();
    CHECK(gateway.engine.vlan_state(kEdge) == VlanState::open);
}

TEST_CASE("a LAN loop blocks the higher port for that VLAN, and comes back over a restart") {
    Gateway gateway;
    gateway.bring_up();
    gateway.run(10s);
    gateway.loop(kLan, kOtherLan);
    gateway.run(3s);
    CHECK(gateway.engine.lan_blocked({kOtherLan, kVid}));
    REQUIRE(gateway.lan_blocks.size() == 1);
    CHECK(gateway.lan_blocks[0].place == Place{kOtherLan, kVid});
    CHECK(gateway.lan_blocks[0].blocked);

    Gateway after({}, 2);
    after.now = gateway.now;
    REQUIRE(after.engine.restore(gateway.engine.save(kBoot, gateway.now), kBoot, after.now));
    after.bring_up();
    CHECK(after.engine.lan_blocked({kOtherLan, kVid}));
    after.run(40s);
    CHECK_FALSE(after.engine.lan_blocked({kOtherLan, kVid}));
    CHECK_FALSE(after.lan_blocks.back().blocked);
}

TEST_CASE("storms, moving hosts and lost notifications make the probes look closer, and block nothing") {
    Gateway gateway;
    gateway.bring_up();
    gateway.run(70s);
    const auto probes_in = [&](Duration time) {
        const std::size_t before = gateway.probes;
        gateway.run(time);
        return gateway.probes - before;
    };
    const std::size_t usual = probes_in(1s);
    gateway.engine.on_storm({kLan, kVid}, true, gateway.now);
    CHECK(probes_in(1s) >= usual + 10);
    (void)probes_in(10s);
    gateway.engine.on_fdb_overrun(gateway.now);
    CHECK(probes_in(1s) >= usual + 10);
    (void)probes_in(10s);
    for (std::uint32_t i = 0; i < 2'500; ++i) {
        const MacAddress mac{{0, 0x50, 0x56, 0, static_cast<std::uint8_t>(i % 50), 1}};
        gateway.engine.on_host({i / 50 % 2 == 0 ? kLan : kTunnel, kVid}, mac, gateway.now);
    }
    gateway.collect();
    CHECK(probes_in(1s) >= usual + 10);
    CHECK(gateway.count(GuardEventId::flap_storm) == 2);
    gateway.run(60s);
    CHECK(gateway.count(GuardEventId::blocked) == 0);
    CHECK(gateway.engine.vlan_state(kEdge) == VlanState::open);
}

TEST_CASE(
    "a host with two places is named; with pinning it is kept where it was first; gateways and load "
    "balancers are told apart") {
    const auto move = [](Gateway& gateway, const char* mac) {
        for (int i = 0; i <= 6; ++i)
            gateway.engine.on_host({i % 2 == 0 ? kLan : kTunnel, kVid}, MacAddress::parse(mac).value(),
                                   gateway.now);
        gateway.collect();
    };
    GuardOptions pinning;
    pinning.mac_moves.pin = true;
    for (const GuardOptions& options : {GuardOptions{}, pinning}) {
        Gateway gateway(options);
        gateway.bring_up();
        move(gateway, "00:50:56:00:00:01");
        CHECK(gateway.last(GuardEventId::duplicate_mac)
                  .sentence.find("00:50:56:00:00:01 in VLAN 110 moved 5 times within") == 0);
        CHECK(gateway.pins.size() == (options.mac_moves.pin ? 1 : 0));
        if (options.mac_moves.pin) CHECK(gateway.pins[0].place == Place{kLan, kVid});
        move(gateway, "00:00:5e:00:01:0a");
        CHECK(gateway.count(GuardEventId::gateway_at_both_sites) == 1);
        CHECK(gateway.count(GuardEventId::duplicate_mac) == 1);
        move(gateway, "02:bf:0a:00:00:01");
        CHECK(gateway.last(GuardEventId::duplicate_mac).sentence.find("load balancing") != std::string::npos);
        move(gateway, guard_source(NodeId{9}, PortId{9}).text().c_str());
        CHECK(gateway.count(GuardEventId::duplicate_mac) == 2);
    }
}

TEST_CASE(
    "topology changes flush remote hosts at most once in ten seconds, and only where there are several ways "
    "in") {
    Gateway gateway;
    gateway.bring_up();
    gateway.run(10s);
    for (int i = 0; i < 150; ++i) {
        gateway.engine.on_bpdu(kLan, bpdu(true), gateway.now);
        gateway.run(2s);
    }
    CHECK(gateway.flushes.size() == 30);
    CHECK(gateway.count(GuardEventId::blocked) == 0);

    Gateway one_way;
    one_way.engine.on_port(port(kLan, PortKind::lan, "ens5"), one_way.now);
    one_way.engine.on_port(port(kTunnel, PortKind::tunnel, "dc2"), one_way.now);
    one_way.engine.on_link(kLan, true, one_way.now);
    one_way.engine.on_link(kTunnel, true, one_way.now);
    one_way.engine.on_bpdu(kLan, bpdu(true), one_way.now);
    one_way.collect();
    CHECK(one_way.flushes.empty());
}

TEST_CASE("a switch's port that does not forward yet keeps the VLAN closed") {
    Gateway gateway;
    gateway.bring_up();
    BpduFrame listening = bpdu();
    listening.bpdu.flags.bits = 0x0c;
    for (int i = 0; i < 10; ++i) {
        gateway.engine.on_bpdu(kLan, listening, gateway.now);
        gateway.run(2s);
    }
    CHECK(gateway.engine.vlan_state(kEdge) == VlanState::closed);
    CHECK(gateway.engine.status(gateway.now).vlans.at(0).waiting_for == "ens5 may not carry frames yet");
    gateway.engine.on_bpdu(kLan, bpdu(), gateway.now);
    gateway.run(3s);
    CHECK(gateway.engine.vlan_state(kEdge) == VlanState::open);
}

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

TEST_CASE("VLANs and ports may come and go at any time") {
    Gateway gateway;
    gateway.bring_up();
    gateway.run(10s);
    gateway.engine.on_port(port(kTunnel, PortKind::tunnel, "dc2", "120-130"), gateway.now);
    gateway.engine.on_port(port(kLan, PortKind::lan, "ens5", "120-130"), gateway.now);
    gateway.run(8s);
    CHECK(gateway.engine.vlan_state(kEdge) == VlanState::closed);
    CHECK(gateway.engine.vlan_state({kTunnel, 120}) == VlanState::open);
    CHECK(gateway.engine.vlan_state({kTunnel, 130}) == VlanState::open);
    gateway.engine.on_port_gone(kTunnel, gateway.now);
    gateway.engine.on_port_gone(kTunnel, gateway.now);
    gateway.engine.on_link(kTunnel, true, gateway.now);
    gateway.engine.on_storm({kTunnel, 120}, true, gateway.now);
    gateway.engine.on_guard_frame(kTunnel, 120, {}, gateway.now);
    gateway.run(5s);
    CHECK(gateway.engine.status(gateway.now).vlans.empty());
    CHECK(gateway.engine.status(gateway.now).peers.empty());
}

TEST_CASE(
    "4,094 VLANs on two LAN ports and a session: opened within a minute, and no more probes than the "
    "budget") {
    Gateway gateway;
    gateway.engine.on_port(port(kLan, PortKind::lan, "ens5", "1-4094"), gateway.now);
    gateway.engine.on_port(port(kTunnel, PortKind::tunnel, "dc2", "1-4094"), gateway.now);
    gateway.engine.on_link(kLan, true, gateway.now);
    gateway.engine.on_lan_frame(kLan, gateway.now);
    gateway.engine.on_link(kTunnel, true, gateway.now);
    gateway.run(60s);
    const GuardStatus status = gateway.engine.status(gateway.now);
    CHECK(status.open_vlans == 4094);
    CHECK(gateway.probes <= 60 * 1'000 + 40);
    const std::size_t before = gateway.probes;
    gateway.run(10s);
    CHECK(gateway.probes - before <= 10 * 200 + 20);
    CHECK(status.probes.full_round > 40s);
    CHECK(status.probes.full_round < 42s);
}
