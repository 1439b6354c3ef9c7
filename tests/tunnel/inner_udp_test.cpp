#include "tunnel/inner_udp.h"

#include "tests/tunnel/packets.h"

using namespace isthmus;
using namespace isthmus::tunnel;
using namespace isthmus::tunnel::test;

namespace {

InnerUdp udp_of(bool v6) {
    InnerUdp udp;
    udp.local = v6 ? ip("2001:db8::1") : ip("192.0.2.1");
    udp.remote = v6 ? ip("2001:db8::2") : ip("192.0.2.2");
    return udp;
}
InnerUdp mirrored(InnerUdp udp) {
    std::swap(udp.local, udp.remote);
    std::swap(udp.local_port, udp.remote_port);
    return udp;
}
std::shared_ptr<const InnerUdpTable> tunnels(const InnerUdp& udp) {
    return std::make_shared<InnerUdpTable>(InnerUdpTable{std::nullopt, udp});
}

template <class StageType>
struct Runner : Worker {
    StageType stage;
    explicit Runner(const InnerUdp& udp) : stage(tunnels(udp)) {}
    DropReason run(Bytes packet, std::uint8_t next_header = 17, TunnelIndex tunnel = TunnelIndex{1}) {
        batch.clear();
        PacketBuffer& p = add(packet);
        p.meta.next_header = next_header;
        p.meta.tunnel = tunnel;
        stage.process(batch, {});
        return batch[0].meta.drop;
    }
    Octets bytes() { return copy(batch[0].data()); }
};
using Encap = Runner<InnerUdpEncapStage>;
using Decap = Runner<InnerUdpDecapStage>;

const Octets kMessage = hex("00030000 51627384") + frame(15);  // odd length

Octets sent(const InnerUdp& udp) {
    Encap encap(udp);
    CHECK(encap.run(kMessage) == DropReason::none);
    return encap.bytes();
}

}  // namespace

TEST_CASE("over IPv4 the header has no checksum unless it is asked for") {
    CHECK(sent(udp_of(false)) == hex("06a5 06a5 001f 0000") + kMessage);
}

TEST_CASE("a checksum is the one that comes out by hand, and never the 0 that would mean none") {
    // 2001:db8::1 to 2001:db8::2, ports 1701, payload "ab":
    // 2001+0db8+0001 + 2001+0db8+0002 + 000a+0011 + 06a5+06a5+000a + 6162 = ca46, inverted 35b9
    Encap encap(udp_of(true));
    REQUIRE(encap.run(hex("6162"), 17) == DropReason::none);
    CHECK(to_hex(encap.bytes()) == to_hex(hex("06a5 06a5 000a 35b9 6162")));
    // With 2 bytes more in both lengths, 35b5 fills the sum up to ffff.
    REQUIRE(encap.run(hex("6162 35b5"), 17) == DropReason::none);
    CHECK(to_hex(encap.bytes()) == to_hex(hex("06a5 06a5 000c ffff 6162 35b5")));
    CHECK(Decap(mirrored(udp_of(true))).run(encap.bytes()) == DropReason::none);
}

TEST_CASE("what is sent is taken, with and without checksum, over both families") {
    for (const bool v6 : {false, true}) {
        for (const bool checksum : {false, true}) {
            InnerUdp udp = udp_of(v6);
            udp.send_checksum = checksum;
            const Octets wire = sent(udp);
            CHECK((load_be16(wire.data() + 6) != 0) == (v6 || checksum));
            Decap decap(mirrored(udp));
            CHECK(decap.run(wire) == DropReason::none);
            CHECK(decap.bytes() == kMessage);
        }
    }
}

TEST_CASE("any altered byte under a checksum is noticed, unless NAT has made the checksum meaningless") {
    InnerUdp udp = udp_of(false);
    udp.send_checksum = true;
    const Octets wire = sent(udp);
    Decap decap(mirrored(udp));
    InnerUdp lenient = mirrored(udp);
    lenient.verify_checksum = false;
    Decap behind_nat(lenient);
    for (std::size_t i = 6; i < wire.size(); ++i) {
        Octets wrong = wire;
        wrong[i] ^= 0x01;
        CHECK(decap.run(wrong) == DropReason::inner_udp_bad_checksum);
        CHECK(behind_nat.run(wrong) == DropReason::none);
    }
}

TEST_CASE("a checksum of zero over IPv6 is refused unless allowed") {
    Octets wire = sent(udp_of(true));
    store_be16(wire.data() + 6, 0);
    CHECK(Decap(mirrored(udp_of(true))).run(wire) == DropReason::inner_udp_bad_checksum);
    InnerUdp allowed = mirrored(udp_of(true));
    allowed.accept_zero_checksum = true;
    CHECK(Decap(allowed).run(wire) == DropReason::none);
}

TEST_CASE("wrong lengths and ports are malformed") {
    const Octets wire = sent(udp_of(false));
    Decap decap(mirrored(udp_of(false)));
    for (std::size_t size = 0; size < wire.size(); ++size)
        CHECK(decap.run(Bytes(wire).first(size)) == DropReason::inner_udp_malformed);
    for (const std::size_t at : {1U, 3U, 4U}) {  // source port, destination port, length too large
        Octets wrong = wire;
        wrong[at] ^= 0x10;
        CHECK(decap.run(wrong) == DropReason::inner_udp_malformed);
    }
    Octets short_length = wire;
    store_be16(short_length.data() + 4, 7);
    CHECK(decap.run(short_length) == DropReason::inner_udp_malformed);
}

TEST_CASE("a peer with any source port is taken when the table says so") {
    Octets wire = sent(udp_of(false));
    store_be16(wire.data(), 40000);
    InnerUdp any = mirrored(udp_of(false));
    any.remote_port = 0;
    CHECK(Decap(any).run(wire) == DropReason::none);
}

TEST_CASE("bytes behind the datagram are padding and go") {
    Decap decap(mirrored(udp_of(false)));
    CHECK(decap.run(sent(udp_of(false)) + Octets(20, 0x55)) == DropReason::none);
    CHECK(decap.bytes() == kMessage);
}

TEST_CASE("packets of other protocols, other tunnels and from outside ESP pass as they are") {
    Encap encap(udp_of(false));
    CHECK(encap.run(kMessage, 115) == DropReason::none);
    CHECK(encap.bytes() == kMessage);
    CHECK(encap.run(kMessage, 17, TunnelIndex{0}) == DropReason::none);
    CHECK(encap.bytes() == kMessage);
    CHECK(encap.run(kMessage, 17, TunnelIndex{9}) == DropReason::none);
    CHECK(encap.bytes() == kMessage);
    Decap decap(udp_of(false));
    CHECK(decap.run(kMessage, 115) == DropReason::none);
    CHECK(decap.run(kMessage, 17, kNoTunnel) == DropReason::none);
    CHECK(decap.bytes() == kMessage);
    CHECK(decap.run(kMessage, 17, TunnelIndex{0}) == DropReason::inner_protocol);
}
