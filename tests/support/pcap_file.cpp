#include "tests/support/pcap_file.h"

#include <fstream>
#include <iterator>

namespace isthmus::test {

namespace {

constexpr std::uint32_t kMicroseconds = 0xa1b2c3d4;
constexpr std::uint32_t kNanoseconds = 0xa1b23c4d;
constexpr std::size_t kFileHeader = 24;
constexpr std::size_t kRecordHeader = 16;

std::uint32_t swap(std::uint32_t v) {
    return __builtin_bswap32(v);
}

struct Order {
    bool big_endian = false;
    bool nanoseconds = false;

    [[nodiscard]] std::uint32_t u32(const std::uint8_t* p) const {
        return big_endian ? load_be32(p) : swap(load_be32(p));
    }
};

std::optional<Order> order_of(Bytes file) {
    if (file.size() < kFileHeader) return std::nullopt;
    for (const bool big : {true, false})
        for (const bool nano : {true, false}) {
            const Order order{big, nano};
            if (order.u32(file.data()) == (nano ? kNanoseconds : kMicroseconds)) return order;
        }
    return std::nullopt;
}

}  // namespace

Result<Capture, std::string> parse_pcap(Bytes file, bool tolerant) {
    const auto order = order_of(file);
    if (!order) return Unexpected(std::string("not a classic pcap file"));
    Capture capture;
    capture.link_type = order->u32(file.data() + 20) & 0x0fff'ffff;
    Bytes rest = file.subspan(kFileHeader);
    while (!rest.empty()) {
        const std::uint32_t size = rest.size() < kRecordHeader ? 0 : order->u32(rest.data() + 8);
        if (rest.size() < kRecordHeader || rest.size() - kRecordHeader < size) {
            if (tolerant) break;
            return Unexpected(std::string("the capture ends inside a packet"));
        }
        CapturedPacket packet;
        const std::uint64_t fraction = order->u32(rest.data() + 4);
        packet.time_ns = std::uint64_t{order->u32(rest.data())} * 1'000'000'000 +
                         fraction * (order->nanoseconds ? 1 : 1000);
        packet.original_size = order->u32(rest.data() + 12);
        const Bytes bytes = rest.subspan(kRecordHeader, size);
        packet.bytes.assign(bytes.begin(), bytes.end());
        capture.packets.push_back(std::move(packet));
        rest = rest.subspan(kRecordHeader + size);
    }
    return capture;
}

Result<Capture, std::string> read_pcap(const std::string& path, bool tolerant) {
    std::ifstream in(path, std::ios::binary);
    if (!in) return Unexpected("cannot open " + path);
    const std::vector<std::uint8_t> bytes{std::istreambuf_iterator<char>(in), {}};
    return parse_pcap(bytes, tolerant);
}

std::optional<IpPacket> ip_packet_in(Bytes frame, std::uint32_t link_type) {
    constexpr std::size_t kEthernet = 14;
    Bytes ip = frame;
    if (link_type == 1) {
        if (frame.size() < kEthernet) return std::nullopt;
        const auto type = load_be16(frame.data() + 12);
        if (type != 0x0800 && type != 0x86dd) return std::nullopt;
        ip = frame.subspan(kEthernet);
    }
    if (ip.empty()) return std::nullopt;
    IpPacket packet;
    packet.is_v6 = (ip[0] >> 4) == 6;
    if (packet.is_v6) {
        if (ip.size() < 40 || ip.size() - 40 < load_be16(ip.data() + 4)) return std::nullopt;
        packet.source = ip.subspan(8, 16);
        packet.destination = ip.subspan(24, 16);
        packet.protocol = ip[6];
        packet.payload = ip.subspan(40, load_be16(ip.data() + 4));
        return packet;
    }
    const std::size_t header = std::size_t{ip[0] & 0x0fU} * 4;
    if ((ip[0] >> 4) != 4 || header < 20 || ip.size() < header) return std::nullopt;
    const std::size_t total = load_be16(ip.data() + 2);
    if (total < header || ip.size() < total) return std::nullopt;
    packet.source = ip.subspan(12, 4);
    packet.destination = ip.subspan(16, 4);
    packet.protocol = ip[9];
    packet.fragment = (load_be16(ip.data() + 6) & 0x3fff) != 0;
    packet.payload = ip.subspan(header, total - header);
    return packet;
}

std::optional<UdpDatagram> udp_in(const IpPacket& packet) {
    constexpr std::uint8_t kUdp = 17;
    const Bytes p = packet.payload;
    if (packet.protocol != kUdp || packet.fragment || p.size() < 8) return std::nullopt;
    const std::size_t length = load_be16(p.data() + 4);
    if (length < 8 || length > p.size()) return std::nullopt;
    return UdpDatagram{load_be16(p.data()), load_be16(p.data() + 2), p.subspan(8, length - 8)};
}

}  // namespace isthmus::test
