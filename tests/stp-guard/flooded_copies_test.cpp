// Flooded frames that come by a second way, and probes that come again and again: both directions' stages over one memory.
#include <doctest/doctest.h>

#include "tests/stp-guard/admission_bench.h"

using namespace isthmus;
using namespace isthmus::stp_guard;
using namespace isthmus::test;
using namespace std::chrono_literals;

namespace {

constexpr std::uint32_t kOne = 0;
constexpr std::uint32_t kOther = 1;
constexpr std::uint32_t kElsewhere = 2;  ///< on another bridge

SessionAdmission on_bridge(std::uint32_t bridge) {
    SessionAdmission session = whole_port();
    session.bridge = SessionIndex{bridge};
    session.node = NodeId{0xaa};
    return session;
}

/// Two sessions of one bridge, and one of another.
struct JoinedSites {
    std::unique_ptr<PuntRings> rings = std::make_unique<PuntRings>();
    KnownHosts hosts{1};
    Bench out{{on_bridge(7), on_bridge(7), on_bridge(8)},
              Direction::to_tunnel,
              rings.get(),
              {&hosts.lan, &hosts.tunnel, nullptr, &hosts.floods}};
    Bench in{{on_bridge(7), on_bridge(7), on_bridge(8)},
             Direction::from_tunnel,
             rings.get(),
             {&hosts.tunnel, &hosts.lan, &hosts.bridge, &hosts.floods}};

    void observe() {
        SessionAdmission session = on_bridge(7);
        session.options.observe = true;
        out.set({session, session, session});
        in.set({session, session, session});
    }
    std::size_t shown() {
        std::size_t copies = 0;
        rings->drain(PuntRings::kDepth,
                     [&](PuntClass c, const PuntMessage&) { copies += c == PuntClass::circling ? 1U : 0U; });
        return copies;
    }
};

Octets arp_of(std::uint32_t host) {
    Octets frame = frame_to(kBroadcast, kArp, {{0x8100, 10}});
    store_be32(frame.data() + 8, host);
    return frame;
}

Octets probe(std::uint32_t number, std::uint16_t vid = 10) {
    Octets frame = frame_to("03:4c:32:42:47:01",
                            hex("88b5 4c324c47 01 01 0000 00000001 0000000000000002 00000000000000bb "
                                "0000000000000004"),
                            {{0x8100, vid}});
    frame.resize(150);
    store_be32(frame.data() + 70, number);
    return frame;
}

}  // namespace

TEST_CASE("what went from the LAN into tunnels does not come back out of any of them") {
    JoinedSites gateway;
    CHECK(gateway.out.fate(arp_of(1), kOne) == DropReason::none);
    CHECK(gateway.out.fate(arp_of(1), kOther) == DropReason::none);
    CHECK(gateway.in.fate(arp_of(1), kOne) == DropReason::flooded_copy);
    CHECK(gateway.in.fate(arp_of(1), kOther) == DropReason::flooded_copy);
    CHECK(gateway.shown() == 2);
    CHECK_MESSAGE(gateway.in.fate(arp_of(1), kElsewhere) == DropReason::none, "another network's");
    CHECK_MESSAGE(gateway.in.fate(arp_of(1), kOne, kNow + 300ms) == DropReason::none, "it moved");
}

TEST_CASE("what came out of one tunnel goes on into another, not back, and does not come out of that one") {
    JoinedSites gateway;
    CHECK(gateway.in.fate(arp_of(1), kOne) == DropReason::none);
    CHECK(gateway.out.fate(arp_of(1), kOther) == DropReason::none);
    CHECK(gateway.out.fate(arp_of(1), kOne) == DropReason::flooded_copy);
    CHECK(gateway.in.fate(arp_of(1), kOther) == DropReason::flooded_copy);
}

TEST_CASE(
    "split horizon: what came out of one tunnel and comes from the LAN again does not go into another") {
    JoinedSites gateway;
    SessionAdmission session = on_bridge(7);
    session.isolated = true;
    const SessionAdmission transit = on_bridge(7);
    gateway.out.set({session, session, transit});
    gateway.in.set({session, session, transit});
    CHECK(gateway.in.fate(arp_of(1), kOne) == DropReason::none);
    CHECK(gateway.out.fate(arp_of(1), kOther) == DropReason::flooded_copy);
    CHECK_MESSAGE(gateway.out.fate(arp_of(1), kElsewhere) == DropReason::none, "a session of no such group");
    CHECK(gateway.in.fate(arp_of(2), kElsewhere) == DropReason::none);
    CHECK(gateway.out.fate(arp_of(2), kOther) == DropReason::none);
    CHECK(gateway.out.fate(arp_of(3), kOne) == DropReason::none);
    CHECK(gateway.out.fate(arp_of(3), kOther) == DropReason::none);
}

TEST_CASE(
    "split horizon: a host stays behind the tunnel that it is known behind, while copies come out of another "
    "one first") {
    JoinedSites gateway;
    SessionAdmission session = on_bridge(7);
    session.isolated = true;
    gateway.in.set({session, session, session});
    gateway.out.set({session, session, session});
    CHECK(gateway.in.fate(arp_of(1), kOne) == DropReason::none);
    for (int i = 1; i < 4; ++i) {
        const TimePoint now = kNow + i * 1s;
        CHECK(gateway.in.fate(arp_of(1), kOther, now) == DropReason::none);
        CHECK_MESSAGE(gateway.in.fate(arp_of(1), kOne, now) == DropReason::none,
                      "the bridge has to hear it there last");
        CHECK(gateway.hosts.tunnel.count(SessionIndex{kOther}) == 0);
        CHECK(gateway.hosts.tunnel.count(SessionIndex{kOne}) == 1);
    }
    CHECK(gateway.in.fate(arp_of(1), kOne, kNow + 9s) == DropReason::none);
    CHECK_MESSAGE(gateway.in.fate(arp_of(1), kOther, kNow + 9s) == DropReason::flooded_copy,
                  "in this order there is no need");
    CHECK(gateway.out.fate(arp_of(1), kOne, kNow + 10s) == DropReason::none);
    CHECK_MESSAGE(gateway.in.fate(arp_of(1), kOne, kNow + 10s) == DropReason::flooded_copy,
                  "what the LAN said goes round");
}

TEST_CASE("who says the same thing again and again by the same way is heard each time") {
    JoinedSites gateway;
    for (int i = 0; i < 100; ++i) {
        const TimePoint now = kNow + i * 5ms;
        CHECK(gateway.out.fate(arp_of(1), kOne, now) == DropReason::none);
        CHECK(gateway.out.fate(arp_of(1), kOther, now) == DropReason::none);
        CHECK(gateway.in.fate(arp_of(2), kOne, now) == DropReason::none);
        CHECK(gateway.out.fate(arp_of(2), kOther, now) == DropReason::none);
    }
}

TEST_CASE("a copy teaches no table where its sender is") {
    JoinedSites gateway;
    CHECK(gateway.out.fate(arp_of(1), kOne) == DropReason::none);
    CHECK(gateway.in.fate(arp_of(1), kOther) == DropReason::flooded_copy);
    CHECK(gateway.hosts.lan.count(SessionIndex{kOne}) == 1);
    CHECK(gateway.hosts.tunnel.count(SessionIndex{kOther}) == 0);
}

TEST_CASE("known unicast may come by any way, unknown unicast by one") {
    JoinedSites gateway;
    const Octets to_nobody = tagged(10);
    CHECK(gateway.out.fate(to_nobody, kOne) == DropReason::none);
    CHECK(gateway.in.fate(to_nobody, kOther) == DropReason::flooded_copy);
    CHECK_MESSAGE(gateway.shown() == 0, "control is shown what goes to a group");
    const auto host = MacAddress::parse(kHost).value();
    (void)gateway.hosts.bridge.heard(SessionIndex{7}, 0, host, {}, kNow);
    CHECK(gateway.in.fate(to_nobody, kOther) == DropReason::none);
}

TEST_CASE("who observes lets copies pass, and without a guard nobody looks for them") {
    JoinedSites gateway;
    gateway.observe();
    CHECK(gateway.out.fate(arp_of(1), kOne) == DropReason::none);
    CHECK(gateway.in.fate(arp_of(1), kOne) == DropReason::none);
    CHECK(gateway.in.stage.counters().observed.read() == 1);
    gateway.in.set({whole_port()});
    CHECK(gateway.in.fate(arp_of(1), kOne) == DropReason::none);
}

TEST_CASE("a frame whose checksum is not there yet is no copy of one that has it") {
    JoinedSites gateway;
    PacketBuffer half_made = gateway.out.packet(arp_of(1), kOne);
    half_made.meta.offload.needs_checksum = true;
    CHECK(gateway.out.fate(std::move(half_made)) == DropReason::none);
    CHECK(gateway.in.fate(arp_of(1), kOne) == DropReason::none);
}

TEST_CASE("of probes that come again and again twenty a second cross in each VLAN, others as they come") {
    JoinedSites gateway;
    for (Bench* bench : {&gateway.out, &gateway.in}) {
        const auto passing = [&](std::uint16_t vid, TimePoint now, std::uint32_t first = 0) {
            int passed = 0;
            for (std::uint32_t i = 0; i < 500; ++i)
                passed +=
                    bench->fate(probe(first + i % 5, vid), kOne, now + i * 2ms) == DropReason::none ? 1 : 0;
            return passed;
        };
        CHECK(passing(10, kNow) == 5 + 20 + 19);  // each at once, the burst, and what fills it in a second
        CHECK(passing(10, kNow + 1s) >= 19);
        CHECK(passing(10, kNow + 1s) <= 21);
        CHECK(passing(20, kNow + 2s, 100) == 5 + 20 + 19);
        for (std::uint32_t i = 0; i < 500; ++i)
            CHECK(bench->fate(probe(1'000 + i), kOne, kNow + 4s) == DropReason::none);
        CHECK_MESSAGE(bench->fate(probe(1'000), kOther, kNow + 4s) == DropReason::none, "another tunnel's");
    }
}
