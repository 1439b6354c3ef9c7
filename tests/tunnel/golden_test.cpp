// What two Linux 6.1 kernels said to each other, read and said again by us: tests/vectors/golden/l2tp/README.md.
#include "tests/support/pcap_file.h"
#include "tests/tunnel/packets.h"
#include "tunnel/decap_stage.h"
#include "tunnel/encap_stage.h"

using namespace isthmus;
using namespace isthmus::tunnel;
using namespace isthmus::tunnel::test;
using isthmus::test::CapturedPacket;

namespace {

struct Golden {
    const char* name;
    Encapsulation encapsulation;
    int cookie_size;
    Sublayer sublayer;
    bool sequence;
};

const Golden kCaptures[] = {
    {"l2tp-udp-c0-none-none", Encapsulation::udp, 0, Sublayer::none, false},
    {"l2tp-udp-c0-default-none", Encapsulation::udp, 0, Sublayer::standard, false},
    {"l2tp-udp-c4-default-none", Encapsulation::udp, 4, Sublayer::standard, false},
    {"l2tp-udp-c8-none-none", Encapsulation::udp, 8, Sublayer::none, false},
    {"l2tp-udp-c8-default-none", Encapsulation::udp, 8, Sublayer::standard, false},
    {"l2tp-udp-c8-default-both", Encapsulation::udp, 8, Sublayer::standard, true},
    {"l2tp-ip-c0-none-none", Encapsulation::ip, 0, Sublayer::none, false},
    {"l2tp-ip-c0-default-none", Encapsulation::ip, 0, Sublayer::standard, false},
    {"l2tp-ip-c4-default-none", Encapsulation::ip, 4, Sublayer::standard, false},
    {"l2tp-ip-c8-none-none", Encapsulation::ip, 8, Sublayer::none, false},
    {"l2tp-ip-c8-default-none", Encapsulation::ip, 8, Sublayer::standard, false},
    {"l2tp-ip-c8-default-both", Encapsulation::ip, 8, Sublayer::standard, true},
};

/// Site A's session of a capture.
SessionEntry session_of(const Golden& golden) {
    auto s = session_entry();
    if (golden.cookie_size == 4) {
        s.options.remote_cookie = cookie("deadbeef");
        s.options.local_cookie = cookie("cafef00d");
    }
    if (golden.cookie_size == 8) {
        s.options.remote_cookie = cookie("0102030405060708");
        s.options.local_cookie = cookie("f1f2f3f4f5f6f7f8");
    }
    s.options.send_sublayer = s.options.receive_sublayer = golden.sublayer;
    s.options.send_sequence = golden.sequence;
    if (golden.sequence) s.options.receive_sequencing = ReceiveSequencing::drop_out_of_order;
    return s;
}

/// One site: receives what the other sent, and sends what this one sent.
struct Site : Worker {
    std::unique_ptr<PuntRings> rings = std::make_unique<PuntRings>();
    DecapStage decap;
    EncapStage encap;
    std::size_t frames = 0;

    explicit Site(const std::shared_ptr<const SessionTable>& table) : decap(table, *rings), encap(table) {}

    Octets decapsulated(Bytes message, const Path& path, std::uint8_t next_header) {
        batch.clear();
        PacketBuffer& p = add(message);
        p.meta.path = &path;
        p.meta.next_header = next_header;
        decap.process(batch, {});
        CHECK(name_of(batch[0].meta.drop) == "none");
        return copy(batch[0].data());
    }
    Octets encapsulated(const Octets& frame) {
        batch.clear();
        add(frame).meta.session = SessionIndex{0};
        encap.process(batch, {});
        CHECK(name_of(batch[0].meta.drop) == "none");
        return copy(batch[0].data());
    }
};

struct Message {
    IpAddress source;
    IpAddress destination;
    std::uint8_t protocol = 0;
    Bytes l2tp;
};

std::optional<Message> l2tp_in(const CapturedPacket& packet, std::uint32_t link_type) {
    const auto ip_packet = isthmus::test::ip_packet_in(packet.bytes, link_type);
    if (!ip_packet || ip_packet->is_v6) return std::nullopt;
    Message message;
    std::array<std::uint8_t, 4> address{};
    std::copy(ip_packet->source.begin(), ip_packet->source.end(), address.begin());
    message.source = IpAddress::v4(address);
    std::copy(ip_packet->destination.begin(), ip_packet->destination.end(), address.begin());
    message.destination = IpAddress::v4(address);
    message.protocol = ip_packet->protocol;
    message.l2tp = ip_packet->payload;
    if (message.protocol == kIpProtocolUdp) {
        const auto udp = isthmus::test::udp_in(*ip_packet);
        if (!udp || udp->destination_port != 1701) return std::nullopt;
        message.l2tp = udp->payload;
    }
    if (message.protocol != kIpProtocolUdp && message.protocol != kIpProtocolL2tp) return std::nullopt;
    return message;
}

}  // namespace

TEST_CASE(
    "every message of the kernel's captures decodes, and what we send for its frame is the same bytes") {
    std::size_t all_in_vlan_20 = 0;
    for (const Golden& golden : kCaptures) {
        CAPTURE(golden.name);
        const auto capture = isthmus::test::read_pcap(std::string(ISTHMUS_TEST_VECTORS "/golden/l2tp/") +
                                                      golden.name + ".pcap");
        if (!capture) FAIL(capture.error());
        const SessionEntry a = session_of(golden);
        Site site_a(table({tunnel_entry(golden.encapsulation)}, {a}));
        Site site_b(table({mirrored(tunnel_entry(golden.encapsulation))}, {mirrored(a)}));
        std::size_t in_vlan_10 = 0;
        std::size_t in_vlan_20 = 0;
        std::size_t wan_arp = 0;
        for (const CapturedPacket& packet : capture->packets) {
            const auto message = l2tp_in(packet, capture->link_type);
            if (!message) {
                REQUIRE(load_be16(packet.bytes.data() + 12) == kEtherTypeArp);
                ++wan_arp;
                continue;
            }
            const bool from_a = message->source == ip("192.0.2.1");
            Site& sender = from_a ? site_a : site_b;
            Site& receiver = from_a ? site_b : site_a;
            const std::uint16_t port = message->protocol == kIpProtocolUdp ? 1701 : 0;
            const Path path{{message->destination, port}, {message->source, port}, std::nullopt};
            const Octets inner = receiver.decapsulated(message->l2tp, path, message->protocol);
            ++receiver.frames;
            const auto view = EthernetView::parse(inner);
            REQUIRE(view);
            if (view->tag_count > 0 && view->tags[0].vid() == 10) ++in_vlan_10;
            if (view->tag_count > 0 && view->tags[0].vid() == 20) ++in_vlan_20;
            CHECK(to_hex(sender.encapsulated(inner)) == to_hex(message->l2tp));
        }
        CHECK(site_a.frames > 3);
        CHECK(site_b.frames > 3);
        CHECK(in_vlan_10 > 3);
        CHECK(in_vlan_10 + in_vlan_20 == site_a.frames + site_b.frames);
        CHECK(site_a.frames + site_b.frames + wan_arp == capture->packets.size());
        all_in_vlan_20 += in_vlan_20;
    }
    CHECK(all_in_vlan_20 > 20);
}
