// Reads classic pcap captures (libpcap file format 2.4; both byte orders; micro- or nanoseconds).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace isthmus::test {

struct CapturedPacket {
    std::uint64_t time_ns = 0;  ///< since 1970
    std::vector<std::uint8_t> bytes;
    std::uint32_t original_size = 0;  ///< larger than bytes.size() if it was cut
};

struct Capture {
    std::uint32_t link_type = 0;  ///< 1: Ethernet, 101: raw IP, 113: Linux cooked, 12 and 14: raw IP as well
    std::vector<CapturedPacket> packets;
};

/// Error: a sentence. A capture cut in its last packet gives the packets before (with `tolerant`), as real
/// ones are.
[[nodiscard]] Result<Capture, std::string> parse_pcap(Bytes file, bool tolerant = false);
[[nodiscard]] Result<Capture, std::string> read_pcap(const std::string& path, bool tolerant = false);

/// What an IP packet carries. Views into the frame that was given.
struct IpPacket {
    bool is_v6 = false;
    Bytes source;
    Bytes destination;
    std::uint8_t protocol = 0;
    bool fragment = false;
    Bytes payload;  ///< as long as the IP header says: padding of short frames is off
};

/// Of an Ethernet frame without tags (link type 1) or a raw packet (101). nullopt: no whole IP packet, or
/// IPv6 with extension headers.
[[nodiscard]] std::optional<IpPacket> ip_packet_in(Bytes frame, std::uint32_t link_type);

struct UdpDatagram {
    std::uint16_t source_port = 0;
    std::uint16_t destination_port = 0;
    Bytes payload;
};
[[nodiscard]] std::optional<UdpDatagram> udp_in(const IpPacket& packet);

}  // namespace isthmus::test
