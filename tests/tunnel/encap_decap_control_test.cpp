#include "tests/tunnel/stages.h"

#include <doctest/doctest.h>

using namespace isthmus;
using namespace isthmus::tunnel;
using namespace isthmus::tunnel::test;

TEST_CASE("control messages go to the control thread as they are, and count as no drop") {
    auto over_ip = tunnel_entry(Encapsulation::ip, 1);
    Receiver a(table({tunnel_entry(), over_ip}, {}));
    const Octets over_udp = hex("c803 0014 0badcafe 0000 0000 8008 0000 0000 0006");
    a.connections.insert(ControlConnectionId{0x0bad'cafe});
    a.arrive(over_udp);
    a.arrive(hex("00000000") + over_udp, Encapsulation::ip);
    a.run();
    CHECK(a.batch.empty());
    std::vector<Octets> got;
    std::vector<TunnelIndex> tunnels;
    a.rings->drain(8, [&](PuntClass c, const PuntMessage& m) {
        CHECK(c == PuntClass::l2tp_control);
        CHECK(m.path == path_from_b());
        got.push_back(copy(m.data()));
        tunnels.push_back(m.tunnel);
    });
    CHECK(got == std::vector<Octets>{over_udp, hex("00000000") + over_udp});
    CHECK(tunnels == std::vector<TunnelIndex>{TunnelIndex{0}, TunnelIndex{1}});
    for (std::size_t r = 0; r < kDropReasonCount; ++r)
        CHECK(a.drops(DropReason{static_cast<std::uint8_t>(r)}) == 0);
}

TEST_CASE(
    "a control message from a stranger is punted without a tunnel; outside ESP from a protected peer it is "
    "refused") {
    auto guarded = tunnel_entry();
    guarded.is_protected = true;
    Receiver a(table({guarded}, {}));
    const Octets message = hex("c803 000c 00000000 0000 0000");
    CHECK(a.fate(message) == DropReason::clear_packet_refused);
    a.path.remote.address = ip("198.51.100.1");
    CHECK(a.fate(message) == DropReason::none);
    std::size_t count = 0;
    a.rings->drain(8, [&](PuntClass, const PuntMessage& m) {
        ++count;
        CHECK(m.tunnel == kNoTunnel);
    });
    CHECK(count == 1);
}

namespace {

/// How many of each class wait in the rings; they are emptied.
std::map<PuntClass, std::size_t> waiting(Receiver& a) {
    std::map<PuntClass, std::size_t> out;
    a.rings->drain(PuntRings::kDepth, [&](PuntClass c, const PuntMessage&) { ++out[c]; });
    return out;
}

const Octets kHello = hex("c803 0014 0badcafe 0001 0001 8008 0000 0000 0006");
const Octets kRequest = hex("c803 0014 00000000 0000 0000 8008 0000 0000 0001");

}  // namespace

TEST_CASE("messages of connections that live, of peers' addresses and of strangers go up apart") {
    const auto over_ip = tunnel_entry(Encapsulation::ip, 1);
    Receiver a(table({tunnel_entry(), over_ip}, {}));
    const auto class_of = [&](const Octets& message, Encapsulation e = Encapsulation::udp) {
        a.arrive(message, e);
        a.run();
        const auto seen = waiting(a);
        REQUIRE(seen.size() == 1);
        return seen.begin()->first;
    };
    const Octets zero_word(4, 0);
    CHECK(class_of(kHello) == PuntClass::l2tp_request);  // an id that nobody was given
    CHECK(class_of(kRequest) == PuntClass::l2tp_request);
    CHECK(class_of(zero_word + kRequest, Encapsulation::ip) == PuntClass::l2tp_request);

    a.connections.insert(ControlConnectionId{0x0bad'cafe});
    CHECK(class_of(kHello) == PuntClass::l2tp_control);
    CHECK(class_of(zero_word + kHello, Encapsulation::ip) == PuntClass::l2tp_control);
    CHECK(class_of(kRequest) == PuntClass::l2tp_request);

    a.path.remote.address = ip("198.51.100.1");
    CHECK(class_of(kRequest) == PuntClass::l2tp_stranger);
    CHECK(class_of(kHello) == PuntClass::l2tp_control);  // the peer may have moved: control decides

    a.connections.erase(ControlConnectionId{0x0bad'cafe});
    CHECK(class_of(kHello) == PuntClass::l2tp_stranger);
}

TEST_CASE("through a tunnel's SA a request is that of a peer, whatever its address") {
    Receiver a(table({tunnel_entry()}, {}));
    a.path.remote.address = ip("198.51.100.1");
    a.arrive(kRequest).meta.tunnel = TunnelIndex{0};
    a.run();
    CHECK(waiting(a) == std::map<PuntClass, std::size_t>{{PuntClass::l2tp_request, 1}});
}

TEST_CASE("a flood of requests is limited, peers' and strangers' apart, and holds up no live connection") {
    Receiver a(table({tunnel_entry()}, {}));
    a.connections.insert(ControlConnectionId{0x0bad'cafe});
    Path stranger = a.path;
    stranger.remote.address = ip("198.51.100.1");
    // 100,000 in a second, a tenth of them in the peer's name, and one message of a live connection in a thousand.
    std::map<PuntClass, std::size_t> sum;
    for (int millisecond = 0; millisecond < 1000; ++millisecond) {
        for (int i = 0; i < 100; ++i) {
            PacketBuffer& p = a.arrive(i == 50 ? kHello : kRequest);
            if (i % 10 != 0) p.meta.path = i == 50 ? &a.path : &stranger;
            if (a.batch.size() < 32 && i < 99) continue;
            a.stage.process(a.batch, kNow + std::chrono::milliseconds(millisecond));
            a.batch.sweep(a.ledger);
        }
        for (const auto& [c, n] : waiting(a)) sum[c] += n;
    }
    CHECK(sum[PuntClass::l2tp_control] == 1000);
    const auto most = DecapStage::kRequestsPerSecond + PuntRings::kDepth;
    CHECK(sum[PuntClass::l2tp_request] > 0);
    CHECK(sum[PuntClass::l2tp_request] <= most);
    CHECK(sum[PuntClass::l2tp_stranger] > 0);
    CHECK(sum[PuntClass::l2tp_stranger] <= most);
    // Each class counts its own.
    CHECK(a.rings->overflows(PuntClass::l2tp_control) == 0);
    CHECK(a.rings->overflows(PuntClass::l2tp_request) == 9'000 - sum[PuntClass::l2tp_request]);
    CHECK(a.rings->overflows(PuntClass::l2tp_stranger) == 90'000 - sum[PuntClass::l2tp_stranger]);
    CHECK(a.drops(DropReason::punt_overflow) ==
          99'000 - sum[PuntClass::l2tp_request] - sum[PuntClass::l2tp_stranger]);
}

TEST_CASE("a full ring drops control messages as punt_overflow, and counts them by class") {
    Receiver a(table({tunnel_entry()}, {}));
    a.connections.insert(ControlConnectionId{0x0bad'cafe});
    for (std::size_t i = 0; i < PuntRings::kDepth; ++i) a.arrive(kRequest);
    a.run();
    CHECK(a.drops(DropReason::punt_overflow) == 0);
    // The limit lets more through by now, but nobody has emptied the ring.
    a.arrive(kRequest);
    a.stage.process(a.batch, kNow + std::chrono::seconds(1));
    a.batch.sweep(a.ledger);
    CHECK(a.rings->overflows(PuntClass::l2tp_request) == 1);
    for (std::size_t i = 0; i < PuntRings::kDepth + 3; ++i) a.arrive(kHello);
    a.run();
    CHECK(a.batch.empty());
    CHECK(a.drops(DropReason::punt_overflow) == 4);
    CHECK(a.rings->overflows(PuntClass::l2tp_control) == 3);
}

TEST_CASE("control goes ahead of data, with the control class, and gets the first sequence numbers") {
    Sender a(table({tunnel_entry()}, {sequenced()}));
    for (std::uint8_t i = 0; i < 6; ++i) a.frame_for(0, frame(60, i)).meta.control = i % 2 == 1;
    a.run();
    REQUIRE(a.batch.size() == 6);
    const std::uint8_t order[] = {1, 3, 5, 0, 2, 4};
    for (std::uint32_t i = 0; i < 6; ++i) {
        const Octets packet = copy(a.batch[i].data());
        CHECK(load_be32(packet.data() + 8) == (0x4000'0000 | i));
        CHECK(Octets(packet.begin() + 12, packet.end()) == frame(60, order[i]));
        CHECK(a.batch[i].meta.traffic_class == (i < 3 ? 48 << 2 : 0));
    }
}

TEST_CASE("a control message through ESP is punted with the ports of its own UDP header") {
    Receiver a(table({tunnel_entry()}, {session_entry()}));
    PacketMeta& meta = a.arrive(hex("c8030014 00000001 0000 0000 8008 0000 0000 0006")).meta;
    meta.tunnel = TunnelIndex{0};
    meta.inner_source_port = 40'001;
    meta.inner_destination_port = 1701;
    a.run();
    int seen = 0;
    a.rings->drain(8, [&](PuntClass, const PuntMessage& message) {
        ++seen;
        CHECK(message.path.remote.port == 40'001);
        CHECK(message.path.local.port == 1701);
        CHECK(message.path.remote.address == a.path.remote.address);
    });
    CHECK(seen == 1);
}

TEST_CASE("a control message that control has put between the frames passes as it is, ahead of them") {
    Sender a(table({tunnel_entry()}, {session_entry()}));
    a.frame_for(0, frame(60, 1));
    const Octets message = hex("c803 0014 00000001 0000 0000 8008 0000 0000 0006");
    PacketMeta& meta = a.add(message).meta;
    meta.control = true;
    meta.tunnel = TunnelIndex{0};
    meta.next_header = kIpProtocolUdp;
    meta.traffic_class = 48 << 2;
    a.run();
    REQUIRE(a.batch.size() == 2);
    CHECK(copy(a.batch[0].data()) == message);
    CHECK(a.batch[0].meta.next_header == kIpProtocolUdp);
    CHECK(a.batch[0].meta.traffic_class == 48 << 2);
}
