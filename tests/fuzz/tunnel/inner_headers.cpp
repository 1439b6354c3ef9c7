// Input: one byte of choices (bits 0-1: next header 4, 41, 17 or 115; bits 2-3: outer ECN; bit 4: IPv6 addresses; bit 5:
// transport mode), then what was inside ESP. What passes is put into the same headers again and must pass again.
#include <cstdlib>
#include <memory>

#include "tunnel/data_header.h"
#include "tunnel/inner_ip.h"
#include "tunnel/inner_udp.h"

using namespace isthmus;
using namespace isthmus::tunnel;

namespace {

constexpr std::array<std::uint8_t, 16> kV6{0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};

IpAddress address(bool v6, std::uint8_t last) {
    if (!v6) return IpAddress::v4({192, 0, 2, last});
    auto bytes = kV6;
    bytes[15] = last;
    return IpAddress::v6(bytes);
}

struct Tables {
    std::shared_ptr<const InnerIpTable> ip;
    std::shared_ptr<const InnerUdpTable> udp;
};

/// Tunnels 0 and 1 in tunnel mode, 2 and 3 in transport mode; odd ones IPv6. `mirror`: as the peer sees them.
Tables tables(bool mirror) {
    InnerIpTable ip;
    InnerUdpTable udp;
    for (int i = 0; i < 4; ++i) {
        const IpAddress local = address(i % 2 == 1, mirror ? 2 : 1);
        const IpAddress remote = address(i % 2 == 1, mirror ? 1 : 2);
        InnerUdp entry;
        entry.local = local;
        entry.remote = remote;
        udp.emplace_back(entry);
        if (i < 2) {
            ip.emplace_back(InnerIp{local, remote});
        } else {
            ip.emplace_back(std::nullopt);
        }
    }
    return {std::make_shared<InnerIpTable>(ip), std::make_shared<InnerUdpTable>(udp)};
}

void require(bool truth) {
    if (!truth) std::abort();
}

void decapsulate(const Tables& tables, PacketBatch& batch, DropLedger& ledger) {
    InnerIpDecapStage ip(tables.ip);
    InnerUdpDecapStage udp(tables.udp);
    ip.process(batch, {});
    batch.sweep(ledger);
    udp.process(batch, {});
    batch.sweep(ledger);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 1 || size > 4000) return 0;
    static const Tables ours = tables(false);
    static const Tables theirs = tables(true);
    static PacketPool pool(4096 + 128, 2);
    static constexpr std::uint8_t kNextHeaders[] = {4, 41, 17, 115};
    const std::uint8_t choices = data[0];
    const TunnelIndex tunnel{static_cast<std::uint16_t>(((choices >> 4) & 1) + ((choices >> 4) & 2))};

    PacketBatch batch;
    DropLedger ledger;
    auto packet = pool.allocate(64);
    std::memcpy(packet->append(size - 1).data(), data + 1, size - 1);
    packet->meta.next_header = kNextHeaders[choices & 3];
    packet->meta.traffic_class = (choices >> 2) & 3;
    packet->meta.tunnel = tunnel;
    batch.push(std::move(*packet));
    decapsulate(ours, batch, ledger);
    if (batch.empty()) return 0;

    const std::uint8_t protocol = batch[0].meta.next_header;
    const std::uint8_t traffic_class = batch[0].meta.traffic_class;
    require(protocol == kIpProtocolUdp || protocol == kIpProtocolL2tp);
    const std::vector<std::uint8_t> payload(batch[0].data().begin(), batch[0].data().end());
    InnerUdpEncapStage udp(theirs.udp);
    InnerIpEncapStage ip(theirs.ip);
    udp.process(batch, {});
    ip.process(batch, {});
    decapsulate(ours, batch, ledger);
    require(batch.size() == 1);
    require(batch[0].meta.next_header == protocol && batch[0].meta.traffic_class == traffic_class);
    require(std::equal(payload.begin(), payload.end(), batch[0].data().begin(), batch[0].data().end()));
    return 0;
}
