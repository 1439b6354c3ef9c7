// Malformed packets that others have found, given to us as if a peer had sent them.
#include <filesystem>
#include <fstream>
#include <iterator>

#include "tests/support/pcap_file.h"
#include "tests/tunnel/packets.h"
#include "tunnel/decap_stage.h"
#include "tunnel/encap_stage.h"
#include "tunnel/inner_ip.h"
#include "tunnel/inner_udp.h"

using namespace isthmus;
using namespace isthmus::tunnel;
using namespace isthmus::tunnel::test;

namespace {

/// All packets of all hostile captures; of files in another format than pcap, the file as one packet.
std::vector<Octets> hostile_packets() {
    std::vector<Octets> out;
    for (const char* folder : {"pcap-tcpdump", "pcap-suricata-verify"}) {
        const std::string path = std::string(ISTHMUS_TEST_VECTORS "/") + folder + "/hostile";
        for (const auto& entry : std::filesystem::directory_iterator(path)) {
            if (auto capture = isthmus::test::read_pcap(entry.path().string(), true)) {
                for (auto& packet : capture->packets) out.push_back(std::move(packet.bytes));
                continue;
            }
            std::ifstream in(entry.path(), std::ios::binary);
            out.push_back(Octets{std::istreambuf_iterator<char>(in), {}});
        }
    }
    return out;
}

/// Inbound: inner IP, inner UDP, L2TPv3, for tunnels in tunnel-mode (0) and transport-mode ESP (2) and one outside (1),
/// with most kinds of sessions.
struct Inbound : Worker {
    std::unique_ptr<PuntRings> rings = std::make_unique<PuntRings>();
    InnerIpDecapStage inner_ip;
    InnerUdpDecapStage inner_udp;
    DecapStage decap;
    Path path = path_from_b();
    std::uint64_t passed = 0;
    std::uint64_t punted = 0;

    Inbound() : inner_ip(ip_table()), inner_udp(udp_table()), decap(sessions(), *rings) {}

    static std::shared_ptr<const InnerIpTable> ip_table() {
        return std::make_shared<InnerIpTable>(InnerIpTable{InnerIp{ip("192.0.2.1"), ip("192.0.2.2")}});
    }
    static std::shared_ptr<const InnerUdpTable> udp_table() {
        InnerUdp udp;
        udp.local = ip("192.0.2.1");
        udp.remote = ip("192.0.2.2");
        return std::make_shared<InnerUdpTable>(InnerUdpTable{udp, std::nullopt, udp});
    }
    static std::shared_ptr<const SessionTable> sessions() {
        std::vector<SessionEntry> all;
        for (std::uint32_t i = 0; i < 4; ++i) all.push_back(session_entry(i, i < 2 ? 0 : 1));
        all[1].options.receive_sublayer = Sublayer::standard;
        all[1].options.receive_sequencing = ReceiveSequencing::drop_out_of_order;
        all[2].options.type = PseudowireType::ethernet_vlan;
        all[2].options.access_vlan = VlanId::parse(5);
        all[3].options.local_cookie = cookie("0102030405060708");
        auto guarded = tunnel_entry();
        guarded.is_protected = true;
        auto transport = tunnel_entry(Encapsulation::udp, 2);
        transport.is_protected = true;
        return table({guarded, tunnel_entry(Encapsulation::udp, 1), transport}, all);
    }
    void feed(Bytes packet, std::uint8_t next_header, TunnelIndex tunnel, std::uint8_t traffic_class) {
        if (packet.size() > 1800) packet = packet.first(1800);
        PacketBuffer& p = add(packet);
        p.meta.path = &path;
        p.meta.next_header = next_header;
        p.meta.tunnel = tunnel;
        p.meta.traffic_class = traffic_class;
        if (batch.room() == 0) flush();
    }
    void flush() {
        for (Stage* stage :
             {static_cast<Stage*>(&inner_ip), static_cast<Stage*>(&inner_udp), static_cast<Stage*>(&decap)}) {
            stage->process(batch, {});
            batch.sweep(ledger);
        }
        passed += batch.size();
        batch.clear();
        rings->drain(PuntRings::kDepth, [&](PuntClass, const PuntMessage&) { ++punted; });
    }
    [[nodiscard]] std::uint64_t dropped() const {
        std::uint64_t sum = 0;
        for (std::size_t r = 1; r < kDropReasonCount; ++r)
            sum += drops(DropReason{static_cast<std::uint8_t>(r)});
        return sum;
    }
};

}  // namespace

TEST_CASE("hostile packets, whole and cut, in every place of a message, are each dropped, passed or punted") {
    Inbound in;
    const std::vector<Octets> packets = hostile_packets();
    REQUIRE(packets.size() > 60);
    const std::vector<Octets> fronts = {{},
                                        hex("00030000 a1b2c3d4"),
                                        hex("00030000 a1b2c3d5 40000000"),
                                        hex("00030000 a1b2c3d6"),
                                        hex("00030000 a1b2c3d7 0102030405060708"),
                                        hex("c803 0014")};
    const TunnelIndex kTunnels[] = {kNoTunnel, TunnelIndex{0}, TunnelIndex{2}};
    std::uint64_t fed = 0;
    for (const Octets& packet : packets) {
        for (const Octets& front : fronts) {
            const Octets whole = front + packet;
            const std::size_t step = std::max<std::size_t>(1, whole.size() / 40);
            for (std::size_t size = 0; size <= whole.size(); size += step) {
                for (const int next : {4, 17, 41, 115}) {
                    in.feed(Bytes(whole).first(size), static_cast<std::uint8_t>(next), kTunnels[fed / 16 % 3],
                            static_cast<std::uint8_t>(fed / 4 % 4));
                    ++fed;
                }
            }
        }
    }
    in.flush();
    CHECK(in.passed > 100);
    CHECK(in.punted > 0);
    CHECK(in.passed + in.punted + in.dropped() == fed);
    for (const auto reason :
         {DropReason::l2tp_truncated, DropReason::l2tp_bad_version, DropReason::l2tp_unknown_session,
          DropReason::l2tp_no_frame, DropReason::l2tp_missing_tag, DropReason::inner_protocol,
          DropReason::inner_ip_malformed, DropReason::ecn_congestion, DropReason::clear_packet_refused,
          DropReason::inner_udp_malformed}) {
        CAPTURE(name_of(reason));
        CHECK(in.drops(reason) > 0);
    }
}

TEST_CASE("hostile frames from the LAN enter the tunnel whole or are dropped") {
    std::vector<SessionEntry> all;
    for (std::uint32_t i = 0; i < 3; ++i) all.push_back(session_entry(i));
    all[1].options.access_vlan = VlanId::parse(10);
    all[2].options.type = PseudowireType::ethernet_vlan;
    auto tunnel = tunnel_entry();
    tunnel.options.dscp = DscpPolicy::copy_inner;
    Worker worker;
    EncapStage stage(table({tunnel}, all));
    std::uint64_t fed = 0;
    std::uint64_t passed = 0;
    for (const Octets& packet : hostile_packets()) {
        for (std::size_t size = 0; size <= std::min<std::size_t>(packet.size(), 200); ++size) {
            for (std::uint32_t session = 0; session < 3; ++session, ++fed)
                worker.add(Bytes(packet).first(size)).meta.session = SessionIndex{session};
            if (worker.batch.room() >= 3) continue;
            stage.process(worker.batch, {});
            worker.batch.sweep(worker.ledger);
            passed += worker.batch.size();
            worker.batch.clear();
        }
    }
    stage.process(worker.batch, {});
    worker.batch.sweep(worker.ledger);
    passed += worker.batch.size();
    worker.batch.clear();
    std::uint64_t dropped = 0;
    for (std::size_t r = 1; r < kDropReasonCount; ++r)
        dropped += worker.drops(DropReason{static_cast<std::uint8_t>(r)});
    CHECK(passed > 1000);
    CHECK(passed + dropped == fed);
}
