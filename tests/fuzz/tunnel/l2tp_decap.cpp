// Input: one byte of choices (bit 0: over IP, bit 1: vouched for by ESP, bits 2-3: outer ECN), then a message as a peer
// sends it. Sessions 1 to 5 differ in cookie, sublayer, sequencing and pseudowire. What passes must be a whole frame, and
// going back through EncapStage it must give a message that passes again.
#include <cstdlib>
#include <memory>

#include "tunnel/decap_stage.h"
#include "tunnel/encap_stage.h"

using namespace isthmus;
using namespace isthmus::tunnel;

namespace {

Cookie cookie_of(std::uint8_t size) {
    Cookie cookie;
    cookie.size = size;
    for (std::uint8_t i = 0; i < size; ++i) cookie.bytes[i] = static_cast<std::uint8_t>(i + 1);
    return cookie;
}

TunnelEntry tunnel(std::uint16_t index, Encapsulation encapsulation, bool is_protected) {
    TunnelEntry entry;
    entry.index = TunnelIndex{index};
    entry.options.encapsulation = encapsulation;
    entry.options.local = IpAddress::v4({192, 0, 2, 1});
    entry.options.remote = IpAddress::v4({192, 0, 2, 2});
    entry.is_protected = is_protected;
    return entry;
}

SessionEntry session(std::uint32_t index, std::uint16_t tunnel) {
    SessionEntry entry;
    entry.index = SessionIndex{index};
    entry.tunnel = TunnelIndex{tunnel};
    // Sent and received alike, so that what goes out may come back in.
    entry.options.local_id = entry.options.remote_id = SessionId{index + 1};
    const auto kind = index % 5;
    entry.options.local_cookie = entry.options.remote_cookie =
        cookie_of(static_cast<std::uint8_t>(kind % 3 * 4));
    if (kind >= 2) entry.options.send_sublayer = entry.options.receive_sublayer = Sublayer::standard;
    if (kind == 3) entry.options.receive_sequencing = ReceiveSequencing::drop_out_of_order;
    if (kind == 3) entry.options.send_sequence = true;
    if (kind == 1 || kind == 4) entry.options.access_vlan = VlanId::parse(100);
    if (kind == 2 || kind == 4) entry.options.type = PseudowireType::ethernet_vlan;
    return entry;
}

std::shared_ptr<const SessionTable> sessions() {
    std::vector<SessionEntry> all;
    for (std::uint32_t i = 0; i < 20; ++i) all.push_back(session(i, static_cast<std::uint16_t>(i / 5)));
    const auto table =
        SessionTable::build({tunnel(0, Encapsulation::udp, false), tunnel(1, Encapsulation::ip, false),
                             tunnel(2, Encapsulation::udp, true), tunnel(3, Encapsulation::ip, true)},
                            all);
    return *table;
}

void require(bool truth) {
    if (!truth) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 1 || size > 4000) return 0;
    static const std::shared_ptr<const SessionTable> table = sessions();
    static const auto rings = std::make_unique<PuntRings>();
    static PacketPool pool(4096 + 64, 4);
    const Path path{
        {IpAddress::v4({192, 0, 2, 1}), 1701}, {IpAddress::v4({192, 0, 2, 2}), 1701}, std::nullopt};
    const std::uint8_t choices = data[0];
    const bool over_ip = (choices & 1) != 0;

    DecapStage decap(table, *rings);
    PacketBatch batch;
    const auto arrive = [&](PacketBuffer packet, std::uint8_t next_header, std::uint8_t traffic_class) {
        packet.meta.next_header = next_header;
        packet.meta.path = &path;
        packet.meta.tunnel =
            (choices & 2) != 0 ? TunnelIndex{static_cast<std::uint16_t>(over_ip ? 3 : 2)} : kNoTunnel;
        packet.meta.session = kNoSession;
        packet.meta.traffic_class = traffic_class;
        batch.push(std::move(packet));
        decap.process(batch, {});
    };
    auto packet = pool.allocate(32);
    std::memcpy(packet->append(size - 1).data(), data + 1, size - 1);
    arrive(std::move(*packet), over_ip ? kIpProtocolL2tp : kIpProtocolUdp, (choices >> 2) & 3);
    packet.reset();
    rings->drain(PuntRings::kDepth, [](PuntClass, const PuntMessage&) {});
    if (!batch[0] || batch[0].meta.drop != DropReason::none) return 0;

    require(batch[0].size() >= 14);
    require(table->by_index(batch[0].meta.session) != nullptr);
    EncapStage encap(table);
    const std::size_t frame = batch[0].size();
    encap.process(batch, {});
    if (batch[0].meta.drop != DropReason::none) {
        // A one-VLAN session may receive what it would not send: a frame with another service tag outermost.
        return 0;
    }
    const std::uint8_t next_header = batch[0].meta.next_header;
    PacketBuffer again = std::move(batch[0]);
    batch.clear();
    DecapStage fresh(table, *rings);
    again.meta.drop = DropReason::none;
    again.meta.path = &path;
    again.meta.traffic_class = 0;
    again.meta.session = kNoSession;
    if ((choices & 2) == 0) again.meta.tunnel = kNoTunnel;
    require(next_header == (over_ip ? kIpProtocolL2tp : kIpProtocolUdp));
    batch.push(std::move(again));
    fresh.process(batch, {});
    require(batch[0].meta.drop == DropReason::none);
    require(batch[0].size() == frame);
    return 0;
}
