#include "tunnel/inner_ip.h"

#include "base/checksum.h"
#include "tests/tunnel/packets.h"
#include "tunnel/qos.h"

using namespace isthmus;
using namespace isthmus::tunnel;
using namespace isthmus::tunnel::test;

namespace {

InnerIp addresses_of(bool v6) {
    if (v6) return {ip("2001:db8::1"), ip("2001:db8::2")};
    return {ip("10.8.0.1"), ip("10.8.0.2")};
}
std::shared_ptr<const InnerIpTable> tunnels(const InnerIp& addresses) {
    return std::make_shared<InnerIpTable>(InnerIpTable{std::nullopt, addresses});
}

template <class StageType>
struct Runner : Worker {
    StageType stage;
    explicit Runner(const InnerIp& addresses) : stage(tunnels(addresses)) {}
    DropReason run(Bytes packet, std::uint8_t next_header, std::uint8_t traffic_class = 0,
                   TunnelIndex tunnel = TunnelIndex{1}) {
        batch.clear();
        PacketBuffer& p = add(packet);
        p.meta.next_header = next_header;
        p.meta.traffic_class = traffic_class;
        p.meta.tunnel = tunnel;
        stage.process(batch, {});
        return batch[0].meta.drop;
    }
    Octets bytes() { return copy(batch[0].data()); }
    PacketMeta& meta() { return batch[0].meta; }
};
using Encap = Runner<InnerIpEncapStage>;
using Decap = Runner<InnerIpDecapStage>;

std::uint8_t family_header(bool v6) {
    return v6 ? kIpProtocolIpv6 : kIpProtocolIpv4;
}
Decap decap_of(bool v6) {
    return Decap(InnerIp{addresses_of(v6).remote, addresses_of(v6).local});
}

const Octets kPayload = hex("51627384") + frame(14);

Octets sent(bool v6, std::uint8_t next_header = 115, std::uint8_t traffic_class = 0) {
    Encap encap(addresses_of(v6));
    CHECK(encap.run(kPayload, next_header, traffic_class) == DropReason::none);
    CHECK(encap.meta().next_header == family_header(v6));
    return encap.bytes();
}

/// Field of an IPv4 header changed and its checksum made right again.
Octets patched(Octets packet, std::size_t at, std::uint8_t value) {
    packet[at] = value;
    store_be16(packet.data() + 10, 0);
    store_be16(packet.data() + 10, internet_checksum(Bytes(packet).first(20)));
    return packet;
}

}  // namespace

TEST_CASE("the IPv4 header has DF, hop limit 64, the traffic class and a right checksum") {
    const Octets wire = sent(false, 115, 0xb9);
    CHECK(to_hex(Bytes(wire).first(10)) == to_hex(hex("45b9 0026 0000 4000 4073")));
    CHECK(to_hex(Bytes(wire).subspan(12, 8)) == "0a0800010a080002");
    CHECK(internet_checksum(Bytes(wire).first(20)) == 0);
    CHECK(Octets(wire.begin() + 20, wire.end()) == kPayload);
}

TEST_CASE("the IPv6 header has hop limit 64 and the traffic class") {
    const Octets wire = sent(true, 17, 0xb9);
    CHECK(to_hex(Bytes(wire).first(8)) == to_hex(hex("6b900000 0012 11 40")));
    CHECK(Octets(wire.begin() + 40, wire.end()) == kPayload);
}

TEST_CASE("what is sent is taken, and the inner protocol and DSCP with it") {
    for (const bool v6 : {false, true}) {
        for (const int next : {17, 115}) {
            Decap decap = decap_of(v6);
            CHECK(decap.run(sent(v6, static_cast<std::uint8_t>(next), 0xb8) + Octets(9), family_header(v6)) ==
                  DropReason::none);
            CHECK(decap.bytes() == kPayload);
            CHECK(decap.meta().next_header == next);
            CHECK(decap.meta().traffic_class == 0xb8);
        }
    }
}

TEST_CASE("both headers' ECN is combined, and a mark that the inner one cannot carry drops the packet") {
    for (const bool v6 : {false, true}) {
        for (std::uint8_t inner = 0; inner < 4; ++inner) {
            for (std::uint8_t outer = 0; outer < 4; ++outer) {
                Decap decap = decap_of(v6);
                const auto fate = decap.run(sent(v6, 17, static_cast<std::uint8_t>(0x28 | inner)),
                                            family_header(v6), outer);
                const auto combined = combine_ecn(Ecn{inner}, Ecn{outer});
                CHECK(fate == (combined ? DropReason::none : DropReason::ecn_congestion));
                if (combined) CHECK(decap.meta().traffic_class == (0x28 | static_cast<int>(*combined)));
            }
        }
    }
}

TEST_CASE("a packet cut at any byte is malformed") {
    for (const bool v6 : {false, true}) {
        const Octets wire = sent(v6);
        Decap decap = decap_of(v6);
        for (std::size_t size = 0; size < wire.size(); ++size)
            CHECK(decap.run(Bytes(wire).first(size), family_header(v6)) == DropReason::inner_ip_malformed);
    }
}

TEST_CASE("version, header length, checksum, fragments and addresses are checked") {
    const Octets wire = sent(false);
    Decap decap = decap_of(false);
    const auto fate = [&](const Octets& packet) { return decap.run(packet, kIpProtocolIpv4); };
    CHECK(fate(wire) == DropReason::none);
    CHECK(fate(patched(wire, 0, 0x55)) == DropReason::inner_ip_malformed);  // version 5
    CHECK(fate(patched(wire, 0, 0x44)) == DropReason::inner_ip_malformed);  // 16 bytes of header
    CHECK(fate(patched(wire, 3, 19)) == DropReason::inner_ip_malformed);    // shorter than its header
    CHECK(fate(patched(wire, 6, 0x60)) == DropReason::inner_ip_malformed);  // more fragments
    CHECK(fate(patched(wire, 7, 1)) == DropReason::inner_ip_malformed);     // not the first fragment
    CHECK(fate(patched(wire, 15, 9)) == DropReason::inner_ip_malformed);    // another source
    CHECK(fate(patched(wire, 19, 9)) == DropReason::inner_ip_malformed);    // another destination
    CHECK(fate(patched(wire, 9, 6)) == DropReason::inner_protocol);         // TCP
    Octets bad_sum = wire;
    bad_sum[10] ^= 1;
    CHECK(fate(bad_sum) == DropReason::inner_ip_malformed);
    CHECK(fate(sent(true)) == DropReason::inner_ip_malformed);  // IPv6 under next header 4
    Octets extension = sent(true);
    extension[6] = 0;
    CHECK(decap_of(true).run(extension, kIpProtocolIpv6) == DropReason::inner_protocol);
}

TEST_CASE("IPv4 options are skipped") {
    Octets wire = sent(false);
    wire.insert(wire.begin() + 20, 4, std::uint8_t{1});
    wire[0] = 0x46;
    store_be16(wire.data() + 2, static_cast<std::uint16_t>(wire.size()));
    store_be16(wire.data() + 10, 0);
    store_be16(wire.data() + 10, internet_checksum(Bytes(wire).first(24)));
    Decap decap = decap_of(false);
    CHECK(decap.run(wire, kIpProtocolIpv4) == DropReason::none);
    CHECK(decap.bytes() == kPayload);
}

TEST_CASE("transport and tunnel mode do not take each other's packets; those from outside ESP pass") {
    Decap decap = decap_of(false);
    CHECK(decap.run(kPayload, 115) == DropReason::inner_protocol);
    CHECK(decap.run(sent(false), kIpProtocolIpv4, 0, TunnelIndex{0}) == DropReason::inner_protocol);
    CHECK(decap.run(kPayload, 115, 0, TunnelIndex{0}) == DropReason::none);
    CHECK(decap.bytes() == kPayload);
    CHECK(decap.run(kPayload, 115, 0, kNoTunnel) == DropReason::none);
    Encap encap(addresses_of(false));
    CHECK(encap.run(kPayload, 115, 0, TunnelIndex{0}) == DropReason::none);
    CHECK(encap.bytes() == kPayload);
}

TEST_CASE("while a tunnel has SAs of both modes, packets with and without the header pass") {
    InnerIp either{addresses_of(false).remote, addresses_of(false).local, false};
    Decap decap(either);
    CHECK(decap.run(kPayload, 115) == DropReason::none);
    CHECK(decap.bytes() == kPayload);
    CHECK(decap.run(sent(false), kIpProtocolIpv4) == DropReason::none);
    CHECK(decap.bytes() == kPayload);
}
