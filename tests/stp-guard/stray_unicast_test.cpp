// Known unicast that takes another way than flooded frames: what the stage shows to control, and what it counts.
#include <doctest/doctest.h>

#include "tests/stp-guard/admission_bench.h"

using namespace isthmus;
using namespace isthmus::stp_guard;
using namespace isthmus::test;
using namespace std::chrono_literals;

namespace {

SessionAdmission with_states(VlanState state) {
    SessionAdmission session = whole_port();
    VlanStates states(VlanState::open);
    states.set(10, state);
    session.vlans = std::make_shared<const VlanStates>(states);
    session.bridge = SessionIndex{7};
    return session;
}

/// One to host `number`, each time another one.
Octets to_host(std::uint32_t number, std::uint16_t vid = 10) {
    static std::uint32_t serial = 0;
    Octets frame = frame_to(kHost, kIpv4, {{0x8100, vid}});
    store_be32(frame.data() + 2, number);
    store_be32(frame.data() + 50, ++serial);
    return frame;
}

MacAddress host_of(const Octets& frame) {
    MacAddress mac;
    std::copy_n(frame.begin(), 6, mac.bytes.begin());
    return mac;
}

struct StrayBench {
    std::unique_ptr<PuntRings> rings = std::make_unique<PuntRings>();
    KnownHosts hosts{1};
    Bench in;

    explicit StrayBench(const SessionAdmission& session)
        : in({session, session}, Direction::from_tunnel, rings.get(),
             {&hosts.tunnel, &hosts.lan, &hosts.bridge, &hosts.floods, &hosts.strays}) {
        for (std::uint32_t i = 0; i < 100; ++i)
            for (const std::uint16_t vid : {std::uint16_t{10}, std::uint16_t{20}})
                (void)hosts.lan.heard(SessionIndex{0}, vid, host_of(to_host(i)), {}, kNow);
    }
    /// Whom they are for.
    std::vector<std::uint32_t> shown() {
        std::vector<std::uint32_t> out;
        rings->drain(PuntRings::kDepth, [&](PuntClass c, const PuntMessage& message) {
            CHECK(c == PuntClass::stray_unicast);
            CHECK(message.session == SessionIndex{0});
            out.push_back(load_be32(message.data().data() + 2));
        });
        return out;
    }
};

}  // namespace

TEST_CASE("known unicast that passes a blocked VLAN is shown to control once a moment for each host") {
    StrayBench bench(with_states(VlanState::bum_blocked));
    for (int i = 0; i < 20; ++i)
        for (const std::uint32_t host : {1U, 2U, 3U})
            CHECK(bench.in.fate(to_host(host), 0, kNow + i * 1ms) == DropReason::none);
    CHECK(bench.shown() == std::vector<std::uint32_t>{1, 2, 3});
    CHECK(bench.in.fate(to_host(2), 0, kNow + 24ms) == DropReason::none);
    CHECK(bench.shown().empty());
    CHECK(bench.in.fate(to_host(2), 0, kNow + 25ms) == DropReason::none);
    CHECK(bench.shown() == std::vector<std::uint32_t>{2});
    CHECK_MESSAGE(bench.in.fate(to_host(2, 20), 0, kNow + 300ms) == DropReason::none, "an open VLAN");
    CHECK(bench.shown().empty());
}

TEST_CASE("what is flooded is not shown where it is blocked, and known unicast is where all is suspended") {
    StrayBench bench(with_states(VlanState::suspended));
    CHECK(bench.in.fate(to_host(1)) == DropReason::vlan_suspended);
    CHECK(bench.shown() == std::vector<std::uint32_t>{1});
    CHECK(bench.in.fate(to_host(1'000)) == DropReason::vlan_suspended);
    CHECK(bench.in.fate(frame_to(kBroadcast, kIpv4, {{0x8100, 10}})) == DropReason::vlan_suspended);
    CHECK(bench.shown().empty());
}

TEST_CASE("a flood of unicast to ever new hosts of a blocked VLAN leaves control its peace") {
    StrayBench bench(with_states(VlanState::bum_blocked));
    for (std::uint32_t i = 0; i < 100; ++i) CHECK(bench.in.fate(to_host(i)) == DropReason::none);
    CHECK(bench.shown().size() == 48);
}

TEST_CASE(
    "split horizon: frames out of a tunnel for a host behind another one are shown, counted and handed on") {
    SessionAdmission session = with_states(VlanState::open);
    session.isolated = true;
    StrayBench bench(session);
    const auto strays = [&] { return session.meters->strays.read(); };
    CHECK(bench.in.fate(to_host(1)) == DropReason::none);
    CHECK(bench.shown().empty());

    bench.hosts.strays.note(SessionIndex{7}, 0, host_of(to_host(1)), kNow);
    for (int i = 0; i < 5; ++i) CHECK(bench.in.fate(to_host(1)) == DropReason::none);
    CHECK(bench.in.fate(to_host(2)) == DropReason::none);
    CHECK(bench.shown() == std::vector<std::uint32_t>{1});
    CHECK(strays() == 5);

    bench.hosts.strays.forget(SessionIndex{7}, 0, host_of(to_host(1)));
    CHECK(bench.in.fate(to_host(1), 0, kNow + 1s) == DropReason::none);
    bench.hosts.strays.note(SessionIndex{8}, 0, host_of(to_host(1)), kNow);
    CHECK_MESSAGE(bench.in.fate(to_host(1), 0, kNow + 1s) == DropReason::none, "another bridge's");
    bench.hosts.strays.note(SessionIndex{7}, 0, host_of(to_host(1)), kNow);
    (void)bench.hosts.lan.heard(SessionIndex{0}, 10, host_of(to_host(1)), {}, kNow + 400s);
    CHECK_MESSAGE(bench.in.fate(to_host(1), 0, kNow + 400s) == DropReason::none, "others forgot it by then");
    CHECK(bench.shown().empty());
    CHECK(strays() == 5);
}

TEST_CASE(
    "sessions of no split-horizon group and those that only observe show no host that is behind another") {
    for (const bool isolated : {false, true}) {
        SessionAdmission session = with_states(VlanState::open);
        session.isolated = isolated;
        session.options.observe = isolated;
        StrayBench bench(session);
        bench.hosts.strays.note(SessionIndex{7}, 0, host_of(to_host(1)), kNow);
        CHECK(bench.in.fate(to_host(1)) == DropReason::none);
        CHECK(bench.shown().empty());
        CHECK(session.meters->strays.read() == (isolated ? 1U : 0U));
    }
}

TEST_CASE("a bridge that filters VLANs has stray hosts by VLAN") {
    SessionAdmission session = with_states(VlanState::open);
    session.isolated = true;
    session.bridge_filters_vlans = true;
    StrayBench bench(session);
    bench.hosts.strays.note(SessionIndex{7}, 20, host_of(to_host(1)), kNow);
    CHECK(bench.in.fate(to_host(1)) == DropReason::none);
    CHECK(bench.shown().empty());
    CHECK(bench.in.fate(to_host(1, 20)) == DropReason::none);
    CHECK(bench.shown() == std::vector<std::uint32_t>{1});
}

namespace {

/// Both directions' stages of one session, over the same tables.
struct BothWays {
    KnownHosts hosts{1};
    Bench out;
    Bench in;

    explicit BothWays(const SessionAdmission& session)
        : out({session, session}, Direction::to_tunnel, nullptr,
              {&hosts.lan, &hosts.tunnel, nullptr, &hosts.floods, nullptr, &hosts.elsewhere}),
          in({session, session}, Direction::from_tunnel, nullptr,
             {&hosts.tunnel, &hosts.lan, &hosts.bridge, &hosts.floods, &hosts.strays, &hosts.elsewhere}) {
        (void)hosts.tunnel.heard(SessionIndex{0}, 10, host_of(to_host(kFar)), {}, kNow);
        (void)hosts.tunnel.heard(SessionIndex{0}, 20, host_of(to_host(kFar)), {}, kNow);
        for (const std::uint16_t vid : {std::uint16_t{10}, std::uint16_t{20}})
            (void)hosts.lan.heard(SessionIndex{0}, vid, host_of(to_host(kNear)), {}, kNow);
    }
    static constexpr std::uint32_t kFar = 1;
    static constexpr std::uint32_t kNear = 2;
    static Octets from_far(const Octets& frame) {
        Octets out = frame;
        const MacAddress far = host_of(to_host(kFar));
        std::copy(far.bytes.begin(), far.bytes.end(), out.begin() + 6);
        return out;
    }
};

}  // namespace

TEST_CASE(
    "where a VLAN is blocked, a far host that is heard from the LAN is not to be had through the tunnel, for "
    "a "
    "second") {
    for (const std::string_view heard : {"ff:ff:ff:ff:ff:ff", "02:4c:47:01:02:03", "02:00:00:99:99:99"}) {
        BothWays both(with_states(VlanState::bum_blocked));
        const Octets there = to_host(BothWays::kFar);
        const Octets back = BothWays::from_far(to_host(BothWays::kNear));
        CHECK(both.out.fate(there) == DropReason::none);
        CHECK(both.in.fate(back) == DropReason::none);
        // Flooded, the answer to a guard, unknown unicast: all say the same.
        CHECK(both.out.fate(BothWays::from_far(frame_to(heard, kIpv4, {{0x8100, 10}}))) ==
              DropReason::vlan_bum_blocked);
        CHECK(both.out.fate(there) == DropReason::circling_unicast);
        CHECK(both.in.fate(back, 0, kNow + 900ms) == DropReason::circling_unicast);
        CHECK(both.in.fate(back, 0, kNow + 1100ms) == DropReason::none);
        CHECK(both.out.fate(there, 0, kNow + 1100ms) == DropReason::none);
    }
}

TEST_CASE(
    "near hosts that are heard from the LAN go on through the blocked tunnel, and all do where it is open") {
    BothWays both(with_states(VlanState::bum_blocked));
    CHECK(both.out.fate(frame_to(kBroadcast, kIpv4, {{0x8100, 10}})) == DropReason::vlan_bum_blocked);
    CHECK(both.out.fate(to_host(BothWays::kFar)) == DropReason::none);
    CHECK(both.out.fate(BothWays::from_far(frame_to(kBroadcast, kIpv4, {{0x8100, 20}}))) == DropReason::none);
    CHECK(both.out.fate(to_host(BothWays::kFar, 20)) == DropReason::none);
    CHECK(both.in.fate(BothWays::from_far(to_host(BothWays::kNear, 20))) == DropReason::none);
}
