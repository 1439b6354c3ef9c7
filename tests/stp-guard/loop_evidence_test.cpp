#include "stp-guard/loop_evidence.h"

#include <doctest/doctest.h>

#include "stp-guard/sightings.h"

using namespace isthmus;
using namespace isthmus::stp_guard;
using namespace std::chrono_literals;

namespace {

constexpr TimePoint kStart{1000s};
constexpr PortId kLan{1};
constexpr PortId kOtherLan{2};
constexpr PortId kTunnel{3};
constexpr PortId kOtherTunnel{4};

LoopProbe probe(PortId port, PortKind kind, std::uint64_t seq, const MacAddress& to = kProbeGroup,
                std::uint16_t flags = 0) {
    LoopProbe out;
    out.port = port;
    out.port_kind = kind;
    out.vid = 110;
    out.seq = seq;
    out.flags = flags;
    out.destination = to;
    return out;
}

LoopProbe of(NodeId node, PortId port, PortKind kind, std::uint16_t flags = 0) {
    LoopProbe out = probe(port, kind, 1, kProbeGroup, flags);
    out.sender = {DomainId{1}, SiteId{raw(node) * 10}, node};
    return out;
}

}  // namespace

TEST_CASE("what a returned probe means, row by row") {
    CHECK(meaning_of(PortKind::lan, PortKind::lan, true) == Meaning::outside_loop);
    CHECK(meaning_of(PortKind::lan, PortKind::lan, false) == Meaning::lan_loop);
    CHECK(meaning_of(PortKind::lan, PortKind::tunnel, false) == Meaning::backdoor);
    CHECK(meaning_of(PortKind::tunnel, PortKind::lan, false) == Meaning::backdoor);
    CHECK(meaning_of(PortKind::tunnel, PortKind::tunnel, false) == Meaning::sites_loop);
    CHECK(meaning_of(PortKind::tunnel, PortKind::tunnel, true) == Meaning::far_loop);
}

TEST_CASE("witnesses are kinds, not copies, and they get old") {
    LoopEvidence evidence;
    for (std::uint64_t seq = 1; seq <= 5; ++seq)
        (void)evidence.note(probe(kLan, PortKind::lan, seq), kTunnel, PortKind::tunnel, 1ms, {}, kStart);
    CHECK(evidence.traces(110).at(0).kinds_since(kStart) == 1);
    const Trace& trace = evidence.note(probe(kLan, PortKind::lan, 6, kProbeBroadcast), kTunnel,
                                       PortKind::tunnel, 1ms, {}, kStart + 2s);
    CHECK(trace.kinds_since(kStart) == 2);
    CHECK(trace.kinds_since(kStart + 1s) == 1);
    CHECK(trace.total() == 6);
    CHECK(trace.last_circle == TimePoint{});
    CHECK(evidence.traces(110).size() == 1);
    CHECK(evidence.traces(111).empty());
}

TEST_CASE("a probe that goes round is seen as often as it comes by") {
    LoopEvidence evidence;
    const auto comes_by = [&](std::uint64_t seq, TimePoint now) {
        return evidence.note(probe(kLan, PortKind::lan, seq), kLan, PortKind::lan, 1ms, {}, now).last_circle;
    };
    CHECK(comes_by(1, kStart) == TimePoint{});
    CHECK(comes_by(1, kStart + 1ms) == TimePoint{});
    CHECK(comes_by(1, kStart + 2ms) == kStart + 2ms);
    CHECK(comes_by(2, kStart + 3ms) == kStart + 2ms);
}

TEST_CASE("probes that go round all at once are each counted, and echoes, one of each, are no circle") {
    LoopEvidence evidence;
    TimePoint now = kStart;
    const auto comes_by = [&](std::uint64_t seq) {
        return evidence.note(probe(kLan, PortKind::lan, seq), kLan, PortKind::lan, 1ms, {}, now += 1ms)
            .last_circle;
    };
    for (std::uint64_t seq = 1; seq <= 100; ++seq) CHECK(comes_by(seq) == TimePoint{});
    for (int round = 1; round <= 2; ++round)
        for (std::uint64_t seq = 101; seq <= 110; ++seq) CHECK(comes_by(seq) == TimePoint{});
    for (std::uint64_t seq = 101; seq <= 110; ++seq) CHECK(comes_by(seq) == now);
    CHECK(comes_by(90) != now);  // from so long ago that a newer one has its place
}

TEST_CASE("a probe sent past our own block is a trace, but no witness") {
    LoopEvidence evidence;
    const Trace& trace = evidence.note(probe(kTunnel, PortKind::tunnel, 1, kProbeGroup, ProbeFlags::kBlocked),
                                       kLan, PortKind::lan, 1ms, {}, kStart);
    CHECK(trace.last == kStart);
    CHECK(trace.total() == 0);
    CHECK(trace.kinds_since({}) == 0);
}

TEST_CASE("evidence goes with its port, and with time") {
    LoopEvidence evidence;
    (void)evidence.note(probe(kLan, PortKind::lan, 1), kTunnel, PortKind::tunnel, 1ms, {}, kStart);
    (void)evidence.note(probe(kLan, PortKind::lan, 1), kOtherLan, PortKind::lan, 1ms, {}, kStart + 5s);
    evidence.forget_port(kTunnel);
    CHECK(evidence.traces(110).size() == 1);
    evidence.expire(kStart + 5s);
    CHECK(evidence.traces(110).size() == 1);
    evidence.expire(kStart + 6s);
    CHECK(evidence.traces(110).empty());
}

TEST_CASE(
    "who is seen on two of our ports is on a way round with us; siblings and blocked tunnels do not count") {
    Sightings sightings;
    sightings.note(of(NodeId{2}, PortId{7}, PortKind::tunnel), kTunnel, PortKind::tunnel, kStart);
    sightings.note(of(NodeId{3}, PortId{7}, PortKind::tunnel), kTunnel, PortKind::tunnel, kStart);
    sightings.note(of(NodeId{3}, PortId{8}, PortKind::tunnel), kOtherTunnel, PortKind::tunnel, kStart);
    sightings.note(of(NodeId{4}, PortId{7}, PortKind::lan), kTunnel, PortKind::tunnel, kStart);
    sightings.note(of(NodeId{4}, PortId{8}, PortKind::tunnel, ProbeFlags::kBlocked), kLan, PortKind::lan,
                   kStart);
    const auto members = sightings.on_two_ports(110, SiteId{10}, kStart);
    REQUIRE(members.size() == 1);
    CHECK(members[0].node == NodeId{3});
    CHECK(sightings.on_two_ports(110, SiteId{30}, kStart).empty());
    CHECK(sightings.on_two_ports(110, SiteId{10}, kStart + 1ns).empty());
}

TEST_CASE("a peer is elsewhere only if its probe did not come through our own tunnel first") {
    Sightings sightings;
    constexpr NodeId kPeer{2};
    constexpr PortId kPeersEnd{7};
    // Its tunnel probe went into our LAN and a host there echoed it.
    sightings.note(of(kPeer, kPeersEnd, PortKind::tunnel), kLan, PortKind::lan, kStart);
    CHECK(sightings.elsewhere(110, kPeer, kTunnel, kPeersEnd, kStart).empty());
    // Its LAN probe reached our LAN: there is a way outside.
    sightings.note(of(kPeer, PortId{1}, PortKind::lan), kLan, PortKind::lan, kStart + 1s);
    CHECK(sightings.elsewhere(110, kPeer, kTunnel, kPeersEnd, kStart) == std::vector{kLan});
    CHECK(sightings.elsewhere(110, NodeId{3}, kTunnel, kPeersEnd, kStart).empty());
    // Its LAN probe out of its own tunnel is a loop of its own, and it will see that itself.
    Sightings through;
    through.note(of(kPeer, PortId{1}, PortKind::lan), kTunnel, PortKind::tunnel, kStart);
    CHECK(through.elsewhere(110, kPeer, kTunnel, kPeersEnd, kStart).empty());
    CHECK(through.heard(110, kPeer, kTunnel, kStart));
}
