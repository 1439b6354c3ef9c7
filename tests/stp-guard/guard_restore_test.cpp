// One engine alone, over restarts.
#include <doctest/doctest.h>

#include "tests/stp-guard/lone_gateway.h"

using namespace isthmus;
using namespace isthmus::stp_guard;
using namespace isthmus::test;
using namespace std::chrono_literals;

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
